//! UDP sockets.

use alloc::rc::Rc;
use core::future::poll_fn;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::task::Poll;

use protocol::{Bind, GroupWish, SocketCreate, SocketKind, SocketOption};

use crate::arrival::Arrival;
use crate::buffer::{Buffer, Chunk, Outgoing};
use crate::datagrams::Datagrams;
use crate::error::Error;
use crate::families::Families;
use crate::net::Net;
use crate::poller::{Pollable, Registration};

/// A UDP socket.
pub struct UdpSocket {
    shared: Rc<Datagrams>,
    local: SocketAddr,
}

impl UdpSocket {
    /// A socket with a local address; port zero: one that is free. Where many share the arena, its
    /// rooms are smaller, and with them the largest datagram that can come in.
    ///
    /// # Errors
    /// [`Error::AddressInUse`]; [`Error::NoMemory`] when the arena has no room left for what would
    /// come in, ...
    pub async fn bind(net: &Net, local: SocketAddr) -> Result<Self, Error> {
        Self::bind_as(net, local, Families::Own, false).await
    }

    /// A socket with a port of all addresses, of IPv6 and of IPv4. Those of IPv4 are told as addresses
    /// of IPv6 that stand for them, and may be given so; `to_canonical` gives them back.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub async fn bind_both(net: &Net, port: u16) -> Result<Self, Error> {
        let local = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
        Self::bind_as(net, local, Families::Both, false).await
    }

    /// As [`Self::bind`], together with other sockets that are bound so: what is for a group, or for
    /// all, each of them gets. Those of other programs may share a group's address only.
    ///
    /// # Errors
    /// As there.
    pub async fn bind_shared(net: &Net, local: SocketAddr) -> Result<Self, Error> {
        Self::bind_as(net, local, Families::Own, true).await
    }

    async fn bind_as(
        net: &Net,
        local: SocketAddr,
        families: Families,
        shares: bool,
    ) -> Result<Self, Error> {
        let socket = net
            .call(SocketCreate {
                kind: SocketKind::Datagram,
            })
            .await?
            .socket;
        let shared = Datagrams::new(net, socket);
        families.choose(net, socket).await?;
        if shares {
            net.set_option(socket, SocketOption::ReuseAddress, 1)
                .await?;
        }
        let local = net.call_on(socket, Bind { socket, local }).await?.local;
        shared.begin()?;
        Ok(Self { shared, local })
    }

    /// Fixes the peer: only its datagrams are received, and its errors are told.
    ///
    /// # Errors
    /// [`Error::NoRoute`], ...
    pub async fn connect(&mut self, remote: SocketAddr) -> Result<(), Error> {
        self.local = self.shared.connect(remote).await?;
        Ok(())
    }

    /// Own address.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Allows datagrams to broadcast addresses.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn set_broadcast(&self, on: bool) -> Result<(), Error> {
        let on = on.into();
        self.shared.set_option(SocketOption::Broadcast, on).await
    }

    /// Changes which datagrams to a group are heard, of those that come by the interface of this
    /// number; 0: that of the socket's option, or by which packets to the group leave. The group is
    /// left with the socket.
    ///
    /// # Errors
    /// `Other(Exists)` or `Other(NotFound)` for what is so already, `Other(BadState)` where named
    /// sources are heard and others are to be blocked, or the other way round, `Other(BadAddress)`,
    /// `Other(Limit)`.
    pub async fn group(
        &self,
        group: IpAddr,
        wish: GroupWish,
        source: Option<IpAddr>,
        interface: u32,
    ) -> Result<(), Error> {
        self.shared.group(group, wish, source, interface).await
    }

    /// Hears everybody in a group from now on.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn join(&self, group: IpAddr) -> Result<(), Error> {
        self.group(group, GroupWish::Join, None, 0).await
    }

    /// Hears nobody in it any more.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn leave(&self, group: IpAddr) -> Result<(), Error> {
        self.group(group, GroupWish::Leave, None, 0).await
    }

    /// Sets an option, such as how far what is sent to groups goes.
    ///
    /// # Errors
    /// `Other(BadAddress)` for a value that is not possible, `Other(BadState)` for an option that
    /// datagram sockets do not have.
    pub async fn set_option(&self, option: SocketOption, value: u64) -> Result<(), Error> {
        self.shared.set_option(option, value).await
    }

    /// Reads an option back.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn option(&self, option: SocketOption) -> Result<u64, Error> {
        self.shared.option(option).await
    }

    /// Sends a datagram: it leaves by itself. Waits while too many are on their way. Why one did not
    /// leave, [`Self::flush`] tells.
    ///
    /// # Errors
    /// `Other(TooBig)` for more than any datagram carries; [`Error::ServerRestarted`].
    pub async fn send_to(&self, from: &[u8], to: SocketAddr) -> Result<(), Error> {
        poll_fn(|context| self.shared.poll_send(from, Some(to), context)).await
    }

    /// Sends a datagram to the fixed peer, as [`Self::send_to`].
    ///
    /// # Errors
    /// As there; what [`Self::flush`] would tell, which is then told.
    pub async fn send(&self, from: &[u8]) -> Result<(), Error> {
        poll_fn(|context| self.shared.poll_send(from, None, context)).await
    }

    /// Waits until all datagrams have left.
    ///
    /// # Errors
    /// Why the first did not that has not since the last call: [`Error::Unreachable`],
    /// [`Error::NoRoute`], `Other(TooBig)`, `Other(BadAddress)`, ...
    pub async fn flush(&self) -> Result<(), Error> {
        self.shared.flush().await
    }

    /// A place in the arena for a datagram of at most `bytes` bytes, to be filled and
    /// [sent](Self::send_buffer).
    ///
    /// # Errors
    /// `Other(TooBig)`.
    pub async fn reserve(&self, bytes: usize) -> Result<Buffer, Error> {
        match u32::try_from(bytes) {
            Ok(bytes) if bytes <= u32::from(u16::MAX) => {
                self.shared.net().reserve_block(bytes).await
            }
            _ => Err(Error::Other(protocol::Code::TooBig)),
        }
    }

    /// Sends a datagram that lies in the arena, without copying it: a [`Buffer`] that was filled, or
    /// a [`Chunk`] that has come in. Else as [`Self::send_to`].
    ///
    /// # Errors
    /// As there; `Other(BadArena)` for bytes of another session.
    pub async fn send_buffer(
        &self,
        bytes: impl Into<Outgoing>,
        to: Option<SocketAddr>,
    ) -> Result<(), Error> {
        self.shared.send_buffer(bytes.into(), to).await
    }

    /// Takes the oldest datagram: its length and sender. What does not fit `into` is lost.
    ///
    /// # Errors
    /// [`Error::Refused`] when the fixed peer has refused one, [`Error::ServerRestarted`], ...
    pub async fn receive_from(&self, into: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        let (count, from) = self.shared.receive_into(into).await?;
        Ok((count, from.unwrap_or(self.local)))
    }

    /// Takes the oldest datagram without copying it, and tells its sender. It stays in the arena until
    /// the chunk is dropped or sent.
    ///
    /// # Errors
    /// As [`Self::receive_from`].
    pub async fn receive_chunk(&self) -> Result<(Chunk, SocketAddr), Error> {
        let (chunk, from) = self.shared.receive_chunk().await?;
        Ok((chunk, from.unwrap_or(self.local)))
    }

    /// From now on [`Self::receive_detailed`] is to be used: what comes has details in front. Errors of
    /// ICMP about what is sent from now on are among it, also without a fixed peer; they end nothing.
    ///
    /// # Errors
    /// `Other(Limit)`.
    pub async fn tell_details(&self) -> Result<(), Error> {
        self.shared.set_option(SocketOption::Details, 1).await
    }

    /// Takes the oldest datagram or error: its length, and what is known of it. What does not fit `into`
    /// is lost. After [`Self::tell_details`].
    ///
    /// # Errors
    /// As [`Self::receive_from`].
    pub async fn receive_detailed(&self, into: &mut [u8]) -> Result<(usize, Arrival), Error> {
        self.shared.receive_detailed(into).await
    }

    /// As [`Self::receive_from`], without waiting; `None` when nothing has come.
    ///
    /// # Errors
    /// As there.
    pub fn try_receive_from(&self, into: &mut [u8]) -> Result<Option<(usize, SocketAddr)>, Error> {
        match self.shared.poll_chunk(None) {
            Poll::Ready(found) => {
                let (chunk, from) = found?;
                self.shared.tidy();
                Ok(Some((chunk.copy_to(into), from.unwrap_or(self.local))))
            }
            Poll::Pending => Ok(None),
        }
    }
}

impl Pollable for UdpSocket {
    fn registration(&self) -> Registration {
        Registration::of(&self.shared)
    }
}
