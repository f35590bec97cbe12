//! What the command line asks for.

use core::time::Duration;

use net::{Family, host_and_link};

/// How the program is called.
pub const USAGE: &str = "usage: ping [-4|-6] [-c COUNT] [-i SECONDS] [-s BYTES] [-t TTL] [-W SECONDS] HOST[%LINK]
  -c  requests to send, 4 unless given (0: until Ctrl-C)   -i  from one to the next, 1 s unless given
  -s  bytes of data, 56 unless given                       -t  time to live, 64 unless given
  -W  to wait for a reply, 4 s unless given                -4, -6  over IPv4 or IPv6 only";

/// Largest data that an IPv4 packet holds behind its header and that of ICMP.
const MAX_BYTES: u16 = u16::MAX - 20 - 8;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// Requests; zero: without end.
    pub count: u32,
    /// From one request to the next.
    pub interval: Duration,
    /// Bytes of data.
    pub size: u16,
    /// Time to live.
    pub ttl: u8,
    /// To wait for each reply.
    pub limit: Duration,
    /// The family; none: whichever the name has.
    pub family: Option<Family>,
    /// Name or address.
    pub host: &'a str,
    /// The link that it is on; zero if none is named.
    pub link: u8,
}

impl<'a> Options<'a> {
    /// Reads the arguments.
    ///
    /// # Errors
    ///
    /// What is wrong with them, for people.
    pub fn parse(mut words: impl Iterator<Item = &'a str>) -> Result<Self, &'static str> {
        let mut options = Self {
            count: 4,
            interval: Duration::from_secs(1),
            size: 56,
            ttl: 64,
            limit: Duration::from_secs(4),
            family: None,
            host: "",
            link: 0,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_default();
            match word {
                "-4" => options.family = Some(Family::V4),
                "-6" => options.family = Some(Family::V6),
                "-c" => options.count = value().parse().map_err(|_| "-c takes a number")?,
                "-i" => options.interval = seconds(value()).ok_or("-i takes seconds, as in 0.2")?,
                "-W" => options.limit = seconds(value()).ok_or("-W takes seconds, as in 0.5")?,
                "-s" => {
                    let size = value().parse().ok().filter(|size| *size <= MAX_BYTES);
                    options.size = size.ok_or("-s takes 0 to 65507")?;
                }
                "-t" => {
                    let ttl = value().parse().ok().filter(|ttl| *ttl != 0);
                    options.ttl = ttl.ok_or("-t takes 1 to 255")?;
                }
                _ if word.starts_with('-') => return Err("unknown option"),
                _ if options.host.is_empty() => {
                    let (host, link) = host_and_link(word).ok_or("a link is a number")?;
                    (options.host, options.link) = (host, link);
                }
                _ => return Err("one host at a time"),
            }
        }
        if options.host.is_empty() {
            Err("which host?")
        } else {
            Ok(options)
        }
    }
}

/// At most an hour, at least a millisecond.
fn seconds(text: &str) -> Option<Duration> {
    let bounds = Duration::from_millis(1)..=Duration::from_secs(3_600);
    rt::time::seconds(text).filter(|time| bounds.contains(time))
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use net::Family;

    use super::{Options, seconds};

    fn parse(line: &str) -> Result<Options<'_>, &'static str> {
        Options::parse(line.split_whitespace())
    }

    #[test]
    fn options_are_understood() {
        let options = parse("-c 3 -i 0.01 -s 1400 10.0.2.2 -t 5 -W 2 -4").unwrap();
        assert_eq!(
            options,
            Options {
                count: 3,
                interval: Duration::from_millis(10),
                size: 1400,
                ttl: 5,
                limit: Duration::from_secs(2),
                family: Some(Family::V4),
                host: "10.0.2.2",
                link: 0,
            }
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "",
            "-c",
            "-c x a",
            "-s 65508 a",
            "-t 0 a",
            "-t 256 a",
            "-i -1 a",
            "-x a",
            "a b",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn seconds_have_bounds() {
        for (text, milliseconds) in [("1", 1000), ("0.001", 1), ("3600", 3_600_000)] {
            assert_eq!(
                seconds(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in ["", "0", "0.0", "3600.001", "3601"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
