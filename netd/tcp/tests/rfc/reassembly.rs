//! Reassembly without exception: every sequence of up to four segments within six bytes, beside a
//! bitmap. RFC 9293 section 3.10.7.4, seventh and eighth.

use tcp::Events;
use wire::Drop;

use crate::lab::{FIN, Lab, Seg, data};

/// The stream has so many bytes, and then it ends.
const LEN: u32 = 6;

/// Every part of the stream, with its end or without.
fn parts() -> Vec<Seg> {
    let mut parts = Vec::new();
    for start in 0..=LEN {
        for end in start..=LEN {
            let part = data(start.into(), end - start, 0);
            if end > start {
                parts.push(part);
            }
            if end == LEN {
                parts.push(part.flags(FIN));
            }
        }
    }
    parts
}

/// What a slow and obvious receiver has.
#[derive(Default)]
struct Bitmap {
    bytes: [bool; LEN as usize],
    has_end: bool,
    next: usize,
    has_finished: bool,
}

impl Bitmap {
    /// Returns how many bytes come in order by a segment, and whether the stream ends by it.
    fn take(&mut self, part: Seg) -> (u64, bool) {
        let start = usize::try_from(part.seq).unwrap();
        self.bytes[start..start + part.len as usize].fill(true);
        self.has_end |= part.flags.contains(FIN);
        let before = self.next;
        while self.bytes.get(self.next) == Some(&true) {
            self.next += 1;
        }
        let ends = self.has_end && self.next == self.bytes.len() && !self.has_finished;
        self.has_finished |= ends;
        ((self.next - before) as u64, ends)
    }
}

/// Takes the segments one after the other.
fn follow(segments: &[Seg]) {
    let mut lab = Lab::established();
    let mut bitmap = Bitmap::default();
    for segment in segments {
        let before = bitmap.next;
        let was_over = bitmap.has_finished;
        let (advanced, ends) = bitmap.take(*segment);
        let outcome = lab.take(*segment);
        assert_eq!(outcome.advanced, advanced, "{segments:?}");
        assert_eq!(
            outcome.events.contains(Events::PEER_FIN),
            ends,
            "{segments:?}"
        );
        // Exactly what is new, or was not yet in order, is asked for; the rest was there already.
        let end = segment.seq.cast_unsigned() + u64::from(segment.len);
        let wanted = end.saturating_sub(segment.seq.cast_unsigned().max(before as u64));
        let copied = outcome.place.map_or(0, |place| place.len);
        assert_eq!(u64::from(copied), wanted, "{segments:?}");
        let has_news = wanted > 0 || ends || (segment.flags.contains(FIN) && !was_over);
        if !has_news {
            assert_eq!(outcome.drop, Some(Drop::TcpDuplicate), "{segments:?}");
        }
        assert_eq!(lab.connection.received(), bitmap.next as u64);
    }
    if bitmap.next == LEN as usize {
        assert_eq!(lab.shared.hole_lists_in_use(), 0, "{segments:?}");
    }
}

// RFC 9293: SHLD-31
#[test]
fn every_three_parts_in_every_order() {
    let parts = parts();
    assert_eq!(parts.len(), 28);
    for first in &parts {
        for second in &parts {
            for third in &parts {
                follow(&[*first, *second, *third]);
            }
        }
    }
}

#[test]
fn every_four_short_parts_in_every_order() {
    let short: Vec<Seg> = parts().into_iter().filter(|part| part.len <= 2).collect();
    for first in &short {
        for second in &short {
            for third in &short {
                for fourth in &short {
                    follow(&[*first, *second, *third, *fourth]);
                }
            }
        }
    }
}
