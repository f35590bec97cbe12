//! The same for programs without tasks: each call waits, with everything else of the program.

use core::net::SocketAddr;
use core::time::Duration;

use rt::executor::block_on;

use crate::error::Error;
use crate::net::{Net, within};

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

    /// As [`crate::TcpStream::write_all`].
    ///
    /// # Errors
    /// As there.
    pub fn write_all(&mut self, from: &[u8]) -> Result<(), Error> {
        block_on(self.0.write_all(from))
    }

    /// As [`crate::TcpStream::close`].
    ///
    /// # Errors
    /// As there.
    pub fn close(self) -> Result<(), Error> {
        block_on(self.0.close())
    }
}
