//! A datagram on its way out, with all that is known of it.
//!
//! *Owns* what stands between the network header and the client's bytes: UDP's header, or, of a raw
//! socket, nothing, but for a checksum.

use crate::family::Family;
use crate::id::ClientId;
use crate::ip::out::Path;
use crate::requests::Send;
use crate::udp::traces::{beginning, beginning_but};
use wire::{Headroom, NoRoom, Protocol, Pseudo, Seal, udp};

/// Bytes of a raw payload within which it has its checksum, if that is filled in here: OSPF for IPv6 has
/// it last of all (RFC 5340 section A.3.1).
pub(crate) const LEAD: usize = 16;

/// What stands in front of the client's bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Front {
    /// UDP's header.
    Datagram(udp::Header),
    /// Nothing: the bytes are those of this protocol, and begin so (zeros behind the last).
    Raw {
        /// The protocol.
        protocol: Protocol,
        /// How they begin.
        lead: [u8; LEAD],
        /// Where in that a checksum is to be filled in.
        checksum_at: Option<u8>,
    },
}

/// A datagram on its way out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parcel<A> {
    pub(crate) client: ClientId,
    pub(crate) send: Send,
    pub(crate) path: Path<A>,
    pub(crate) to: A,
    pub(crate) front: Front,
    /// Its bytes.
    pub(crate) front_len: usize,
    /// So many of the client's bytes it stands for.
    pub(crate) skipped: u32,
    /// The client's bytes that follow.
    pub(crate) len: usize,
    pub(crate) ttl: u8,
    pub(crate) dscp: u8,
}

impl Front {
    /// What carries it.
    #[inline(always)]
    pub(crate) const fn protocol(&self) -> Protocol {
        match self {
            Self::Datagram(_) => Protocol::UDP,
            Self::Raw { protocol, .. } => *protocol,
        }
    }

    /// How it begins, as routers that quote it tell.
    pub(crate) fn beginning(&self) -> u64 {
        match *self {
            Self::Datagram(header) => {
                let [a, b] = header.src_port.to_be_bytes();
                let [c, d] = header.dst_port.to_be_bytes();
                beginning(Protocol::UDP, &[a, b, c, d])
            }
            Self::Raw {
                protocol,
                lead,
                checksum_at,
            } => beginning_but(protocol, &lead, checksum_at),
        }
    }

    /// Our port and the peer's.
    #[inline(always)]
    pub(crate) const fn ports(&self) -> Option<(u16, u16)> {
        match self {
            Self::Datagram(header) => Some((header.src_port, header.dst_port)),
            Self::Raw { .. } => None,
        }
    }

    /// Its length in bytes, and how many of the client's bytes it stands for: their checksum is ours
    /// to fill in (RFC 3542 section 3.1).
    #[inline(always)]
    const fn sizes(&self) -> (usize, u32) {
        match self {
            Self::Datagram(_) => (udp::HEADER_LEN, 0),
            Self::Raw {
                checksum_at: Some(at),
                ..
            } => (*at as usize + 2, *at as u32 + 2),
            Self::Raw { .. } => (0, 0),
        }
    }

    /// Puts it in front of `len` bytes.
    #[inline(always)]
    pub(crate) fn emit(
        &self,
        room: &mut Headroom<'_>,
        len: usize,
        seal: Seal,
    ) -> Result<(), NoRoom> {
        match self {
            Self::Datagram(header) => header.emit(room, len, seal),
            Self::Raw { .. } => self.emit_raw(room, len, seal),
        }
    }

    #[cold]
    fn emit_raw(&self, room: &mut Headroom<'_>, len: usize, seal: Seal) -> Result<(), NoRoom> {
        let Self::Raw {
            protocol,
            lead,
            checksum_at: Some(at),
        } = *self
        else {
            return Ok(());
        };
        let before = lead.get(..usize::from(at)).ok_or(NoRoom)?;
        let Seal::Full { pseudo, payload } = seal else {
            return Err(NoRoom);
        };
        let len = u32::try_from(len).map_err(|_| NoRoom)?;
        let whole = len.checked_add(u32::from(at) + 2).ok_or(NoRoom)?;
        // It stands at an even place, so that what follows sums up by itself.
        let sum = pseudo.with(protocol, whole).plus(wire::sum(before));
        room.prepend(&sum.plus(payload).finish())?;
        room.prepend(before)
    }
}

impl<A: Family> Parcel<A> {
    /// What a client sends, on its way with what stands in front of it; `None` when it is shorter than that.
    #[inline(always)]
    pub(crate) fn new(
        client: ClientId,
        send: Send,
        (path, to): (Path<A>, A),
        front: Front,
        (ttl, dscp): (u8, u8),
    ) -> Option<Self> {
        let (front_len, skipped) = front.sizes();
        let len = usize::try_from(send.length.checked_sub(skipped)?).ok()?;
        Some(Self {
            client,
            send,
            path,
            to,
            front,
            front_len,
            skipped,
            len,
            ttl,
            dscp,
        })
    }

    /// Bytes of headers in front of the client's bytes, without Ethernet's.
    #[inline(always)]
    pub(crate) const fn headers(&self) -> usize {
        A::HEADER_LEN + self.front_len
    }

    /// Its length in one piece, without Ethernet's header.
    #[inline(always)]
    pub(crate) const fn whole_len(&self) -> usize {
        self.len + self.headers()
    }

    /// Whether it leaves in parts.
    #[inline(always)]
    pub(crate) fn is_long(&self) -> bool {
        self.whole_len() > usize::from(self.path.mtu)
    }

    #[inline(always)]
    pub(crate) fn pseudo(&self) -> Pseudo {
        A::pseudo(self.path.source, self.to)
    }
}
