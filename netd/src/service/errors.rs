//! The stack's errors as the protocol's. Each mapping is total, so that a new error of the stack
//! does not compile before somebody has thought about what clients are told.

use protocol::{Code, OperationError};

/// What a client is told about an error of the stack.
pub trait Told: Copy {
    /// Its status.
    fn code(self) -> Code;

    /// As the error of an operation.
    fn told<E: OperationError>(self) -> E {
        E::from_code(self.code())
    }
}

macro_rules! told {
    ($($error:ident { $($variant:ident => $code:ident),* $(,)? })*) => {$(
        impl Told for stack::$error {
            fn code(self) -> Code {
                match self { $(Self::$variant => Code::$code),* }
            }
        }
    )*};
}

told! {
    CreateError { BadClient => Denied, NoFreeSocket => Limit, ClientLimit => Limit }
    RawError {
        BadClient => Denied, NoFreeSocket => Limit, ClientLimit => Limit, BadProtocol => BadAddress,
        AddressNotLocal => AddressNotAvailable,
    }
    BindError {
        BadSocket => BadSocket, AlreadyBound => BadState, AddressNotLocal => AddressNotAvailable,
        AddressInUse => AddressInUse, NoFreePort => Limit, AddressFamily => NotSupported,
    }
    ConnectError {
        BadSocket => BadSocket, WrongState => BadState, BadAddress => BadAddress,
        NoRoute => NoRoute, AddressInUse => AddressInUse, NoFreePort => Limit,
        NoFreeConnection => Limit, AddressFamily => NotSupported,
    }
    ListenError {
        BadSocket => BadSocket, WrongState => BadState, NotBound => BadState,
        NoFreeListener => Limit, AddressInUse => AddressInUse,
    }
    AcceptError { BadSocket => BadSocket, NotListening => BadState, TooMany => Limit, BadRoom => BadRange }
    SendError {
        BadSocket => BadSocket, NotConnected => NotConnected, ShutDown => Closed,
        NoDestination => NotConnected, BadAddress => BadAddress, NoRoute => NoRoute,
        TooBig => TooBig, TooShort => BadRange, TooMany => Limit, NoFreePort => Limit, AddressFamily => NotSupported,
    }
    ReceiveError {
        BadSocket => BadSocket, NotConnected => NotConnected, ShutDown => Closed,
        BadRoom => BadRange, TooMany => Limit,
    }
    ShutdownError { BadSocket => BadSocket, NotConnected => NotConnected }
    OptionError { BadSocket => BadSocket, BadValue => BadAddress, WrongKind => BadState, TooMany => Limit }
    GroupError {
        BadSocket => BadSocket, WrongKind => BadState, BadGroup => BadAddress,
        BadSource => BadAddress, NoInterface => NoRoute, AlreadyMember => Exists,
        NotMember => NotFound, WrongMode => BadState, TooMany => Limit,
    }
    CancelError { BadSocket => BadSocket, NotFound => NotFound, InProgress => BadState }
    ResolveError {
        BadClient => Denied, BadName => BadAddress, NoServer => NoNameServer, TooMany => Limit,
        AddressFamily => NotSupported,
    }
    OfferError {
        BadClient => Denied, BadName => BadAddress, BadKind => BadAddress, BadText => BadAddress,
        Exists => Exists, NotFound => NotFound, TooMany => Limit,
    }
    BrowseError { BadClient => Denied, BadKind => BadAddress, NoLink => NotSupported, TooMany => Limit }
    PingError {
        BadClient => Denied, BadAddress => BadAddress, NoRoute => NoRoute, TooBig => TooBig,
        TooMany => Limit, AddressFamily => NotSupported,
    }
    AdminError {
        NoInterface => NotFound, BadAddress => BadAddress, AddressFamily => NotSupported,
        TableFull => Limit, Exists => Exists, NotFound => NotFound,
    }
    SocketError {
        Refused => Refused, Reset => Reset, TimedOut => TimedOut, HostUnreachable => Unreachable,
        NetworkUnreachable => NoRoute, ProtocolUnreachable => Refused, Prohibited => Prohibited,
        TimeExceeded => TimeExceeded, TooBig => TooBig, Cancelled => Cancelled,
        AddressLost => AddressNotAvailable, BadMemory => BadRange, Closed => Closed,
    }
}

impl Told for stack::BadSocket {
    fn code(self) -> Code {
        Code::BadSocket
    }
}
