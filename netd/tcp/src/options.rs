//! What the two ends agree on in the handshake.
//!
//! *Owns* [`Setup`] (what we bring), [`Offer`] (what the peer's SYN said) and [`Agreed`] (what
//! holds from then on). *Spec*: RFC 9293 section 3.7.1, RFC 7323 sections 2 and 3.

use core::num::NonZeroU32;

use wire::tcp::{Flags, Header, Options, Timestamps};

use crate::seq::Seq;
use crate::time::{Instant, Span};
use crate::tuning::Tuning;
use crate::window::{Mss, WindowScale};

/// What the owner decides for a new connection.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Our initial sequence number, from [`crate::isn`].
    pub isn: Seq,
    /// The largest payload that we take and send: the MTU less the headers.
    pub mss: Mss,
    /// What to believe of a peer that names no segment size: [`Mss::DEFAULT_V4`] or
    /// [`Mss::DEFAULT_V6`].
    pub peer_mss: Mss,
    /// Offer timestamps, our clock starting at this random number (RFC 7323 section 5.4).
    pub timestamps: Option<u32>,
    /// Offer, or accept, selective acknowledgements (RFC 2018 section 2).
    pub sack: bool,
    /// Ask for, or accept, explicit congestion notification (RFC 3168 section 6.1.1).
    pub ecn: bool,
    /// What the user has chosen.
    pub tuning: Tuning,
}

/// Options bytes in every segment once timestamps are agreed (RFC 7323 appendix A).
pub(crate) const TIMESTAMPS_LEN: u16 = 12;

/// What a SYN said. Twelve bytes, because half-open connections hold one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) mss: Mss,
    pub(crate) window: u16,
    pub(crate) scale: Option<WindowScale>,
    pub(crate) has_sack: bool,
    pub(crate) has_ecn: bool,
    has_stamps: bool,
    stamp: u32,
}

const _: () = assert!(size_of::<Offer>() <= 12);

impl Offer {
    pub(crate) fn of(syn: &Header, peer_mss: Mss) -> Self {
        let options = &syn.options;
        Self::new(
            options.mss.map_or(peer_mss, Mss::at_least),
            syn.window,
            options.window_scale.map(WindowScale::clamped),
        )
        .with_timestamp(options.timestamps.map(|stamps| stamps.value))
        .with_sack(options.sack_permitted)
        .with_ecn(offers_ecn(syn.flags))
    }

    pub(crate) const fn new(mss: Mss, window: u16, scale: Option<WindowScale>) -> Self {
        Self {
            mss,
            window,
            scale,
            has_sack: false,
            has_ecn: false,
            has_stamps: false,
            stamp: 0,
        }
    }

    pub(crate) fn with_timestamp(self, timestamp: Option<u32>) -> Self {
        Self {
            has_stamps: timestamp.is_some(),
            stamp: timestamp.unwrap_or(0),
            ..self
        }
    }

    pub(crate) const fn with_sack(self, has_sack: bool) -> Self {
        Self { has_sack, ..self }
    }

    pub(crate) const fn with_ecn(self, has_ecn: bool) -> Self {
        Self { has_ecn, ..self }
    }

    /// The timestamp of the SYN, if it had one.
    pub(crate) fn timestamp(&self) -> Option<u32> {
        self.has_stamps.then_some(self.stamp)
    }
}

/// RFC 3168 section 6.1.1: a SYN asks with ECE and CWR, a SYN-ACK agrees with ECE alone. (Some
/// broken peers reflect the flags of our SYN, which is why CWR counts in the answer.)
fn offers_ecn(flags: Flags) -> bool {
    flags.contains(Flags::ECE) && flags.contains(Flags::CWR) != flags.contains(Flags::ACK)
}

/// What holds for the whole connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreed {
    /// The largest payload we send.
    pub(crate) send_mss: Mss,
    /// The largest payload we told the peer to send.
    pub(crate) receive_mss: Mss,
    pub(crate) send_scale: WindowScale,
    pub(crate) receive_scale: WindowScale,
    pub(crate) stamps: Option<Stamps>,
    /// Both ends understand selective acknowledgements.
    pub(crate) has_sack: bool,
    /// Both ends understand explicit congestion notification.
    pub(crate) has_ecn: bool,
}

impl Agreed {
    pub(crate) fn new(setup: &Setup, offer: &Offer, our_scale: WindowScale, now: Instant) -> Self {
        // RFC 7323 section 3.2: timestamps are used if both SYNs carried them.
        let stamps = match (setup.timestamps, offer.timestamp()) {
            (Some(offset), Some(recent)) => Some(Stamps::new(offset, recent, now)),
            _ => None,
        };
        let option_bytes = if stamps.is_some() { TIMESTAMPS_LEN } else { 0 };
        // RFC 7323 section 2.2: windows are scaled if both SYNs carried the option.
        let (send_scale, receive_scale) = match offer.scale {
            Some(theirs) => (theirs, our_scale),
            None => (WindowScale::NONE, WindowScale::NONE),
        };
        Self {
            // RFC 6691: the size named does not count options; what carries them shrinks.
            send_mss: offer.mss.min(setup.mss).less(option_bytes),
            receive_mss: setup.mss.less(option_bytes),
            send_scale,
            receive_scale,
            stamps,
            has_sack: setup.sack && offer.has_sack,
            has_ecn: setup.ecn && offer.has_ecn,
        }
    }
}

/// The options of our SYN, or of our SYN-ACK in answer to `offer`.
pub(crate) fn syn_options(
    setup: &Setup,
    our_scale: WindowScale,
    answers: Option<&Offer>,
    now: Instant,
) -> Options {
    let has_scale = answers.is_none_or(|offer| offer.scale.is_some());
    let echo = match answers {
        Some(offer) => offer.timestamp(),
        None => Some(0),
    };
    Options {
        mss: Some(setup.mss.get()),
        window_scale: has_scale.then_some(our_scale.get()),
        user_timeout: setup.tuning.user_timeout_option(),
        sack_permitted: setup.sack && answers.is_none_or(|offer| offer.has_sack),
        timestamps: setup.timestamps.zip(echo).map(|(offset, echo)| Timestamps {
            value: clock(offset, now),
            echo,
        }),
        ..Options::NONE
    }
}

/// The timestamps of one connection (RFC 7323 sections 3 to 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamps {
    /// Added to our clock.
    pub(crate) offset: u32,
    /// TS.Recent.
    pub(crate) recent: u32,
    /// When TS.Recent was set, in seconds and one more.
    recent_at: NonZeroU32,
}

impl Stamps {
    /// After this long without news, TS.Recent means nothing (RFC 7323 section 5.5).
    const STALE_AFTER_S: u32 = 24 * 24 * 3_600;

    pub(crate) fn new(offset: u32, recent: u32, now: Instant) -> Self {
        Self {
            offset,
            recent,
            recent_at: seconds(now),
        }
    }

    /// The option for a segment sent now.
    pub(crate) fn emit(self, now: Instant) -> Timestamps {
        Timestamps {
            value: clock(self.offset, now),
            echo: self.recent,
        }
    }

    /// The round trip of what left last at `sent`, not for the first time, if the echo says that it
    /// was this one that arrived (RFC 7323 section 4.1). The time is not the echo's own: who echoes
    /// may have waited, and counts in milliseconds.
    pub(crate) fn round_trip(self, sent: Instant, echo: u32, now: Instant) -> Option<Span> {
        let is_of_this = !Seq::new(echo).is_before(Seq::new(clock(self.offset, sent)));
        let is_past = !Seq::new(echo).is_after(Seq::new(clock(self.offset, now)));
        (is_of_this && is_past).then(|| now.span_since(sent))
    }

    /// RFC 7323 section 5.3 R1: whether the segment is older than what was seen already.
    pub(crate) fn is_old(self, value: u32, now: Instant) -> bool {
        self.is_behind(value) && !self.is_stale(now)
    }

    /// Whether it would be, had TS.Recent any meaning.
    pub(crate) const fn is_behind(self, value: u32) -> bool {
        Seq::new(value).is_before(Seq::new(self.recent))
    }

    fn is_stale(self, now: Instant) -> bool {
        seconds(now).get().wrapping_sub(self.recent_at.get()) > Self::STALE_AFTER_S
    }

    /// RFC 7323 section 4.3 (2): a segment that begins at or before the last acknowledgement sent
    /// and is not older sets TS.Recent.
    pub(crate) fn note(&mut self, value: u32, seq: Seq, last_ack_sent: Seq, now: Instant) {
        if !seq.is_after(last_ack_sent) && !self.is_old(value, now) {
            self.set(value, now);
        }
    }

    /// Sets TS.Recent.
    pub(crate) fn set(&mut self, value: u32, now: Instant) {
        self.recent = value;
        self.recent_at = seconds(now);
    }
}

/// Our clock: milliseconds (RFC 7323 section 5.4 allows 1 ms to 1 s).
#[expect(
    clippy::cast_possible_truncation,
    reason = "a clock that wraps, as RFC 7323 has it"
)]
fn clock(offset: u32, now: Instant) -> u32 {
    (now.as_millis() as u32).wrapping_add(offset)
}

fn seconds(now: Instant) -> NonZeroU32 {
    let seconds = u32::try_from(now.as_millis() / 1_000).unwrap_or(u32::MAX);
    NonZeroU32::MIN.saturating_add(seconds)
}

/// A header for our SYN or SYN-ACK.
pub(crate) fn syn_header(
    setup: &Setup,
    our_scale: WindowScale,
    answers: Option<(&Offer, Seq)>,
    room: u64,
    now: Instant,
) -> Header {
    let options = syn_options(setup, our_scale, answers.map(|(offer, _)| offer), now);
    // RFC 7323 section 2.2: the window of a SYN is never scaled.
    let window = WindowScale::NONE.floor(room);
    let (mut flags, ack) = match answers {
        Some((_, irs)) => (Flags::SYN.union(Flags::ACK), irs.plus(1)),
        None => (Flags::SYN, Seq::new(0)),
    };
    // RFC 3168 section 6.1.1.
    match answers {
        None if setup.ecn => flags |= Flags::ECE.union(Flags::CWR),
        Some((offer, _)) if setup.ecn && offer.has_ecn => flags |= Flags::ECE,
        None | Some(_) => {}
    }
    Header {
        options,
        ..crate::segment::bare(setup.isn, ack, flags, window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_secs(100);

    fn setup() -> Setup {
        Setup {
            isn: Seq::new(5),
            mss: Mss::at_least(1_460),
            peer_mss: Mss::DEFAULT_V4,
            timestamps: Some(1_000),
            sack: true,
            ecn: true,
            tuning: Tuning::default(),
        }
    }

    fn offer() -> Offer {
        Offer::new(Mss::at_least(9_000), 1_000, Some(WindowScale::clamped(7)))
            .with_timestamp(Some(44))
            .with_sack(true)
            .with_ecn(true)
    }

    #[test]
    fn options_hold_only_if_both_have_them() {
        let ours = WindowScale::clamped(5);
        let agreed = Agreed::new(&setup(), &offer(), ours, NOW);
        assert_eq!(
            (agreed.send_scale.get(), agreed.receive_scale.get()),
            (7, 5)
        );
        assert_eq!(
            (agreed.send_mss.get(), agreed.stamps.unwrap().recent),
            (1_448, 44)
        );
        assert!(agreed.has_sack && agreed.has_ecn);

        let plain = Offer::new(Mss::at_least(9_000), 1_000, None);
        let agreed = Agreed::new(&setup(), &plain, ours, NOW);
        assert_eq!(
            (agreed.send_scale.get(), agreed.receive_scale.get()),
            (0, 0)
        );
        assert_eq!((agreed.send_mss.get(), agreed.stamps), (1_460, None));
        assert!(!agreed.has_sack && !agreed.has_ecn);

        // And a SYN-ACK never answers what the SYN did not say.
        let header = syn_header(&setup(), ours, Some((&plain, Seq::new(9))), 0, NOW);
        assert_eq!(header.options.window_scale, None);
        assert_eq!(header.options.timestamps, None);
        assert!(!header.options.sack_permitted);
        assert_eq!((header.ack, header.flags), (10, Flags::SYN | Flags::ACK));
    }

    #[test]
    fn explicit_congestion_notification_is_asked_for_and_agreed() {
        let ours = WindowScale::NONE;
        let (both, one) = (Flags::ECE | Flags::CWR, Flags::ECE);
        let syn = syn_header(&setup(), ours, None, 0, NOW);
        assert_eq!(syn.flags, Flags::SYN | both);
        let answer = syn_header(&setup(), ours, Some((&offer(), Seq::new(9))), 0, NOW);
        assert_eq!(answer.flags, Flags::SYN | Flags::ACK | one);
        for (flags, agrees) in [
            (Flags::SYN | both, true),
            (Flags::SYN | one, false),
            (Flags::SYN | Flags::ACK | one, true),
            // RFC 3168 section 6.1.1.1: a peer that only reflects what it does not know.
            (Flags::SYN | Flags::ACK | both, false),
            (Flags::SYN | Flags::ACK, false),
        ] {
            let header = crate::segment::bare(Seq::new(0), Seq::new(0), flags, 7);
            let offer = Offer::of(&header, Mss::DEFAULT_V4);
            assert_eq!(offer.has_ecn, agrees, "{flags:?}");
            let without = Setup {
                ecn: false,
                ..setup()
            };
            assert!(!Agreed::new(&without, &offer, ours, NOW).has_ecn);
        }
    }

    #[test]
    fn a_peer_without_a_segment_size_gets_the_default() {
        let header = crate::segment::bare(Seq::new(0), Seq::new(0), Flags::SYN, 7);
        assert_eq!(Offer::of(&header, Mss::DEFAULT_V4).mss.get(), 536);
    }

    #[test]
    fn timestamps_age_and_go_stale() {
        let mut stamps = Stamps::new(1_000, 500, NOW);
        assert!(stamps.is_old(499, NOW) && !stamps.is_old(500, NOW) && !stamps.is_old(501, NOW));
        let later = NOW + Span::from_secs(25 * 24 * 3_600);
        assert!(!stamps.is_old(499, later));
        stamps.note(600, Seq::new(10), Seq::new(9), NOW);
        assert_eq!(stamps.recent, 500, "begins after the last acknowledgement");
        stamps.note(600, Seq::new(9), Seq::new(9), NOW);
        assert_eq!(stamps.recent, 600);
        let stamp = stamps.emit(NOW + Span::from_millis(30));
        assert_eq!((stamp.value, stamp.echo), (101_030, 600));
    }
}
