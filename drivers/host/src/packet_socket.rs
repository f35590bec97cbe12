//! A packet socket: all frames of an interface that the host has, and room for ours.
//!
//! *Spec*: packet(7). Frames go and come in batches, one call each. What the host itself sends is
//! not shown to us again. A frame from a neighbour on the same machine may have been given no
//! checksum, since it never crosses a wire: the kernel says so beside the frame.

use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use device::{Cuts, Facts, Offload, Offloads, Verified};

use crate::adapter::{BATCH, Buffer, Port};
use crate::interface::{self, checked};

/// Where a VLAN tag stands in a frame, and how long it is.
const TAG_AT: usize = 12;
const TAG_LEN: usize = 4;
/// Its type (IEEE 802.1Q).
const TAG_TYPE: [u8; 2] = [0x81, 0x00];
/// Room for what the kernel says beside a frame, in words: one message of `tpacket_auxdata`.
const ASIDE: usize = 16;

/// A packet socket on an interface.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
    name: String,
    facts: Facts,
}

impl PacketSocket {
    /// Opens a socket on the interface of this name, and hears all that passes there. `mac` is the
    /// address of our end; if it is the interface's own, host and stack share it.
    ///
    /// # Errors
    /// What the operating system says: no such interface, no permission.
    pub fn open(name: &str, mac: [u8; 6]) -> io::Result<Self> {
        let (socket, index) = unbound(name)?;
        let mtu = interface::mtu(socket.as_fd(), name)?;
        option::<libc::c_int>(socket.as_fd(), libc::PACKET_AUXDATA, &1)?;
        hear_all(socket.as_fd(), index)?;
        Ok(Self {
            socket,
            name: name.to_owned(),
            facts: Facts {
                mac,
                mtu,
                offloads: Offloads::NONE.with(Offload::ChecksumIn),
                cuts: Cuts::NONE,
                places: 0,
            },
        })
    }
}

/// A socket that hears nothing yet, and the number of the interface of this name.
pub(crate) fn unbound(name: &str) -> io::Result<(OwnedFd, i32)> {
    // With protocol 0 nothing comes before the socket is bound.
    let socket = interface::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
    let index = interface::index(socket.as_fd(), name)?;
    Ok((socket, index))
}

/// From now on it hears all that passes at an interface, but what is sent by the host.
pub(crate) fn hear_all(socket: BorrowedFd<'_>, index: i32) -> io::Result<()> {
    option::<libc::c_int>(socket, libc::PACKET_IGNORE_OUTGOING, &1)?;
    let promiscuous = libc::packet_mreq {
        mr_ifindex: index,
        mr_type: u16::try_from(libc::PACKET_MR_PROMISC).unwrap_or(0),
        mr_alen: 0,
        mr_address: [0; 8],
    };
    option(socket, libc::PACKET_ADD_MEMBERSHIP, &promiscuous)?;
    let every = u16::try_from(libc::ETH_P_ALL).unwrap_or(0).to_be();
    bind(socket, index, every)
}

/// Sets an option of a packet socket.
pub(crate) fn option<T>(socket: BorrowedFd<'_>, name: libc::c_int, value: &T) -> io::Result<()> {
    let len = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    let value = std::ptr::from_ref(value).cast();
    // SAFETY: `value` points to `len` bytes that are borrowed for the whole call.
    checked(unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, name, value, len) })
}

fn bind(socket: BorrowedFd<'_>, index: i32, protocol: u16) -> io::Result<()> {
    // SAFETY: integers and arrays of them: zeros are valid.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or(0);
    address.sll_protocol = protocol;
    address.sll_ifindex = index;
    let len = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or(0);
    let address = std::ptr::from_ref(&address).cast();
    // SAFETY: `address` points to `len` bytes that are borrowed for the whole call.
    checked(unsafe { libc::bind(socket.as_raw_fd(), address, len) })
}

/// Messages of a batch, all empty.
fn messages() -> [libc::mmsghdr; BATCH] {
    // SAFETY: integers, and pointers that may be null where a length of zero stands beside them.
    unsafe { zeroed() }
}

/// What `recvmmsg` and `sendmmsg` have said: how many, none if they would have to wait.
fn count(result: libc::c_int) -> io::Result<usize> {
    if let Ok(count) = usize::try_from(result) {
        return Ok(count);
    }
    let error = io::Error::last_os_error();
    match (error.kind(), error.raw_os_error()) {
        // A full queue of the interface passes by itself, like a full socket.
        (io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted, _) | (_, Some(libc::ENOBUFS)) => {
            Ok(0)
        }
        _ => Err(error),
    }
}

/// What the kernel says beside a received frame.
fn aside(message: &libc::msghdr) -> Option<libc::tpacket_auxdata> {
    // SAFETY: the kernel has filled in the message, and its control buffer is still there.
    let header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: null, or a header inside of the control buffer, which is aligned for it.
    let header = unsafe { header.as_ref() }?;
    if header.cmsg_level != libc::SOL_PACKET || header.cmsg_type != libc::PACKET_AUXDATA {
        return None;
    }
    // SAFETY: the header was checked to be one with data behind it.
    let data = unsafe { libc::CMSG_DATA(header) };
    // SAFETY: a message of this type carries this structure; it may be anywhere.
    Some(unsafe { data.cast::<libc::tpacket_auxdata>().read_unaligned() })
}

/// Notes a received frame of `len` bytes in its buffer.
fn note(buffer: &mut Buffer, len: usize, said: Option<libc::tpacket_auxdata>) {
    let status = said.map_or(0, |said| said.tp_status);
    let sound = libc::TP_STATUS_CSUM_VALID | libc::TP_STATUS_CSUMNOTREADY;
    let checksum = if status & sound == 0 {
        Verified::No
    } else {
        Verified::Yes
    };
    let mut len = len;
    if let Some(said) = said.filter(|_| status & libc::TP_STATUS_VLAN_VALID != 0) {
        // The kernel has taken the tag out; it goes back to where it was.
        let room = buffer.room();
        let end = len + TAG_LEN;
        if TAG_AT <= len && end <= room.len() {
            room.copy_within(TAG_AT..len, TAG_AT + TAG_LEN);
            let tag = room.iter_mut().skip(TAG_AT);
            let bytes = TAG_TYPE.into_iter().chain(said.tp_vlan_tci.to_be_bytes());
            tag.zip(bytes).for_each(|(place, byte)| *place = byte);
            len = end;
        }
    }
    buffer.filled(len, checksum);
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Port for PacketSocket {
    fn facts(&self) -> Facts {
        self.facts
    }

    fn is_up(&self) -> bool {
        interface::is_up(self.socket.as_fd(), &self.name).unwrap_or(false)
    }

    fn receive(&mut self, into: &mut [Buffer]) -> io::Result<usize> {
        let mut messages = messages();
        let mut asides = [[MaybeUninit::<u64>::uninit(); ASIDE]; BATCH];
        let mut places: [libc::iovec; BATCH] = std::array::from_fn(|place| {
            let room = into.get_mut(place).map_or(&mut [][..], Buffer::room);
            libc::iovec {
                iov_base: room.as_mut_ptr().cast(),
                iov_len: room.len(),
            }
        });
        for ((message, place), aside) in messages.iter_mut().zip(&mut places).zip(&mut asides) {
            message.msg_hdr.msg_iov = place;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_controllen = size_of_val(aside);
            message.msg_hdr.msg_control = aside.as_mut_ptr().cast();
        }
        let wanted = u32::try_from(into.len().min(BATCH)).unwrap_or(0);
        let (socket, first) = (self.socket.as_raw_fd(), messages.as_mut_ptr());
        // SAFETY: each of the first `wanted` messages points to a place and a control buffer of the
        // lengths beside them; all are borrowed, unmoved, until after the call.
        let result = unsafe { libc::recvmmsg(socket, first, wanted, 0, std::ptr::null_mut()) };
        let received = count(result)?;
        let mut kept = 0;
        for (place, message) in messages.iter().take(received).enumerate() {
            // A frame that several segments were merged into is of no use to anybody here. What
            // follows moves up, so that buffers are filled from the first on.
            if message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                continue;
            }
            let len = usize::try_from(message.msg_len).unwrap_or(0);
            if kept < place {
                into.swap(kept, place);
            }
            if let Some(buffer) = into.get_mut(kept) {
                note(buffer, len, aside(&message.msg_hdr));
            }
            kept += 1;
        }
        if received > 0 && kept == 0 {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        Ok(kept)
    }

    fn send(&mut self, frames: &[Buffer]) -> io::Result<usize> {
        let mut messages = messages();
        let mut places: [libc::iovec; BATCH] = std::array::from_fn(|place| {
            let frame = frames.get(place).map_or(&[][..], Buffer::frame);
            libc::iovec {
                iov_base: frame.as_ptr().cast_mut().cast(),
                iov_len: frame.len(),
            }
        });
        for (message, place) in messages.iter_mut().zip(&mut places) {
            message.msg_hdr.msg_iov = place;
            message.msg_hdr.msg_iovlen = 1;
        }
        let wanted = u32::try_from(frames.len().min(BATCH)).unwrap_or(0);
        let (socket, first) = (self.socket.as_raw_fd(), messages.as_mut_ptr());
        // SAFETY: each of the first `wanted` messages points to a place of the length beside it,
        // which is only read; all are borrowed, unmoved, until after the call.
        count(unsafe { libc::sendmmsg(socket, first, wanted, 0) })
    }
}
