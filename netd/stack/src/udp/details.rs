//! What came, with all that its headers said, for sockets that want to know: it stands in the client's
//! room in front of the bytes.
//!
//! *Owns* the layout, all numbers of which are little endian; and the errors of ICMP that are told so:
//! each is an arrival like any other, in its place among them.

use crate::family::Family;
use crate::interface::Scope;
use crate::ip::incoming::Incoming;
use crate::memory::ClientMemory;
use crate::stack::Stack;
use crate::stats::Counter;
use core::net::{IpAddr, SocketAddr};
use wire::{Drop, Protocol};

/// Bytes of [`Details`] in a room.
pub const DETAILS_LEN: usize = 56;

/// What stands in front of what has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Details {
    /// Who has sent it; of an error, who reports it.
    pub source: SocketAddr,
    /// To whom it was; of an error, to whom the packet was that it is about.
    pub destination: SocketAddr,
    /// How many routers it might still have passed.
    pub hops: u8,
    /// It is an error of ICMP: its type, its code, and what stands in its second word.
    pub error: Option<(u8, u8, u32)>,
}

/// An address as clients read it.
fn put_address(into: &mut [u8], end: SocketAddr) -> Option<()> {
    let family: u8 = match end.ip() {
        IpAddr::V4(ip) => {
            into.get_mut(..4)?.copy_from_slice(&ip.octets());
            4
        }
        IpAddr::V6(ip) => {
            into.get_mut(..16)?.copy_from_slice(&ip.octets());
            6
        }
    };
    into.get_mut(16..18)?
        .copy_from_slice(&end.port().to_le_bytes());
    *into.get_mut(18)? = family;
    Some(())
}

impl Details {
    /// As they stand in a room.
    #[must_use]
    pub fn bytes(&self) -> [u8; DETAILS_LEN] {
        let mut bytes = [0; DETAILS_LEN];
        let (source, rest) = bytes.split_at_mut(24);
        let (destination, rest) = rest.split_at_mut(24);
        let placed =
            put_address(source, self.source).and(put_address(destination, self.destination));
        debug_assert!(placed.is_some(), "there is room");
        let (kind, code, word) = self.error.unwrap_or_default();
        let [a, b, c, d] = word.to_le_bytes();
        rest.copy_from_slice(&[
            self.hops,
            self.error.is_some().into(),
            kind,
            code,
            a,
            b,
            c,
            d,
        ]);
        bytes
    }
}

/// An error of ICMP about a packet of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report<'a, A> {
    /// Who says so, and how many routers that might still have passed.
    pub(crate) from: (A, u8),
    /// Its first eight bytes.
    pub(crate) head: [u8; 8],
    /// Between whom the packet was.
    pub(crate) ends: (A, A),
    /// What it carried.
    pub(crate) protocol: Protocol,
    /// What was quoted of that.
    pub(crate) quoted: &'a [u8],
}

impl<'a, A: Family> Report<'a, A> {
    /// What a message says of a packet.
    pub(crate) fn new(
        incoming: &Incoming<'a, A>,
        ends: (A, A),
        (protocol, quoted): (Protocol, &'a [u8]),
    ) -> Self {
        let head = incoming.payload.first_chunk().copied();
        Self {
            from: (incoming.source(), incoming.hops()),
            head: head.unwrap_or_default(),
            ends,
            protocol,
            quoted,
        }
    }

    /// As it is told about a packet to this port.
    fn details(&self, port: u16) -> Details {
        let [kind, code, _, _, a, b, c, d] = self.head;
        Details {
            source: self.from.0.end(0),
            destination: self.ends.1.end(port),
            hops: self.from.1,
            error: Some((kind, code, u32::from_be_bytes([a, b, c, d]))),
        }
    }
}

impl Stack {
    /// Copies what has come into its socket's room, behind what is said of it. Once for all who do so:
    /// few sockets want that.
    #[cold]
    #[inline(never)]
    pub(crate) fn put_behind<A: Family, M: ClientMemory>(
        &mut self,
        index: u32,
        from: (A, u16),
        parts: [&[u8]; 2],
        memory: &mut M,
    ) -> Result<(), Drop> {
        self.put_arrival(index, from, parts, memory)
    }

    /// Puts a datagram, or what a raw socket hears, into a room with its details.
    #[cold]
    pub(crate) fn deliver_detailed<A: Family, M: ClientMemory>(
        &mut self,
        index: u32,
        incoming: &Incoming<'_, A>,
        (from, to): (u16, u16),
        payload: &[u8],
        memory: &mut M,
    ) -> Result<(), Drop> {
        debug_assert!(incoming.scope != Scope::Other, "not for us");
        let details = Details {
            source: incoming.source().heard_on(incoming.interface).end(from),
            destination: incoming.destination().end(to),
            hops: incoming.hops(),
            error: None,
        };
        let bytes = details.bytes();
        let parts = [&bytes, payload];
        self.put_behind(index, (incoming.source(), from), parts, memory)?;
        self.stats.count(Counter::DetailedReceived);
        Ok(())
    }

    /// Tells a socket that wants details of an error about a packet to this port, if it has sent such
    /// a packet. What is left of the packet behind its transport header, of `header` bytes, follows.
    #[cold]
    pub(crate) fn report_detailed<A: Family, M: ClientMemory>(
        &mut self,
        index: u32,
        report: &Report<'_, A>,
        (port, header): (u16, usize),
        memory: &mut M,
    ) -> bool {
        let Some(socket) = self.udp.sockets.at(index) else {
            return false;
        };
        let (packet, to) = ((report.protocol, report.quoted), report.ends.1);
        let checksum = socket.packets().and_then(|raw| raw.checksum_at);
        let has = |trace| self.traces.has(trace, to, packet, checksum);
        if !socket.trace.is_some_and(has) {
            return false;
        }
        let bytes = report.details(port).bytes();
        let parts = [&bytes, report.quoted.get(header..).unwrap_or_default()];
        let put = self.put_behind(index, (report.from.0, 0), parts, memory);
        self.stats.count(match put {
            Ok(()) => Counter::DetailedReceived,
            Err(_) => Counter::DetailedLost,
        });
        true
    }
}
