//! TCP judged by its segments: nothing is acknowledged that never came, nothing is sent beyond the
//! window that was offered, no offer is taken back.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use tcp::Seq;
use wire::tcp::{Flags, Header, Segment};
use wire::{Check, EtherType, Protocol, Pseudo, ethernet, ipv4, ipv6};

/// One connection as the wire shows it, from the side of the station.
#[derive(Clone, Debug, Default)]
struct Flow {
    /// The station may answer SYNs by cookies.
    has_cookies: bool,
    /// Our and their initial numbers, once seen; positions count from there.
    our_isn: Option<Seq>,
    their_isn: Option<Seq>,
    /// What has come, in positions: ranges without gaps between them, sorted.
    came: Vec<(i64, i64)>,
    /// The furthest right edge that the peer has offered, and that we have.
    their_edge: i64,
    our_edge: i64,
    our_scale: u8,
    their_scale: Option<u8>,
    ack_sent: i64,
    has_fin: bool,
    /// Either end has reset or ended it as far as the other can tell, so the station may know
    /// nothing of it any more.
    may_be_over: bool,
    /// Behind our FIN, once sent.
    our_end: Option<i64>,
    /// An acknowledgement of our SYN has come since, perhaps an old one: if our SYN was a cookie,
    /// the connection begins again, with the same numbers (RFC 4987 section 3.6).
    may_begin_again: bool,
    /// The peer has begun a new connection that we have not answered: until then the old one holds.
    next: Option<Begun>,
}

/// What the peer's SYN said.
#[derive(Clone, Copy, Debug)]
struct Begun {
    isn: Seq,
    /// Sequence numbers that it took: more than one with bytes in it (RFC 7413).
    len: i64,
    scale: Option<u8>,
    window: u16,
}

/// From where a segment is and where it goes.
pub(super) type TcpEnds = (SocketAddr, SocketAddr);

/// All connections of one station.
pub(super) struct Segments {
    name: String,
    /// It may answer SYNs by cookies.
    has_cookies: bool,
    flows: BTreeMap<TcpEnds, Flow>,
}

impl Segments {
    pub(super) fn new(name: &str, has_cookies: bool) -> Self {
        Self {
            name: name.into(),
            has_cookies,
            flows: BTreeMap::new(),
        }
    }

    fn flow(&mut self, ends: TcpEnds) -> &mut Flow {
        let has_cookies = self.has_cookies;
        self.flows
            .entry(ends)
            .or_insert_with(|| Flow::new(has_cookies))
    }

    pub(super) fn received(&mut self, frame: &[u8]) {
        if let Some((from, to, segment)) = parse(frame) {
            self.flow((to, from)).received(&segment);
        }
    }

    pub(super) fn sent(&mut self, frame: &[u8]) -> Result<(), String> {
        let Some((from, to, segment)) = parse(frame) else {
            return Ok(());
        };
        let name = self.name.clone();
        let flow = self.flow((from, to));
        flow.sent(&segment).map_err(|complaint| {
            format!(
                "{complaint}: {name}: {from} -> {to}: {} bytes, {:?}, {flow:?}",
                segment.payload.len(),
                segment.header
            )
        })
    }
}

pub(super) fn parse(frame: &[u8]) -> Option<(SocketAddr, SocketAddr, Segment<'_>)> {
    let frame = ethernet::Frame::parse(frame).ok()?;
    let (source, destination, pseudo, payload): (IpAddr, IpAddr, _, _) =
        match frame.header.ethertype {
            EtherType::IPV4 => {
                let packet = ipv4::Packet::parse(frame.payload).ok()?;
                let header = packet.header;
                (header.protocol == Protocol::TCP).then_some(())?;
                let pseudo = Pseudo::v4(header.source, header.destination);
                let ends = (header.source.into(), header.destination.into());
                (ends.0, ends.1, pseudo, packet.payload)
            }
            EtherType::IPV6 => {
                let packet = ipv6::Packet::parse(frame.payload).ok()?;
                let header = packet.header;
                (header.next == Protocol::TCP).then_some(())?;
                let pseudo = Pseudo::v6(header.source, header.destination);
                let ends = (header.source.into(), header.destination.into());
                (ends.0, ends.1, pseudo, packet.payload)
            }
            _ => return None,
        };
    let segment = Segment::parse(payload, Check::Verify(pseudo)).ok()?;
    let from = SocketAddr::new(source, segment.header.src_port);
    let to = SocketAddr::new(destination, segment.header.dst_port);
    Some((from, to, segment))
}

impl Flow {
    fn new(has_cookies: bool) -> Self {
        Self {
            has_cookies,
            ..Self::default()
        }
    }

    fn received(&mut self, segment: &Segment<'_>) {
        let header = &segment.header;
        let seq = Seq::new(header.seq);
        if header.flags.contains(Flags::SYN) && self.their_isn != Some(seq) {
            let begun = Begun {
                isn: seq,
                len: segment.sequence_len().into(),
                // RFC 7323 section 2.3: above 14, use 14.
                scale: header.options.window_scale.map(|scale| scale.min(14)),
                window: header.window,
            };
            if self.their_isn.is_some() {
                self.next = Some(begun);
                return;
            }
            self.begin(begun);
        }
        let Some(their_isn) = self.their_isn else {
            return;
        };
        let start = i64::from(seq.distance_from(their_isn));
        let end = start + i64::from(segment.sequence_len());
        if end > start {
            self.note_came(start, end);
        }
        self.has_fin |= header.flags.contains(Flags::FIN);
        self.may_be_over |= header.flags.contains(Flags::RST);
        if let Some(our_isn) = self.our_isn.filter(|_| header.flags.contains(Flags::ACK)) {
            let ack = i64::from(Seq::new(header.ack).distance_from(our_isn));
            let is_syn = header.flags.contains(Flags::SYN);
            self.may_be_over |= self.has_fin && self.our_end.is_some_and(|end| ack >= end);
            let scale = if is_syn { 0 } else { self.scales().1 };
            self.their_edge = self
                .their_edge
                .max(ack + (i64::from(header.window) << scale));
        } else {
            // The window of a bare SYN counts from our first byte.
            self.their_edge = self.their_edge.max(1 + i64::from(header.window));
        }
        self.note_cookie(header);
    }

    /// If this acknowledges our SYN, and that was a cookie, the station may take it for the end of
    /// a handshake.
    fn note_cookie(&mut self, header: &Header) {
        let is_plain = !header.flags.intersects(Flags::SYN | Flags::RST);
        let seq = Some(Seq::new(header.seq)) == self.their_isn.map(|isn| isn.plus(1));
        let ack = Some(Seq::new(header.ack)) == self.our_isn.map(|isn| isn.plus(1));
        self.may_begin_again |= self.has_cookies && self.may_be_over && is_plain && seq && ack;
    }

    /// The peer's side of a new connection.
    fn begin(&mut self, begun: Begun) {
        self.their_isn = Some(begun.isn);
        self.their_scale = begun.scale;
        self.came = vec![(0, begun.len)];
        self.their_edge = 1 + i64::from(begun.window);
        self.next = None;
    }

    fn note_came(&mut self, start: i64, end: i64) {
        self.came.push((start, end));
        self.came.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::new();
        for (start, end) in self.came.drain(..) {
            match joined.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => joined.push((start, end)),
            }
        }
        self.came = joined;
    }

    /// The scales in use, ours and theirs: both, or none.
    fn scales(&self) -> (u8, u8) {
        self.their_scale
            .map_or((0, 0), |theirs| (self.our_scale, theirs))
    }

    fn sent(&mut self, segment: &Segment<'_>) -> Result<(), &'static str> {
        let header = &segment.header;
        if header.flags.contains(Flags::RST) {
            self.may_be_over = true;
            return Ok(());
        }
        let seq = Seq::new(header.seq);
        if header.flags.contains(Flags::SYN) {
            self.begin_anew(header, seq);
            self.our_isn = Some(seq);
            self.our_scale = header.options.window_scale.unwrap_or(0);
        }
        if let Some(our_isn) = self.our_isn.filter(|_| header.flags.contains(Flags::FIN)) {
            let start = i64::from(seq.distance_from(our_isn));
            self.our_end = Some(start + i64::from(segment.sequence_len()));
        }
        self.check_data(segment, seq)?;
        self.check_ack(segment)
    }

    /// Our SYN may begin a new connection, or answer the peer's that does.
    fn begin_anew(&mut self, header: &Header, seq: Seq) {
        let is_answer = header.flags.contains(Flags::ACK);
        let acked = |isn: Seq| i64::from(Seq::new(header.ack).distance_from(isn));
        let answered = |isn: Seq, len| is_answer && (1..=len).contains(&acked(isn));
        let next = self.next.filter(|next| answered(next.isn, next.len));
        // The same SYN may be answered twice, if the first answer was forgotten.
        let same = self
            .their_isn
            .filter(|isn| answered(*isn, 1))
            .map(|isn| Begun {
                isn,
                len: 1,
                scale: self.their_scale,
                window: u16::try_from(self.their_edge - 1).unwrap_or(u16::MAX),
            });
        let is_other = self.our_isn.is_some_and(|isn| isn != seq);
        // By the same cookie, if it comes when the connection is over.
        let is_again = self.has_cookies && self.may_be_over && same.is_some();
        if is_other || is_again || next.is_some() {
            *self = Self::new(self.has_cookies);
            if let Some(begun) = next.or(same) {
                self.begin(begun);
            }
        }
    }

    fn check_data(&self, segment: &Segment<'_>, seq: Seq) -> Result<(), &'static str> {
        let Some(our_isn) = self.our_isn else {
            return Ok(());
        };
        if segment.payload.is_empty() {
            return Ok(());
        }
        let start = i64::from(seq.distance_from(our_isn));
        let end = start + i64::try_from(segment.payload.len()).unwrap_or(i64::MAX);
        // RFC 9293 section 3.8.6.1: a probe is one byte beyond.
        let is_probe = segment.payload.len() == 1 && start <= self.their_edge;
        // RFC 7413 section 4.2.1: what goes with a SYN goes before any window is known.
        let is_early = segment.header.options.fast_open.is_some();
        let is_allowed = end <= self.their_edge || is_probe || is_early;
        is_allowed
            .then_some(())
            .ok_or("more than the peer's window allows")
    }

    fn check_ack(&mut self, segment: &Segment<'_>) -> Result<(), &'static str> {
        let header = &segment.header;
        let Some(their_isn) = self.their_isn.filter(|_| header.flags.contains(Flags::ACK)) else {
            return Ok(());
        };
        let ack = i64::from(Seq::new(header.ack).distance_from(their_isn));
        let in_order = self
            .came
            .first()
            .filter(|(start, _)| *start <= 0)
            .map_or(0, |(_, end)| *end);
        if ack > in_order {
            return Err("an acknowledgement of what never came");
        }
        if ack < self.ack_sent && self.may_begin_again {
            (self.may_begin_again, self.may_be_over) = (false, false);
            (self.our_edge, self.our_end) = (0, None);
        } else if ack < self.ack_sent {
            return Err("an acknowledgement is taken back");
        }
        self.ack_sent = ack;
        let scale = if header.flags.contains(Flags::SYN) {
            0
        } else {
            self.scales().0
        };
        let edge = ack + (i64::from(header.window) << scale);
        // The rounding of the scale may move the edge by less than one unit.
        let shrunk = self.our_edge - edge;
        // Who takes a SYN has heard of no other window, though with Fast Open more may have left.
        let is_first = header.flags.contains(Flags::SYN);
        if shrunk >= 1 << self.scales().0 && !self.has_fin && !is_first {
            return Err("a window is taken back");
        }
        // What a cookie has offered the station does not know any more.
        if !(self.has_cookies && header.flags.contains(Flags::SYN)) {
            self.our_edge = self.our_edge.max(edge);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::tcp::Options;

    fn segment(flags: Flags, seq: u32, ack: u32, window: u16, payload: &[u8]) -> Segment<'_> {
        let options = Options::NONE;
        let header = Header {
            src_port: 1,
            dst_port: 2,
            seq,
            ack,
            flags,
            window,
            urgent: 0,
            options,
        };
        Segment {
            header,
            payload,
            rest: wire::Rest::NONE,
        }
    }

    fn open() -> Flow {
        let mut flow = Flow::default();
        flow.sent(&segment(Flags::SYN, 100, 0, 1_000, &[])).unwrap();
        flow.received(&segment(Flags::SYN | Flags::ACK, 500, 101, 50, &[]));
        flow.sent(&segment(Flags::ACK, 101, 501, 1_000, &[]))
            .unwrap();
        flow
    }

    #[test]
    fn a_sender_that_exceeds_the_window_is_found() {
        let mut flow = open();
        assert_eq!(
            flow.sent(&segment(Flags::ACK, 101, 501, 1_000, &[0; 50])),
            Ok(())
        );
        assert_eq!(
            flow.sent(&segment(Flags::ACK, 151, 501, 1_000, &[0])),
            Ok(()),
            "a probe"
        );
        assert!(
            flow.sent(&segment(Flags::ACK, 101, 501, 1_000, &[0; 51]))
                .is_err()
        );
    }

    #[test]
    fn a_receiver_that_makes_things_up_is_found() {
        let mut flow = open();
        assert!(
            flow.clone()
                .sent(&segment(Flags::ACK, 101, 502, 1_000, &[]))
                .is_err()
        );
        flow.received(&segment(Flags::ACK, 511, 101, 50, &[0; 10]));
        assert!(
            flow.clone()
                .sent(&segment(Flags::ACK, 101, 521, 1_000, &[]))
                .is_err(),
            "a hole"
        );
        flow.received(&segment(Flags::ACK, 501, 101, 50, &[0; 10]));
        assert_eq!(flow.sent(&segment(Flags::ACK, 101, 521, 980, &[])), Ok(()));
        assert!(
            flow.clone()
                .sent(&segment(Flags::ACK, 101, 511, 990, &[]))
                .is_err(),
            "taken back"
        );
        assert!(
            flow.sent(&segment(Flags::ACK, 101, 521, 900, &[])).is_err(),
            "shrunk"
        );
    }

    #[test]
    fn an_old_acknowledgement_may_open_again_what_a_cookie_opened() {
        let over = |has_cookies| {
            let mut flow = Flow::new(has_cookies);
            flow.received(&segment(Flags::SYN, 500, 0, 1_000, &[]));
            let answer = segment(Flags::SYN | Flags::ACK, 100, 501, 1_000, &[]);
            assert_eq!(flow.sent(&answer), Ok(()));
            flow.received(&segment(Flags::ACK, 501, 101, 1_000, &[0; 10]));
            assert_eq!(flow.sent(&segment(Flags::ACK, 101, 511, 990, &[])), Ok(()));
            flow
        };
        let old = segment(Flags::ACK, 501, 101, 1_000, &[]);
        let anew = segment(Flags::ACK, 101, 501, 500, &[]);
        for (has_cookies, is_over, is_well) in [
            (true, true, true),
            (true, false, false),
            (false, true, false),
        ] {
            let mut flow = over(has_cookies);
            if is_over {
                flow.received(&segment(Flags::RST, 511, 0, 0, &[]));
            }
            flow.received(&old);
            assert_eq!(flow.sent(&anew).is_ok(), is_well);
        }
    }
}
