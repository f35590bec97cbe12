//! Error codes of system calls. Numbers are stable.

/// Why a system call was refused. Register `x0` carries the negated code; zero is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum Error {
    /// The handle names nothing, or an object of another kind.
    BadHandle = 1,
    /// The handle lacks a right that this call needs.
    Denied = 2,
    /// A number is out of range, misaligned or contradicts another.
    BadArgument = 3,
    /// A pointer does not lie in memory of the caller that allows the access.
    BadAddress = 4,
    /// No physical memory is left, or the process has reached its limit.
    NoMemory = 5,
    /// The handle table is full.
    TooManyHandles = 6,
    /// A queue is full; try again when the other side has taken something out.
    WouldBlock = 7,
    /// The other end of the channel is gone.
    PeerClosed = 8,
    /// The deadline passed before any signal was seen.
    TimedOut = 9,
    /// The image is not an executable that this system can load.
    BadImage = 10,
    /// The object is in a state that does not allow this (already started, already exited).
    BadState = 11,
    /// There is no such system call, or this machine does not have what it needs.
    NotSupported = 12,
}

impl Error {
    /// The error for a code as it stands in `x0` after negation; `None` for unknown codes.
    #[must_use]
    pub const fn from_code(code: i64) -> Option<Self> {
        Some(match code {
            1 => Self::BadHandle,
            2 => Self::Denied,
            3 => Self::BadArgument,
            4 => Self::BadAddress,
            5 => Self::NoMemory,
            6 => Self::TooManyHandles,
            7 => Self::WouldBlock,
            8 => Self::PeerClosed,
            9 => Self::TimedOut,
            10 => Self::BadImage,
            11 => Self::BadState,
            12 => Self::NotSupported,
            _ => return None,
        })
    }

    /// The code that `x0` carries, negated.
    #[must_use]
    pub const fn code(self) -> i64 {
        self as i64
    }

    /// What `x0` carries.
    #[must_use]
    pub const fn register(self) -> u64 {
        self.code().wrapping_neg().cast_unsigned()
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::BadHandle => "no such handle",
            Self::Denied => "permission denied",
            Self::BadArgument => "bad argument",
            Self::BadAddress => "bad address",
            Self::NoMemory => "out of memory",
            Self::TooManyHandles => "too many handles",
            Self::WouldBlock => "would block",
            Self::PeerClosed => "other end closed",
            Self::TimedOut => "timed out",
            Self::BadImage => "not a program",
            Self::BadState => "wrong state",
            Self::NotSupported => "not supported",
        })
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn codes_round_trip() {
        for code in 1..=12 {
            assert_eq!(Error::from_code(code).map(Error::code), Some(code));
        }
        assert_eq!(Error::from_code(0), None);
        assert_eq!(Error::from_code(13), None);
    }
}
