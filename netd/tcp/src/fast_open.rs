//! Fast Open: what a connection does before its handshake is complete.
//!
//! *Owns* what whoever connects brings ([`FastOpen`]); and, where a listener has opened a connection
//! at once, what is different until the peer acknowledges our SYN: the bytes that came with its own,
//! and the checks of SYN-RECEIVED that an [`Open`] knows nothing of. The SYN-ACK itself, and when it
//! is sent again, is a [`SynEntry`](crate::SynEntry)'s. *Never* decides whether a peer may open like
//! this: cookies are the owner's.
//! *Spec*: RFC 7413 section 4.2.2; RFC 9293 section 3.10.7.4 (SYN-RECEIVED).

use wire::Ecn;
use wire::tcp::{FastOpenCookie, Flags, Header};

use crate::connection::Connection;
use crate::open::Open;
use crate::outcome::{Emit, Outcome};
use crate::segment::Reset;
use crate::seq::Seq;
use crate::shared::Shared;
use crate::time::Instant;
use crate::window::Mss;

/// What whoever connects brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastOpen {
    /// The cookie that the peer gave us; empty: it is asked for one (RFC 7413 section 4.1.1).
    pub cookie: FastOpenCookie,
    /// The largest payload of a segment that the peer takes, as it said then.
    pub mss: Mss,
}

/// What a segment means to a connection whose SYN-ACK is not acknowledged yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlySegment {
    /// The same SYN again: our answer was lost, or is late.
    SynAgain,
    /// It acknowledges what was never sent: this reset is to be sent, its ports filled in.
    Refused(Header),
    /// The handshake is complete. The connection is to take the segment.
    Completes,
    /// The connection is to take the segment; the handshake goes on.
    Other,
}

impl Connection {
    /// The connection that we open, whose SYN has not left yet, is to be a fast one: what is queued
    /// until the SYN leaves goes with it, if there is a cookie (RFC 7413 section 4.2.2).
    pub const fn open_fast(&mut self, fast_open: FastOpen) {
        if let Self::Opening(opening) = self {
            opening.open_fast(fast_open);
        }
    }

    /// How many bytes have left with our SYN; `None` if the connection is not being opened, or not
    /// fast.
    #[must_use]
    pub fn early_bytes(&self) -> Option<u32> {
        match self {
            Self::Opening(opening) => opening.fast_open().map(|_| opening.early()),
            Self::Open(_) => None,
        }
    }

    /// Whether bytes have left with our SYN, and it had to be sent again without.
    #[must_use]
    pub fn is_fast_open_in_doubt(&self) -> bool {
        match self {
            Self::Opening(opening) => opening.early() > 0 && opening.retransmits() > 0,
            Self::Open(_) => false,
        }
    }

    /// Takes the bytes of the SYN that opened the connection (RFC 7413 section 4.2.2, step 3). The
    /// user has given room for them; what finds none is not acknowledged, and comes again.
    pub fn take_syn(
        &mut self,
        shared: &mut Shared,
        syn: &Header,
        payload_len: u32,
        now: Instant,
    ) -> Outcome {
        match self {
            Self::Opening(_) => Outcome::default(),
            Self::Open(open) => open.input_after_syn(shared, syn, payload_len, now),
        }
    }

    /// What a segment means while the SYN-ACK is not acknowledged.
    #[must_use]
    pub fn judge_early(&self, header: &Header) -> EarlySegment {
        match self {
            Self::Opening(_) => EarlySegment::Other,
            Self::Open(open) => open.judge_early(header),
        }
    }

    /// The segment that `answer`, a SYN-ACK, leaves in. It acknowledges what is published of the
    /// bytes that came with the SYN (RFC 7413 section 4.2.2, step 4), and offers that much less.
    #[must_use]
    pub fn early_answer(&mut self, answer: Header) -> Option<Emit> {
        match self {
            Self::Opening(_) => None,
            Self::Open(open) => Some(open.early_answer(answer)),
        }
    }
}

impl Open {
    /// RFC 9293 section 3.10.7.4, as far as SYN-RECEIVED differs from ESTABLISHED.
    fn judge_early(&self, header: &Header) -> EarlySegment {
        let has = |flags| header.flags.contains(flags);
        let seq = Seq::new(header.seq);
        if has(Flags::SYN) {
            let is_same = !has(Flags::ACK) && !has(Flags::RST) && seq.plus(1) == self.rcv.base();
            return if is_same {
                EarlySegment::SynAgain
            } else {
                EarlySegment::Other
            };
        }
        // First: the sequence number. What does not begin between the SYN and the edge of the window
        // says nothing of the handshake. (The bytes of the SYN may come again.)
        let start = seq.position(self.rcv.base(), self.rcv.nxt);
        let edge = self.rcv.edge().max(self.rcv.nxt);
        let is_within = u64::try_from(start).is_ok_and(|start| start <= edge);
        if has(Flags::RST) || !has(Flags::ACK) || !is_within {
            return EarlySegment::Other;
        }
        // Fifth: the ACK bit. SND.UNA is still our SYN, which any later number acknowledges.
        let ahead = Seq::new(header.ack).distance_from(self.snd.base());
        match u32::try_from(ahead) {
            Ok(ahead) if ahead <= self.snd.flight => EarlySegment::Completes,
            _ => EarlySegment::Refused(Reset::at(Seq::new(header.ack)).header()),
        }
    }

    fn early_answer(&mut self, answer: Header) -> Emit {
        let published = self.rcv.published();
        let taken = u16::try_from(published).unwrap_or(u16::MAX);
        let ack = self.rcv.ack_number(false);
        self.rcv.note_ack_sent(ack);
        self.timers.ack_sent();
        Emit {
            header: Header {
                ack: ack.get(),
                window: answer.window.saturating_sub(taken),
                ..answer
            },
            stream_offset: 0,
            len: 0,
            segment_len: self.snd.mss.get(),
            ecn: Ecn::NotCapable,
            is_last: false,
        }
    }
}
