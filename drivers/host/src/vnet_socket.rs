//! A packet socket whose frames come and go as a card sees them: with the header of the virtio
//! specification (5.1.6) in front, which says what is not summed up yet and what is several segments.
//!
//! *Spec*: packet(7), `PACKET_VNET_HDR`. At the interface of a machine that cuts and joins segments it
//! sees, and gives, frames of 64 KiB, where [`crate::PacketSocket`] has room for the link's only.
//! *Never* reads what the header says: who has the frames knows their protocols.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::packet_socket;
use crate::wait;

/// Bytes of the header: that of the first version of the specification, in the byte order of the host.
pub const HEADER_LEN: usize = 10;
/// How long the interface may take to have room.
const PATIENCE: Duration = Duration::from_secs(10);
/// As the kernel numbers its options of packet sockets (`linux/if_packet.h`).
const PACKET_VNET_HDR: libc::c_int = 15;

/// A packet socket on an interface, for frames with headers in front.
#[derive(Debug)]
pub struct VnetSocket {
    socket: OwnedFd,
}

impl VnetSocket {
    /// Opens a socket on the interface of this name, and hears all that passes there but what is sent by
    /// the host.
    ///
    /// # Errors
    /// What the operating system says: no such interface, no permission.
    pub fn open(name: &str) -> io::Result<Self> {
        let (socket, index) = packet_socket::unbound(name)?;
        packet_socket::option::<libc::c_int>(socket.as_fd(), PACKET_VNET_HDR, &1)?;
        packet_socket::hear_all(socket.as_fd(), index)?;
        Ok(Self { socket })
    }

    /// Sends a frame with its header in front, when the interface has room for it.
    ///
    /// # Errors
    /// What the operating system says: the header is not one that fits the frame, the interface is down
    /// or has no room for ten seconds.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let Err(error) = send(&self.socket, frame, SendFlags::empty()) else {
                return Ok(());
            };
            // Who reads from the interface is slow.
            let may_pass = matches!(error, Errno::NOBUFS | Errno::AGAIN | Errno::INTR);
            if !may_pass || Instant::now() > end {
                return Err(error.into());
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// The next frame, with its header in front, if one comes within `limit`; its length. What does not fit
    /// is cut off.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn receive(&self, into: &mut [u8], limit: Duration) -> io::Result<Option<usize>> {
        if !wait(&[self.socket.as_fd()], Some(limit))? {
            return Ok(None);
        }
        match recv(&self.socket, into, RecvFlags::empty()) {
            Ok((_, length)) => Ok(Some(length)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
