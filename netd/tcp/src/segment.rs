//! Segments as values: what arrived, in stream positions, and the small segments we answer with.
//!
//! *Owns* [`Arrival`], headers without payload, and the reset for a segment that belongs to nobody
//! (RFC 9293 sections 3.5.2 and 3.10.7.1). *Never* sees ports or addresses.

use wire::Ecn;
use wire::tcp::{Flags, Header, Options};

use crate::seq::Seq;

/// A segment that arrived, measured in positions of the peer's stream and of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) header: &'a Header,
    /// Position of the first payload byte; negative before the start of the stream.
    pub(crate) start: i64,
    /// Payload bytes.
    pub(crate) len: u32,
    /// Position in our stream that is acknowledged, if the segment acknowledges.
    pub(crate) ack: Option<i64>,
    /// What routers on its way said.
    pub(crate) mark: Ecn,
}

impl Arrival<'_> {
    pub(crate) fn has(&self, flags: Flags) -> bool {
        self.header.flags.contains(flags)
    }

    /// SEG.LEN less SYN: payload, and one for FIN.
    pub(crate) fn sequence_len(&self) -> i64 {
        i64::from(self.len) + i64::from(self.has(Flags::FIN))
    }

    /// Position after the payload; a FIN sits there.
    pub(crate) fn end(&self) -> i64 {
        self.start.saturating_add(i64::from(self.len))
    }
}

/// A header whose ports are to be filled in.
pub(crate) const fn bare(seq: Seq, ack: Seq, flags: Flags, window: u16) -> Header {
    Header {
        src_port: 0,
        dst_port: 0,
        seq: seq.get(),
        ack: ack.get(),
        flags,
        window,
        urgent: 0,
        options: Options::NONE,
    }
}

/// A reset: a header alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// SEG.SEQ.
    pub seq: Seq,
    /// SEG.ACK, if it acknowledges anything.
    pub ack: Option<Seq>,
}

impl Reset {
    /// A reset that carries this sequence number and acknowledges nothing.
    pub(crate) const fn at(seq: Seq) -> Self {
        Self { seq, ack: None }
    }

    /// Its header; the ports are to be filled in.
    #[must_use]
    pub const fn header(self) -> Header {
        match self.ack {
            Some(ack) => bare(self.seq, ack, Flags::RST.union(Flags::ACK), 0),
            None => bare(self.seq, Seq::new(0), Flags::RST, 0),
        }
    }
}

/// The answer to a segment that belongs to no connection and no listener: a reset, unless it was
/// one itself (RFC 9293 section 3.10.7.1). Its ports are to be filled in.
#[must_use]
pub fn refuse(header: &Header, payload_len: u32) -> Option<Header> {
    if header.flags.contains(Flags::RST) {
        return None;
    }
    if header.flags.contains(Flags::ACK) {
        return Some(Reset::at(Seq::new(header.ack)).header());
    }
    let control = u32::from(header.flags.contains(Flags::SYN))
        .wrapping_add(u32::from(header.flags.contains(Flags::FIN)));
    let ack = Seq::new(header.seq).plus(payload_len).plus(control);
    let (seq, ack) = (Seq::new(0), Some(ack));
    Some(Reset { seq, ack }.header())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(flags: Flags) -> Header {
        bare(Seq::new(u32::MAX), Seq::new(77), flags, 0)
    }

    #[test]
    fn a_reset_is_never_answered() {
        assert_eq!(refuse(&header(Flags::RST), 0), None);
        assert_eq!(
            refuse(&header(Flags::RST | Flags::ACK | Flags::SYN), 9),
            None
        );
    }

    #[test]
    fn the_reset_is_acceptable_to_whoever_sent_the_segment() {
        let reply = refuse(&header(Flags::ACK), 5).unwrap();
        assert_eq!((reply.seq, reply.flags), (77, Flags::RST));
        let reply = refuse(&header(Flags::SYN), 0).unwrap();
        assert_eq!(
            (reply.seq, reply.ack, reply.flags),
            (0, 0, Flags::RST | Flags::ACK)
        );
        let reply = refuse(&header(Flags::FIN), 5).unwrap();
        assert_eq!((reply.seq, reply.ack), (0, 5));
    }
}
