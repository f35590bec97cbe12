//! Counters: everything that can happen to a packet has one.
//!
//! *Owns* the numbers. *Invariant*: received = delivered + sum of the received-side drops.

use crate::info::Traffic;
use crate::pieces::Extent;
use wire::Drop;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $counter:ident = $name:literal,)+) => {
        /// What is counted besides drops.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Counter {
            $($(#[doc = $doc])+ $counter,)+
        }

        impl Counter {
            /// All counters with their names.
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$counter, $name),)+];
        }
    };
}

counters! {
    /// ARP requests sent.
    ArpRequestsSent = "arp.requests_sent",
    /// ARP replies sent.
    ArpRepliesSent = "arp.replies_sent",
    /// Address conflicts seen (RFC 5227).
    ArpConflicts = "arp.conflicts",
    /// Solicitations of neighbours and routers sent.
    NdpSolicitationsSent = "ndp.solicitations_sent",
    /// Answers to solicitations sent.
    NdpAdvertisementsSent = "ndp.advertisements_sent",
    /// Advertisements of routers heeded.
    NdpRoutersHeard = "ndp.routers_heard",
    /// Addresses of ours that somebody else had.
    NdpConflicts = "ndp.conflicts",
    /// Questions of routers about groups heeded.
    GroupQueriesHeard = "group.queries_heard",
    /// Reports about groups sent.
    GroupReportsSent = "group.reports_sent",
    /// Groups left, in the words of older versions.
    GroupLeavesSent = "group.leaves_sent",
    /// Copies of what we send to groups that were for ourselves.
    GroupLooped = "group.looped",
    /// Echo requests answered.
    EchoReplies = "icmp.echo_replies_sent",
    /// ICMP errors sent.
    IcmpErrorsSent = "icmp.errors_sent",
    /// ICMP errors held back by the limit.
    IcmpErrorsLimited = "icmp.errors_limited",
    /// ICMP errors told to a socket.
    IcmpErrorsDelivered = "icmp.errors_delivered",
    /// Redirects of IPv4 heeded.
    IcmpRedirects = "icmp4.redirects",
    /// Packets that have come in parts and are whole.
    Reassembled = "fragment.reassembled",
    /// Packets that were not whole in time.
    ReassemblyTimeouts = "fragment.timeouts",
    /// Parts of packets sent.
    FragmentsSent = "fragment.sent",
    /// Routers' messages that made datagrams, echoes and raw packets leave in smaller parts.
    PathsNarrowed = "ip.paths_narrowed",
    /// Datagrams delivered.
    UdpReceived = "udp.received",
    /// Datagrams sent.
    UdpSent = "udp.sent",
    /// Copies of packets, and errors about packets sent, delivered to raw sockets and such that want
    /// details.
    DetailedReceived = "raw.received",
    /// Such that found no room.
    DetailedLost = "raw.lost",
    /// Packets of raw sockets sent.
    RawSent = "raw.sent",
    /// Segments received for somebody.
    TcpReceived = "tcp.received",
    /// Segments sent, resets included.
    TcpSent = "tcp.sent",
    /// Resets sent.
    TcpResetsSent = "tcp.resets_sent",
    /// Resets accepted.
    TcpResetsReceived = "tcp.resets_received",
    /// Connections opened by us.
    TcpActiveOpens = "tcp.active_opens",
    /// Connections opened by peers.
    TcpPassiveOpens = "tcp.passive_opens",
    /// Connections that were never established.
    TcpFailedOpens = "tcp.failed_opens",
    /// Segments sent again.
    TcpRetransmits = "tcp.retransmits",
    /// Segments with data that a router had marked.
    TcpMarksReceived = "tcp.marks_received",
    /// Reductions of a window because the peer had seen marks.
    TcpMarksHeeded = "tcp.marks_heeded",
    /// Connections given up because nobody answered.
    TcpTimeouts = "tcp.timeouts",
    /// Half-open connections that made way for newer ones.
    SynCacheOverflows = "tcp.syn_cache_overflows",
    /// SYNs answered by a cookie, because no half-open connection fitted.
    CookiesSent = "tcp.cookies_sent",
    /// Acknowledgements of cookies.
    CookiesValid = "tcp.cookies_valid",
    /// Acknowledgements that came to a listener while cookies were about, and were of none.
    CookiesInvalid = "tcp.cookies_invalid",
    /// Connections that a SYN with a cookie of Fast Open has opened at once.
    FastOpens = "tcp.fast_opens",
    /// Connections of ours whose first bytes the SYN-ACK has acknowledged.
    FastOpensTaken = "tcp.fast_opens_taken",
    /// Connections of ours whose first bytes had to leave twice: the peer did not take them.
    FastOpensRefused = "tcp.fast_opens_refused",
    /// Cookies of Fast Open sent.
    FastOpenCookiesSent = "tcp.fast_open_cookies_sent",
    /// SYNs with a cookie of Fast Open that is not, or no longer, good.
    FastOpenCookiesInvalid = "tcp.fast_open_cookies_invalid",
    /// SYNs with a good cookie whose bytes had to wait: no room, or too many are under way.
    FastOpenFallbacks = "tcp.fast_open_fallbacks",
    /// Connections refused because nobody accepted.
    AcceptOverflows = "tcp.accept_overflows",
    /// TIME-WAIT records that made way for newer ones.
    TimeWaitOverflows = "tcp.time_wait_overflows",
    /// Accepted connections whose peers cannot be watched as their listener wishes.
    TcpUnwatched = "tcp.unwatched",
    /// Routers' messages that made segments smaller.
    PathMtusLearnt = "tcp.path_mtus_learnt",
    /// Connections opened anew from what was in TIME-WAIT (RFC 6191).
    TimeWaitReuses = "tcp.time_wait_reuses",
    /// Durable records written.
    RecordsCommitted = "record.committed",
    /// Connections taken over by their records.
    RecordsAdopted = "record.adopted",
    /// Records that were not believed.
    RecordsRefused = "record.refused",
    /// Segments that were taken in together with those before them.
    TcpCoalesced = "tcp.coalesced",
    /// Acknowledgements that a later one, which came with them, stood for.
    TcpAcksOvertaken = "tcp.acks_overtaken",
    /// Bytes of payload copied into clients' memory.
    BytesCopiedIn = "copy.bytes_in",
    /// Copies of payload into clients' memory.
    CopiesIn = "copy.in",
    /// Bytes of payload copied out of clients' memory.
    BytesCopiedOut = "copy.bytes_out",
    /// Copies of payload out of clients' memory.
    CopiesOut = "copy.out",
    /// Bytes of payload that devices were left to fetch from clients' memory.
    BytesReferred = "copy.bytes_referred",
    /// Packets that waited in a buffer of ours, each a copy more.
    PacketsBuffered = "copy.buffered",
    /// Events published.
    EventsPublished = "event.published",
    /// Events a full ring kept waiting.
    EventsRefused = "event.refused",
}

/// All counters.
#[derive(Debug)]
pub(crate) struct Stats {
    counters: [u64; Counter::ALL.len()],
    received_drops: [u64; Drop::COUNT],
    sent_drops: [u64; Drop::COUNT],
    delivered: u64,
}

impl Stats {
    pub(crate) fn new() -> Self {
        Self {
            counters: [0; Counter::ALL.len()],
            received_drops: [0; Drop::COUNT],
            sent_drops: [0; Drop::COUNT],
            delivered: 0,
        }
    }

    #[inline]
    pub(crate) fn count(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    #[inline]
    pub(crate) fn add(&mut self, counter: Counter, amount: u64) {
        if let Some(value) = self.counters.get_mut(counter as usize) {
            *value += amount;
        }
    }

    /// Payload was taken out of clients' memory: what a frame does not refer to was copied.
    #[inline]
    pub(crate) fn taken_out(&mut self, payload: Extent) {
        let copied = payload.head + payload.tail;
        if copied > 0 {
            self.count(Counter::CopiesOut);
            self.add(Counter::BytesCopiedOut, copied as u64);
        }
        if payload.referred > 0 {
            self.add(Counter::BytesReferred, payload.referred as u64);
        }
    }

    /// A received frame was discarded.
    pub(crate) fn drop_received(&mut self, reason: Drop) {
        if let Some(value) = self.received_drops.get_mut(reason.index()) {
            *value += 1;
        }
    }

    /// A packet of ours was discarded before it was sent.
    pub(crate) fn drop_sent(&mut self, reason: Drop) {
        if let Some(value) = self.sent_drops.get_mut(reason.index()) {
            *value += 1;
        }
    }

    /// A received frame reached somebody.
    #[inline]
    pub(crate) fn deliver(&mut self) {
        self.delivered += 1;
    }

    /// So many frames that were kept, and counted as delivered, are discarded after all.
    pub(crate) fn drop_kept(&mut self, reason: Drop, count: u32) {
        self.delivered = self.delivered.saturating_sub(count.into());
        if let Some(value) = self.received_drops.get_mut(reason.index()) {
            *value += u64::from(count);
        }
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Received frames discarded, all reasons together.
    pub(crate) fn dropped(&self) -> u64 {
        self.received_drops.iter().sum()
    }

    /// Packets discarded for a reason, both directions.
    pub(crate) fn drops(&self, reason: Drop) -> u64 {
        let read = |table: &[u64; Drop::COUNT]| table.get(reason.index()).copied().unwrap_or(0);
        read(&self.received_drops) + read(&self.sent_drops)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Counter::ALL
            .iter()
            .map(|(_, name)| *name)
            .zip(self.counters.iter().copied())
    }
}

impl Traffic {
    #[inline]
    pub(crate) fn note(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_names_and_places_of_their_own() {
        let mut stats = Stats::new();
        for (amount, (counter, _)) in (1u64..).zip(Counter::ALL) {
            stats.add(*counter, amount);
        }
        for (amount, (_, value)) in (1u64..).zip(stats.iter()) {
            assert_eq!(value, amount);
        }
        let names: std::collections::HashSet<_> = stats.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), Counter::ALL.len());
    }

    #[test]
    fn both_directions_are_told_apart() {
        let mut stats = Stats::new();
        stats.drop_received(Drop::NoRoute);
        stats.drop_sent(Drop::NoRoute);
        assert_eq!((stats.dropped(), stats.drops(Drop::NoRoute)), (1, 2));
    }
}
