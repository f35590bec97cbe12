//! What sockets have sent lately, so that errors about it are told from forged ones.
//!
//! *Owns* the memory of sockets that want details of what comes, raw ones among them: of each of its
//! last packets a print, made of where it went and how it began. An error that quotes anything else is
//! not believed (RFC 5927 section 4.1 asks the same of TCP's).

use crate::config::Config;
use crate::family::Family;
use crate::hash::Spread;
use crate::id::ClientId;
use crate::rng::Rng;
use crate::slab::Table;
use crate::udp::parcel::Parcel;
use wire::Protocol;

/// Packets that are remembered of a socket.
const REMEMBERED: usize = 64;

/// Bytes that tell one packet from another: as many as any error quotes (RFC 792).
const TOLD: usize = 8;

/// One socket's last packets.
#[derive(Clone, Copy, Debug)]
struct Trace {
    client: ClientId,
    prints: [u64; REMEMBERED],
    /// How many there were, and so where the next print goes.
    count: usize,
}

/// Those of all sockets that have one.
#[derive(Debug)]
pub(crate) struct Traces {
    table: Table<Trace>,
    per_client: usize,
    spread: Spread,
}

/// How a packet with this payload begins, its ports or its first bytes.
pub(crate) fn beginning(protocol: Protocol, payload: &[u8]) -> u64 {
    let checksum_at = (protocol == Protocol::ICMPV6).then_some(2);
    beginning_but(protocol, payload, checksum_at)
}

/// The same, without a checksum that the client does not fill in.
pub(crate) fn beginning_but(protocol: Protocol, payload: &[u8], checksum_at: Option<u8>) -> u64 {
    let mut lead = [0; TOLD];
    // Of UDP only the ports: routers may have seen other checksums than we.
    let most = if protocol == Protocol::UDP { 4 } else { TOLD };
    for (to, from) in lead.iter_mut().zip(payload.iter().take(most)) {
        *to = *from;
    }
    if let Some(at) = checksum_at.map(usize::from)
        && let Some(checksum) = lead.get_mut(at..at + 2)
    {
        checksum.fill(0);
    }
    u64::from_ne_bytes(lead)
}

impl Traces {
    pub(crate) fn new(config: &Config, rng: &mut Rng) -> Self {
        Self {
            table: Table::new(config.detailed_sockets.into()),
            per_client: config.detailed_per_client.into(),
            spread: Spread::new(rng),
        }
    }

    /// A memory for one socket of a client. `None` when too many have one.
    pub(crate) fn open(&mut self, client: ClientId) -> Option<u32> {
        let own = self.table.iter().filter(|(_, it)| it.client == client);
        if own.count() >= self.per_client {
            return None;
        }
        self.table.insert(Trace {
            client,
            prints: [0; REMEMBERED],
            count: 0,
        })
    }

    /// The socket needs it no more.
    pub(crate) fn close(&mut self, trace: u32) {
        self.table.remove_at(trace);
    }

    /// A packet is about to leave.
    #[cold]
    pub(crate) fn note<A: Family>(&mut self, trace: u32, parcel: &Parcel<A>) {
        let print = self.spread.print(parcel.to, parcel.front.beginning());
        if let Some(trace) = self.table.at_mut(trace)
            // Each of its parts is, as is one that had to wait.
            && !trace.prints.contains(&print)
            && let Some(place) = trace.prints.get_mut(trace.count % REMEMBERED)
        {
            *place = print;
            trace.count = trace.count.wrapping_add(1);
        }
    }

    /// Whether a packet to this address that began so was sent lately.
    pub(crate) fn has<A: Family>(
        &self,
        trace: u32,
        to: A,
        (protocol, payload): (Protocol, &[u8]),
        checksum_at: Option<u8>,
    ) -> bool {
        let begins = beginning_but(protocol, payload, checksum_at);
        let print = self.spread.print(to, begins);
        let known = self.table.at(trace);
        known.is_some_and(|trace| trace.prints.iter().take(trace.count).any(|it| *it == print))
    }
}
