//! Durable records judged by what leaves: every segment says no more than its connection's record.
//!
//! *Reads* the records as a stack that starts anew would have to, by their layout (`tcp::Record`,
//! `stack::Record`): what leaves now may be the last thing before a crash.

use stack::Record;
use tcp::Seq;
use wire::tcp::{Flags, Segment};

use super::segments::parse;

/// What a record lets its connection say.
struct Promise {
    /// One behind the last sequence number that may be used.
    sent: Seq,
    received: Seq,
    /// Where the window ends; nowhere behind a FIN.
    edge: Option<Seq>,
    scale: u8,
}

/// Whether what a frame says is in a record.
///
/// # Errors
/// What is not.
pub(super) fn check(frame: &[u8], records: &[(u32, [u8; Record::LEN])]) -> Result<(), String> {
    let Some((from, to, segment)) = parse(frame) else {
        return Ok(());
    };
    // What is refused has no connection, and one that is being opened no record.
    if segment
        .header
        .flags
        .intersects(Flags::RST.union(Flags::SYN))
    {
        return Ok(());
    }
    let is_of = |record: &Record| record.local == from && record.remote == to;
    let of_both = records.iter().filter_map(|(_, bytes)| {
        let record = Record::parse(bytes).ok()?;
        is_of(&record).then(|| Promise::of(record.tcp.as_bytes()))
    });
    let broken: Vec<_> = of_both.map(|promise| promise.broken_by(&segment)).collect();
    // A connection and what is left of it in TIME-WAIT may both be there.
    match broken.iter().flatten().next() {
        Some(what) if broken.iter().all(Option::is_some) => Err(format!(
            "{what} is not in the record: {from} -> {to}: {:?}",
            segment.header
        )),
        _ => Ok(()),
    }
}

impl Promise {
    fn of(bytes: &[u8; tcp::Record::LEN]) -> Self {
        let word = |at: usize| {
            let bytes = bytes[at..at + 4].try_into().expect("four bytes");
            u32::from_le_bytes(bytes)
        };
        // The lower half of a position says where its number is.
        let (una, flight) = (Seq::new(word(40)).plus(word(8)), word(16));
        let received = Seq::new(word(44)).plus(word(24));
        let is_fin_received = bytes[1] >> 2 & 3 != 0;
        Self {
            sent: una.plus(flight),
            received: received.plus(is_fin_received.into()),
            edge: (!is_fin_received).then(|| received.plus(word(32))),
            scale: bytes[2] >> 4,
        }
    }

    fn broken_by(&self, segment: &Segment<'_>) -> Option<&'static str> {
        let header = &segment.header;
        let end = Seq::new(header.seq).plus(segment.sequence_len());
        let ack = Seq::new(header.ack);
        let window = u32::from(header.window) << self.scale;
        // The rounding of the scale may move the edge by less than one unit.
        let is_beyond = |edge| ack.plus(window).distance_from(edge) >= 1 << self.scale;
        if end.is_after(self.sent) {
            Some("what is sent")
        } else if ack.is_after(self.received) {
            Some("what is acknowledged")
        } else if self.edge.is_some_and(is_beyond) {
            Some("a window")
        } else {
            None
        }
    }
}
