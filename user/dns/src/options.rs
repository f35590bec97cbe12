//! What the command line asks for.

use core::net::{IpAddr, SocketAddr};

use net::RecordKind;

/// How the program is called.
pub const USAGE: &str = "usage: dns NAME [A|AAAA] [@SERVER[:PORT]]
       dns -4|-6 NAME
       dns -x ADDRESS [@SERVER[:PORT]]
       dns -s KIND
  A unless given; the configured servers are asked unless one is given; -4 and -6 ask for addresses of
  one family, -x for the name of an address, -s for services of the link, as _http._tcp or
  _printer._sub._http._tcp";

/// Port of name servers (RFC 1035 section 4.2).
const PORT: u16 = 53;

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Addresses of the name.
    Addresses(RecordKind),
    /// The name of this address.
    NameOf(IpAddr),
    /// Services of the link, of the kind that is named.
    Services,
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// The name or address, or the kind of services.
    pub name: &'a str,
    /// What is wanted of it.
    pub wanted: Wanted,
    /// The server to ask instead of the configured ones.
    pub server: Option<SocketAddr>,
}

impl<'a> Options<'a> {
    /// Reads the arguments, which may come in any order.
    ///
    /// # Errors
    ///
    /// What is wrong with them, for people.
    pub fn parse(words: impl Iterator<Item = &'a str>) -> Result<Self, &'static str> {
        let mut options = Self {
            name: "",
            wanted: Wanted::Addresses(RecordKind::A),
            server: None,
        };
        let mut is_back = false;
        for word in words {
            if let Some(server) = word.strip_prefix('@') {
                options.server = Some(server_address(server).ok_or("@ takes an address")?);
            } else if let Some(kind) = kind_named(word).filter(|_| !options.name.is_empty()) {
                options.wanted = Wanted::Addresses(kind);
            } else if word == "-4" {
                options.wanted = Wanted::Addresses(RecordKind::A);
            } else if word == "-6" {
                options.wanted = Wanted::Addresses(RecordKind::Aaaa);
            } else if word == "-s" {
                options.wanted = Wanted::Services;
            } else if word == "-x" {
                is_back = true;
            } else if word.starts_with('-') {
                return Err("unknown option");
            } else if options.name.is_empty() {
                options.name = word;
            } else {
                return Err("one name at a time");
            }
        }
        if options.name.is_empty() {
            return Err("which name?");
        }
        if is_back {
            let address = options.name.parse();
            options.wanted = Wanted::NameOf(address.map_err(|_| "-x takes an address")?);
        }
        if options.wanted == Wanted::Services && options.server.is_some() {
            return Err("the link is no server");
        }
        Ok(options)
    }
}

fn server_address(text: &str) -> Option<SocketAddr> {
    let with_port = text.parse().ok();
    with_port.or_else(|| {
        text.parse::<IpAddr>()
            .ok()
            .map(|ip| SocketAddr::new(ip, PORT))
    })
}

/// The kind of record with this name. `a` is a good host name too, so the name comes first.
fn kind_named(word: &str) -> Option<RecordKind> {
    let kinds = [("A", RecordKind::A), ("AAAA", RecordKind::Aaaa)];
    kinds
        .into_iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name))
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use net::RecordKind;

    use super::{Options, Wanted};

    fn parse(line: &str) -> Result<Options<'_>, &'static str> {
        Options::parse(line.split_whitespace())
    }

    #[test]
    fn options_are_understood() {
        let options = parse("@10.0.2.3:5353 example.org aaaa").unwrap();
        assert_eq!(options.name, "example.org");
        assert_eq!(options.wanted, Wanted::Addresses(RecordKind::Aaaa));
        assert_eq!(options.server, "10.0.2.3:5353".parse().ok());
        let options = parse("a @10.0.2.3").unwrap();
        let wanted = Wanted::Addresses(RecordKind::A);
        assert_eq!((options.name, options.wanted), ("a", wanted));
        assert_eq!(options.server, "10.0.2.3:53".parse().ok());
        assert_eq!(
            parse("x @fd00::3").unwrap().server,
            "[fd00::3]:53".parse().ok()
        );
    }

    #[test]
    fn one_family_or_a_kind_of_services_is_asked_for() {
        for (line, kind) in [
            ("-4 a", RecordKind::A),
            ("a -6", RecordKind::Aaaa),
            ("-6 aaaa", RecordKind::Aaaa),
        ] {
            let options = parse(line).unwrap();
            assert_eq!(options.wanted, Wanted::Addresses(kind), "{line}");
        }
        let options = parse("-s _http._tcp").unwrap();
        assert_eq!(
            (options.name, options.wanted),
            ("_http._tcp", Wanted::Services)
        );
        for line in ["-x fd00::1 @fd00::3", "fd00::1 -x @fd00::3"] {
            let options = parse(line).unwrap();
            let address = "fd00::1".parse().unwrap();
            assert_eq!(options.wanted, Wanted::NameOf(address), "{line}");
            assert_eq!(options.server, "[fd00::3]:53".parse().ok());
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "",
            "@10.0.2.3",
            "a b",
            "a @server",
            "a @",
            "-t a",
            "-s",
            "-s x @10.0.2.3",
            "-x",
            "-x a",
            "-x 10.0.2.256",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
