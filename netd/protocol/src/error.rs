//! Status codes and the error enum of each operation.
//!
//! *Owns* the numbers: stable, never reused. *Never* turns an unknown number into a panic: every
//! enum has `Unknown`. Every enum has `ServerRestarted`, because every operation can be cut off by
//! the end of netd, and its caller must say what it does then.

use core::fmt;

/// Why a message is not a request (or not a reply).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Less than the operation's fields need.
    Short,
    /// More than the operation's fields can hold.
    Long,
    /// A flag that this operation does not know.
    BadFlags,
    /// A field holds a number that means nothing.
    BadField,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Every status that a reply can carry. Zero is success and not listed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Code { $($(#[$doc])* $name = $number,)* }

        impl Code {
            /// All codes in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code for a number; `None` for zero and unknown numbers.
            #[must_use]
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// Name as in the source.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What a person reads.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// The message is too short, too long, or a field means nothing.
    Malformed = 1, "malformed message";
    /// No operation has this number.
    UnknownOperation = 2, "unknown operation";
    /// netd ended before the operation did; a new one serves.
    ServerRestarted = 3, "network server restarted";
    /// The session lacks the right.
    Denied = 4, "permission denied";
    /// This build or machine cannot do that.
    NotSupported = 5, "not supported";
    /// A limit of the client or the server is reached; try again after a completion.
    Limit = 6, "limit reached";
    /// Ended by NET_CANCEL, or by closing the socket.
    Cancelled = 7, "cancelled";
    /// No such socket, or it belongs to somebody else.
    BadSocket = 8, "no such socket";
    /// The socket is of a kind, or in a state, that does not allow this.
    BadState = 9, "wrong state of the socket";
    /// The range does not lie in the arena.
    BadRange = 10, "range outside the arena";
    /// The session has no arena yet, already has one, or the memory will not do.
    BadArena = 11, "no usable arena";
    /// The address, port, prefix, name or value cannot be used so.
    BadAddress = 12, "bad address";
    /// Address and port are taken.
    AddressInUse = 13, "address in use";
    /// The local address is not one of this machine's, or is no longer.
    AddressNotAvailable = 14, "address not available";
    /// No route leads there, or a router says so.
    NoRoute = 15, "no route to host";
    /// The host, or a router on the way, says that it cannot be reached; or it is silent on the link.
    Unreachable = 16, "host unreachable";
    /// A router forbids it.
    Prohibited = 17, "prohibited on the way";
    /// A packet's time to live ran out on the way.
    TimeExceeded = 18, "time to live exceeded";
    /// The datagram is larger than can be sent.
    TooBig = 19, "message too long";
    /// The peer refused the connection.
    Refused = 20, "connection refused";
    /// The peer reset the connection.
    Reset = 21, "connection reset by peer";
    /// No answer in time.
    TimedOut = 22, "timed out";
    /// The socket has no peer.
    NotConnected = 23, "not connected";
    /// The socket, or the side concerned, is closed.
    Closed = 24, "closed";
    /// The name does not exist.
    NoSuchName = 25, "no such name";
    /// The name exists but has no such record.
    NoSuchRecord = 26, "name has no address of this kind";
    /// Name servers answered with failure or nonsense.
    NameServerFailed = 27, "name server failed";
    /// No name server is known.
    NoNameServer = 28, "no name server";
    /// There is no such row or request.
    NotFound = 29, "not found";
    /// The table has such a row already.
    Exists = 30, "exists already";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// An operation's error enum.
pub trait OperationError: Copy + fmt::Debug {
    /// Codes that the operation itself can answer, the common ones left out.
    const CODES: &'static [Code];

    /// The error for a code; codes that the operation does not list become `Unknown`.
    fn from_code(code: Code) -> Self;

    /// The code that travels; `None` for `Unknown`.
    fn code(self) -> Option<Code>;

    /// The error for a status word; numbers that no code has become `Unknown`.
    #[must_use]
    fn from_status(status: u32) -> Self {
        // A status nobody knows is an error like any other: `Malformed` is in every enum.
        Code::from_number(status).map_or_else(|| Self::from_code(Code::Malformed), Self::from_code)
    }
}

macro_rules! operation_errors {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident),* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = concat!("[`Code::", stringify!($variant), "`].")] $variant,)*
            /// The request or its reply made no sense.
            Malformed,
            /// netd ended before the operation did.
            ServerRestarted,
            /// A code from a newer netd.
            Unknown,
        }

        impl OperationError for $name {
            const CODES: &'static [Code] = &[$(Code::$variant),*];

            fn from_code(code: Code) -> Self {
                match code {
                    $(Code::$variant => Self::$variant,)*
                    Code::Malformed => Self::Malformed,
                    Code::ServerRestarted => Self::ServerRestarted,
                    _ => Self::Unknown,
                }
            }

            fn code(self) -> Option<Code> {
                match self {
                    $(Self::$variant => Some(Code::$variant),)*
                    Self::Malformed => Some(Code::Malformed),
                    Self::ServerRestarted => Some(Code::ServerRestarted),
                    Self::Unknown => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.code().map_or("unknown error", Code::text))
            }
        }

        impl core::error::Error for $name {}
    )*};
}

operation_errors! {
    /// Why a socket was not made.
    CreateError { Limit, NotSupported }
    /// Why a raw socket was not made.
    RawError { Denied, BadAddress, AddressNotAvailable, Limit }
    /// Why a socket was not bound.
    BindError { BadSocket, BadState, AddressInUse, AddressNotAvailable, Limit, NotSupported }
    /// Why a socket does not listen.
    ListenError { BadSocket, BadState, AddressInUse, Limit }
    /// Why a connection did not come about.
    ConnectError {
        BadSocket, BadState, BadAddress, AddressInUse, AddressNotAvailable, Limit, NotSupported,
        Cancelled, Refused, Reset, TimedOut, Unreachable, NoRoute, Prohibited, TimeExceeded, Closed
    }
    /// Why no connection was accepted.
    AcceptError { BadSocket, BadState, BadRange, BadArena, Limit, Cancelled, Closed }
    /// Why bytes were not sent.
    SendError {
        BadSocket, BadState, BadAddress, BadRange, BadArena, NotConnected, Closed, TooBig, Limit,
        NotSupported, Cancelled, Refused, Reset, TimedOut, Unreachable, NoRoute, Prohibited,
        TimeExceeded, AddressNotAvailable
    }
    /// Why nothing more is received.
    ReceiveError {
        BadSocket, BadState, BadRange, BadArena, NotConnected, Closed, Limit, Cancelled, Refused,
        Reset, TimedOut, Unreachable, NoRoute, Prohibited, TimeExceeded, AddressNotAvailable
    }
    /// Why a socket could not be asked, changed or closed.
    SocketError {
        BadSocket, BadState, BadAddress, NotConnected, Closed, Cancelled, Reset, TimedOut, Limit
    }
    /// Why a socket does not listen to a group, or not as it wants to.
    GroupError { BadSocket, BadState, BadAddress, NoRoute, NotFound, Exists, Limit }
    /// Why the arena was not attached.
    ArenaError { BadArena }
    /// Why there is no session with a core.
    CoreError { NotFound, Limit }
    /// Why a request was not cancelled.
    CancelError { BadSocket, BadState, NotFound }
    /// Why a name was not resolved.
    ResolveError {
        BadAddress, BadRange, BadArena, NoSuchName, NoSuchRecord, NameServerFailed, NoNameServer,
        TimedOut, Limit, Cancelled, NotSupported, TooBig
    }
    /// Why a service was not offered or withdrawn.
    OfferError { BadAddress, Exists, NotFound, Limit }
    /// Why services are not looked for, or no longer.
    BrowseError { BadAddress, NotSupported, Limit, Cancelled }
    /// Why no ping was sent or answered.
    PingError {
        BadAddress, TooBig, Limit, NotSupported, Cancelled, TimedOut, Unreachable, NoRoute,
        Prohibited, TimeExceeded
    }
    /// Why events are not told.
    SubscribeError { Limit, Cancelled }
    /// Why a figure or row cannot be read.
    ObserveError { NotFound }
    /// Why a table was not changed.
    ChangeError { Denied, BadAddress, NotFound, Exists, Limit, NotSupported }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip_and_are_dense() {
        for (index, code) in Code::ALL.iter().enumerate() {
            assert_eq!(*code as usize, index + 1);
            assert_eq!(Code::from_number(*code as u32), Some(*code));
            assert!(!code.text().is_empty() && !code.name().is_empty());
        }
        assert_eq!(Code::from_number(0), None);
        assert_eq!(Code::from_number(u32::MAX), None);
    }

    #[test]
    fn every_enum_knows_restart_and_survives_unknown_numbers() {
        fn check<E: OperationError + PartialEq>(unknown: E) {
            assert_eq!(
                E::from_code(Code::ServerRestarted).code(),
                Some(Code::ServerRestarted)
            );
            assert_eq!(E::from_status(0xffff).code(), Some(Code::Malformed));
            for code in Code::ALL {
                match E::from_code(*code).code() {
                    Some(back) => assert_eq!(back, *code),
                    None => assert!(E::from_code(*code) == unknown && !E::CODES.contains(code)),
                }
            }
        }
        check(CreateError::Unknown);
        check(RawError::Unknown);
        check(BindError::Unknown);
        check(ListenError::Unknown);
        check(ConnectError::Unknown);
        check(AcceptError::Unknown);
        check(SendError::Unknown);
        check(ReceiveError::Unknown);
        check(SocketError::Unknown);
        check(GroupError::Unknown);
        check(ArenaError::Unknown);
        check(CoreError::Unknown);
        check(CancelError::Unknown);
        check(ResolveError::Unknown);
        check(OfferError::Unknown);
        check(BrowseError::Unknown);
        check(PingError::Unknown);
        check(SubscribeError::Unknown);
        check(ObserveError::Unknown);
        check(ChangeError::Unknown);
    }
}
