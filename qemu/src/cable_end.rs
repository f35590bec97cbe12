//! What carries the frames at our end of a cable.
//!
//! *Owns* the socket, and how long to wait for it. *Never* looks into a frame, but to say to a card what it
//! has to know of one that is several segments.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use host::VnetSocket;
use host::vnet_socket::HEADER_LEN;

use crate::machine::Link;

/// The longest frame of a link that nobody cuts segments for.
const PLAIN: usize = 1_514;
/// No frame is longer, in bytes.
pub const LONGEST: usize = 70_000;
/// How many frames may have come that nobody has asked for.
const WAITING: usize = 65_536;
/// Where the checksum lies in the header of TCP.
const CHECKSUM: u16 = 16;
/// Of the header in front of a frame (virtio 1.2, 5.1.6): the transport checksum is still to be made, and
/// which packets its segments are.
const NEEDS_CHECKSUM: u8 = 1;
const TCP_OVER_IPV4: u8 = 1;
const TCP_OVER_IPV6: u8 = 4;

/// Our end of a cable.
pub enum End {
    /// Each frame is a datagram to QEMU.
    Datagrams(Datagrams),
    /// The card is behind a TAP interface, which cuts and joins segments as it likes.
    Tap {
        socket: VnetSocket,
        interface: String,
    },
}

/// A socket with a place in the file system, and QEMU's beside it.
///
/// A thread takes what comes at once, whether anybody waits for it or not: such a socket holds few datagrams
/// (ten, by Linux's default), and QEMU asks it again and again meanwhile without giving the guest its turn.
pub struct Datagrams {
    socket: UnixDatagram,
    ours: PathBuf,
    theirs: PathBuf,
    frames: Receiver<Vec<u8>>,
}

impl Datagrams {
    /// Makes the socket; names are unique within a run.
    pub fn bind(name: &str) -> Result<Self> {
        // Not under the tree: a socket's path has at most 107 bytes.
        let directory = std::env::temp_dir();
        let unique = format!("skerry-{}-{name}", std::process::id());
        let ours = directory.join(format!("{unique}.us"));
        let theirs = directory.join(format!("{unique}.guest"));
        std::fs::remove_file(&ours).ok();
        std::fs::remove_file(&theirs).ok();
        let socket = UnixDatagram::bind(&ours)
            .with_context(|| format!("cannot make the socket {}", ours.display()))?;
        let (taken, frames) = crossbeam_channel::bounded(WAITING);
        let taker = socket.try_clone()?;
        std::thread::spawn(move || take_frames(&taker, &taken));
        Ok(Self {
            socket,
            ours,
            theirs,
            frames,
        })
    }

    fn receive(&self, buffer: &mut [u8], limit: Duration) -> Result<Option<usize>> {
        match self.frames.recv_timeout(limit) {
            Ok(frame) => {
                let length = frame.len().min(buffer.len());
                buffer[..length].copy_from_slice(&frame[..length]);
                Ok(Some(length))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("nobody takes what comes over the cable"),
        }
    }
}

/// Passes on what comes, until the cable is gone.
fn take_frames(socket: &UnixDatagram, taken: &Sender<Vec<u8>>) {
    let mut buffer = vec![0; LONGEST];
    loop {
        match socket.recv(&mut buffer) {
            Ok(0) => return,
            Ok(length) if taken.send(buffer[..length].to_vec()).is_err() => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        // Ends the thread.
        self.socket.shutdown(Shutdown::Both).ok();
        std::fs::remove_file(&self.ours).ok();
        std::fs::remove_file(&self.theirs).ok();
    }
}

impl End {
    /// An end at the TAP interface of this name, whose frames carry what a card has to know of them.
    pub fn tap(interface: &str) -> Result<Self> {
        Ok(Self::Tap {
            socket: VnetSocket::open(interface)?,
            interface: interface.into(),
        })
    }

    /// What the machine's card is plugged into.
    pub fn link(&self) -> Link {
        match self {
            Self::Datagrams(it) => Link::Frames {
                ours: it.ours.clone(),
                theirs: it.theirs.clone(),
            },
            Self::Tap { interface, .. } => Link::Tap {
                interface: interface.clone(),
                queues: 1,
            },
        }
    }

    /// Sends one frame. Waits while there is no room for it.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        match self {
            Self::Datagrams(it) => {
                let sent = it.socket.send_to(frame, &it.theirs);
                sent.context("QEMU's end of the cable is gone")?;
            }
            Self::Tap { socket, .. } => {
                let with_header = [&header(frame)?, frame].concat();
                socket.send(&with_header).context("the TAP interface")?;
            }
        }
        Ok(())
    }

    /// The next frame, if one comes within the limit; its length.
    pub fn receive(&self, buffer: &mut [u8], limit: Duration) -> Result<Option<usize>> {
        match self {
            Self::Datagrams(it) => it.receive(buffer, limit),
            Self::Tap { socket, .. } => {
                let Some(length) = socket.receive(buffer, limit)? else {
                    return Ok(None);
                };
                buffer.copy_within(HEADER_LEN..length, 0);
                Ok(length.checked_sub(HEADER_LEN))
            }
        }
    }

    /// Forgets what is there at this moment.
    pub fn discard(&self) -> Result<()> {
        match self {
            Self::Datagrams(it) => {
                it.frames.try_iter().for_each(drop);
                Ok(())
            }
            Self::Tap { socket, .. } => {
                while socket.receive(&mut [0; 2_048], Duration::ZERO)?.is_some() {}
                Ok(())
            }
        }
    }
}

/// The header in front of a frame: one that is too long for the link is a segment of TCP, to be cut.
fn header(frame: &[u8]) -> Result<[u8; HEADER_LEN]> {
    let mut header = [0; HEADER_LEN];
    if frame.len() <= PLAIN {
        return Ok(header);
    }
    let sliced = SlicedPacket::from_ethernet(frame)?;
    let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else {
        bail!("only segments of TCP can be cut");
    };
    let kind = match sliced.net {
        Some(NetSlice::Ipv6(_)) => TCP_OVER_IPV6,
        _ => TCP_OVER_IPV4,
    };
    let headers = frame.len() - tcp.payload().len();
    let start = headers - tcp.header_slice().len();
    let size = u16::try_from(PLAIN - headers)?;
    header[..2].copy_from_slice(&[NEEDS_CHECKSUM, kind]);
    let words = [
        u16::try_from(headers)?,
        size,
        u16::try_from(start)?,
        CHECKSUM,
    ];
    for (place, word) in header[2..].chunks_exact_mut(2).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::header;
    use crate::family::Family;

    /// A segment with so many bytes and timestamps.
    fn segment(family: Family, bytes: usize) -> Vec<u8> {
        let mut frame = Vec::new();
        let packet = family.packet().tcp(1, 2, 3, 4).options_raw(&[1; 12]);
        packet.unwrap().write(&mut frame, &vec![0; bytes]).unwrap();
        frame
    }

    #[test]
    fn what_fits_the_link_is_left_alone() {
        assert_eq!(header(&segment(Family::Four, 1_448)).unwrap(), [0; 10]);
        assert!(header(&[0; 2_000]).is_err(), "no segment");
    }

    #[test]
    fn what_does_not_is_cut_into_full_segments() {
        for (family, kind, start) in [(Family::Four, 1, 34), (Family::Six, 4, 54)] {
            let header = header(&segment(family, 60_000)).unwrap();
            assert_eq!(header[..2], [1, kind]);
            let word = |at| u16::from_ne_bytes([header[at], header[at + 1]]);
            assert_eq!([2, 6, 8].map(word), [start + 32, start, 16]);
            assert_eq!(usize::from(word(4)), family.segment());
        }
    }
}
