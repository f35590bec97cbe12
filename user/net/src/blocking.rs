//! The same for programs without tasks: each call waits, with everything else of the program, and for
//! as long as it is given.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use rt::executor::block_on;

use crate::arrival::Arrival;
use crate::buffer::{Buffer, Chunk, Outgoing};
use crate::error::Error;
use crate::net::{Net, within};
use crate::poller::{Key, Pollable, Ready, Registration};
use protocol::{GroupWish, SocketOption};

/// Connects to netd.
///
/// # Errors
/// As [`Net::connect`].
pub fn connect() -> Result<Net, Error> {
    block_on(Net::connect())
}

/// A connection whose calls wait.
pub struct TcpStream(crate::TcpStream);

impl TcpStream {
    /// Opens a connection within a time.
    ///
    /// # Errors
    /// As [`crate::TcpStream::connect`]; [`Error::TimedOut`].
    pub fn connect(net: &Net, remote: SocketAddr, limit: Duration) -> Result<Self, Error> {
        let connect = crate::TcpStream::connect(net, remote);
        block_on(within(limit, connect)).map(Self)
    }

    /// As [`crate::TcpStream::read`], within a time.
    ///
    /// # Errors
    /// As there; [`Error::TimedOut`], after which reading can go on.
    pub fn read(&mut self, into: &mut [u8], limit: Duration) -> Result<usize, Error> {
        block_on(within(limit, self.0.read(into)))
    }

    /// As [`crate::TcpStream::read_chunk`], within a time.
    ///
    /// # Errors
    /// As there; [`Error::TimedOut`], after which reading can go on.
    pub fn read_chunk(&mut self, most: usize, limit: Duration) -> Result<Option<Chunk>, Error> {
        block_on(within(limit, self.0.read_chunk(most)))
    }

    /// As [`crate::TcpStream::write`], within a time.
    ///
    /// # Errors
    /// As there; [`Error::TimedOut`], and nothing was written.
    pub fn write(&mut self, from: &[u8], limit: Duration) -> Result<usize, Error> {
        block_on(within(limit, self.0.write(from)))
    }

    /// As [`crate::TcpStream::write_all`], for as long as the peer takes.
    ///
    /// # Errors
    /// As there.
    pub fn write_all(&mut self, from: &[u8]) -> Result<(), Error> {
        block_on(self.0.write_all(from))
    }

    /// As [`crate::TcpStream::reserve`], within a time.
    ///
    /// # Errors
    /// As there; [`Error::TimedOut`].
    pub fn reserve(&mut self, bytes: usize, limit: Duration) -> Result<Buffer, Error> {
        block_on(within(limit, self.0.reserve(bytes)))
    }

    /// As [`crate::TcpStream::send`], within a time.
    ///
    /// # Errors
    /// As there; [`Error::TimedOut`], and the bytes were not sent.
    pub fn send(&mut self, bytes: impl Into<Outgoing>, limit: Duration) -> Result<(), Error> {
        block_on(within(limit, self.0.send(bytes)))
    }

    /// As [`crate::TcpStream::close`].
    ///
    /// # Errors
    /// As there.
    pub fn close(self) -> Result<(), Error> {
        block_on(self.0.close())
    }
}

/// A listening socket whose calls wait.
pub struct TcpListener(crate::TcpListener);

impl TcpListener {
    /// As [`crate::TcpListener::bind`].
    ///
    /// # Errors
    /// As there.
    pub fn bind(net: &Net, local: SocketAddr, backlog: u32) -> Result<Self, Error> {
        block_on(crate::TcpListener::bind(net, local, backlog)).map(Self)
    }

    /// The address, with the port chosen.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.0.local()
    }

    /// As [`crate::TcpListener::accept`], within a time.
    ///
    /// # Errors
    /// As there; [`Error::TimedOut`].
    pub fn accept(&self, limit: Duration) -> Result<TcpStream, Error> {
        block_on(within(limit, self.0.accept())).map(TcpStream)
    }
}

/// A UDP socket whose calls wait.
pub struct UdpSocket(crate::UdpSocket);

impl UdpSocket {
    /// As [`crate::UdpSocket::bind`].
    ///
    /// # Errors
    /// As there.
    pub fn bind(net: &Net, local: SocketAddr) -> Result<Self, Error> {
        block_on(crate::UdpSocket::bind(net, local)).map(Self)
    }

    /// Own address.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.0.local()
    }

    /// As [`crate::UdpSocket::bind_shared`].
    ///
    /// # Errors
    /// As there.
    pub fn bind_shared(net: &Net, local: SocketAddr) -> Result<Self, Error> {
        block_on(crate::UdpSocket::bind_shared(net, local)).map(Self)
    }

    /// As [`crate::UdpSocket::group`].
    ///
    /// # Errors
    /// As there.
    pub fn group(
        &self,
        group: IpAddr,
        wish: GroupWish,
        source: Option<IpAddr>,
        interface: u32,
    ) -> Result<(), Error> {
        block_on(self.0.group(group, wish, source, interface))
    }

    /// As [`crate::UdpSocket::join`].
    ///
    /// # Errors
    /// As there.
    pub fn join(&self, group: IpAddr) -> Result<(), Error> {
        block_on(self.0.join(group))
    }

    /// As [`crate::UdpSocket::leave`].
    ///
    /// # Errors
    /// As there.
    pub fn leave(&self, group: IpAddr) -> Result<(), Error> {
        block_on(self.0.leave(group))
    }

    /// As [`crate::UdpSocket::set_option`].
    ///
    /// # Errors
    /// As there.
    pub fn set_option(&self, option: SocketOption, value: u64) -> Result<(), Error> {
        block_on(self.0.set_option(option, value))
    }

    /// As [`crate::UdpSocket::send_to`], and waits until it has left.
    ///
    /// # Errors
    /// As there and [`crate::UdpSocket::flush`].
    pub fn send_to(&self, from: &[u8], to: SocketAddr) -> Result<(), Error> {
        block_on(async {
            self.0.send_to(from, to).await?;
            self.0.flush().await
        })
    }

    /// As [`crate::UdpSocket::receive_from`], within a time.
    ///
    /// # Errors
    /// As there; [`Error::TimedOut`].
    pub fn receive_from(
        &self,
        into: &mut [u8],
        limit: Duration,
    ) -> Result<(usize, SocketAddr), Error> {
        block_on(within(limit, self.0.receive_from(into)))
    }

    /// As [`crate::UdpSocket::tell_details`].
    ///
    /// # Errors
    /// As there.
    pub fn tell_details(&self) -> Result<(), Error> {
        block_on(self.0.tell_details())
    }

    /// As [`crate::UdpSocket::receive_detailed`], within a time.
    ///
    /// # Errors
    /// As there; [`Error::TimedOut`].
    pub fn receive_detailed(
        &self,
        into: &mut [u8],
        limit: Duration,
    ) -> Result<(usize, Arrival), Error> {
        block_on(within(limit, self.0.receive_detailed(into)))
    }
}

/// A raw socket whose calls wait.
pub struct RawSocket(crate::RawSocket);

impl RawSocket {
    /// As [`crate::RawSocket::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open(net: &Net, protocol: u8, local: IpAddr) -> Result<Self, Error> {
        block_on(crate::RawSocket::open(net, protocol, local)).map(Self)
    }

    /// As [`crate::RawSocket::connect`].
    ///
    /// # Errors
    /// As there.
    pub fn connect(&self, remote: IpAddr) -> Result<(), Error> {
        block_on(self.0.connect(remote))
    }

    /// As [`crate::RawSocket::set_option`].
    ///
    /// # Errors
    /// As there.
    pub fn set_option(&self, option: SocketOption, value: u64) -> Result<(), Error> {
        block_on(self.0.set_option(option, value))
    }

    /// As [`crate::RawSocket::send_to`], and waits until it has left.
    ///
    /// # Errors
    /// As there and [`crate::RawSocket::flush`].
    pub fn send_to(&self, from: &[u8], to: IpAddr) -> Result<(), Error> {
        block_on(async {
            self.0.send_to(from, to).await?;
            self.0.flush().await
        })
    }

    /// As [`crate::RawSocket::receive`], within a time.
    ///
    /// # Errors
    /// As there; [`Error::TimedOut`].
    pub fn receive(&self, into: &mut [u8], limit: Duration) -> Result<(usize, Arrival), Error> {
        block_on(within(limit, self.0.receive(into)))
    }
}

/// As [`crate::Poller`].
pub struct Poller(crate::Poller);

impl Poller {
    /// As [`crate::Poller::new`].
    #[must_use]
    pub fn new(sockets: usize) -> Self {
        Self(crate::Poller::new(sockets))
    }

    /// As [`crate::Poller::register`].
    ///
    /// # Errors
    /// As there.
    pub fn register(&mut self, socket: &impl Pollable, wanted: Ready) -> Result<Key, Error> {
        self.0.register(socket, wanted)
    }

    /// As [`crate::Poller::deregister`].
    pub fn deregister(&mut self, key: Key) {
        self.0.deregister(key);
    }

    /// As [`crate::Poller::wait`], within a time.
    ///
    /// # Errors
    /// [`Error::TimedOut`].
    pub fn wait(&mut self, events: &mut Vec<(Key, Ready)>, limit: Duration) -> Result<(), Error> {
        let wait = self.0.wait(events);
        block_on(within(limit, async {
            wait.await;
            Ok(())
        }))
    }
}

impl Pollable for TcpStream {
    fn registration(&self) -> Registration {
        self.0.registration()
    }
}

impl Pollable for TcpListener {
    fn registration(&self) -> Registration {
        self.0.registration()
    }
}

impl Pollable for RawSocket {
    fn registration(&self) -> Registration {
        self.0.registration()
    }
}

impl Pollable for UdpSocket {
    fn registration(&self) -> Registration {
        self.0.registration()
    }
}
