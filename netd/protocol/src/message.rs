//! The 256-byte message: a 56-byte header and up to 200 bytes inline.
//!
//! *Owns* the layout of header and address. *Never* interprets an operation's fields; `field.rs`
//! and the declarations do. All integers are little endian and unaligned-safe, so a message can be
//! viewed in place in a ring's slot. Every bit pattern is a `Message`; meaning is checked later.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::Malformed;

/// Bytes of a message.
pub const MESSAGE_BYTES: usize = 256;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 56;
/// Most bytes of payload inside a message.
pub const INLINE_BYTES: usize = MESSAGE_BYTES - HEADER_BYTES;
/// Added to an operation's number in its replies.
pub const REPLY: u16 = 0x80;

/// Bits of [`Header::flags`].
pub mod flag {
    /// The payload lies in the message itself, not in the arena.
    pub const INLINE: u16 = 1 << 0;
    /// Reply: further completions of this request follow.
    pub const MORE: u16 = 1 << 1;
    /// Reply: the peer has finished sending; nothing follows on this socket.
    pub const END: u16 = 1 << 2;
    /// Request: give up at once (reset) instead of finishing in order.
    pub const ABORT: u16 = 1 << 3;
    /// Request: its answer may come along with another. Reply: one has come along.
    pub const ALONG: u16 = 1 << 4;
}

/// An address as it stands in messages: IP, port, prefix length and scope.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
pub struct Address {
    /// IPv4: the first four bytes, the rest zero. Network order.
    pub ip: [u8; 16],
    /// Port, zero where there is none.
    pub port: U16,
    /// 0: no address; 4; 6.
    pub family: u8,
    /// Prefix length where a network is meant, else zero.
    pub prefix: u8,
    /// IPv6 scope, else zero.
    pub scope: U32,
}

const _: () = assert!(size_of::<Address>() == 24);

impl Address {
    /// No address.
    pub const NONE: Self = Self {
        ip: [0; 16],
        port: U16::ZERO,
        family: 0,
        prefix: 0,
        scope: U32::ZERO,
    };

    /// An IP address without port.
    #[must_use]
    pub fn from_ip(ip: IpAddr) -> Self {
        Self::from_socket(SocketAddr::new(ip, 0))
    }

    /// A network: address and prefix length in bits.
    #[must_use]
    pub fn from_network(ip: IpAddr, prefix: u8) -> Self {
        Self {
            prefix,
            ..Self::from_ip(ip)
        }
    }

    /// An IP address with port (and scope).
    #[must_use]
    pub fn from_socket(address: SocketAddr) -> Self {
        let mut out = Self {
            port: U16::new(address.port()),
            ..Self::NONE
        };
        match address {
            SocketAddr::V4(v4) => {
                out.family = 4;
                if let Some(first) = out.ip.first_chunk_mut() {
                    *first = v4.ip().octets();
                }
            }
            SocketAddr::V6(v6) => {
                out.family = 6;
                out.ip = v6.ip().octets();
                out.scope = U32::new(v6.scope_id());
            }
        }
        out
    }

    /// The address with its port; `None` inside when there is none.
    ///
    /// # Errors
    /// [`Malformed::BadField`] for an unknown family.
    pub fn socket(&self) -> Result<Option<SocketAddr>, Malformed> {
        let [a, b, c, d, ..] = self.ip;
        match self.family {
            0 => Ok(None),
            4 => Ok(Some(SocketAddr::new(
                IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
                self.port.get(),
            ))),
            6 => Ok(Some(SocketAddr::V6(SocketAddrV6::new(
                Ipv6Addr::from(self.ip),
                self.port.get(),
                0,
                self.scope.get(),
            )))),
            _ => Err(Malformed::BadField),
        }
    }

    /// The IP address alone; `None` when there is none or the family is unknown.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.socket().ok().flatten().map(|address| address.ip())
    }
}

/// The first 56 bytes of every message. Which fields an operation uses, its declaration says; the
/// others are zero.
///
/// Aligned as it lies in a slot, so that a field is one load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub struct Header {
    /// Number of the operation; plus [`REPLY`] in replies.
    pub operation: U16,
    /// Bits of [`flag`].
    pub flags: U16,
    /// Chosen by the client; every reply to the request carries it.
    pub request: U32,
    /// Socket concerned, or zero.
    pub socket: U32,
    /// Reply: zero or a [`crate::Code`]. Request: zero.
    pub status: U32,
    /// Where in the client's arena.
    pub offset: U64,
    /// Bytes in the arena, or of the inline part.
    pub length: U32,
    /// One number, by operation.
    pub argument: U32,
    /// One address, by operation.
    pub address: Address,
}

const _: () = assert!(size_of::<Header>() == HEADER_BYTES);

/// A message as it lies in a ring's slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub struct Message {
    /// Fixed fields.
    pub header: Header,
    /// Bytes that `length` counts when they do not lie in the arena; the rest is zero.
    pub inline: [u8; INLINE_BYTES],
}

const _: () = assert!(size_of::<Message>() == MESSAGE_BYTES);

impl Message {
    /// All zeros: no operation.
    #[must_use]
    pub fn zeroed() -> Self {
        Self::new_zeroed()
    }

    /// A message from bytes that came from anywhere. Bytes that are missing count as zero.
    ///
    /// The verdict is [`Malformed::Short`] below and [`Malformed::Long`] above 256 bytes; the message
    /// holds what was there, so that a reply can carry the right request id.
    pub fn from_slice(bytes: &[u8]) -> (Self, Result<(), Malformed>) {
        let mut message = Self::zeroed();
        for (to, from) in message.as_mut_bytes().iter_mut().zip(bytes) {
            *to = *from;
        }
        let verdict = match bytes.len() {
            MESSAGE_BYTES => Ok(()),
            0..MESSAGE_BYTES => Err(Malformed::Short),
            _ => Err(Malformed::Long),
        };
        (message, verdict)
    }

    /// The message in a slot, seen in place.
    #[must_use]
    pub fn view(words: &[u64; MESSAGE_BYTES / 8]) -> &Self {
        zerocopy::transmute_ref!(words)
    }

    /// The words for a slot.
    #[must_use]
    pub fn words(&self) -> &[u64; MESSAGE_BYTES / 8] {
        zerocopy::transmute_ref!(self)
    }

    /// The bytes for a slot.
    #[must_use]
    pub fn bytes(&self) -> &[u8; MESSAGE_BYTES] {
        zerocopy::transmute_ref!(self)
    }

    /// Whether `bits` are all set in the flags.
    #[must_use]
    pub fn has(&self, bits: u16) -> bool {
        self.header.flags.get() & bits == bits
    }

    pub(crate) fn set(&mut self, bits: u16) {
        self.header.flags.set(self.header.flags.get() | bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_wire() {
        for text in ["10.0.2.15:80", "[fe80::1]:53", "0.0.0.0:0", "[::1]:65535"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Address::from_socket(address).socket(), Ok(Some(address)));
        }
        assert_eq!(Address::NONE.socket(), Ok(None));
        let odd = Address {
            family: 5,
            ..Address::NONE
        };
        assert_eq!(odd.socket(), Err(Malformed::BadField));
        assert_eq!(odd.ip(), None);
    }

    #[test]
    fn scope_of_a_link_local_address_is_kept() {
        let address = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 1, 0, 7));
        assert_eq!(Address::from_socket(address).socket(), Ok(Some(address)));
    }

    #[test]
    fn short_and_long_bytes_keep_the_request_id() {
        let mut whole = Message::zeroed();
        whole.header.request.set(0x0102_0304);
        let (message, verdict) = Message::from_slice(&whole.bytes()[..8]);
        assert_eq!(verdict, Err(Malformed::Short));
        assert_eq!(message.header.request.get(), 0x0102_0304);
        let (_, verdict) = Message::from_slice(&[0; MESSAGE_BYTES + 1]);
        assert_eq!(verdict, Err(Malformed::Long));
        let (again, verdict) = Message::from_slice(whole.bytes());
        assert_eq!((again, verdict), (whole, Ok(())));
    }
}
