//! SYN cookies: a half-open connection that the peer keeps for us.
//!
//! When no half-open connection fits any more, what must be remembered of a SYN goes into the
//! answer and comes back with the acknowledgement: the segment size in our initial sequence number,
//! window scale, selective acknowledgements and ECN in the low bits of our timestamp, if the peer
//! sends timestamps. Without them the connection does without the options.
//!
//! ```text
//! sequence number   | age: 1 | segment size: 3 | keyed hash: 28 |
//! timestamp         | our clock: 26 | ECN: 1 | SACK: 1 | scale: 4 |
//! ```
//!
//! *Owns* both layouts. *Never* knows addresses or secrets: the hash of both ends and of a word
//! comes from outside. The age is the parity of a clock whose ticks have a secret each.
//! *Spec*: RFC 4987 section 3.6, RFC 7323 section 5.4 (a timestamp clock may be coarse).

use wire::tcp::{Flags, Header};

use crate::options::{Offer, Setup, syn_header};
use crate::seq::Seq;
use crate::time::Instant;
use crate::window::{Mss, WindowScale};

/// Segment sizes that a cookie can name, smallest first: the least of IPv4 (RFC 791: 576 bytes of
/// packet; RFC 9293: 536) and of IPv6, those of tunnels and of PPPoE, Ethernet, and large frames.
const SIZES: [u16; 8] = [216, 536, 1_220, 1_360, 1_400, 1_440, 1_460, 8_960];

const SIZE_AT: u32 = 28;
const AGE_AT: u32 = 31;
const HASH_MASK: u32 = (1 << SIZE_AT) - 1;

/// Bits of a timestamp that carry options.
const OPTION_BITS: u32 = 6;
const SCALE_MASK: u32 = 0xf;
/// The scale that says that there is none: a real one is at most 14.
const NO_SCALE: u32 = 0xf;
const SACK: u32 = 1 << 4;
const ECN: u32 = 1 << 5;

/// A SYN-ACK that stands for a half-open connection. Its ports are to be filled in.
///
/// `setup` is as for a half-open connection, but its sequence number does not count. `room` is what
/// the window offers. `tick` is the age clock; `hash` gives the keyed hash of both ends and a word,
/// under the secret of that tick.
#[must_use]
pub fn cookie(
    syn: &Header,
    setup: &Setup,
    max_window: u32,
    room: u64,
    tick: u64,
    hash: impl FnOnce(u64) -> u64,
    now: Instant,
) -> Header {
    let mut offer = Offer::of(syn, setup.peer_mss);
    let stamped = setup.timestamps.and(offer.timestamp());
    if stamped.is_none() {
        // Nowhere to keep them.
        offer.scale = None;
        offer.has_sack = false;
        offer.has_ecn = false;
    }
    let size = SIZES.iter().rposition(|size| *size <= offer.mss.get());
    let size = u32::try_from(size.unwrap_or(0)).unwrap_or(0);
    let irs = Seq::new(syn.seq);
    let isn = number(irs, size, tick, hash);
    let setup = Setup { isn, ..*setup };
    let scale = WindowScale::for_window(max_window);
    let mut header = syn_header(&setup, scale, Some((&offer, irs)), room, now);
    if let Some(stamps) = &mut header.options.timestamps {
        stamps.value = with_options(stamps.value, &setup, &offer);
    }
    header
}

fn number(irs: Seq, size: u32, tick: u64, hash: impl FnOnce(u64) -> u64) -> Seq {
    let age = u32::from(tick % 2 == 1);
    let hash = hash(u64::from(irs.get()) << 3 | u64::from(size));
    let low = u32::try_from(hash >> 32).unwrap_or(0) & HASH_MASK;
    Seq::new(age << AGE_AT | size << SIZE_AT | low)
}

/// Our clock, no later than `clock`, with the options in its low bits.
fn with_options(clock: u32, setup: &Setup, offer: &Offer) -> u32 {
    let scale = offer.scale.map_or(NO_SCALE, |scale| scale.get().into());
    let flag = |is_set, bit| if is_set { bit } else { 0 };
    let options =
        scale | flag(setup.sack && offer.has_sack, SACK) | flag(setup.ecn && offer.has_ecn, ECN);
    let rounded = (clock >> OPTION_BITS << OPTION_BITS) | options;
    // A clock must not run ahead of itself: what is sent next would look old (RFC 7323 section 5).
    if rounded > clock {
        rounded.wrapping_sub(1 << OPTION_BITS)
    } else {
        rounded
    }
}

/// What a cookie and its acknowledgement say together.
pub(crate) struct Proof {
    pub(crate) isn: Seq,
    pub(crate) irs: Seq,
    pub(crate) offer: Offer,
}

/// Checks the acknowledgement of a cookie. `hash` is asked with the tick that the cookie was made
/// in, `tick` or the one before.
pub(crate) fn check(
    ack: &Header,
    setup: &Setup,
    tick: u64,
    hash: impl FnOnce(u64, u64) -> u64,
) -> Option<Proof> {
    if !ack.flags.contains(Flags::ACK) || ack.flags.intersects(Flags::SYN.union(Flags::RST)) {
        return None;
    }
    let isn = Seq::new(ack.ack).plus(u32::MAX);
    let irs = Seq::new(ack.seq).plus(u32::MAX);
    let is_this_tick = isn.get() >> AGE_AT == u32::from(tick % 2 == 1);
    let made_in = if is_this_tick {
        tick
    } else {
        tick.checked_sub(1)?
    };
    let size = isn.get() >> SIZE_AT & 7;
    if number(irs, size, made_in, |word| hash(made_in, word)) != isn {
        return None;
    }
    let mss = SIZES.get(usize::try_from(size).ok()?)?;
    let stamps = ack
        .options
        .timestamps
        .filter(|_| setup.timestamps.is_some());
    let options = stamps.map_or(NO_SCALE, |stamps| stamps.echo);
    let scale = options & SCALE_MASK;
    let scale = u8::try_from(scale).ok().filter(|_| scale != NO_SCALE);
    let scale = scale.map(WindowScale::clamped);
    let offer = Offer::new(Mss::at_least(*mss), ack.window, scale)
        .with_timestamp(stamps.map(|stamps| stamps.value))
        .with_sack(options & SACK != 0)
        .with_ecn(options & ECN != 0);
    Some(Proof { isn, irs, offer })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::bare;
    use crate::tuning::Tuning;
    use wire::tcp::{Options, Timestamps};

    const NOW: Instant = Instant::from_secs(1_000);

    /// A stand-in for a keyed hash: every bit of the word counts.
    fn hash(tick: u64, word: u64) -> u64 {
        (word ^ tick << 50 ^ 0x5555).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn setup() -> Setup {
        Setup {
            isn: Seq::new(0),
            mss: Mss::at_least(1_460),
            peer_mss: Mss::DEFAULT_V4,
            timestamps: Some(77),
            sack: true,
            ecn: true,
            tuning: Tuning::default(),
        }
    }

    fn syn(mss: u16) -> Header {
        let both = Flags::ECE.union(Flags::CWR);
        Header {
            options: Options {
                mss: Some(mss),
                window_scale: Some(7),
                sack_permitted: true,
                timestamps: Some(Timestamps { value: 4, echo: 0 }),
                ..Options::NONE
            },
            ..bare(Seq::new(123_456), Seq::new(0), Flags::SYN.union(both), 700)
        }
    }

    fn make(syn: &Header, tick: u64) -> Header {
        cookie(
            syn,
            &setup(),
            1 << 20,
            900,
            tick,
            |word| hash(tick, word),
            NOW,
        )
    }

    /// The honest answer to a cookie.
    fn answer(header: &Header) -> Header {
        let timestamps = header.options.timestamps.map(|stamps| Timestamps {
            value: 5,
            echo: stamps.value,
        });
        Header {
            options: Options {
                timestamps,
                ..Options::NONE
            },
            ..bare(
                Seq::new(header.ack),
                Seq::new(header.seq).plus(1),
                Flags::ACK,
                333,
            )
        }
    }

    #[test]
    fn what_the_peer_offered_comes_back() {
        let made = make(&syn(1_460), 9);
        assert!(made.flags.contains(Flags::SYN | Flags::ACK | Flags::ECE));
        assert_eq!((made.window, made.options.window_scale), (900, Some(5)));
        for tick in [9, 10] {
            let proof = check(&answer(&made), &setup(), tick, hash).expect("good");
            assert_eq!(proof.irs, Seq::new(123_456));
            let offer = proof.offer;
            assert_eq!((offer.mss.get(), offer.timestamp()), (1_460, Some(5)));
            assert_eq!(offer.scale, Some(WindowScale::clamped(7)));
            assert!(offer.has_sack && offer.has_ecn);
        }
    }

    #[test]
    fn without_timestamps_there_is_only_the_size() {
        let mut plain = syn(1_459);
        plain.options.timestamps = None;
        let made = make(&plain, 4);
        let options = made.options;
        assert_eq!((options.window_scale, options.timestamps), (None, None));
        assert!(!options.sack_permitted && !made.flags.contains(Flags::ECE));
        let proof = check(&answer(&made), &setup(), 4, hash).expect("good");
        assert_eq!((proof.offer.mss.get(), proof.offer.scale), (1_440, None));
        assert!(!proof.offer.has_sack && !proof.offer.has_ecn);
    }

    #[test]
    fn sizes_are_rounded_down_and_never_below_the_least() {
        for (offered, kept) in [(64, 216), (536, 536), (1_000, 536), (9_000, 8_960)] {
            let made = make(&syn(offered), 0);
            let proof = check(&answer(&made), &setup(), 0, hash).expect("good");
            assert_eq!(proof.offer.mss.get(), kept, "{offered}");
        }
    }

    #[test]
    fn old_and_forged_cookies_are_refused() {
        let made = make(&syn(1_460), 9);
        let good = answer(&made);
        assert!(check(&good, &setup(), 11, hash).is_none(), "two ticks old");
        assert!(check(&good, &setup(), 8, hash).is_none(), "from the future");
        for bit in 0..32 {
            let ack = Header {
                ack: good.ack ^ 1 << bit,
                ..good
            };
            assert!(check(&ack, &setup(), 9, hash).is_none(), "ack bit {bit}");
            let seq = Header {
                seq: good.seq ^ 1 << bit,
                ..good
            };
            assert!(check(&seq, &setup(), 9, hash).is_none(), "seq bit {bit}");
        }
        for flags in [
            Flags::NONE,
            Flags::SYN | Flags::ACK,
            Flags::RST | Flags::ACK,
        ] {
            assert!(check(&Header { flags, ..good }, &setup(), 9, hash).is_none());
        }
    }

    #[test]
    fn the_clock_never_runs_ahead() {
        let offer = Offer::of(&syn(1_460), Mss::DEFAULT_V4);
        for clock in [0, 1, 63, 64, 100, 1 << 31, u32::MAX] {
            let made = with_options(clock, &setup(), &offer);
            let behind = clock.wrapping_sub(made);
            assert!(behind < 64, "{clock}: {behind}");
            assert_eq!(made & 0x3f, 7 | SACK | ECN);
        }
    }
}
