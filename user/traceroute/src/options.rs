//! What the command line asks for.

use core::time::Duration;

use net::Family;

/// How the program is called.
pub const USAGE: &str =
    "usage: traceroute [-4|-6] [-I|-U] [-f FIRST] [-m MOST] [-q QUERIES] [-w SECONDS] HOST
  -f  routers to begin with, 1 unless given       -m  and to end with, 30 unless given
  -q  questions for each, 3 unless given          -w  to wait for an answer, 3 s unless given
  -I  by echo requests    -U  by datagrams, as unless given
  -4, -6  over IPv4 or IPv6 only";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// Name or address.
    pub host: &'a str,
    /// The family; none: whichever the name has.
    pub family: Option<Family>,
    /// By echo requests, not datagrams.
    pub by_echo: bool,
    /// How far the first question goes, in routers.
    pub first: u8,
    /// How far the last one goes.
    pub most: u8,
    /// Questions for each router.
    pub queries: u8,
    /// To wait for each answer.
    pub limit: Duration,
}

impl<'a> Options<'a> {
    /// Reads the arguments.
    ///
    /// # Errors
    ///
    /// What is wrong with them, for people.
    pub fn parse(mut words: impl Iterator<Item = &'a str>) -> Result<Self, &'static str> {
        let mut options = Self {
            host: "",
            family: None,
            by_echo: false,
            first: 1,
            most: 30,
            queries: 3,
            limit: Duration::from_secs(3),
        };
        while let Some(word) = words.next() {
            let mut number = || {
                let number = words.next().and_then(|word| word.parse::<u8>().ok());
                number.filter(|number| *number > 0)
            };
            match word {
                "-4" => options.family = Some(Family::V4),
                "-6" => options.family = Some(Family::V6),
                "-I" => options.by_echo = true,
                "-U" => options.by_echo = false,
                "-f" => options.first = number().ok_or("-f takes 1 to 255")?,
                "-m" => options.most = number().ok_or("-m takes 1 to 255")?,
                "-q" => options.queries = number().ok_or("-q takes 1 to 255")?,
                "-w" => {
                    let seconds = number().ok_or("-w takes seconds, 1 to 255")?;
                    options.limit = Duration::from_secs(seconds.into());
                }
                _ if word.starts_with('-') => return Err("unknown option"),
                _ if options.host.is_empty() => options.host = word,
                _ => return Err("one host at a time"),
            }
        }
        if options.host.is_empty() {
            return Err("which host?");
        }
        if options.first > options.most {
            return Err("the first comes before the last");
        }
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
        let options = parse("-6 -I -f 2 -m 5 -q 1 -w 2 far.test").unwrap();
        let expected = Options {
            host: "far.test",
            family: Some(Family::V6),
            by_echo: true,
            first: 2,
            most: 5,
            queries: 1,
            limit: Duration::from_secs(2),
        };
        assert_eq!(options, expected);
        for line in [
            "",
            "-f 0 a",
            "-f 3 -m 2 a",
            "-q 256 a",
            "-w x a",
            "-x a",
            "a b",
            "a -f",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
