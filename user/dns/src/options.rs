//! What the command line asks for.

use core::net::{IpAddr, SocketAddr};

use net::RecordKind;

/// How the program is called.
pub const USAGE: &str = "usage: dns NAME [A|AAAA] [@SERVER[:PORT]]
       dns -4|-6 NAME
       dns -s KIND
  A unless given; the configured servers are asked unless one is given; -4 and -6 ask for addresses of
  one family, -s for services of the link, as _http._tcp";

/// Port of name servers (RFC 1035 section 4.2).
const PORT: u16 = 53;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// The name, or the kind of services.
    pub name: &'a str,
    /// The kind of record.
    pub kind: RecordKind,
    /// The server to ask instead of the configured ones.
    pub server: Option<SocketAddr>,
    /// The name is that of a kind of services of the link.
    pub is_service: bool,
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
            kind: RecordKind::A,
            server: None,
            is_service: false,
        };
        for word in words {
            if let Some(server) = word.strip_prefix('@') {
                options.server = Some(server_address(server).ok_or("@ takes an address")?);
            } else if let Some(kind) = kind_named(word).filter(|_| !options.name.is_empty()) {
                options.kind = kind;
            } else if word == "-4" {
                options.kind = RecordKind::A;
            } else if word == "-6" {
                options.kind = RecordKind::Aaaa;
            } else if word == "-s" {
                options.is_service = true;
            } else if word.starts_with('-') {
                return Err("unknown option");
            } else if options.name.is_empty() {
                options.name = word;
            } else {
                return Err("one name at a time");
            }
        }
        if options.name.is_empty() {
            Err("which name?")
        } else if options.is_service && options.server.is_some() {
            Err("the link is no server")
        } else {
            Ok(options)
        }
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

    use super::Options;

    fn parse(line: &str) -> Result<Options<'_>, &'static str> {
        Options::parse(line.split_whitespace())
    }

    #[test]
    fn options_are_understood() {
        let options = parse("@10.0.2.3:5353 example.org aaaa").unwrap();
        assert_eq!(options.name, "example.org");
        assert_eq!(options.kind, RecordKind::Aaaa);
        assert_eq!(options.server, "10.0.2.3:5353".parse().ok());
        let options = parse("a @10.0.2.3").unwrap();
        assert_eq!((options.name, options.kind), ("a", RecordKind::A));
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
            assert_eq!((options.kind, options.is_service), (kind, false), "{line}");
        }
        let options = parse("-s _http._tcp").unwrap();
        assert_eq!((options.name, options.is_service), ("_http._tcp", true));
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
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
