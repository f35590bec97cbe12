//! Decode, call, encode: one exhaustive match over the operations.
//!
//! *Owns* the list of operations. From it come [`Number`], [`CATALOGUE`] and [`dispatch`]; the
//! trait [`Server`] has a method for each, so that an operation without a server does not compile.
//! *Invariant*: every message gets a reply now, or its server has taken the duty to answer later.

use crate::error::{Code, Malformed, OperationError};
use crate::field::{FieldDescription, Layout};
use crate::message::Message;
use crate::operation::{Answers, Operation, Who, completion, refusal};
use crate::{admin, data, group, names, observe, socket, table};

/// Answer to a request that need not be done at once.
pub type Answer<O> = Result<Progress<<O as Operation>::Reply>, <O as Operation>::Error>;

/// Answer to a request that is always done at once.
pub type Prompt<O> = Result<<O as Operation>::Reply, <O as Operation>::Error>;

/// How far a request has come when its method returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<R> {
    /// Done; this is its only completion.
    Done(R),
    /// The server will answer with the same request id.
    Pending,
}

/// What a document says of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Name.
    pub name: &'static str,
    /// Number.
    pub number: u16,
    /// One sentence.
    pub purpose: &'static str,
    /// Who may call it.
    pub who: Who,
    /// How it is answered.
    pub answers: Answers,
    /// Whether twice is the same as once.
    pub idempotent: bool,
    /// What holds when netd dies meanwhile.
    pub restart: &'static str,
    /// The request's fields.
    pub request: &'static [FieldDescription],
    /// The reply's fields.
    pub reply: &'static [FieldDescription],
    /// Codes besides the common `Malformed` and `ServerRestarted`.
    pub errors: &'static [Code],
}

const fn describe<O: Operation>() -> Description {
    Description {
        name: O::NAME,
        number: O::NUMBER,
        purpose: O::PURPOSE,
        who: O::WHO,
        answers: O::ANSWERS,
        idempotent: O::IDEMPOTENT,
        restart: O::RESTART,
        request: <O as Layout>::FIELDS,
        reply: <O::Reply as Layout>::FIELDS,
        errors: O::Error::CODES,
    }
}

fn prompt<O: Operation>(message: &Message, serve: impl FnOnce(O) -> Prompt<O>) -> Option<Message> {
    let request = message.header.request.get();
    Some(match O::decode(message) {
        Ok(operation) => completion::<O>(request, &serve(operation)),
        Err(_) => refusal(O::NUMBER, request, Code::Malformed),
    })
}

fn later<O: Operation>(message: &Message, serve: impl FnOnce(O) -> Answer<O>) -> Option<Message> {
    let request = message.header.request.get();
    match O::decode(message).map(serve) {
        Ok(Ok(Progress::Pending)) => None,
        Ok(Ok(Progress::Done(reply))) => Some(completion::<O>(request, &Ok(reply))),
        Ok(Err(error)) => Some(completion::<O>(request, &Err(error))),
        Err(_) => Some(refusal(O::NUMBER, request, Code::Malformed)),
    }
}

macro_rules! server {
    (
        promptly { $($prompt:ident: $prompt_type:path;)* }
        later { $($later:ident: $later_type:path;)* }
    ) => {
        /// One client's view of the server: a method per operation.
        ///
        /// All methods return promptly. `request` is the id that later completions must carry;
        /// ownership of the sockets named is checked first.
        pub trait Server {
            $(
                #[doc = concat!("See [`", stringify!($prompt_type), "`].")]
                fn $prompt(&mut self, request: $prompt_type) -> Prompt<$prompt_type>;
            )*
            $(
                #[doc = concat!("See [`", stringify!($later_type), "`].")]
                fn $later(&mut self, id: u32, request: $later_type) -> Answer<$later_type>;
            )*
        }

        /// Every operation, by number.
        pub const CATALOGUE: &[Description] = &[
            $(describe::<$prompt_type>(),)*
            $(describe::<$later_type>(),)*
        ];

        /// Serves one message. `None`: the server will answer later.
        #[must_use]
        pub fn dispatch(message: &Message, server: &mut impl Server) -> Option<Message> {
            match message.header.operation.get() {
                $(<$prompt_type>::NUMBER => prompt(message, |r: $prompt_type| server.$prompt(r)),)*
                $(<$later_type>::NUMBER => {
                    let id = message.header.request.get();
                    later(message, |r: $later_type| server.$later(id, r))
                })*
                unknown => Some(refusal(
                    unknown,
                    message.header.request.get(),
                    Code::UnknownOperation,
                )),
            }
        }
    };
}

server! {
    promptly {
        socket_create: socket::SocketCreate;
        socket_raw: socket::SocketRaw;
        socket_ethernet: socket::SocketEthernet;
        bind: socket::Bind;
        listen: socket::Listen;
        shutdown: socket::Shutdown;
        status: socket::SocketStatus;
        option_set: socket::OptionSet;
        option_get: socket::OptionGet;
        names: socket::SocketNames;
        group: group::Group;
        offer: names::Offer;
        withdraw: names::Withdraw;
        offer_subtype: names::OfferSubtype;
        service_text: names::ServiceText;
        attach_arena: data::AttachArena;
        core: data::Core;
        cancel: data::Cancel;
        stats: observe::Stats;
        info: observe::Info;
        lease: observe::Lease;
        interfaces: table::Interfaces;
        routes: table::Routes;
        neighbours: table::Neighbours;
        sockets: table::Sockets;
        drops: table::Drops;
        counters: table::Counters;
        addresses: table::Addresses;
        connections: table::Connections;
        groups: table::Groups;
        policies: table::Policies;
        address_add: admin::AddressAdd;
        address_delete: admin::AddressDelete;
        route_add: admin::RouteAdd;
        route_delete: admin::RouteDelete;
        neighbour_add: admin::NeighbourAdd;
        neighbour_delete: admin::NeighbourDelete;
        policy_add: admin::PolicyAdd;
        policy_delete: admin::PolicyDelete;
    }
    later {
        connect: socket::Connect;
        accept: socket::Accept;
        close: socket::Close;
        send: data::Send;
        flush: data::Flush;
        receive: data::Receive;
        resolve: names::Resolve;
        resolve_back: names::ResolveBack;
        browse: names::Browse;
        ping: observe::Ping;
        subscribe: observe::Subscribe;
    }
}

/// Serves bytes of any length, for transports without fixed slots: what is no message is refused
/// with the request id that can be read.
#[must_use]
pub fn dispatch_bytes(bytes: &[u8], server: &mut impl Server) -> Option<Message> {
    match Message::from_slice(bytes) {
        (message, Ok(())) => dispatch(&message, server),
        (
            message,
            Err(Malformed::Short | Malformed::Long | Malformed::BadFlags | Malformed::BadField),
        ) => Some(refusal(
            message.header.operation.get(),
            message.header.request.get(),
            Code::Malformed,
        )),
    }
}
