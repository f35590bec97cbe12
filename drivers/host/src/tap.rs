//! A TAP interface: what the host's kernel sends there we receive, and the other way round.
//!
//! *Spec*: the kernel's Documentation/networking/tuntap.rst. Frames come one for each call, without
//! a header before them, complete and unsegmented: nothing was asked for that would need one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use device::{Cuts, Facts, Offloads, Verified};

use crate::adapter::{Buffer, Port};
use crate::interface;

/// A TAP interface, from our end.
#[derive(Debug)]
pub struct Tap {
    file: File,
    /// To ask about the interface.
    socket: OwnedFd,
    name: String,
    facts: Facts,
}

impl Tap {
    /// Opens the interface of this name, and makes it if it is not there; what was made goes with
    /// the last that has it open, unless it is made [persistent](Self::persist). `mac` is the
    /// address of our end, which must not be the kernel's.
    ///
    /// # Errors
    /// What the operating system says: no TUN driver, no permission, the name is somebody else's.
    pub fn open(name: &str, mac: [u8; 6]) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")?;
        let mut request = interface::request(name)?;
        let flags = libc::IFF_TAP | libc::IFF_NO_PI;
        request.ifr_ifru.ifru_flags = i16::try_from(flags).unwrap_or(0);
        interface::ask(file.as_fd(), libc::TUNSETIFF, &mut request)?;
        let socket = interface::any_socket()?;
        let mtu = interface::mtu(socket.as_fd(), name)?;
        Ok(Self {
            file,
            socket,
            name: name.to_owned(),
            facts: Facts {
                mac,
                mtu,
                offloads: Offloads::NONE,
                cuts: Cuts::NONE,
                places: 0,
            },
        })
    }

    /// Whether the interface remains when nobody has it open.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn persist(&self, is_persistent: bool) -> io::Result<()> {
        interface::tell(self.file.as_fd(), libc::TUNSETPERSIST, is_persistent.into())
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Port for Tap {
    fn facts(&self) -> Facts {
        self.facts
    }

    fn is_up(&self) -> bool {
        interface::is_up(self.socket.as_fd(), &self.name).unwrap_or(false)
    }

    fn receive(&mut self, into: &mut [Buffer]) -> io::Result<usize> {
        for (count, buffer) in into.iter_mut().enumerate() {
            match self.file.read(buffer.room()) {
                Ok(len) => buffer.filled(len, Verified::No),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(count),
                // What came before it is handed out first; the error comes again, or has passed.
                Err(_) if count > 0 => return Ok(count),
                Err(error) => return Err(error),
            }
        }
        Ok(into.len())
    }

    fn send(&mut self, frames: &[Buffer]) -> io::Result<usize> {
        for (count, buffer) in frames.iter().enumerate() {
            match self.file.write(buffer.frame()) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(count),
                Err(_) if count > 0 => return Ok(count),
                Err(error) => return Err(error),
            }
        }
        Ok(frames.len())
    }
}
