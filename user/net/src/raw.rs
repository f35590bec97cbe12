//! Raw sockets: packets of one protocol of IP, for programs that may have them.

use alloc::rc::Rc;
use core::future::poll_fn;
use core::net::{IpAddr, SocketAddr};

use protocol::{GroupWish, SocketOption, SocketRaw};

use crate::arrival::Arrival;
use crate::datagrams::Datagrams;
use crate::error::Error;
use crate::net::Net;
use crate::poller::{Pollable, Registration};

/// A socket for one protocol in one family. What it sends and receives is what packets carry behind
/// the headers of IP; others may have such a socket as well, and each gets its copy.
pub struct RawSocket {
    shared: Rc<Datagrams>,
}

impl RawSocket {
    /// A socket for the protocol of this number, which hears all that comes from then on. `local` says by its family which IP is meant, and is an
    /// address of this machine, or unspecified: all.
    ///
    /// # Errors
    /// [`Error::Denied`] when the program lacks the right; `Other(BadAddress)` for TCP, which nobody
    /// can have, and for what names a header of IPv6; `Other(AddressNotAvailable)`; `Other(Limit)`.
    pub async fn open(net: &Net, protocol: u8, local: IpAddr) -> Result<Self, Error> {
        let protocol = protocol.into();
        let socket = net.call(SocketRaw { protocol, local }).await?.socket;
        let shared = Datagrams::open(net, socket).await?;
        Ok(Self { shared })
    }

    /// Fixes the peer: only its packets are heard, and [`Self::send`] sends to it.
    ///
    /// # Errors
    /// [`Error::NoRoute`], ...
    pub async fn connect(&self, remote: IpAddr) -> Result<(), Error> {
        let remote = SocketAddr::new(remote, 0);
        self.shared.connect(remote).await.map(drop)
    }

    /// Sets an option, as that of how far packets go.
    ///
    /// # Errors
    /// As [`crate::UdpSocket::set_option`].
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

    /// Hears what is for a group from now on, as [`crate::UdpSocket::group`] says.
    ///
    /// # Errors
    /// As there.
    pub async fn group(
        &self,
        group: IpAddr,
        wish: GroupWish,
        source: Option<IpAddr>,
        interface: u32,
    ) -> Result<(), Error> {
        self.shared.group(group, wish, source, interface).await
    }

    /// Sends a packet with this payload. The checksum of ICMPv6 is filled in (RFC 3542 section 3.1);
    /// that of every other protocol is the program's to make. What is too long for the link leaves in
    /// parts. Why one did not leave, [`Self::flush`] tells.
    ///
    /// # Errors
    /// `Other(TooBig)`; [`Error::ServerRestarted`].
    pub async fn send_to(&self, from: &[u8], to: IpAddr) -> Result<(), Error> {
        let to = Some(SocketAddr::new(to, 0));
        poll_fn(|context| self.shared.poll_send(from, to, context)).await
    }

    /// Sends a packet to the fixed peer, as [`Self::send_to`].
    ///
    /// # Errors
    /// As there; what [`Self::flush`] would tell, which is then told.
    pub async fn send(&self, from: &[u8]) -> Result<(), Error> {
        poll_fn(|context| self.shared.poll_send(from, None, context)).await
    }

    /// Waits until all have left.
    ///
    /// # Errors
    /// As [`crate::UdpSocket::flush`].
    pub async fn flush(&self) -> Result<(), Error> {
        self.shared.flush().await
    }

    /// Takes the oldest packet, or error about one that was sent: the length of its payload, and what is
    /// known of it. What does not fit `into` is lost.
    ///
    /// # Errors
    /// [`Error::ServerRestarted`], ...
    pub async fn receive(&self, into: &mut [u8]) -> Result<(usize, Arrival), Error> {
        self.shared.receive_detailed(into).await
    }
}

impl Pollable for RawSocket {
    fn registration(&self) -> Registration {
        Registration::of(&self.shared)
    }
}
