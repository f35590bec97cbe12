//! Paths that take less than the link: what a router says becomes a segment size.
//!
//! *Owns* the checks of the message, the arithmetic between packets and segments, and the memory for
//! connections to come. A message is believed only when it quotes a segment that is in flight
//! (RFC 5927 4.1) and says less than is known; what it can do is bounded by the least MTU.
//!
//! Spec: RFC 1191 3 to 6, RFC 5927 7.

use crate::family::Family;
use crate::ip::out::Path;
use crate::stack::Stack;
use crate::stats::Counter;
use ::tcp::{Instant, Mss};
use wire::tcp;

/// The next smaller packet size of links in use (RFC 1191 section 7), for routers that do not say.
pub(crate) fn plateau_below(known: u16) -> Option<u16> {
    const PLATEAUS: [u16; 6] = [17_914, 8_166, 4_352, 1_492, 1_006, 552];
    PLATEAUS.into_iter().find(|plateau| *plateau < known)
}

impl Stack {
    /// A router has dropped a segment of this connection: it was too big, and `mtu` bytes would not
    /// be; zero from an old router that does not say (RFC 1191 5).
    pub(crate) fn path_is_narrow<A: Family>(
        &mut self,
        index: u32,
        destination: A,
        mtu: u16,
        now: Instant,
    ) {
        let known = self.tcp_path::<A>(index).map_or(u16::MAX, |path| path.mtu);
        let mtu = match mtu {
            0 => plateau_below(known),
            mtu => Some(mtu),
        };
        let Some(mtu) = mtu.filter(|mtu| *mtu < known) else {
            return;
        };
        self.stats.count(Counter::PathMtusLearnt);
        self.net_mut::<A>().narrow.mtus.learn(destination, mtu, now);
        self.heed_path::<A>(index, now);
        self.settle::<A>(index, now);
    }

    /// The largest packet that the path of this connection is known to take.
    pub(crate) fn tcp_mtu<A: Family>(&self, index: u32) -> Option<u16> {
        let tables = self.tcp.tables.of::<A>();
        let way = tables.ways.get(tables.connections.at(index)?.way);
        way.map(|way| way.mtu)
    }

    /// What is known of the path to the peer holds for this connection.
    pub(crate) fn heed_path<A: Family>(&mut self, index: u32, now: Instant) {
        let Some(path) = self.tcp_path::<A>(index) else {
            return;
        };
        let Some(conn) = self.tcp.tables.of::<A>().connections.at(index) else {
            return;
        };
        let mtu = self.net::<A>().narrow.mtus.get(conn.tuple.remote, now);
        if mtu >= path.mtu {
            return;
        }
        let way = self
            .tcp
            .tables
            .of_mut::<A>()
            .way_number(&Path { mtu, ..path });
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return;
        };
        conn.way = way;
        let headers = A::HEADER_LEN + tcp::HEADER_LEN;
        let payload = usize::from(mtu).saturating_sub(headers);
        let mss = Mss::at_least(u16::try_from(payload).unwrap_or(u16::MAX));
        conn.tcp.limit_path(mss, &mut self.tcp.shared, now);
    }
}
