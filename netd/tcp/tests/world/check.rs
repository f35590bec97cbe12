//! What must hold for everything an end does, written down without looking at how it does it.

use tcp::{Cause, Seq, State, Step};
use wire::tcp::{Flags, Header};

/// RFC 9293 figure 5, as the world sees it from outside, plus RST, ABORT and timeout.
pub fn assert_legal(step: Step) {
    use State::{
        CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, SynReceived, SynSent,
        TimeWait,
    };
    let Step { from, cause, to } = step;
    let is_legal = match cause {
        Cause::SynCrossed => (from, to) == (SynSent, SynReceived),
        Cause::HandshakeDone => matches!((from, to), (SynSent | SynReceived, Established)),
        Cause::UserClosed => matches!((from, to), (Established, FinWait1) | (CloseWait, LastAck)),
        Cause::FinArrived => matches!(
            (from, to),
            (Established, CloseWait) | (FinWait1, Closing) | (FinWait2, TimeWait)
        ),
        Cause::FinAcknowledged => matches!(
            (from, to),
            (FinWait1, FinWait2) | (Closing, TimeWait) | (LastAck, Closed)
        ),
        Cause::ResetArrived | Cause::UserAborted | Cause::TimedOut => {
            from != Closed && to == Closed
        }
    };
    assert!(is_legal, "{from:?} -> {to:?} by {cause:?}");
}

/// What the user of an end has been told: so many bytes, and perhaps that it was all.
#[derive(Clone, Copy, Debug)]
pub struct Knows {
    pub bytes: u64,
    pub end: bool,
}

/// What one end has told the other, followed from its packets alone.
#[derive(Debug, Default)]
pub struct Told {
    /// The number after everything that was ever sent.
    sent_to: Option<Seq>,
    acked_to: Option<Seq>,
    edge: Option<Seq>,
    scale: u8,
    has_peer_scale: bool,
}

impl Told {
    /// A packet that this end received: what the peer allows it.
    pub fn note_received(&mut self, header: &Header) {
        if header.flags.contains(Flags::SYN) {
            self.has_peer_scale = header.options.window_scale.is_some();
        }
    }

    /// A packet that this end sends, whose user `knows` so much, and whose peer began at `irs`.
    pub fn check_sent(&mut self, header: &Header, payload: u32, knows: &Knows, irs: Option<Seq>) {
        if header.flags.contains(Flags::RST) {
            return;
        }
        if header.flags.contains(Flags::SYN) {
            self.scale = header.options.window_scale.unwrap_or(0);
        }
        let control = u32::from(header.flags.contains(Flags::SYN))
            + u32::from(header.flags.contains(Flags::FIN));
        let start = Seq::new(header.seq);
        let end = start.plus(payload + control);
        if let Some(sent_to) = self.sent_to {
            assert!(!start.is_after(sent_to), "a hole in what was sent");
        }
        if self.sent_to.is_none_or(|sent_to| end.is_after(sent_to)) {
            self.sent_to = Some(end);
        }
        if header.flags.contains(Flags::ACK) {
            let ack = Seq::new(header.ack);
            if let Some(irs) = irs {
                let most = irs.plus(1).at(knows.bytes + u64::from(knows.end));
                assert!(!ack.is_after(most), "acknowledged what is not published");
            }
            if let Some(acked_to) = self.acked_to {
                assert!(
                    !ack.is_before(acked_to),
                    "an acknowledgement was taken back"
                );
            }
            self.acked_to = Some(ack);
            let is_scaled = !header.flags.contains(Flags::SYN) && self.has_peer_scale;
            let scale = if is_scaled { self.scale } else { 0 };
            let edge = ack.plus(u32::from(header.window) << scale);
            // After the peer's FIN the window has no meaning.
            if let Some(before) = self.edge.filter(|_| !knows.end) {
                // The rounding of the scale may move it by less than one unit.
                let shrunk = before.distance_from(edge);
                assert!(
                    shrunk < 1 << scale.max(self.scale),
                    "the window shrank by {shrunk}"
                );
            }
            self.edge = Some(edge);
        }
    }
}
