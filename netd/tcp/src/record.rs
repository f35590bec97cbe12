//! The durable record of a connection: what the outside has been told, in 64 bytes.
//!
//! *Owns* the layout, version 1, and its checks. *Never* contains what can be rebuilt: congestion,
//! round-trip times, timers, bytes that came out of order or are not published (the peer still has
//! those). Addresses and the place in the client's memory are the owner's, who keeps them beside.
//!
//! *Invariant*: the record is committed before anything that depends on it leaves: before an
//! acknowledgement, a window, a byte or a completion. So that this is once for everything that
//! arrived together, and not once a segment, it says what the connection *may* have promised before
//! it is written again: all that is in the user's memory counts as acknowledged, all that window and
//! queue let out as sent, all room as offered. Whoever goes on from it is bound by no less than what
//! the peer was told.
//!
//! All numbers are little endian. Positions count bytes from the start of a stream.
//!
//! | offset | size | what |
//! | --- | --- | --- |
//! | 0 | 1 | version: 1 |
//! | 1 | 1 | bits 0-1: our FIN (0 not queued, 1 queued, 2 acknowledged); bits 2-3: the peer's FIN (0 none, 1 before ours was queued, 2 after); bit 4: no delay; bit 5: the user has left; bit 6: timestamps are in use; bit 7: zero |
//! | 2 | 1 | window scales: low half the peer's, high half ours |
//! | 3 | 1 | bit 0: selective acknowledgements are in use; bit 1: explicit congestion notification is; bits 2-3: the congestion control that the user chose (0 none, 1 NewReno, 2 CUBIC, 3 BBR); the rest zero |
//! | 4 | 2 | largest payload we send |
//! | 6 | 2 | largest payload the peer was told to send |
//! | 8 | 8 | SND.UNA, position |
//! | 16 | 4 | the furthest that SND.NXT may have come - SND.UNA |
//! | 20 | 4 | end of what the user queued - SND.UNA |
//! | 24 | 8 | RCV.NXT, position: everything before is in the user's memory and may have been acknowledged |
//! | 32 | 4 | the furthest right edge that may have been offered - RCV.NXT |
//! | 36 | 4 | right edge of the user's room - RCV.NXT |
//! | 40 | 4 | number of send position 0: ISS + 1 |
//! | 44 | 4 | number of receive position 0: IRS + 1 |
//! | 48 | 4 | SND.WND, in bytes |
//! | 52 | 4 | TS.Recent |
//! | 56 | 4 | offset of our timestamp clock |
//! | 60 | 4 | check: a hash of the bytes before |

use crate::cc::Algorithm;
use crate::open::{Handshake, Open};
use crate::options::{Agreed, Stamps};
use crate::receive::Receiver;
use crate::rtt::Rtt;
use crate::seq::Seq;
use crate::state::{Cause, Facts, OurFin, State, TheirFin};
use crate::time::Instant;
use crate::window::{Mss, WindowScale};

/// The durable record of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record([u8; Record::LEN]);

/// Why a record is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRecord {
    /// It was written by another version.
    Version,
    /// It was not written whole, or was changed.
    Check,
    /// Its numbers contradict each other.
    Contradiction,
}

const VERSION: u8 = 1;
const NODELAY: u8 = 1 << 4;
const ORPHAN: u8 = 1 << 5;
const STAMPS: u8 = 1 << 6;
const RESERVED: u8 = 1 << 7;
const SACK: u8 = 1;
const ECN: u8 = 1 << 1;
const ALGORITHM_SHIFT: u8 = 2;
const ALGORITHM: u8 = 3 << ALGORITHM_SHIFT;
/// Positions beyond this are not believed: no stream is that long.
const MAX_POSITION: u64 = 1 << 62;
/// The largest window that TCP can offer.
const MAX_WINDOW: u32 = (u16::MAX as u32) << 14;

/// The fields, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fields {
    state: u8,
    scales: u8,
    options: u8,
    send_mss: u16,
    receive_mss: u16,
    una: u64,
    flight: u32,
    queued: u32,
    received: u64,
    offered: u32,
    room: u32,
    send_base: u32,
    receive_base: u32,
    window: u32,
    stamp_recent: u32,
    stamp_offset: u32,
}

impl Record {
    /// The length of a record, in bytes.
    pub const LEN: usize = 64;

    /// The bytes to keep.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// A record as it was kept; [`Record::restore`] checks it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// What `open` may promise before the next record. `kept`: every byte before is where the user
    /// will find it, and, at the end of the stream, so is that end.
    #[inline(never)]
    pub(crate) fn of(open: &Open, kept: u64) -> Self {
        let (snd, rcv) = (&open.snd, &open.rcv);
        let kept = kept.min(rcv.nxt);
        let mut facts = open.facts;
        if open.is_fin_seen && kept == rcv.nxt {
            facts.change(Cause::FinArrived);
        }
        let flag = |is_set, bit| if is_set { bit } else { 0 };
        Self::encode(&Fields {
            state: facts.ours() as u8
                | (facts.theirs() as u8) << 2
                | flag(open.snd.small.are_sent_at_once(), NODELAY)
                | flag(open.is_orphan, ORPHAN)
                | flag(open.stamps.is_some(), STAMPS),
            scales: snd.scale().get() | rcv.scale().get() << 4,
            options: flag(open.has_sack, SACK)
                | flag(open.notice.is_agreed(), ECN)
                | snd.algorithm.map_or(0, algorithm_bits) << ALGORITHM_SHIFT,
            send_mss: snd.mss.get(),
            receive_mss: rcv.mss.get(),
            una: snd.una,
            flight: furthest_flight(open),
            queued: small(snd.end().saturating_sub(snd.una)),
            received: kept,
            offered: small(furthest_edge(rcv, kept).saturating_sub(kept)),
            room: small(rcv.room().saturating_sub(kept)),
            send_base: snd.base().get(),
            receive_base: rcv.base().get(),
            window: snd.window,
            stamp_recent: open.stamps.map_or(0, |stamps| stamps.recent),
            stamp_offset: open.stamps.map_or(0, |stamps| stamps.offset),
        })
    }

    /// The connection goes on: everything that may be in flight is sent again, slowly at first, and
    /// the peer is told where we are. What the user knows of it is [`Connection::resume`]'s.
    ///
    /// [`Connection::resume`]: crate::Connection::resume
    ///
    /// # Errors
    /// The record is not believed; the connection is to be reset.
    pub fn restore(&self, now: Instant) -> Result<Open, BadRecord> {
        let fields = self.decode()?;
        let facts = fields.facts()?;
        fields.check(facts)?;
        let scale = |bits: u8| WindowScale::clamped(bits & 0xf);
        let has_stamps = fields.state & STAMPS != 0;
        let agreed = Agreed {
            send_mss: Mss::at_least(fields.send_mss),
            receive_mss: Mss::at_least(fields.receive_mss),
            send_scale: scale(fields.scales),
            receive_scale: scale(fields.scales >> 4),
            stamps: has_stamps.then(|| Stamps::new(fields.stamp_offset, fields.stamp_recent, now)),
            has_sack: fields.options & SACK != 0,
            has_ecn: fields.options & ECN != 0,
        };
        let receive_base = Seq::new(fields.receive_base);
        let mut open = Open::new(
            &Handshake {
                isn: Seq::new(fields.send_base).plus(u32::MAX),
                irs: receive_base.plus(u32::MAX),
                agreed,
                window: fields.window,
                window_set_by: receive_base.at(fields.received),
                offered: fields.received.saturating_add(u64::from(fields.offered)),
                rtt: Rtt::new(),
                is_nodelay: fields.state & NODELAY != 0,
            },
            now,
        );
        open.facts = facts;
        open.snd.algorithm = algorithm_of(fields.options >> ALGORITHM_SHIFT);
        open.is_orphan = fields.state & ORPHAN != 0;
        open.rcv.nxt = fields.received;
        open.rcv.drop_room();
        open.rcv.give_room(fields.room);
        open.is_fin_seen = facts.is_their_side_closed();
        open.rcv.ack_sent = open.rcv.ack_number(facts.is_their_side_closed());
        if !matches!(open.state(), State::TimeWait | State::Closed) {
            open.rcv.want_ack();
        }
        // Once our FIN is acknowledged, SND.UNA stands one beyond the last byte.
        let fin = u64::from(facts.ours() == OurFin::Acknowledged);
        let end = fields.una.saturating_add(u64::from(fields.queued));
        let end = end.saturating_sub(fin);
        open.snd
            .restore(fields.una, fields.flight, end, fields.window);
        Ok(open)
    }

    fn encode(fields: &Fields) -> Self {
        let mut bytes = [0; Self::LEN];
        let mut rest = bytes.as_mut_slice();
        let mut put = |value: &[u8]| {
            if let Some((place, behind)) =
                core::mem::take(&mut rest).split_at_mut_checked(value.len())
            {
                place.copy_from_slice(value);
                rest = behind;
            }
        };
        put(&[VERSION, fields.state, fields.scales, fields.options]);
        put(&fields.send_mss.to_le_bytes());
        put(&fields.receive_mss.to_le_bytes());
        put(&fields.una.to_le_bytes());
        put(&fields.flight.to_le_bytes());
        put(&fields.queued.to_le_bytes());
        put(&fields.received.to_le_bytes());
        put(&fields.offered.to_le_bytes());
        put(&fields.room.to_le_bytes());
        put(&fields.send_base.to_le_bytes());
        put(&fields.receive_base.to_le_bytes());
        put(&fields.window.to_le_bytes());
        put(&fields.stamp_recent.to_le_bytes());
        put(&fields.stamp_offset.to_le_bytes());
        let check = check(&bytes);
        if let Some(place) = bytes.last_chunk_mut::<4>() {
            *place = check.to_le_bytes();
        }
        Self(bytes)
    }

    fn decode(&self) -> Result<Fields, BadRecord> {
        let mut rest = self.0.as_slice();
        let [version, state, scales, options] = take(&mut rest)?;
        if version != VERSION {
            return Err(BadRecord::Version);
        }
        let stored = self.0.last_chunk::<4>().copied().map(u32::from_le_bytes);
        if stored != Some(check(&self.0)) {
            return Err(BadRecord::Check);
        }
        Ok(Fields {
            state,
            scales,
            options,
            send_mss: u16::from_le_bytes(take(&mut rest)?),
            receive_mss: u16::from_le_bytes(take(&mut rest)?),
            una: u64::from_le_bytes(take(&mut rest)?),
            flight: u32::from_le_bytes(take(&mut rest)?),
            queued: u32::from_le_bytes(take(&mut rest)?),
            received: u64::from_le_bytes(take(&mut rest)?),
            offered: u32::from_le_bytes(take(&mut rest)?),
            room: u32::from_le_bytes(take(&mut rest)?),
            send_base: u32::from_le_bytes(take(&mut rest)?),
            receive_base: u32::from_le_bytes(take(&mut rest)?),
            window: u32::from_le_bytes(take(&mut rest)?),
            stamp_recent: u32::from_le_bytes(take(&mut rest)?),
            stamp_offset: u32::from_le_bytes(take(&mut rest)?),
        })
    }
}

impl Fields {
    fn facts(&self) -> Result<Facts, BadRecord> {
        let ours = match self.state & 3 {
            0 => OurFin::NotQueued,
            1 => OurFin::Queued,
            2 => OurFin::Acknowledged,
            _ => return Err(BadRecord::Contradiction),
        };
        let theirs = match self.state >> 2 & 3 {
            0 => TheirFin::NotSeen,
            1 => TheirFin::SeenFirst,
            2 => TheirFin::SeenAfterOurs,
            _ => return Err(BadRecord::Contradiction),
        };
        Facts::restore(ours, theirs).ok_or(BadRecord::Contradiction)
    }

    /// What every record that we write satisfies.
    fn check(&self, facts: Facts) -> Result<(), BadRecord> {
        let max_scale = WindowScale::MAX.get();
        // Our FIN takes the position behind what is queued, until it is acknowledged; then nothing
        // is left, and SND.UNA stands one beyond the end.
        let fin = u32::from(facts.ours() == OurFin::Queued);
        let is_fin_acknowledged = facts.ours() == OurFin::Acknowledged;
        let is_sound = self.state & RESERVED == 0
            && self.options & !(SACK | ECN | ALGORITHM) == 0
            && self.scales & 0xf <= max_scale
            && self.scales >> 4 <= max_scale
            && self.send_mss >= Mss::MIN
            && self.receive_mss >= Mss::MIN
            && self.una <= MAX_POSITION
            && self.received <= MAX_POSITION
            && self.flight <= self.queued.saturating_add(fin)
            && (!is_fin_acknowledged || (self.flight == 0 && self.queued == 0 && self.una > 0))
            && self.offered <= MAX_WINDOW.saturating_add(1 << max_scale)
            && self.window <= MAX_WINDOW;
        if is_sound {
            Ok(())
        } else {
            Err(BadRecord::Contradiction)
        }
    }
}

/// How much may be in flight before the next record: what is, or what window and queue let out. A
/// probe is one byte beyond, a FIN behind the last byte needs no window.
fn furthest_flight(open: &Open) -> u32 {
    let snd = &open.snd;
    let queued = small(snd.end().saturating_sub(snd.una));
    let flight = snd.flight.max(queued.min(snd.window.max(1)));
    let is_fin_next = open.facts.ours() == OurFin::Queued && flight >= queued;
    if is_fin_next {
        queued.saturating_add(1)
    } else {
        flight
    }
}

/// How far the window may be opened before the next record, once everything before `kept` is
/// acknowledged.
fn furthest_edge(rcv: &Receiver, kept: u64) -> u64 {
    let largest = u64::from(rcv.scale().apply(u16::MAX));
    rcv.edge().max(rcv.room().min(kept.saturating_add(largest)))
}

const fn algorithm_bits(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::NewReno => 1,
        Algorithm::Cubic => 2,
        Algorithm::Bbr => 3,
    }
}

/// The choice that these bits, of which the low two count, stand for.
fn algorithm_of(bits: u8) -> Option<Algorithm> {
    let is_meant = |algorithm: &Algorithm| algorithm_bits(*algorithm) == bits & 3;
    Algorithm::ALL.into_iter().find(is_meant)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], BadRecord> {
    let (front, behind) = rest.split_first_chunk::<N>().ok_or(BadRecord::Check)?;
    *rest = behind;
    Ok(*front)
}

/// A fast hash of all but the last four bytes: it finds torn and stray writes, not forgeries.
#[expect(
    clippy::cast_possible_truncation,
    reason = "both halves of the hash are in the lower"
)]
fn check(bytes: &[u8; Record::LEN]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, _) = bytes.as_chunks::<8>();
    let hash = words
        .iter()
        .enumerate()
        .fold(FACTOR, |hash, (place, word)| {
            let word = u64::from_le_bytes(*word);
            // The last word's upper half is the check itself.
            let word = if place == words.len() - 1 {
                word & u64::from(u32::MAX)
            } else {
                word
            };
            (hash ^ word).wrapping_mul(FACTOR).rotate_left(29)
        });
    (hash ^ hash >> 32) as u32
}

fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
