//! Clients and the names of their sockets.
//!
//! *Owns* who is connected and which socket is whose; the first thing every call does is to ask
//! here. *Never* trusts a number: foreign, dead and invented names are all [`BadSocket`].

use crate::config::Config;
use crate::error::{BadSocket, ClientError, CreateError};
use crate::id::{ClientId, SocketId};
use crate::nodes::Chain;
use crate::option_sets::{OptionSet, OptionSets};
use crate::options::SocketOptions;
use crate::slab::Slab;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::num::{NonZeroU16, NonZeroU32};

/// What a stream socket is bound to: an address, unspecified for all, and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) address: Ipv4Addr,
    pub(crate) port: NonZeroU16,
}

impl Bound {
    pub(crate) fn end(self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, self.port.get())
    }
}

/// What a socket is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A stream, not connected; bound perhaps.
    Stream { bound: Option<Bound> },
    /// A stream, bound to this port of an address of IPv6, or of all addresses of both families.
    Stream6 { port: NonZeroU16 },
    /// A stream that listens, at this index.
    Listener(u32),
    /// A stream with a connection, alive or dead, at this index; and the port that was bound to
    /// before, which is the socket's until it is closed.
    Connection {
        index: u32,
        bound: Option<NonZeroU16>,
    },
    /// The same over IPv6.
    Connection6 {
        index: u32,
        bound: Option<NonZeroU16>,
    },
    /// Datagrams, at this index.
    Datagram(u32),
}

/// A socket: whose it is, and what it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Socket {
    pub(crate) role: Role,
    /// The place of its client.
    client: u16,
    pub(crate) options: OptionSet,
}

// Every connection has one.
const _: () = assert!(size_of::<Socket>() <= 12);

/// A socket names its client in two bytes.
const MOST_CLIENTS: u32 = u16::MAX as u32;
/// The place of no client.
const NOBODY: u16 = u16::MAX;

/// A client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    sockets: u32,
    /// What it is called also by whoever comes after this stack.
    number: Option<NonZeroU32>,
    /// Closes of sockets that nothing remains of.
    notices: Chain,
}

/// All clients and all sockets.
#[derive(Debug)]
pub(crate) struct Clients {
    clients: Slab<Client>,
    sockets: Slab<Socket>,
    sockets_per_client: u32,
    pub(crate) option_sets: OptionSets,
}

impl Clients {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            clients: Slab::new(config.clients.min(MOST_CLIENTS) as usize),
            sockets: Slab::new(config.sockets as usize),
            sockets_per_client: config.sockets_per_client,
            option_sets: OptionSets::new(
                SocketOptions::new(),
                config.option_sets,
                config.option_sets_per_client,
            ),
        }
    }

    pub(crate) fn open(&mut self, number: Option<NonZeroU32>) -> Result<ClientId, ClientError> {
        let is_taken = |number| self.numbers().any(|taken| taken == number);
        if number.is_some_and(is_taken) {
            return Err(ClientError::NumberTaken);
        }
        let key = self.clients.insert(Client {
            sockets: 0,
            number,
            notices: Chain::EMPTY,
        });
        key.map(ClientId).ok_or(ClientError::TooManyClients)
    }

    fn numbers(&self) -> impl Iterator<Item = NonZeroU32> + '_ {
        let places = 0..u32::try_from(self.clients.limit()).unwrap_or(u32::MAX);
        places.filter_map(|place| self.clients.at(place)?.number)
    }

    /// What a client is called also by whoever comes after this stack.
    pub(crate) fn number(&self, client: ClientId) -> Option<NonZeroU32> {
        self.clients.get(client.0)?.number
    }

    pub(crate) fn remove(&mut self, client: ClientId) -> bool {
        self.clients.remove(client.0).is_some()
    }

    pub(crate) fn get(&self, client: ClientId) -> Option<&Client> {
        self.clients.get(client.0)
    }

    /// The client's own notices, to be put back.
    pub(crate) fn take_notices(&mut self, client: ClientId) -> Option<Chain> {
        let entry = self.clients.get_mut(client.0)?;
        Some(core::mem::replace(&mut entry.notices, Chain::EMPTY))
    }

    /// Puts the client's notices back.
    pub(crate) fn put_notices(&mut self, client: ClientId, notices: Chain) {
        if let Some(entry) = self.clients.get_mut(client.0) {
            entry.notices = notices;
        }
    }

    /// The place of a client in per-client queues.
    pub(crate) fn index(&self, client: ClientId) -> u32 {
        self.clients.index(client.0)
    }

    /// The client at a place.
    pub(crate) fn at(&self, index: u32) -> Option<ClientId> {
        self.clients.key_at(index).map(ClientId)
    }

    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    /// A socket with options that some other socket of the client has, or that all begin with.
    pub(crate) fn create(
        &mut self,
        client: ClientId,
        role: Role,
        options: OptionSet,
    ) -> Result<SocketId, CreateError> {
        let place = self.index(client);
        let owner = self
            .clients
            .get_mut(client.0)
            .ok_or(CreateError::BadClient)?;
        if owner.sockets >= self.sockets_per_client {
            return Err(CreateError::ClientLimit);
        }
        let socket = Socket {
            role,
            client: u16::try_from(place).map_err(|_| CreateError::BadClient)?,
            options,
        };
        let key = self
            .sockets
            .insert(socket)
            .ok_or(CreateError::NoFreeSocket)?;
        owner.sockets += 1;
        self.option_sets.share(options);
        Ok(SocketId(key))
    }

    /// A connection's socket has this name, as it had before the stack came anew; nobody has it until
    /// [`Clients::give`]. `false` if another has the place.
    pub(crate) fn put(&mut self, id: SocketId, role: Role) -> bool {
        let socket = Socket {
            role,
            client: NOBODY,
            options: self.option_sets.share(OptionSet::INITIAL),
        };
        self.sockets.put(id.0, socket)
    }

    /// What was put is in its place: others may follow.
    pub(crate) fn relink(&mut self) {
        self.sockets.relink();
    }

    /// The client has the socket from now on.
    pub(crate) fn give(&mut self, client: ClientId, id: SocketId) -> Result<(), CreateError> {
        let place = self.place(client).map_err(|_| CreateError::BadClient)?;
        let place = u16::try_from(place).map_err(|_| CreateError::BadClient)?;
        let owner = self.clients.get_mut(client.0);
        let owner = owner.ok_or(CreateError::BadClient)?;
        if owner.sockets >= self.sockets_per_client {
            return Err(CreateError::ClientLimit);
        }
        let socket = self.sockets.get_mut(id.0);
        let socket = socket.filter(|socket| socket.client == NOBODY);
        socket.ok_or(CreateError::BadClient)?.client = place;
        owner.sockets += 1;
        Ok(())
    }

    /// The place of a client that is there.
    fn place(&self, client: ClientId) -> Result<u32, BadSocket> {
        self.clients.get(client.0).ok_or(BadSocket)?;
        Ok(self.index(client))
    }

    /// The options of a socket, if it is this client's.
    pub(crate) fn options(
        &self,
        client: ClientId,
        id: SocketId,
    ) -> Result<SocketOptions, BadSocket> {
        let socket = self.socket(client, id)?;
        Ok(*self.option_sets.get(socket.options))
    }

    /// The socket has these options from now on; `false`, and nothing changes, when no place for them
    /// is left.
    pub(crate) fn set_options(
        &mut self,
        client: ClientId,
        id: SocketId,
        options: SocketOptions,
    ) -> bool {
        let place = self.index(client);
        let Some(set) = self.option_sets.take(place, options) else {
            return false;
        };
        let before = match self.socket_mut(client, id) {
            Ok(socket) => core::mem::replace(&mut socket.options, set),
            Err(BadSocket) => set,
        };
        self.option_sets.give_back(before);
        true
    }

    /// The socket, if it is this client's.
    pub(crate) fn socket(&self, client: ClientId, id: SocketId) -> Result<&Socket, BadSocket> {
        let place = self.place(client)?;
        self.sockets
            .get(id.0)
            .filter(|socket| u32::from(socket.client) == place)
            .ok_or(BadSocket)
    }

    /// Whether a socket of IPv6 takes part in IPv4, and sees addresses of that as ones of IPv6.
    pub(crate) fn is_dual(&self, client: ClientId, id: SocketId) -> bool {
        let socket = self.socket(client, id);
        socket.is_ok_and(|socket| self.option_sets.get(socket.options).dual_stack)
    }

    /// The socket, if it is this client's.
    pub(crate) fn socket_mut(
        &mut self,
        client: ClientId,
        id: SocketId,
    ) -> Result<&mut Socket, BadSocket> {
        let place = self.place(client)?;
        self.sockets
            .get_mut(id.0)
            .filter(|socket| u32::from(socket.client) == place)
            .ok_or(BadSocket)
    }

    /// The name is dead from now on.
    pub(crate) fn forget(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.remove(id.0) else {
            return;
        };
        self.option_sets.give_back(socket.options);
        if let Some(owner) = self.clients.at_mut(socket.client.into()) {
            owner.sockets = owner.sockets.saturating_sub(1);
        }
    }

    /// How many places for sockets there are.
    pub(crate) fn sockets_limit(&self) -> u32 {
        u32::try_from(self.sockets.limit()).unwrap_or(u32::MAX)
    }

    /// The socket at a place, if it is this client's.
    pub(crate) fn socket_at(&self, index: u32, client: ClientId) -> Option<(SocketId, Role)> {
        let place = self.place(client).ok()?;
        let socket = self
            .sockets
            .at(index)
            .filter(|socket| u32::from(socket.client) == place)?;
        Some((SocketId(self.sockets.key_at(index)?), socket.role))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: OptionSet = OptionSet::INITIAL;

    #[test]
    fn sockets_are_their_owners_alone() {
        let config = Config {
            clients: 2,
            sockets_per_client: 1,
            ..Config::default()
        };
        let mut clients = Clients::new(&config);
        let (one, other) = (clients.open(None).unwrap(), clients.open(None).unwrap());
        let role = Role::Stream { bound: None };
        let id = clients.create(one, role, OPTIONS).unwrap();
        assert_eq!(
            clients.create(one, role, OPTIONS),
            Err(CreateError::ClientLimit)
        );
        assert!(clients.socket(one, id).is_ok());
        assert_eq!(clients.socket(other, id).err(), Some(BadSocket));
        clients.forget(id);
        assert_eq!(clients.socket(one, id).err(), Some(BadSocket));
        assert!(clients.create(one, role, OPTIONS).is_ok());
        clients.remove(one);
        let successor = clients.open(None).unwrap();
        assert_eq!(clients.index(successor), clients.index(one));
        assert!(
            clients.socket(one, id).is_err(),
            "the name of a client that is gone"
        );
        assert_eq!(
            clients.create(one, role, OPTIONS),
            Err(CreateError::BadClient)
        );
    }
}
