//! TCP options.
//!
//! *Owns*: the kinds that this implementation understands: maximum segment size (RFC 9293
//! section 3.2), window scale and timestamps (RFC 7323), selective acknowledgment (RFC 2018), user
//! timeout (RFC 5482) and Fast Open (RFC 7413).
//! *Never*: decides in which segments an option may stand.
//!
//! *Invariant*: what [`Options::emit`] writes is a multiple of four bytes, at most 40, and
//! parses back to the same value. The layouts are the customary ones: [`Options::read`] knows
//! the two that nearly all segments have by their bytes.

use super::kind::{
    END, FAST_OPEN, MSS, NO_OPERATION, SACK, SACK_PERMITTED, TIMESTAMPS, USER_TIMEOUT, WINDOW_SCALE,
};
use crate::headroom::word;
use crate::list::Blank;
use crate::{Drop, List, NoRoom};

/// Options may take this many bytes of a header.
const MAX_LEN: usize = 40;

/// The options of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The largest segment that the sender can take, in bytes, as announced.
    pub mss: Option<u16>,
    /// By how many bits the sender will shift its windows, as announced (RFC 7323 section 2.2).
    pub window_scale: Option<u8>,
    /// The sender understands selective acknowledgments.
    pub sack_permitted: bool,
    /// Timestamps (RFC 7323 section 3.2).
    pub timestamps: Option<Timestamps>,
    /// Ranges that have arrived out of order.
    pub sack: SackBlocks,
    /// For how long the sender lets its data be unacknowledged.
    pub user_timeout: Option<UserTimeout>,
    /// The cookie of a connection that begins with data; without bytes, the wish for one.
    pub fast_open: Option<FastOpenCookie>,
}

/// A cookie of Fast Open: 4 to 16 bytes, or none (RFC 7413 section 4.1.1).
pub type FastOpenCookie = List<u8, 16>;

/// The least bytes of a cookie.
const MIN_COOKIE: usize = 4;

/// The value of a user timeout option: 15 bits of seconds or of minutes (RFC 5482 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserTimeout(u16);

impl UserTimeout {
    const MINUTES: u16 = 1 << 15;

    /// So many seconds; beyond nine hours, rounded up to minutes.
    #[must_use]
    pub fn from_seconds(seconds: u32) -> Self {
        match u16::try_from(seconds) {
            Ok(seconds) if seconds < Self::MINUTES => Self(seconds),
            _ => {
                let minutes = u16::try_from(seconds.div_ceil(60)).unwrap_or(u16::MAX);
                Self(minutes.min(Self::MINUTES - 1) | Self::MINUTES)
            }
        }
    }

    /// The field of an option.
    pub(crate) const fn from_field(field: u16) -> Self {
        Self(field)
    }

    /// In seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        let value = (self.0 & !Self::MINUTES) as u32;
        if self.0 & Self::MINUTES == 0 {
            value
        } else {
            value.saturating_mul(60)
        }
    }
}

/// The timestamps option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// TSval: the sender's clock.
    pub value: u32,
    /// TSecr: the clock reading that the sender echoes; of meaning only with ACK.
    pub echo: u32,
}

/// A range of sequence numbers that has arrived (RFC 2018 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SackBlock {
    /// The first number of the range.
    pub left: u32,
    /// The number after the last of the range.
    pub right: u32,
}

impl Blank for SackBlock {
    const BLANK: Self = Self { left: 0, right: 0 };
}

/// Up to four ranges, the most recent first: the most that fit in a header (RFC 2018 section 3).
pub type SackBlocks = List<SackBlock, 4>;

/// What options look like: nearly all are one of the first two.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layout {
    /// There are none.
    None,
    /// Timestamps and nothing else (RFC 7323 appendix A).
    Timestamps(Timestamps),
    /// Any others.
    Other,
}

impl Timestamps {
    /// The option where it is the only one, in words as they stand in memory.
    #[inline(always)]
    pub(super) fn words(self) -> [u32; 3] {
        [
            word([NO_OPERATION; 2], [TIMESTAMPS, 10]),
            self.value.to_be(),
            self.echo.to_be(),
        ]
    }
}

impl Options {
    /// No options.
    pub const NONE: Self = Self {
        mss: None,
        window_scale: None,
        sack_permitted: false,
        timestamps: None,
        sack: SackBlocks::NONE,
        user_timeout: None,
        fast_open: None,
    };

    /// Reads the options area of a header.
    ///
    /// # Errors
    /// [`Drop::TcpOption`] for an option that is cut off or has a length that is not its kind's
    /// (RFC 9293 section 3.1, MUST-7). Unknown kinds are skipped (MUST-6).
    #[inline]
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), Drop> {
        *self = Self::NONE;
        match *bytes {
            [] => Ok(()),
            // RFC 7323 appendix A: how nearly all segments of a connection with timestamps look.
            [
                NO_OPERATION,
                NO_OPERATION,
                TIMESTAMPS,
                10,
                a,
                b,
                c,
                d,
                e,
                f,
                g,
                h,
            ] => {
                self.timestamps = Some(Timestamps {
                    value: u32::from_be_bytes([a, b, c, d]),
                    echo: u32::from_be_bytes([e, f, g, h]),
                });
                Ok(())
            }
            _ => self.walk(bytes),
        }
    }

    fn walk(&mut self, mut bytes: &[u8]) -> Result<(), Drop> {
        while let [kind, rest @ ..] = bytes {
            bytes = match (*kind, rest) {
                (END, _) => break,
                (NO_OPERATION, _) => rest,
                (_, [length, ..]) => {
                    let (option, behind) = bytes
                        .split_at_checked(usize::from(*length))
                        .ok_or(Drop::TcpOption)?;
                    self.take(option)?;
                    behind
                }
                _ => return Err(Drop::TcpOption),
            };
        }
        Ok(())
    }

    /// Takes over one option, given from its kind to its end.
    fn take(&mut self, option: &[u8]) -> Result<(), Drop> {
        match *option {
            [MSS, 4, a, b] => self.mss = Some(u16::from_be_bytes([a, b])),
            [WINDOW_SCALE, 3, shift] => self.window_scale = Some(shift),
            [SACK_PERMITTED, 2] => self.sack_permitted = true,
            [TIMESTAMPS, 10, a, b, c, d, e, f, g, h] => {
                self.timestamps = Some(Timestamps {
                    value: u32::from_be_bytes([a, b, c, d]),
                    echo: u32::from_be_bytes([e, f, g, h]),
                });
            }
            [SACK, _, ref blocks @ ..] => self.sack = parse_sack(blocks)?,
            [USER_TIMEOUT, 4, a, b] => {
                self.user_timeout = Some(UserTimeout::from_field(u16::from_be_bytes([a, b])));
            }
            [FAST_OPEN, _, ref cookie @ ..] => self.fast_open = parse_cookie(cookie),
            // A known kind with a length that is not its own, or a length below two.
            [
                MSS | WINDOW_SCALE | SACK_PERMITTED | TIMESTAMPS | USER_TIMEOUT,
                ..,
            ]
            | []
            | [_] => {
                return Err(Drop::TcpOption);
            }
            [_, _, ..] => {}
        }
        Ok(())
    }

    /// What has to be written.
    #[inline]
    pub(super) fn layout(&self) -> Layout {
        let Self {
            mss: None,
            window_scale: None,
            sack_permitted: false,
            timestamps,
            sack,
            user_timeout: None,
            fast_open: None,
        } = self
        else {
            return Layout::Other;
        };
        match timestamps {
            _ if !sack.is_empty() => Layout::Other,
            Some(stamps) => Layout::Timestamps(*stamps),
            None => Layout::None,
        }
    }

    /// How many bytes [`emit`](Self::emit) writes: a multiple of four, at most 40.
    #[must_use]
    pub(super) fn emitted_len(&self) -> usize {
        self.len_without_sack()
            .saturating_add(match self.fitting_sack() {
                0 => 0,
                count => count.saturating_mul(8).saturating_add(4),
            })
    }

    fn len_without_sack(&self) -> usize {
        let mss: usize = if self.mss.is_some() { 4 } else { 0 };
        let scale = if self.window_scale.is_some() { 4 } else { 0 };
        let timestamps = match (self.timestamps, self.sack_permitted) {
            (Some(_), _) => 12,
            (None, true) => 4,
            (None, false) => 0,
        };
        if self.fast_open.is_none() && self.user_timeout.is_none() {
            return mss.saturating_add(scale).saturating_add(timestamps);
        }
        let cookie = self.fast_open.map_or(0, |cookie| {
            cookie.len().saturating_add(2).next_multiple_of(4)
        });
        let timeout = if self.user_timeout.is_some() { 4 } else { 0 };
        // What does not fit is left out; only the longest of cookies is ever in the way.
        [mss, scale, timestamps, cookie, timeout]
            .into_iter()
            .fold(0, |len: usize, option| {
                let longer = len.saturating_add(option);
                if longer <= MAX_LEN { longer } else { len }
            })
    }

    /// How many SACK blocks fit beside the other options: three with timestamps (RFC 2018
    /// section 3).
    fn fitting_sack(&self) -> usize {
        if self.sack.is_empty() {
            return 0;
        }
        let left = MAX_LEN.saturating_sub(self.len_without_sack());
        (left.saturating_sub(4) / 8).min(self.sack.len())
    }

    /// Fills `area`, which is [`emitted_len`](Self::emitted_len) bytes long.
    pub(super) fn emit(&self, area: &mut [u8]) -> Result<(), NoRoom> {
        if area.is_empty() {
            return Ok(());
        }
        let mut area = Area(area);
        if let Some(mss) = self.mss {
            let [a, b] = mss.to_be_bytes();
            area.put([MSS, 4, a, b])?;
        }
        // "SACK permitted" stands where the padding of the timestamps would.
        match (self.sack_permitted, self.timestamps) {
            (true, Some(_)) => area.put([SACK_PERMITTED, 2])?,
            (true, None) => area.put([NO_OPERATION, NO_OPERATION, SACK_PERMITTED, 2])?,
            (false, Some(_)) => area.put([NO_OPERATION, NO_OPERATION])?,
            (false, None) => {}
        }
        if let Some(Timestamps { value, echo }) = self.timestamps {
            area.put([TIMESTAMPS, 10])?;
            area.put(value.to_be_bytes())?;
            area.put(echo.to_be_bytes())?;
        }
        if let Some(shift) = self.window_scale {
            area.put([NO_OPERATION, WINDOW_SCALE, 3, shift])?;
        }
        if let Some(cookie) = self.fast_open {
            area.put_cookie(&cookie)?;
        }
        if let Some(UserTimeout(value)) = self.user_timeout
            && area.0.len() >= 4
        {
            let [a, b] = value.to_be_bytes();
            area.put([USER_TIMEOUT, 4, a, b])?;
        }
        let blocks = self.sack.truncated(self.fitting_sack());
        if !blocks.is_empty() {
            let length = u8::try_from(blocks.len().saturating_mul(8).saturating_add(2));
            area.put([
                NO_OPERATION,
                NO_OPERATION,
                SACK,
                length.map_err(|_| NoRoom)?,
            ])?;
            for block in blocks.as_slice() {
                area.put(block.left.to_be_bytes())?;
                area.put(block.right.to_be_bytes())?;
            }
        }
        Ok(())
    }
}

/// The rest of the options area that is being filled.
struct Area<'a>(&'a mut [u8]);

impl Area<'_> {
    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), NoRoom> {
        let area = core::mem::take(&mut self.0);
        let (slot, rest) = area.split_first_chunk_mut().ok_or(NoRoom)?;
        *slot = bytes;
        self.0 = rest;
        Ok(())
    }

    /// Padding in front, so that what follows is aligned.
    fn put_cookie(&mut self, cookie: &FastOpenCookie) -> Result<(), NoRoom> {
        let length = cookie.len().saturating_add(2);
        for _ in length..length.next_multiple_of(4) {
            self.put([NO_OPERATION])?;
        }
        self.put([FAST_OPEN, u8::try_from(length).map_err(|_| NoRoom)?])?;
        for byte in cookie.as_slice() {
            self.put([*byte])?;
        }
        Ok(())
    }
}

/// RFC 7413 section 4.1.1: an option of a length that no cookie has is ignored.
fn parse_cookie(bytes: &[u8]) -> Option<FastOpenCookie> {
    let is_sound = bytes.is_empty() || (bytes.len() >= MIN_COOKIE && bytes.len().is_multiple_of(2));
    FastOpenCookie::from_slice(bytes).filter(|_| is_sound)
}

fn parse_sack(bytes: &[u8]) -> Result<SackBlocks, Drop> {
    match bytes.as_chunks() {
        (blocks @ [_, ..], []) => Ok(blocks
            .iter()
            .map(|&[a, b, c, d, e, f, g, h]| SackBlock {
                left: u32::from_be_bytes([a, b, c, d]),
                right: u32::from_be_bytes([e, f, g, h]),
            })
            .collect()),
        _ => Err(Drop::TcpOption),
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod rare_tests;
