//! What can go wrong, in one enum for all operations.

use core::fmt;

use embedded_io::ErrorKind;
use protocol::{Code, OperationError};

/// Why a network operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no network server, or it cannot be reached.
    NoService,
    /// The network server has ended; sockets are gone, a new server can be connected to.
    ServerRestarted,
    /// There is not enough memory for an arena, or the arena is full.
    NoMemory,
    /// The peer refused the connection.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// No answer in time.
    TimedOut,
    /// The host cannot be reached.
    Unreachable,
    /// No route leads there.
    NoRoute,
    /// The name does not exist.
    NoSuchName,
    /// The name has no address of this kind.
    NoSuchRecord,
    /// The socket, or the side concerned, is closed.
    Closed,
    /// The address or port is taken.
    AddressInUse,
    /// This program may not do that.
    Denied,
    /// Any other status.
    Other(Code),
}

impl Error {
    pub(crate) fn from_code(code: Code) -> Self {
        match code {
            Code::ServerRestarted => Self::ServerRestarted,
            Code::Refused => Self::Refused,
            Code::Reset => Self::Reset,
            Code::TimedOut => Self::TimedOut,
            Code::Unreachable => Self::Unreachable,
            Code::NoRoute => Self::NoRoute,
            Code::NoSuchName => Self::NoSuchName,
            Code::NoSuchRecord => Self::NoSuchRecord,
            Code::Closed | Code::NotConnected => Self::Closed,
            Code::AddressInUse => Self::AddressInUse,
            Code::Denied => Self::Denied,
            other => Self::Other(other),
        }
    }
}

impl<E: OperationError> From<E> for Error {
    fn from(error: E) -> Self {
        Self::from_code(error.code().unwrap_or(Code::Malformed))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoService => "no network server",
            Self::ServerRestarted => Code::ServerRestarted.text(),
            Self::NoMemory => "out of memory",
            Self::Refused => Code::Refused.text(),
            Self::Reset => Code::Reset.text(),
            Self::TimedOut => Code::TimedOut.text(),
            Self::Unreachable => Code::Unreachable.text(),
            Self::NoRoute => Code::NoRoute.text(),
            Self::NoSuchName => Code::NoSuchName.text(),
            Self::NoSuchRecord => Code::NoSuchRecord.text(),
            Self::Closed => Code::Closed.text(),
            Self::AddressInUse => Code::AddressInUse.text(),
            Self::Denied => Code::Denied.text(),
            Self::Other(code) => code.text(),
        })
    }
}

impl core::error::Error for Error {}

impl embedded_io::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoService | Self::Closed => ErrorKind::NotConnected,
            Self::ServerRestarted => ErrorKind::ConnectionAborted,
            Self::NoMemory => ErrorKind::OutOfMemory,
            Self::Refused => ErrorKind::ConnectionRefused,
            Self::Reset => ErrorKind::ConnectionReset,
            Self::TimedOut => ErrorKind::TimedOut,
            Self::NoSuchName | Self::NoSuchRecord => ErrorKind::NotFound,
            Self::AddressInUse => ErrorKind::AddrInUse,
            Self::Denied => ErrorKind::PermissionDenied,
            Self::Unreachable | Self::NoRoute | Self::Other(_) => ErrorKind::Other,
        }
    }
}
