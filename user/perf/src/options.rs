//! What the command line asks for.

use alloc::string::String;
use core::time::Duration;

use net::{Family, host_and_link};

/// How the program is called.
pub const USAGE: &str =
    "usage: perf [-4|-6] [-u] [-m echo|send|receive|connect] [-p PORT] [-l BYTES]
            [-C NUMBER] [-n COUNT] [-t SECONDS] [-b KBIT] [-w SECONDS] HOST[%LINK]
  -m  echo: what is sent comes back, one after the other; send, receive: as much as goes;
      connect: connections, each with one echo if -l is given
  -u  datagrams instead of connections: echo or send, to who sends them back
  -C  so many at a time, 1 unless given      -p  7 for echo and connect, 9 for send, 19 for receive
  -n  ends after so many                     -t  or after so long, 5 s unless -n is given
  -b  datagrams sent: at most so many kbit/s -4, -6  over IPv4 or IPv6 only
  -w  datagrams that do not come back for so long are lost, 1 s unless given";

/// Ports of the services that answer (RFC 862, RFC 863, RFC 864).
const ECHO_PORT: u16 = 7;
const DISCARD_PORT: u16 = 9;
const SOURCE_PORT: u16 = 19;

/// Longest datagram over either family.
const LONGEST_DATAGRAM: u32 = 65_507;
/// Bytes that are moved at a time over a connection, at most.
const LONGEST_PIECE: u32 = 65_536;
/// Bytes at a time where throughput is measured, unless given.
const BULK: u32 = 16_384;
/// The same of a datagram: one frame.
const BULK_DATAGRAM: u32 = 1_400;
/// Bytes of an echo, unless given.
const SMALL: u32 = 64;
/// How long a datagram may be away, unless given.
const PATIENCE: Duration = Duration::from_secs(1);
/// A datagram begins with its number.
pub const NUMBER_BYTES: u32 = 8;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// There and back again.
    Echo,
    /// As much as goes out.
    Send,
    /// As much as comes in.
    Receive,
    /// Connections opened and closed.
    Connect,
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// Name or address of the peer.
    pub host: String,
    /// The link that it is on; zero if none is named.
    pub link: u8,
    /// The family; none: whichever there is.
    pub family: Option<Family>,
    /// Its port.
    pub port: u16,
    /// Datagrams.
    pub is_datagram: bool,
    /// What is measured.
    pub mode: Mode,
    /// Bytes at a time; zero: connections carry nothing.
    pub length: u32,
    /// So many at a time.
    pub workers: u16,
    /// The end by number.
    pub count: Option<u64>,
    /// The end by time.
    pub time: Option<Duration>,
    /// Bits of datagrams a second, at most.
    pub rate: Option<u64>,
    /// Datagrams that have not come back after so long are lost.
    pub patience: Duration,
}

impl Options {
    /// Reads the arguments.
    ///
    /// # Errors
    ///
    /// What is wrong with them, for people.
    pub fn parse<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Self, &'static str> {
        let (mut port, mut length) = (None, None);
        let mut options = Self {
            host: String::new(),
            link: 0,
            family: None,
            port: 0,
            is_datagram: false,
            mode: Mode::Echo,
            length: 0,
            workers: 1,
            count: None,
            time: None,
            rate: None,
            patience: PATIENCE,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_default();
            match word {
                "-4" => options.family = Some(Family::V4),
                "-6" => options.family = Some(Family::V6),
                "-u" => options.is_datagram = true,
                "-m" => options.mode = mode(value()).ok_or("echo, send, receive or connect?")?,
                "-p" => port = Some(number(value(), 1, 65_535).ok_or("-p takes a port")?),
                "-l" => length = Some(number(value(), 1, 65_536).ok_or("-l takes 1 to 65536")?),
                "-C" => options.workers = number(value(), 1, 256).ok_or("-C takes 1 to 256")?,
                "-n" => {
                    let count = number(value(), 1, 1_000_000_000);
                    options.count = Some(count.ok_or("-n takes a number")?);
                }
                "-t" => options.time = Some(seconds(value()).ok_or("-t takes seconds")?),
                "-w" => options.patience = seconds(value()).ok_or("-w takes seconds")?,
                "-b" => {
                    let rate: u64 = number(value(), 1, 100_000_000).ok_or("-b takes kbit/s")?;
                    options.rate = Some(rate * 1_000);
                }
                _ if word.starts_with('-') => return Err("unknown option"),
                _ if options.host.is_empty() => {
                    let (host, link) = host_and_link(word).ok_or("a link is a number")?;
                    (options.host, options.link) = (host.into(), link);
                }
                _ => return Err("one host at a time"),
            }
        }
        options.complete(port, length)
    }

    /// Fills in what was not said, and refuses what does not go together.
    fn complete(mut self, port: Option<u16>, length: Option<u32>) -> Result<Self, &'static str> {
        if self.host.is_empty() {
            return Err("which host?");
        }
        let (usual_port, usual_length) = match (self.mode, self.is_datagram) {
            (Mode::Echo, _) => (ECHO_PORT, SMALL),
            (Mode::Connect, false) => (ECHO_PORT, 0),
            (Mode::Send, false) => (DISCARD_PORT, BULK),
            (Mode::Receive, false) => (SOURCE_PORT, BULK),
            // Who sends datagrams back tells how many have come.
            (Mode::Send, true) => (ECHO_PORT, BULK_DATAGRAM),
            (Mode::Receive | Mode::Connect, true) => return Err("datagrams: echo or send"),
        };
        if self.rate.is_some() && !(self.is_datagram && self.mode == Mode::Send) {
            return Err("-b is for datagrams that are sent");
        }
        self.port = port.unwrap_or(usual_port);
        self.length = length.unwrap_or(usual_length);
        let lengths = if self.is_datagram {
            NUMBER_BYTES..=LONGEST_DATAGRAM
        } else {
            0..=LONGEST_PIECE
        };
        if !lengths.contains(&self.length) {
            return Err("datagrams have 8 to 65507 bytes");
        }
        if self.count.is_none() && self.time.is_none() {
            self.time = Some(Duration::from_secs(5));
        }
        Ok(self)
    }
}

fn mode(word: &str) -> Option<Mode> {
    Some(match word {
        "echo" => Mode::Echo,
        "send" => Mode::Send,
        "receive" => Mode::Receive,
        "connect" => Mode::Connect,
        _ => return None,
    })
}

/// A number within bounds.
fn number<T: TryFrom<u64>>(text: &str, least: u64, most: u64) -> Option<T> {
    let number = text.parse().ok().filter(|it| (least..=most).contains(it))?;
    T::try_from(number).ok()
}

/// A time of up to a day.
fn seconds(text: &str) -> Option<Duration> {
    number(text, 1, 86_400).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use net::Family;

    use super::{Mode, Options};

    fn parse(line: &str) -> Result<Options, &'static str> {
        Options::parse(line.split_whitespace())
    }

    #[test]
    fn options_are_understood() {
        let expected = Options {
            host: "fe80::1".into(),
            link: 2,
            family: Some(Family::V6),
            port: 7,
            is_datagram: true,
            mode: Mode::Send,
            length: 1_000,
            workers: 8,
            count: Some(100),
            time: Some(Duration::from_secs(3)),
            rate: Some(64_000),
            patience: Duration::from_secs(20),
        };
        let line = "-6 -u -m send -l 1000 -C 8 -n 100 -t 3 -b 64 -w 20 fe80::1%2";
        assert_eq!(parse(line), Ok(expected));
    }

    #[test]
    fn each_mode_has_its_service() {
        for (line, port, length) in [
            ("a", 7, 64),
            ("-u a", 7, 64),
            ("-m connect a", 7, 0),
            ("-m send a", 9, 16_384),
            ("-m receive a", 19, 16_384),
            ("-u -m send a", 7, 1_400),
            ("-u -m send -p 9 -l 8 a", 9, 8),
        ] {
            let options = parse(line).unwrap();
            assert_eq!((options.port, options.length), (port, length), "{line}");
            assert_eq!(options.time, Some(Duration::from_secs(5)), "{line}");
            assert_eq!(options.patience, Duration::from_secs(1), "{line}");
        }
        assert_eq!(parse("-n 3 a").unwrap().time, None);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "",
            "a b",
            "-x a",
            "-m x a",
            "-p 0 a",
            "-p 65536 a",
            "-l 0 a",
            "-l 65537 a",
            "-C 0 a",
            "-C 257 a",
            "-n 0 a",
            "-t 0 a",
            "-w 0 a",
            "-b 0 -u -m send a",
            "-b 9 a",
            "-u -m receive a",
            "-u -m connect a",
            "-u -l 7 a",
            "-u -l 65508 a",
            "a%b",
            "a -n",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
