//! The messages of the simple network time protocol, and what an answer must say to be believed.
//!
//! Spec: RFC 4330 sections 4 and 5, RFC 5905 section 7.3; what is sent tells nothing of this machine's
//! clock (RFC 5905 section 8 leaves the transmit timestamp to who sends).

use core::{fmt, time::Duration};

/// Bytes of a message without extensions.
pub const LEN: usize = 48;

/// Seconds from the first of January 1900 to that of 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;
/// Seconds of an era.
const ERA: u64 = 1 << 32;
/// The least delay and dispersion of a server from its reference that makes it useless, in 2^-16 s: 16 s
/// (RFC 5905 section 7.3, MAXDISP).
const TOO_FAR: u32 = 16 << 16;

/// Why an answer is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is too short.
    Short,
    /// It is no server's answer, or of a version that we do not speak.
    NotAnAnswer,
    /// It answers something that we have not asked.
    NotOurs,
    /// The server does not want to be asked; it says why in four letters (RFC 4330 section 8).
    Kiss([u8; 4]),
    /// The server's own clock is not set.
    Unsynchronised,
    /// The times contradict each other.
    Impossible,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("the answer is too short"),
            Self::NotAnAnswer => f.write_str("that is no answer"),
            Self::NotOurs => f.write_str("that answers somebody else's question"),
            Self::Kiss(code) => {
                f.write_str("the server does not want to be asked: ")?;
                code.escape_ascii().fmt(f)
            }
            Self::Unsynchronised => f.write_str("the server does not know the time"),
            Self::Impossible => f.write_str("the times in the answer contradict each other"),
        }
    }
}

/// A question by this number, which nobody can guess: the answer repeats it.
pub fn question(number: u64) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    // No leap warning, version 4, mode 3 (client).
    bytes[0] = 4 << 3 | 3;
    bytes[40..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// What a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How far the server is from a clock that is right by itself; 1 is such a one.
    pub stratum: u8,
    /// When the answer left, in nanoseconds since 1970.
    sent: u64,
    /// How long the server had the question.
    held: Duration,
}

impl Answer {
    /// Reads the answer to the question of this number.
    ///
    /// # Errors
    ///
    /// Why it is not believed.
    pub fn parse(bytes: &[u8], number: u64) -> Result<Self, Doubt> {
        let bytes = bytes.first_chunk::<LEN>().ok_or(Doubt::Short)?;
        let word = |at: usize| {
            bytes
                .get(at..)
                .and_then(|it| it.first_chunk())
                .map_or(0, |it| u32::from_be_bytes(*it))
        };
        let stamp = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 4));
        let [first, stratum, ..] = *bytes;
        let (leap, version, mode) = (first >> 6, first >> 3 & 7, first & 7);
        if mode != 4 || !(1..=4).contains(&version) {
            return Err(Doubt::NotAnAnswer);
        }
        if stamp(24) != number {
            return Err(Doubt::NotOurs);
        }
        if stratum == 0 {
            return Err(Doubt::Kiss(word(12).to_be_bytes()));
        }
        if leap == 3 || stratum > 15 || word(4) >= TOO_FAR || word(8) >= TOO_FAR {
            return Err(Doubt::Unsynchronised);
        }
        let (received, sent) = (stamp(32), stamp(40));
        if received == 0 || sent == 0 {
            return Err(Doubt::Unsynchronised);
        }
        let (received, sent) = (unix(received), unix(sent));
        let held = sent.checked_sub(received).ok_or(Doubt::Impossible)?;
        let held = Duration::from_nanos(held);
        Ok(Self {
            stratum,
            sent,
            held,
        })
    }

    /// The time when the answer came, in nanoseconds since 1970, and how long question and answer
    /// were on their way together. `round_trip`: from question to answer, by our own counter.
    ///
    /// # Errors
    ///
    /// [`Doubt::Impossible`]: the server had the question for longer than we waited.
    pub fn time(&self, round_trip: Duration) -> Result<(u64, Duration), Doubt> {
        let way = round_trip.checked_sub(self.held).ok_or(Doubt::Impossible)?;
        // As long there as back, for want of better (RFC 4330 section 5).
        let back = u64::try_from(way.as_nanos() / 2).map_err(|_| Doubt::Impossible)?;
        let now = self.sent.checked_add(back).ok_or(Doubt::Impossible)?;
        Ok((now, way))
    }
}

/// Nanoseconds since 1970 of a timestamp. Those before 1968 are taken for ones of the next era, which
/// begins in 2036 (RFC 4330 section 3).
fn unix(stamp: u64) -> u64 {
    let (seconds, fraction) = (stamp >> 32, stamp & 0xffff_ffff);
    let era = if seconds >> 31 == 1 { 0 } else { ERA };
    let nanoseconds = (fraction * 1_000_000_000) >> 32;
    (seconds + era - UNIX_EPOCH) * 1_000_000_000 + nanoseconds
}

#[cfg(test)]
mod tests {
    use super::{Answer, Doubt, LEN, question};
    use core::time::Duration;

    const NUMBER: u64 = 0x0123_4567_89ab_cdef;
    /// 2026-01-01T00:00:00Z in seconds since 1900.
    const NEW_YEAR: u64 = 3_976_214_400;
    const NEW_YEAR_UNIX: u64 = 1_767_225_600;

    /// An answer of a server that had the question for a quarter of a second.
    fn answer() -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[0] = 4 << 3 | 4;
        bytes[1] = 2;
        bytes[24..32].copy_from_slice(&NUMBER.to_be_bytes());
        bytes[32..40].copy_from_slice(&(NEW_YEAR << 32).to_be_bytes());
        bytes[40..48].copy_from_slice(&(NEW_YEAR << 32 | 1 << 30).to_be_bytes());
        bytes
    }

    fn with(at: usize, change: &[u8]) -> Result<Answer, Doubt> {
        let mut bytes = answer();
        bytes[at..at + change.len()].copy_from_slice(change);
        Answer::parse(&bytes, NUMBER)
    }

    #[test]
    fn the_time_is_that_of_the_middle_of_the_way() {
        let answer = Answer::parse(&answer(), NUMBER).unwrap();
        assert_eq!(answer.stratum, 2);
        let (now, way) = answer.time(Duration::from_millis(450)).unwrap();
        assert_eq!(way, Duration::from_millis(200));
        assert_eq!(now, NEW_YEAR_UNIX * 1_000_000_000 + 350_000_000);
        let held_longer = answer.time(Duration::from_millis(249));
        assert_eq!(held_longer, Err(Doubt::Impossible));
    }

    #[test]
    fn what_is_not_to_be_believed_is_not() {
        assert_eq!(Answer::parse(&[0; 47], NUMBER), Err(Doubt::Short));
        assert_eq!(
            Answer::parse(&question(NUMBER), NUMBER),
            Err(Doubt::NotAnAnswer)
        );
        for first in [0, 3, 5, 6, 4 << 3 | 3, 4 << 3 | 5, 5 << 3 | 4, 4] {
            assert_eq!(with(0, &[first]), Err(Doubt::NotAnAnswer), "{first:x}");
        }
        assert_eq!(with(24, &[9]), Err(Doubt::NotOurs));
        assert_eq!(Answer::parse(&answer(), NUMBER + 1), Err(Doubt::NotOurs));
        assert_eq!(with(0, &[3 << 6 | 4 << 3 | 4]), Err(Doubt::Unsynchronised));
        assert_eq!(with(1, &[16]), Err(Doubt::Unsynchronised));
        assert_eq!(with(4, &[0, 16]), Err(Doubt::Unsynchronised));
        assert_eq!(with(8, &[0, 16]), Err(Doubt::Unsynchronised));
        assert_eq!(with(32, &[0; 8]), Err(Doubt::Unsynchronised));
        assert_eq!(with(40, &[0; 8]), Err(Doubt::Unsynchronised));
        let before = (NEW_YEAR << 32) - 1;
        assert_eq!(with(40, &before.to_be_bytes()), Err(Doubt::Impossible));
        let mut kiss = answer();
        kiss[1] = 0;
        kiss[12..16].copy_from_slice(b"RATE");
        assert_eq!(Answer::parse(&kiss, NUMBER), Err(Doubt::Kiss(*b"RATE")));
    }

    #[test]
    fn the_next_era_goes_on() {
        let second_of_era = 1_u64 << 32;
        let mut bytes = answer();
        bytes[32..40].copy_from_slice(&second_of_era.to_be_bytes());
        bytes[40..48].copy_from_slice(&second_of_era.to_be_bytes());
        let (now, _) = Answer::parse(&bytes, NUMBER)
            .unwrap()
            .time(Duration::ZERO)
            .unwrap();
        // 2036-02-07T06:28:17Z.
        assert_eq!(now, 2_085_978_497 * 1_000_000_000);
    }
}
