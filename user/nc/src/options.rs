//! What the command line asks for.

use core::time::Duration;

use net::{Family, host_and_link};

/// How the program is called.
pub const USAGE: &str = "usage: nc [-4|-6] [-u] [-m TEXT] [-w SECONDS] HOST[%LINK] PORT
       nc -l [-4|-6] [-u] [-m TEXT] [-w SECONDS] PORT
  -l  waits for a peer instead of calling one         -u  datagrams instead of a connection
  -m  sends this line alone, and nothing that is typed
  -w  ends when nothing has come for so long          -4, -6  over IPv4 or IPv6 only";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// Name or address of the peer; none: waits for one.
    pub host: Option<&'a str>,
    /// The link that it is on; zero if none is named.
    pub link: u8,
    /// The port.
    pub port: u16,
    /// Datagrams.
    pub is_datagram: bool,
    /// The family; none: both.
    pub family: Option<Family>,
    /// The only line to send.
    pub message: Option<&'a str>,
    /// How long nothing may come.
    pub patience: Option<Duration>,
}

impl<'a> Options<'a> {
    /// Reads the arguments.
    ///
    /// # Errors
    ///
    /// What is wrong with them, for people.
    pub fn parse(mut words: impl Iterator<Item = &'a str>) -> Result<Self, &'static str> {
        let mut options = Self {
            host: None,
            link: 0,
            port: 0,
            is_datagram: false,
            family: None,
            message: None,
            patience: None,
        };
        let (mut listens, mut port) = (false, None);
        while let Some(word) = words.next() {
            match word {
                "-l" => listens = true,
                "-u" => options.is_datagram = true,
                "-4" => options.family = Some(Family::V4),
                "-6" => options.family = Some(Family::V6),
                "-m" => options.message = Some(words.next().ok_or("-m takes a line")?),
                "-w" => {
                    let seconds = words.next().and_then(|it| it.parse().ok());
                    let seconds = seconds.filter(|it| (1..=86_400).contains(it));
                    options.patience =
                        Some(Duration::from_secs(seconds.ok_or("-w takes seconds")?));
                }
                _ if word.starts_with('-') => return Err("unknown option"),
                _ if !listens && options.host.is_none() => {
                    let (host, link) = host_and_link(word).ok_or("a link is a number")?;
                    (options.host, options.link) = (Some(host), link);
                }
                _ if port.is_none() => port = Some(word),
                _ => return Err("one peer at a time"),
            }
        }
        // `nc 7 -l` is well meant.
        if listens && port.is_none() {
            port = options.host.take();
        }
        if listens && options.host.is_some() {
            return Err("who waits calls nobody");
        }
        let port = port
            .and_then(|port| port.parse().ok())
            .filter(|port| *port != 0);
        options.port = port.ok_or("which port?")?;
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use net::Family;

    use super::Options;

    fn parse(line: &str) -> Result<Options<'_>, &'static str> {
        Options::parse(line.split_whitespace())
    }

    #[test]
    fn options_are_understood() {
        let options = parse("-u -6 -w 3 -m hello skerry.test 7").unwrap();
        let expected = Options {
            host: Some("skerry.test"),
            link: 0,
            port: 7,
            is_datagram: true,
            family: Some(Family::V6),
            message: Some("hello"),
            patience: Some(Duration::from_secs(3)),
        };
        assert_eq!(options, expected);
        for line in ["-l 7", "7 -l"] {
            let options = parse(line).unwrap();
            assert_eq!((options.host, options.port), (None, 7), "{line}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "", "a", "-l", "a b", "a 0", "a 7 8", "-l 7 8", "a 7 -l", "-x a 7", "a 7 -w 0",
            "a 7 -m",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
