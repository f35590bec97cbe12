//! What the command line asks for.

use core::time::Duration;

use net::Family;

/// How the program is called.
pub const USAGE: &str = "usage: raw [-4|-6] [-c COUNT] [-w SECONDS] PROTOCOL [HOST [TEXT]]
  shows packets of a protocol of IP by its number; of a host only, if one is named, to which the text is
  sent first
  -c  packets to show: without end unless given   -w  to wait for each: without end unless given
  -4, -6  over IPv4 (unless given) or IPv6";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// The family; none: whichever the host has, or IPv4.
    pub family: Option<Family>,
    /// Packets; zero: without end.
    pub count: u32,
    /// To wait for each.
    pub patience: Option<Duration>,
    /// Number of the protocol.
    pub protocol: u8,
    /// Whose packets.
    pub host: Option<&'a str>,
    /// What is sent to it.
    pub text: Option<&'a str>,
}

impl<'a> Options<'a> {
    /// Reads the arguments.
    ///
    /// # Errors
    ///
    /// What is wrong with them, for people.
    pub fn parse(mut words: impl Iterator<Item = &'a str>) -> Result<Self, &'static str> {
        let mut options = Self {
            family: None,
            count: 0,
            patience: None,
            protocol: 0,
            host: None,
            text: None,
        };
        let mut protocol = None;
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|word| word.parse::<u16>().ok());
            match word {
                "-4" => options.family = Some(Family::V4),
                "-6" => options.family = Some(Family::V6),
                "-c" => options.count = number().ok_or("-c takes a number")?.into(),
                "-w" => {
                    let seconds = number().filter(|seconds| *seconds > 0);
                    let seconds = seconds.ok_or("-w takes seconds, 1 to 65535")?;
                    options.patience = Some(Duration::from_secs(seconds.into()));
                }
                _ if word.starts_with('-') => return Err("unknown option"),
                _ if protocol.is_none() => {
                    protocol = Some(word.parse().map_err(|_| "a protocol is 0 to 255")?);
                }
                _ if options.host.is_none() => options.host = Some(word),
                _ if options.text.is_none() => options.text = Some(word),
                _ => return Err("one text at a time"),
            }
        }
        options.protocol = protocol.ok_or("which protocol?")?;
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use net::Family;

    use super::Options;

    #[test]
    fn options_are_understood_and_nonsense_refused() {
        let parse = |line: &'static str| Options::parse(line.split_whitespace());
        let options = parse("-6 -c 2 -w 3 89 far.test hello").unwrap();
        let expected = Options {
            family: Some(Family::V6),
            count: 2,
            patience: Some(Duration::from_secs(3)),
            protocol: 89,
            host: Some("far.test"),
            text: Some("hello"),
        };
        assert_eq!(options, expected);
        for line in ["", "256", "-1", "ospf", "-c", "-w 0 1", "-x 1", "1 a b c"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
