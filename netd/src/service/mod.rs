//! The protocol's operations over the stack, for one client at a time.
//!
//! *Owns* the translation of requests; the stack checks that sockets are the client's own. Checked
//! here: ranges against the client's arena, the right to administer. All methods are prompt.

mod asking;
mod completion;
mod errors;
mod groups;
mod options;
mod policies;
mod raw;
mod report;
mod services;

use alloc::vec::Vec;
use protocol::{
    Accept, AddressAdd, AddressDelete, Addresses, AddressesReply, Answer, AttachArena, Bind, Bound,
    Browse, Cancel, CancelError, ChangeError, Close, Code, Connect, Connected, Connections,
    ConnectionsReply, Core, CoreError, Cores, Counters, CountersReply, CreateError, Done, Drops,
    DropsReply, Flush, Group, GroupError, Groups, GroupsReply, Info, InfoReply, Interfaces,
    InterfacesReply, Lease, LeaseReply, Listen, NamesReply, NeighbourAdd, NeighbourDelete,
    Neighbours, NeighboursReply, Offer, OfferSubtype, Operation, OperationError, OptionGet,
    OptionReply, OptionSet, OptionValue, Payload, Ping, Policies, PoliciesReply, PolicyAdd,
    PolicyDelete, Progress, Prompt, Range, Receive, Resolve, ResolveBack, RouteAdd, RouteBody,
    RouteDelete, Routes, RoutesReply, Send, ServiceText, Shutdown, Side, SocketCreate,
    SocketCreated, SocketError, SocketEthernet, SocketId, SocketKind, SocketNames, SocketRaw,
    SocketStatus, Sockets, SocketsReply, State, Stats, StatsReply, StatusBody, StatusReply,
    Subscribe, SubscribeError, Withdraw, ready,
};
use rt::handle::Channel;
use stack::{ClientId, Instant, InterfaceId, Stack};

pub use self::completion::{Ticket, completion_of, is_awaited, is_quiet};
use self::errors::Told;
use crate::arenas::Arenas;
use crate::server::Facts;
use crate::session::{Peer, Privileges, Subscription};

/// Bytes of the largest arena.
const LARGEST_ARENA: usize = 1 << 30;

/// Sessions of a turn that are for other cores, at most.
pub const MOST_ARRIVALS: usize = 16;

/// A session for another core.
pub struct Arrival {
    /// Whose.
    pub core: u32,
    /// Our end.
    pub channel: Channel,
    /// As the session by which it came.
    pub privileges: Privileges,
}

/// What one request may touch.
pub struct Service<'a, P> {
    pub stack: &'a mut Stack,
    pub arenas: &'a mut Arenas,
    pub facts: &'a Facts,
    pub client: ClientId,
    pub peer: &'a mut P,
    pub privileges: Privileges,
    pub subscription: &'a mut Option<Subscription>,
    pub arrivals: &'a mut Vec<Arrival>,
    pub now: Instant,
}

/// The stack's name for a socket; the stack checks whose it is.
fn socket<E: OperationError>(id: SocketId) -> Result<stack::SocketId, E> {
    stack::SocketId::from_raw(id.0).ok_or_else(|| E::from_code(Code::BadSocket))
}

impl<P> Service<'_, P> {
    /// A claimed range, once it is known to lie in the client's arena.
    fn range<E: OperationError>(&self, range: Range) -> Result<stack::Range, E> {
        let arena = self.arenas.get(self.client);
        let size = arena.ok_or_else(|| E::from_code(Code::BadArena))?.len();
        if !range.fits(size as u64) {
            return Err(E::from_code(Code::BadRange));
        }
        Ok(stack::Range::new(range.offset, range.length))
    }

    fn administrator(&self) -> Result<(), ChangeError> {
        if self.privileges.admin {
            Ok(())
        } else {
            Err(ChangeError::Denied)
        }
    }

    /// An interface by number; zero means the first that is not loopback.
    fn interface(&self, number: u32) -> Result<InterfaceId, ChangeError> {
        if number != 0 {
            let raw = u8::try_from(number).map_err(|_| ChangeError::NotFound)?;
            return Ok(InterfaceId::from_raw(raw));
        }
        let mut interfaces = self.stack.interfaces();
        let first = interfaces.find(|interface| !interface.loopback);
        first
            .map(|interface| interface.id)
            .ok_or(ChangeError::NotFound)
    }
}

/// The address that a change is about.
fn network(address: protocol::Address) -> Result<(core::net::IpAddr, u8), ChangeError> {
    Ok((address.ip().ok_or(ChangeError::BadAddress)?, address.prefix))
}

fn changed(outcome: Result<(), stack::AdminError>) -> Result<Done, ChangeError> {
    outcome.map(|()| Done {}).map_err(Told::told)
}

impl<P: Peer> protocol::Server for Service<'_, P> {
    fn socket_create(&mut self, request: SocketCreate) -> Prompt<SocketCreate> {
        let kind = match request.kind {
            SocketKind::Stream => stack::Kind::Stream,
            SocketKind::Datagram => stack::Kind::Datagram,
            SocketKind::Raw | SocketKind::Ethernet => return Err(CreateError::NotSupported),
        };
        let made = self
            .stack
            .socket_create(self.client, kind)
            .map_err(Told::told)?;
        Ok(SocketCreated {
            socket: SocketId(made.raw()),
        })
    }

    fn socket_raw(&mut self, request: SocketRaw) -> Prompt<SocketRaw> {
        self.open_raw(&request)
    }

    fn socket_ethernet(&mut self, request: SocketEthernet) -> Prompt<SocketEthernet> {
        self.open_ethernet(&request)
    }

    fn bind(&mut self, request: Bind) -> Prompt<Bind> {
        let id = socket(request.socket)?;
        let local = self
            .stack
            .bind(self.client, id, request.local)
            .map_err(Told::told)?;
        Ok(Bound { local })
    }

    fn listen(&mut self, request: Listen) -> Prompt<Listen> {
        let id = socket(request.socket)?;
        let backlog = u16::try_from(request.backlog).unwrap_or(u16::MAX);
        self.stack
            .listen(self.client, id, backlog)
            .map_err(Told::told)?;
        let local = self
            .stack
            .status(self.client, id)
            .ok()
            .and_then(|status| status.local);
        Ok(Bound {
            local: local.ok_or(protocol::ListenError::BadState)?,
        })
    }

    fn connect(&mut self, id: u32, request: Connect) -> Answer<Connect> {
        let socket = socket(request.socket)?;
        let token = Ticket::new::<Connect>(id).token();
        let outcome = self
            .stack
            .connect(self.client, socket, request.remote, token, self.now);
        outcome.map_err(Told::told)?;
        Ok(Progress::<Connected>::Pending)
    }

    fn accept(&mut self, id: u32, request: Accept) -> Answer<Accept> {
        let socket = socket(request.socket)?;
        let room = request.room.map(|room| self.range(room)).transpose()?;
        let ticket = Ticket {
            has_room: room.is_some(),
            ..Ticket::new::<Accept>(id)
        };
        let (client, token, now) = (self.client, ticket.token(), self.now);
        let outcome = match (request.each, room) {
            (0, room) => self.stack.accept(client, socket, room, token, now),
            (_, None) => return Err(protocol::AcceptError::BadRange),
            (each, Some(area)) => {
                self.stack
                    .accept_several(client, socket, (area, each), token, now)
            }
        };
        outcome.map_err(Told::told)?;
        Ok(Progress::Pending)
    }

    fn send(&mut self, id: u32, request: Send) -> Answer<Send> {
        let socket = socket(request.socket)?;
        let data = match &request.payload {
            Payload::Arena(range) => stack::Data::Arena(self.range(*range)?),
            Payload::Inline(bytes) => stack::Data::Inline(bytes.as_slice()),
        };
        let token = Ticket::new::<Send>(id).token();
        let is_inline = matches!(data, stack::Data::Inline(_));
        let token = if request.unanswered && is_inline {
            token.unanswered()
        } else if request.along {
            token.along()
        } else {
            token
        };
        let outcome = self
            .stack
            .send(self.client, socket, data, request.to, token, self.now);
        outcome.map_err(Told::told)?;
        Ok(Progress::Pending)
    }

    fn flush(&mut self, id: u32, request: Flush) -> Answer<Flush> {
        let socket = socket(request.socket)?;
        let token = Ticket::new::<Flush>(id).token();
        match self.stack.flush(self.client, socket, token) {
            Ok(true) => Ok(Progress::Pending),
            Ok(false) => Ok(Progress::Done(Done {})),
            Err(error) => Err(error.told()),
        }
    }

    fn receive(&mut self, id: u32, request: Receive) -> Answer<Receive> {
        let socket = socket(request.socket)?;
        let room = self.range(request.room)?;
        let token = Ticket::new::<Receive>(id).token();
        let outcome = self
            .stack
            .receive(self.client, socket, room, token, self.now);
        outcome.map_err(Told::told)?;
        Ok(Progress::Pending)
    }

    fn close(&mut self, id: u32, request: Close) -> Answer<Close> {
        let socket = socket(request.socket)?;
        let ending = if request.abort {
            stack::Ending::Abort
        } else {
            stack::Ending::Graceful
        };
        let token = Ticket::new::<Close>(id).token();
        let outcome = self
            .stack
            .close(self.client, socket, ending, token, self.now);
        outcome.map_err(Told::told)?;
        Ok(Progress::Pending)
    }

    fn shutdown(&mut self, request: Shutdown) -> Prompt<Shutdown> {
        let socket = socket(request.socket)?;
        let half = match request.side {
            Side::Receive => stack::Half::Receive,
            Side::Send => stack::Half::Send,
            Side::Both => stack::Half::Both,
        };
        let outcome = self.stack.shutdown(self.client, socket, half, self.now);
        outcome.map(|()| Done {}).map_err(Told::told)
    }

    fn status(&mut self, request: SocketStatus) -> Prompt<SocketStatus> {
        let socket = socket(request.socket)?;
        let status = self.stack.status(self.client, socket).map_err(Told::told)?;
        let bits = [
            (status.readable, ready::READABLE),
            (status.writable, ready::WRITABLE),
            (status.eof, ready::END),
            (status.doubt.is_some(), ready::DOUBTFUL),
            (status.urgent > 0, ready::URGENT),
        ];
        let ready: u32 = bits.iter().filter(|(is, _)| *is).map(|(_, bit)| bit).sum();
        let state = State::from_name(status.state).unwrap_or(State::Closed);
        let status = StatusBody {
            ready: ready.into(),
            state: (state as u32).into(),
            send_bytes: status.send_queued.into(),
            room: status.room.into(),
        };
        Ok(StatusReply { status })
    }

    fn option_set(&mut self, request: OptionSet) -> Prompt<OptionSet> {
        let socket = socket(request.socket)?;
        let option = options::chosen(request.option, request.value.value.get())
            .ok_or(SocketError::BadAddress)?;
        self.stack
            .set_option(self.client, socket, option, self.now)
            .map_err(Told::told)?;
        Ok(Done {})
    }

    fn option_get(&mut self, request: OptionGet) -> Prompt<OptionGet> {
        let socket = socket(request.socket)?;
        let options = self
            .stack
            .options(self.client, socket)
            .map_err(Told::told)?;
        let path_mtu = self.stack.path_mtu(self.client, socket, self.now);
        let raw = self.stack.raw_options(self.client, socket);
        let more = options::More {
            path_mtu: path_mtu.map_err(Told::told)?,
            raw: raw.map_err(Told::told)?,
        };
        let value = options::value(request.option, &options, &more);
        Ok(OptionReply {
            value: OptionValue {
                value: value.into(),
            },
        })
    }

    fn names(&mut self, request: SocketNames) -> Prompt<SocketNames> {
        let socket = socket(request.socket)?;
        let status = self.stack.status(self.client, socket).map_err(Told::told)?;
        let unbound = core::net::SocketAddr::from(([0, 0, 0, 0], 0));
        Ok(NamesReply {
            remote: status.remote,
            local: status.local.unwrap_or(unbound),
        })
    }

    fn group(&mut self, request: Group) -> Prompt<Group> {
        let socket = socket(request.socket)?;
        let (group, membership) = groups::wanted(&request).ok_or(GroupError::BadAddress)?;
        let interface = match request.body.interface.get() {
            0 => None,
            number => {
                let raw = u8::try_from(number).map_err(|_| GroupError::NoRoute)?;
                Some(InterfaceId::from_raw(raw))
            }
        };
        let who = (self.client, socket);
        let outcome = self
            .stack
            .membership(who, (group, interface), membership, self.now);
        outcome.map(|()| Done {}).map_err(Told::told)
    }

    fn offer(&mut self, request: Offer) -> Prompt<Offer> {
        self.offer_service(&request)
    }

    fn withdraw(&mut self, request: Withdraw) -> Prompt<Withdraw> {
        self.withdraw_service(&request)
    }

    fn offer_subtype(&mut self, request: OfferSubtype) -> Prompt<OfferSubtype> {
        self.narrow_service(&request)
    }

    fn service_text(&mut self, request: ServiceText) -> Prompt<ServiceText> {
        self.text_of_service(&request)
    }

    fn attach_arena(&mut self, request: AttachArena) -> Prompt<AttachArena> {
        let bytes = usize::try_from(request.size).unwrap_or(usize::MAX);
        if bytes == 0 || bytes > LARGEST_ARENA || self.arenas.get(self.client).is_some() {
            return Err(protocol::ArenaError::BadArena);
        }
        let arena = self
            .peer
            .take_arena(bytes)
            .ok_or(protocol::ArenaError::BadArena)?;
        if self.arenas.attach(self.client, arena) {
            Ok(Done {})
        } else {
            Err(protocol::ArenaError::BadArena)
        }
    }

    fn core(&mut self, request: Core) -> Prompt<Core> {
        let count = self.facts.cores;
        if request.core >= count {
            return Err(CoreError::NotFound);
        }
        if request.core > 0 {
            if self.arrivals.len() >= MOST_ARRIVALS {
                return Err(CoreError::Limit);
            }
            let channel = self.peer.take_channel().ok_or(CoreError::NotFound)?;
            self.arrivals.push(Arrival {
                core: request.core,
                channel,
                privileges: self.privileges,
            });
        }
        Ok(Cores { count })
    }

    fn cancel(&mut self, request: Cancel) -> Prompt<Cancel> {
        let number = request.operation.number.get();
        if number == Subscribe::NUMBER {
            let subscription = self.subscription.as_mut();
            let ours = subscription.filter(|known| known.request == request.request);
            ours.ok_or(CancelError::NotFound)?.ended = true;
            return Ok(Done {});
        }
        let socket = stack::SocketId::from_raw(request.socket.0);
        let plain = Ticket {
            request: request.request,
            operation: number,
            has_room: false,
        };
        let with_room = Ticket {
            has_room: true,
            ..plain
        };
        let mut outcome = self.stack.cancel(self.client, socket, plain.token());
        if outcome == Err(stack::CancelError::NotFound) {
            outcome = self.stack.cancel(self.client, socket, with_room.token());
        }
        outcome.map(|()| Done {}).map_err(Told::told)
    }

    fn resolve(&mut self, id: u32, request: Resolve) -> Answer<Resolve> {
        self.look_up(id, &request)
    }

    fn resolve_back(&mut self, id: u32, request: ResolveBack) -> Answer<ResolveBack> {
        self.look_up_back(id, &request)
    }

    fn browse(&mut self, id: u32, request: Browse) -> Answer<Browse> {
        self.look_for_services(id, &request)
    }

    fn ping(&mut self, id: u32, request: Ping) -> Answer<Ping> {
        self.echo(id, &request)
    }

    fn subscribe(&mut self, id: u32, _: Subscribe) -> Answer<Subscribe> {
        if self.subscription.is_some() {
            return Err(SubscribeError::Limit);
        }
        *self.subscription = Some(Subscription {
            request: id,
            ..Subscription::default()
        });
        Ok(Progress::Pending)
    }

    fn stats(&mut self, _: Stats) -> Prompt<Stats> {
        Ok(StatsReply {
            stats: report::stats(self.stack, self.facts, self.now),
        })
    }

    fn info(&mut self, _: Info) -> Prompt<Info> {
        Ok(InfoReply {
            info: report::info(self.stack, self.facts),
        })
    }

    fn lease(&mut self, request: Lease) -> Prompt<Lease> {
        let lease = report::lease(self.stack, request.interface, self.now);
        Ok(LeaseReply {
            lease: lease.ok_or(protocol::ObserveError::NotFound)?,
        })
    }

    fn interfaces(&mut self, request: Interfaces) -> Prompt<Interfaces> {
        Ok(InterfacesReply {
            rows: report::interfaces(self.stack, request.cursor),
        })
    }

    fn addresses(&mut self, request: Addresses) -> Prompt<Addresses> {
        Ok(AddressesReply {
            rows: report::addresses(self.stack, self.facts, request.cursor),
        })
    }

    fn routes(&mut self, request: Routes) -> Prompt<Routes> {
        Ok(RoutesReply {
            rows: report::routes(self.stack, request.cursor),
        })
    }

    fn neighbours(&mut self, request: Neighbours) -> Prompt<Neighbours> {
        Ok(NeighboursReply {
            rows: report::neighbours(self.stack, request.cursor, self.now),
        })
    }

    fn sockets(&mut self, request: Sockets) -> Prompt<Sockets> {
        Ok(SocketsReply {
            rows: report::sockets(self.stack, request.cursor),
        })
    }

    fn connections(&mut self, request: Connections) -> Prompt<Connections> {
        Ok(ConnectionsReply {
            rows: report::connections(self.stack, request.cursor),
        })
    }

    fn groups(&mut self, request: Groups) -> Prompt<Groups> {
        Ok(GroupsReply {
            rows: groups::rows(self.stack, request.cursor, self.now),
        })
    }

    fn policies(&mut self, request: Policies) -> Prompt<Policies> {
        Ok(PoliciesReply {
            rows: policies::rows(self.stack, request.cursor),
        })
    }

    fn policy_add(&mut self, request: PolicyAdd) -> Prompt<PolicyAdd> {
        self.administrator()?;
        let policy = policies::wanted(&request.policy).ok_or(ChangeError::BadAddress)?;
        changed(self.stack.add_policy(policy))
    }

    fn policy_delete(&mut self, request: PolicyDelete) -> Prompt<PolicyDelete> {
        self.administrator()?;
        let policy = policies::wanted(&request.policy).ok_or(ChangeError::BadAddress)?;
        changed(self.stack.remove_policy(policy.network, policy.prefix))
    }

    fn drops(&mut self, request: Drops) -> Prompt<Drops> {
        Ok(DropsReply {
            rows: report::drops(self.stack, request.cursor),
        })
    }

    fn counters(&mut self, request: Counters) -> Prompt<Counters> {
        Ok(CountersReply {
            rows: report::counters(self.stack, self.facts, request.cursor),
        })
    }

    fn address_add(&mut self, request: AddressAdd) -> Prompt<AddressAdd> {
        self.administrator()?;
        let interface = self.interface(request.interface)?;
        let (address, prefix) = network(request.address.address)?;
        changed(self.stack.add_address(interface, address, prefix, self.now))
    }

    fn address_delete(&mut self, request: AddressDelete) -> Prompt<AddressDelete> {
        self.administrator()?;
        let interface = self.interface(request.interface)?;
        let (address, _) = network(request.address.address)?;
        changed(self.stack.remove_address(interface, address, self.now))
    }

    fn route_add(&mut self, request: RouteAdd) -> Prompt<RouteAdd> {
        self.administrator()?;
        let RouteBody {
            destination,
            gateway,
            interface,
            metric,
        } = request.route;
        let interface = self.interface(interface.get())?;
        let (destination, prefix) = network(destination)?;
        let metric = u16::try_from(metric.get()).map_err(|_| ChangeError::BadAddress)?;
        changed(
            self.stack
                .add_route(interface, destination, prefix, gateway.ip(), metric),
        )
    }

    fn route_delete(&mut self, request: RouteDelete) -> Prompt<RouteDelete> {
        self.administrator()?;
        let interface = self.interface(request.route.interface.get())?;
        let (destination, prefix) = network(request.route.destination)?;
        changed(self.stack.remove_route(interface, destination, prefix))
    }

    fn neighbour_add(&mut self, request: NeighbourAdd) -> Prompt<NeighbourAdd> {
        self.administrator()?;
        let interface = self.interface(request.interface)?;
        let mac = stack::MacAddress(request.mac.mac);
        changed(
            self.stack
                .add_neighbour(interface, request.neighbour, mac, self.now),
        )
    }

    fn neighbour_delete(&mut self, request: NeighbourDelete) -> Prompt<NeighbourDelete> {
        self.administrator()?;
        let interface = self.interface(request.interface)?;
        changed(
            self.stack
                .remove_neighbour(interface, request.neighbour, self.now),
        )
    }
}
