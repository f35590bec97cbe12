//! What the command line asks for.

use core::time::Duration;

use net::Family;

/// How the program is called.
pub const USAGE: &str = "usage: raw [-4|-6] [-c COUNT] [-w SECONDS] PROTOCOL [HOST [TEXT]]
       raw [-l LINK] [-c COUNT] [-w SECONDS] ether TYPE [MAC [TEXT]]
  shows packets of a protocol of IP by its number; of a host only, if one is named, to which the text is
  sent first. With ether shows frames of a type, as 0x88b5; those to a group too, if one is named
  -c  packets to show: without end unless given   -w  to wait for each: without end unless given
  -4, -6  over IPv4 (unless given) or IPv6
  -l  number of the link: the first unless given";

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Packets of the protocol of this number.
    Packets(u8),
    /// Frames of this type, on the link of this number.
    Frames(u16, u32),
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// The family; none: whichever the host has, or IPv4.
    pub family: Option<Family>,
    /// Packets; zero: without end.
    pub count: u32,
    /// To wait for each.
    pub patience: Option<Duration>,
    /// What is shown.
    pub subject: Subject,
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
            subject: Subject::Packets(0),
            host: None,
            text: None,
        };
        let (mut subject, mut link) = (None, 0);
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|word| word.parse::<u16>().ok());
            match word {
                "-4" => options.family = Some(Family::V4),
                "-6" => options.family = Some(Family::V6),
                "-l" => link = number().ok_or("-l takes a number")?.into(),
                "-c" => options.count = number().ok_or("-c takes a number")?.into(),
                "-w" => {
                    let seconds = number().filter(|seconds| *seconds > 0);
                    let seconds = seconds.ok_or("-w takes seconds, 1 to 65535")?;
                    options.patience = Some(Duration::from_secs(seconds.into()));
                }
                _ if word.starts_with('-') => return Err("unknown option"),
                "ether" if subject.is_none() => {
                    let digits = words.next().and_then(|word| word.strip_prefix("0x"));
                    let number = digits.and_then(|it| u16::from_str_radix(it, 16).ok());
                    subject = Some(Subject::Frames(number.ok_or("a type is as 0x88b5")?, 0));
                }
                _ if subject.is_none() => {
                    let number = word.parse().map_err(|_| "a protocol is 0 to 255")?;
                    subject = Some(Subject::Packets(number));
                }
                _ if options.host.is_none() => options.host = Some(word),
                _ if options.text.is_none() => options.text = Some(word),
                _ => return Err("one text at a time"),
            }
        }
        options.subject = match subject.ok_or("which protocol?")? {
            Subject::Frames(ethertype, _) => Subject::Frames(ethertype, link),
            packets @ Subject::Packets(_) => packets,
        };
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use net::Family;

    use super::{Options, Subject};

    #[test]
    fn options_are_understood_and_nonsense_refused() {
        let parse = |line: &'static str| Options::parse(line.split_whitespace());
        let options = parse("-6 -c 2 -w 3 89 far.test hello").unwrap();
        let expected = Options {
            family: Some(Family::V6),
            count: 2,
            patience: Some(Duration::from_secs(3)),
            subject: Subject::Packets(89),
            host: Some("far.test"),
            text: Some("hello"),
        };
        assert_eq!(options, expected);
        let options = parse("-l 2 ether 0x88b5 02:00:00:00:00:01 hi").unwrap();
        assert_eq!(options.subject, Subject::Frames(0x88b5, 2));
        assert_eq!(options.host, Some("02:00:00:00:00:01"));
        for line in [
            "",
            "256",
            "-1",
            "ospf",
            "-c",
            "-w 0 1",
            "-x 1",
            "1 a b c",
            "ether",
            "ether 88b5",
            "ether 0x88b50",
            "-l ether 0x88b5",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
