//! A server that refuses everything, except that it makes socket 77.

use protocol::{OperationError, Prompt, SocketCreate, SocketCreated, SocketId};

pub struct Stub;
#[allow(dead_code, reason = "used by one of the tests")]
pub struct Deaf<T>(pub T);

macro_rules! refuse {
    (prompt $($name:ident $type:ident)*) => {$(
        fn $name(&mut self, _: protocol::$type) -> protocol::Prompt<protocol::$type> {
            Err(protocol::OperationError::from_code(protocol::Code::Limit))
        }
    )*};
    (later $($name:ident $type:ident)*) => {$(
        fn $name(&mut self, _: u32, _: protocol::$type) -> protocol::Answer<protocol::$type> {
            Err(protocol::OperationError::from_code(protocol::Code::Limit))
        }
    )*};
}
pub(crate) use refuse;

macro_rules! refuse_most {
    () => {
        crate::stub::refuse! { prompt
            socket_raw SocketRaw socket_ethernet SocketEthernet bind Bind listen Listen shutdown Shutdown status SocketStatus
            option_set OptionSet option_get OptionGet names SocketNames group Group groups Groups offer Offer withdraw Withdraw offer_subtype OfferSubtype service_text ServiceText attach_arena AttachArena core Core
            cancel Cancel stats Stats info Info lease Lease interfaces Interfaces routes Routes
            neighbours Neighbours sockets Sockets drops Drops counters Counters addresses Addresses connections Connections address_add AddressAdd
            address_delete AddressDelete route_add RouteAdd route_delete RouteDelete
            policies Policies policy_add PolicyAdd policy_delete PolicyDelete
            neighbour_add NeighbourAdd neighbour_delete NeighbourDelete
        }
        crate::stub::refuse! { later
            accept Accept close Close send Send flush Flush receive Receive resolve Resolve resolve_back ResolveBack browse Browse ping Ping subscribe Subscribe
        }
    };
}
pub(crate) use refuse_most;

macro_rules! refuse_all {
    () => {
        crate::stub::refuse_most!();
        crate::stub::refuse! { prompt socket_create SocketCreate }
    };
}
pub(crate) use refuse_all;

impl protocol::Server for Stub {
    refuse_most!();
    refuse! { later connect Connect }
    fn socket_create(&mut self, _: SocketCreate) -> Prompt<SocketCreate> {
        Ok(SocketCreated {
            socket: SocketId(77),
        })
    }
}

pub fn ping() -> protocol::Ping {
    let how = protocol::PingBody {
        size: 56.into(),
        sequence: 1.into(),
        timeout: 0.into(),
        ttl: 64,
        link: 0,
        reserved: [0; 6],
    };
    protocol::Ping {
        to: "10.0.2.2".parse().expect("an address"),
        how,
    }
}

#[allow(dead_code, reason = "keeps the import used in every test binary")]
fn codes<E: OperationError>() -> usize {
    E::CODES.len()
}
