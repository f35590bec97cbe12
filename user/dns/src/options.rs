//! What the command line asks for.

use core::net::{IpAddr, SocketAddr};

use net::RecordKind;

/// How the program is called.
pub const USAGE: &str = "usage: dns NAME [A|AAAA] [@SERVER[:PORT]]
  A unless given; the configured servers are asked unless one is given";

/// Port of name servers (RFC 1035 section 4.2).
const PORT: u16 = 53;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// The name.
    pub name: &'a str,
    /// The kind of record.
    pub kind: RecordKind,
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
            kind: RecordKind::A,
            server: None,
        };
        for word in words {
            if let Some(server) = word.strip_prefix('@') {
                options.server = Some(server_address(server).ok_or("@ takes an address")?);
            } else if let Some(kind) = kind_named(word).filter(|_| !options.name.is_empty()) {
                options.kind = kind;
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
    fn nonsense_is_refused() {
        for line in ["", "@10.0.2.3", "a b", "a @server", "a @", "-t a"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
