//! What the command line asks for.

use core::time::Duration;

use net::Family;

/// How the program is called.
pub const USAGE: &str = "usage: ntp [-4|-6] [-n] [-c COUNT] [-p PORT] [-w SECONDS] SERVER
  -4, -6  over IPv4 or IPv6 only      -n  only shows the time, and does not set the clock
  -c  questions, 4 unless given       -p  the server's port, 123 unless given
  -w  to wait for each answer, 2 s unless given";

/// Port of time servers (RFC 4330 section 4).
const PORT: u16 = 123;
/// Questions at most: nobody is to be asked more often at a time.
const MOST: u32 = 8;
/// How long an answer may take, unless given.
const LIMIT: Duration = Duration::from_secs(2);

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// Name or address.
    pub server: &'a str,
    /// The server's port.
    pub port: u16,
    /// The family to ask over; none: whichever there is.
    pub family: Option<Family>,
    /// Questions.
    pub count: u32,
    /// To wait for each answer.
    pub limit: Duration,
    /// The clock is to be set.
    pub sets: bool,
}

impl<'a> Options<'a> {
    /// Reads the arguments.
    ///
    /// # Errors
    ///
    /// What is wrong with them, for people.
    pub fn parse(mut words: impl Iterator<Item = &'a str>) -> Result<Self, &'static str> {
        let mut options = Self {
            server: "",
            port: PORT,
            family: None,
            count: 4,
            limit: LIMIT,
            sets: true,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_default();
            match word {
                "-4" => options.family = Some(Family::V4),
                "-6" => options.family = Some(Family::V6),
                "-n" => options.sets = false,
                "-c" => {
                    let count = value().parse().ok().filter(|it| (1..=MOST).contains(it));
                    options.count = count.ok_or("-c takes 1 to 8")?;
                }
                "-w" => {
                    let seconds = value().parse().ok().filter(|it| (1..=3_600).contains(it));
                    options.limit = Duration::from_secs(seconds.ok_or("-w takes seconds")?);
                }
                "-p" => options.port = value().parse().map_err(|_| "-p takes a port")?,
                _ if word.starts_with('-') => return Err("unknown option"),
                _ if options.server.is_empty() => options.server = word,
                _ => return Err("one server at a time"),
            }
        }
        if options.server.is_empty() {
            Err("which server?")
        } else {
            Ok(options)
        }
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
        let options = parse("-6 -n -c 2 -w 15 ntp.test -p 1123").unwrap();
        let expected = Options {
            server: "ntp.test",
            port: 1123,
            family: Some(Family::V6),
            count: 2,
            limit: Duration::from_secs(15),
            sets: false,
        };
        assert_eq!(options, expected);
        for line in ["", "-c 0 a", "-c 9 a", "-w 0 a", "-p x a", "-x a", "a b"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
