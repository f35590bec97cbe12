//! Section 3.10.7 of RFC 9293, SEGMENT ARRIVES, written down once more from its text, without
//! looking at the code: what must be seen from outside when one segment meets one state.
//!
//! Where the RFC leaves a choice, or is stricter in its letter than any peer can bear, the place
//! says *Reading* and which one holds here.

use tcp::State;
use wire::tcp::Flags;

use crate::lab::Seg;

/// The variables of section 3.3.1 that matter, in positions of the two streams.
#[derive(Clone, Copy, Debug)]
pub struct Tcb {
    pub state: State,
    pub una: i64,
    pub nxt: i64,
    /// MAX.SND.WND.
    pub max_wnd: i64,
    pub rcv_nxt: i64,
    /// *Reading*: once the peer's FIN is here, no number behind it exists, and the window is zero.
    pub rcv_wnd: i64,
    /// SYN-RECEIVED was reached from LISTEN.
    pub is_passive: bool,
}

/// A segment that is sent in answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, both as they are afterwards.
    Ack { seq: i64, ack: i64 },
    /// <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>.
    SynAck { ack: i64 },
    /// <SEQ=SEG.ACK><CTL=RST>.
    Reset { seq: i64 },
}

/// Which step has discarded the segment, or its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    Sequence,
    Reset,
    Syn,
    NoAck,
    BadAck,
    Handshake,
    Text,
}

/// What is seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaction {
    pub state: State,
    pub answer: Option<Answer>,
    /// Of our bytes, FIN not counted.
    pub acked: i64,
    /// Bytes of the peer's that are now in order.
    pub advanced: i64,
    pub dropped: Option<Dropped>,
}

fn has(seg: &Seg, flag: Flags) -> bool {
    seg.flags.contains(flag)
}

impl Tcb {
    fn stays(&self) -> Reaction {
        Reaction {
            state: self.state,
            answer: None,
            acked: 0,
            advanced: 0,
            dropped: None,
        }
    }

    fn drops(&self, why: Dropped) -> Reaction {
        Reaction {
            dropped: Some(why),
            ..self.stays()
        }
    }

    /// The acknowledgement that this state can give.
    fn acknowledgement(&self) -> Answer {
        match self.state {
            // *Reading*: only the SYN-ACK can tell a peer in SYN-SENT what it needs.
            State::SynReceived => Answer::SynAck { ack: self.rcv_nxt },
            _ => Answer::Ack {
                seq: self.nxt,
                ack: self.rcv_nxt,
            },
        }
    }

    fn drops_and_acknowledges(&self, why: Dropped) -> Reaction {
        Reaction {
            answer: Some(self.acknowledgement()),
            ..self.drops(why)
        }
    }

    pub fn arrives(self, seg: &Seg) -> Reaction {
        match self.state {
            State::SynSent => self.syn_sent(seg),
            State::SynReceived => self.syn_received(seg),
            _ => self.synchronised(seg),
        }
    }

    /// Section 3.10.7.3.
    fn syn_sent(mut self, seg: &Seg) -> Reaction {
        let is_acceptable = self.una < seg.ack && seg.ack <= self.nxt;
        if has(seg, Flags::ACK) && !is_acceptable {
            let answer = Answer::Reset { seq: seg.ack };
            return Reaction {
                answer: (!has(seg, Flags::RST)).then_some(answer),
                ..self.drops(Dropped::Handshake)
            };
        }
        if has(seg, Flags::RST) {
            if !has(seg, Flags::ACK) {
                return self.drops(Dropped::Reset);
            }
            self.state = State::Closed;
            return self.stays();
        }
        if !has(seg, Flags::SYN) {
            return self.drops(Dropped::Handshake);
        }
        self.rcv_nxt = seg.seq + 1;
        if has(seg, Flags::ACK) {
            return self.established_by(seg);
        }
        // Text and FIN of the SYN: *Reading*: they come again, as the RFC allows.
        self.state = State::SynReceived;
        Reaction {
            answer: Some(self.acknowledgement()),
            ..self.stays()
        }
    }

    /// A SYN-ACK is taken, with the text that it brings, and acknowledged.
    fn established_by(mut self, seg: &Seg) -> Reaction {
        self.una = seg.ack;
        self.state = State::Established;
        let text = Seg {
            seq: seg.seq + 1,
            ..*seg
        };
        let reaction = self.text_and_fin(&text, 0);
        Reaction {
            answer: reaction.answer.or(Some(self.acknowledgement())),
            ..reaction
        }
    }

    /// Section 3.10.7.4, for SYN-RECEIVED.
    fn syn_received(mut self, seg: &Seg) -> Reaction {
        let is_crossed = has(seg, Flags::SYN) && has(seg, Flags::ACK) && seg.ack == self.nxt;
        if is_crossed && !self.is_passive && seg.seq == self.rcv_nxt - 1 && !has(seg, Flags::RST) {
            // Figure 8, line 6: the letter of the first step would refuse the SYN-ACK of a peer
            // whose open has crossed ours (appendix A.2).
            return self.established_by(seg);
        }
        if let Some(reaction) = self.first_four(seg) {
            return reaction;
        }
        if !has(seg, Flags::ACK) {
            return self.drops(Dropped::NoAck);
        }
        // *Reading*: section 3.5.2, group 2, goes before RFC 5961: the peer is not known yet.
        if !(self.una < seg.ack && seg.ack <= self.nxt) {
            return Reaction {
                answer: Some(Answer::Reset { seq: seg.ack }),
                ..self.drops(Dropped::Handshake)
            };
        }
        self.una = seg.ack;
        self.state = State::Established;
        let reaction = self.text_and_fin(seg, 0);
        // *Reading*: who has opened also ends the handshake with an acknowledgement, so that a peer
        // in the same state is freed from it.
        let last = self.acknowledgement();
        Reaction {
            answer: reaction.answer.or((!self.is_passive).then_some(last)),
            ..reaction
        }
    }

    /// Section 3.10.7.4, for the states behind it.
    fn synchronised(mut self, seg: &Seg) -> Reaction {
        if let Some(reaction) = self.first_four(seg) {
            return reaction;
        }
        // Fifth.
        if !has(seg, Flags::ACK) {
            return self.drops(Dropped::NoAck);
        }
        if seg.ack < self.una - self.max_wnd || seg.ack > self.nxt {
            return self.drops_and_acknowledges(Dropped::BadAck);
        }
        let is_all = seg.ack == self.nxt && seg.ack > self.una;
        let mut acked = (seg.ack - self.una).max(0);
        if is_all {
            match self.state {
                State::FinWait1 => self.state = State::FinWait2,
                State::Closing => self.state = State::TimeWait,
                State::LastAck => self.state = State::Closed,
                _ => acked += 1,
            }
            acked -= 1;
        }
        if self.state == State::Closed {
            let has_more = seg.len > 0 || has(seg, Flags::FIN);
            return Reaction {
                acked,
                dropped: has_more.then_some(Dropped::Text),
                ..self.stays()
            };
        }
        self.text_and_fin(seg, acked)
    }

    /// Sequence number, RST, (security,) SYN; `None` if the segment passes them.
    fn first_four(&self, seg: &Seg) -> Option<Reaction> {
        if !self.is_acceptable(seg) {
            return Some(if has(seg, Flags::RST) {
                self.drops(Dropped::Sequence)
            } else {
                self.drops_and_acknowledges(Dropped::Sequence)
            });
        }
        if has(seg, Flags::RST) {
            // RFC 5961 section 3, the three checks.
            let end = self.rcv_nxt + self.rcv_wnd;
            if seg.seq == self.rcv_nxt {
                return Some(Reaction {
                    state: State::Closed,
                    ..self.stays()
                });
            }
            return Some(if (self.rcv_nxt..end).contains(&seg.seq) {
                self.drops_and_acknowledges(Dropped::Reset)
            } else {
                self.drops(Dropped::Sequence)
            });
        }
        // RFC 5961 section 4. *Reading*: also in SYN-RECEIVED after a passive open, where the
        // letter would forget the half-open connection for anybody who guesses its window.
        has(seg, Flags::SYN).then(|| self.drops_and_acknowledges(Dropped::Syn))
    }

    /// Table 6.
    fn is_acceptable(&self, seg: &Seg) -> bool {
        let len =
            i64::from(seg.len) + i64::from(has(seg, Flags::SYN)) + i64::from(has(seg, Flags::FIN));
        let (left, right) = (self.rcv_nxt, self.rcv_nxt + self.rcv_wnd);
        let window = left..right;
        let last = seg.seq + len - 1;
        if self.state == State::SynReceived {
            // *Reading*: the peer has nothing before its window, and what lies behind is cut off
            // later, so only the place counts.
            return (left..=right).contains(&seg.seq);
        }
        match (len, self.rcv_wnd) {
            // *Reading* (appendix A.2): a peer that has used its window up stands at its edge.
            (0, _) => window.contains(&seg.seq) || seg.seq == right,
            // "Special allowance", for its acknowledgement. *Reading*: what stands at RCV.NXT, or
            // reaches beyond it.
            (_, 0) => seg.seq <= left && last >= left,
            // *Reading*: also what begins before and ends behind the window: "only the new parts".
            _ => {
                window.contains(&seg.seq)
                    || window.contains(&last)
                    || (seg.seq < left && last >= right)
            }
        }
    }

    /// Seventh and eighth.
    fn text_and_fin(mut self, seg: &Seg, acked: i64) -> Reaction {
        let is_open = matches!(
            self.state,
            State::Established | State::FinWait1 | State::FinWait2
        );
        let has_text = seg.len > 0;
        let has_fin = has(seg, Flags::FIN);
        if !is_open {
            // Nothing follows a FIN: text is ignored, both are answered.
            let answer = (has_text || has_fin).then_some(self.acknowledgement());
            return Reaction {
                acked,
                answer,
                dropped: (has_text || has_fin).then_some(Dropped::Text),
                ..self.stays()
            };
        }
        let end = seg.seq + i64::from(seg.len);
        let right = self.rcv_nxt + self.rcv_wnd;
        let start = seg.seq.max(self.rcv_nxt);
        let taken = (end.min(right) - start).max(0);
        let in_order = start == self.rcv_nxt;
        let advanced = if in_order { taken } else { 0 };
        self.rcv_nxt += advanced;
        // *Reading*: a FIN needs no room; but all text before it must have been taken.
        if has_fin && end <= right && end == self.rcv_nxt {
            self.rcv_nxt += 1;
            self.state = match self.state {
                State::Established => State::CloseWait,
                State::FinWait1 => State::Closing,
                _ => State::TimeWait,
            };
        }
        let is_beyond = start >= right && (has_text || has_fin) && advanced == 0;
        Reaction {
            answer: (has_text || has_fin).then_some(self.acknowledgement()),
            acked,
            advanced,
            dropped: (is_beyond && self.state == State::Established).then_some(Dropped::Sequence),
            ..self.stays()
        }
    }
}
