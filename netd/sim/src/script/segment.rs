//! A segment as a script writes it, with numbers that count from the initial ones.
//!
//! *Owns* the words, and the comparison with a segment that the stack has sent. *Never* knows the
//! true numbers: [`Numbers`] has them.

use std::fmt;

use wire::Ecn;
use wire::tcp::{Flags, Header, Options, SackBlock, Timestamps};

use super::names::hex;
use super::words::{Words, number};

/// Where the relative numbers of one direction count from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    /// Sequence numbers of whoever sends the segment.
    pub(crate) seq: u32,
    /// Sequence numbers of the other one.
    pub(crate) ack: u32,
    /// Timestamps of whoever sends it, and of the other one.
    pub(crate) stamp: u32,
    pub(crate) echo: u32,
}

/// A timestamp option; `None` stands for any value.
#[derive(Clone, Copy, Debug)]
struct Stamp {
    value: Option<u32>,
    echo: Option<u32>,
}

/// A segment, or what is demanded of one.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    flags: Flags,
    /// First number, and the one after the last of SYN and payload.
    seq: (i64, i64),
    ack: Option<i64>,
    window: Option<u16>,
    urgent: Option<u16>,
    mss: Option<u16>,
    scale: Option<u8>,
    sack_permitted: bool,
    stamp: Option<Stamp>,
    sack: Vec<(i64, i64)>,
    /// Options as bytes, which may be wrong.
    pub(super) raw_options: Option<Vec<u8>>,
    pub(super) ecn: Option<Ecn>,
    pub(super) ttl: Option<u8>,
    pub(super) has_bad_checksum: bool,
    /// What the segment must not have.
    without: Vec<String>,
}

const FLAGS: [(&str, Flags); 8] = [
    ("SYN", Flags::SYN),
    ("FIN", Flags::FIN),
    ("RST", Flags::RST),
    ("PSH", Flags::PSH),
    ("URG", Flags::URG),
    ("ECE", Flags::ECE),
    ("CWR", Flags::CWR),
    ("AE", Flags::AE),
];

impl Segment {
    pub(super) fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let mut segment = Self::default();
        let mut range = None;
        while let Some(word) = words.next() {
            if let Some((_, flag)) = FLAGS.iter().find(|(name, _)| *name == word) {
                segment.flags |= *flag;
                continue;
            }
            match word {
                "seq" => range = Some(words.word("a sequence number")?),
                "ack" => segment.ack = Some(words.number("an acknowledgement")?),
                _ => segment.take(word, words)?,
            }
        }
        let range = range.ok_or("a segment needs: seq FIRST or seq FIRST..END")?;
        let syn = i64::from(segment.flags.contains(Flags::SYN));
        segment.seq = match range.split_once("..") {
            Some((first, end)) => (number(first)?, number(end)?),
            None => (number(range)?, number::<i64>(range)? + syn),
        };
        if segment.seq.1 - segment.seq.0 < syn {
            return Err("the end lies before the first number".into());
        }
        Ok(segment)
    }

    fn take(&mut self, word: &str, words: &mut Words<'_>) -> Result<(), String> {
        match word {
            "win" => self.window = Some(words.number("a window")?),
            "urgent" => self.urgent = Some(words.number("an urgent pointer")?),
            "mss" => self.mss = Some(words.number("a size")?),
            "scale" => self.scale = Some(words.number("a shift")?),
            "sack-ok" => self.sack_permitted = true,
            "stamp" => self.stamp = Some(stamp(words.word("VALUE:ECHO")?)?),
            "sack" => self.sack = ranges(words.word("FIRST..END,..")?)?,
            "options" => self.raw_options = Some(bytes(words.word("bytes")?)?),
            "ttl" => self.ttl = Some(words.number("a time to live")?),
            "not-ect" => self.ecn = Some(Ecn::NotCapable),
            "ect0" => self.ecn = Some(Ecn::Capable0),
            "ect1" => self.ecn = Some(Ecn::Capable1),
            "ce" => self.ecn = Some(Ecn::Congested),
            "bad-checksum" => self.has_bad_checksum = true,
            "without" => self.without.push(words.word("a part")?.to_owned()),
            _ => return Err(format!("unexpected in a segment: {word}")),
        }
        Ok(())
    }

    /// Payload bytes, and where in the sender's stream they stand.
    pub(super) fn payload(&self) -> (i64, usize) {
        let syn = i64::from(self.flags.contains(Flags::SYN));
        let len = usize::try_from(self.seq.1 - self.seq.0 - syn).unwrap_or(0);
        (self.seq.0 + syn - 1, len)
    }

    /// The header that the peer sends; ports and options as bytes are filled in elsewhere.
    pub(super) fn header(&self, numbers: Numbers) -> Header {
        let ack_flag = if self.ack.is_some() {
            Flags::ACK
        } else {
            Flags::NONE
        };
        let stamps = self.stamp.map(|stamp| Timestamps {
            value: stamp.value.unwrap_or(0).wrapping_add(numbers.stamp),
            echo: stamp.echo.unwrap_or(0).wrapping_add(numbers.echo),
        });
        let blocks = self.sack.iter().map(|(left, right)| SackBlock {
            left: absolute(numbers.ack, *left),
            right: absolute(numbers.ack, *right),
        });
        Header {
            src_port: 0,
            dst_port: 0,
            seq: absolute(numbers.seq, self.seq.0),
            ack: self.ack.map_or(0, |ack| absolute(numbers.ack, ack)),
            flags: self.flags | ack_flag,
            window: self.window.unwrap_or(u16::MAX),
            urgent: self.urgent.unwrap_or(0),
            options: Options {
                mss: self.mss,
                window_scale: self.scale,
                sack_permitted: self.sack_permitted,
                timestamps: stamps,
                sack: blocks.collect(),
                ..Options::NONE
            },
        }
    }

    /// What is wrong with a segment that the stack has sent.
    pub(super) fn differences(&self, seen: &Seen<'_>) -> Vec<String> {
        let Seen {
            header,
            payload_len,
            numbers,
            ..
        } = *seen;
        let mut wrong = Vec::new();
        let mut check = |is_right: bool, what: &str| {
            if !is_right {
                wrong.push(what.to_owned());
            }
        };
        let ack_flag = if self.ack.is_some() {
            Flags::ACK
        } else {
            Flags::NONE
        };
        let wanted = (self.flags | ack_flag).without(Flags::PSH);
        check(header.flags.without(Flags::PSH) == wanted, "flags");
        let needs_push = self.flags.contains(Flags::PSH);
        check(!needs_push || header.flags.contains(Flags::PSH), "PSH");
        check(header.seq == absolute(numbers.seq, self.seq.0), "seq");
        check(payload_len == self.payload().1, "length");
        if let Some(ack) = self.ack {
            check(header.ack == absolute(numbers.ack, ack), "ack");
        }
        check(self.window.is_none_or(|it| it == header.window), "win");
        check(self.urgent.is_none_or(|it| it == header.urgent), "urgent");
        let options = &header.options;
        check(self.mss.is_none_or(|it| Some(it) == options.mss), "mss");
        let scale = options.window_scale;
        check(self.scale.is_none_or(|it| Some(it) == scale), "scale");
        check(!self.sack_permitted || options.sack_permitted, "sack-ok");
        check(self.is_stamped_so(options, numbers), "stamp");
        check(self.is_sacked_so(options, numbers), "sack");
        check(self.ecn.is_none_or(|it| it == seen.ecn), "ecn");
        check(self.ttl.is_none_or(|it| it == seen.ttl), "ttl");
        for part in &self.without {
            check(!has(header, part), &format!("without {part}"));
        }
        wrong
    }

    fn is_stamped_so(&self, options: &Options, numbers: Numbers) -> bool {
        let Some(wanted) = self.stamp else {
            return true;
        };
        options.timestamps.is_some_and(|stamps| {
            let value = stamps.value.wrapping_sub(numbers.stamp);
            let echo = stamps.echo.wrapping_sub(numbers.echo);
            wanted.value.is_none_or(|it| it == value) && wanted.echo.is_none_or(|it| it == echo)
        })
    }

    fn is_sacked_so(&self, options: &Options, numbers: Numbers) -> bool {
        let wanted = self.sack.iter().map(|(left, right)| SackBlock {
            left: absolute(numbers.ack, *left),
            right: absolute(numbers.ack, *right),
        });
        self.sack.is_empty() || options.sack.as_slice().iter().copied().eq(wanted)
    }
}

fn has(header: &Header, part: &str) -> bool {
    let options = &header.options;
    match part {
        "PSH" => header.flags.contains(Flags::PSH),
        "mss" => options.mss.is_some(),
        "scale" => options.window_scale.is_some(),
        "sack-ok" => options.sack_permitted,
        "stamp" => options.timestamps.is_some(),
        "sack" => !options.sack.is_empty(),
        _ => true,
    }
}

fn absolute(base: u32, relative: i64) -> u32 {
    let low = relative.rem_euclid(1 << 32);
    base.wrapping_add(u32::try_from(low).unwrap_or(0))
}

/// The number as it counts from `base`; before `base` it is negative.
fn relative(base: u32, absolute: u32) -> i32 {
    absolute.wrapping_sub(base).cast_signed()
}

/// A segment that the stack has sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) header: &'a Header,
    pub(crate) payload_len: usize,
    pub(crate) ecn: Ecn,
    pub(crate) ttl: u8,
    pub(crate) numbers: Numbers,
}

/// As a script would write it.
impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (header, numbers) = (self.header, self.numbers);
        for (name, flag) in FLAGS {
            if header.flags.contains(flag) {
                write!(f, "{name} ")?;
            }
        }
        let syn = usize::from(header.flags.contains(Flags::SYN));
        let first = i64::from(relative(numbers.seq, header.seq));
        write!(f, "seq {first}")?;
        if self.payload_len > 0 {
            let len = i64::try_from(self.payload_len + syn).unwrap_or(i64::MAX);
            write!(f, "..{}", first + len)?;
        }
        if header.flags.contains(Flags::ACK) {
            write!(f, " ack {}", relative(numbers.ack, header.ack))?;
        }
        write!(f, " win {}", header.window)?;
        if header.urgent > 0 {
            write!(f, " urgent {}", header.urgent)?;
        }
        if let Some(mss) = header.options.mss {
            write!(f, " mss {mss}")?;
        }
        if let Some(scale) = header.options.window_scale {
            write!(f, " scale {scale}")?;
        }
        if header.options.sack_permitted {
            write!(f, " sack-ok")?;
        }
        if let Some(stamps) = header.options.timestamps {
            let value = stamps.value.wrapping_sub(numbers.stamp);
            let echo = stamps.echo.wrapping_sub(numbers.echo);
            write!(f, " stamp {value}:{echo}")?;
        }
        let mut separator = " sack ";
        for block in header.options.sack.as_slice() {
            let left = relative(numbers.ack, block.left);
            let right = relative(numbers.ack, block.right);
            write!(f, "{separator}{left}..{right}")?;
            separator = ",";
        }
        match self.ecn {
            Ecn::NotCapable => Ok(()),
            Ecn::Capable0 => write!(f, " ect0"),
            Ecn::Capable1 => write!(f, " ect1"),
            Ecn::Congested => write!(f, " ce"),
        }
    }
}

fn stamp(word: &str) -> Result<Stamp, String> {
    let (value, echo) = word.split_once(':').ok_or("stamp VALUE:ECHO")?;
    let part = |word| match word {
        "*" => Ok(None),
        _ => number(word).map(Some),
    };
    Ok(Stamp {
        value: part(value)?,
        echo: part(echo)?,
    })
}

fn ranges(word: &str) -> Result<Vec<(i64, i64)>, String> {
    word.split(',')
        .map(|range| {
            let (first, end) = range.split_once("..").ok_or("sack FIRST..END,..")?;
            Ok((number(first)?, number(end)?))
        })
        .collect()
}

/// Options in hexadecimal, four bytes at least: `020405b4`.
fn bytes(word: &str) -> Result<Vec<u8>, String> {
    let bytes = hex(word)?;
    if bytes.len().is_multiple_of(4) {
        Ok(bytes)
    } else {
        Err(format!("{word}: whole words of four bytes, in hexadecimal"))
    }
}
