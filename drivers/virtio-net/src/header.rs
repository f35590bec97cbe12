//! The header in front of each frame, `virtio_net_hdr`.
//!
//! *Spec* 5.1.6 (layout), 5.1.6.2 (sending), 5.1.6.4 (receiving).
//!
//! | bytes | what |
//! | --- | --- |
//! | 0 | flags |
//! | 1 | segmentation: of which protocol, if it is a large frame |
//! | 2..4, 4..6 | header length (a hint) and payload of a segment, for large frames only |
//! | 6..8 | where the checksum starts |
//! | 8..10 | where it goes, from there |
//! | 10..12 | buffers of the frame; absent in the legacy form |

use crate::features::{
    GUEST_CHECKSUM, GUEST_ECN, GUEST_SEGMENTS_4, GUEST_SEGMENTS_6, MERGED_BUFFERS,
};
use device::{Checksum, Cuts, ReceiveMeta, TransmitMeta, Verified};
use virtio::VERSION_1;

/// The checksum has to be completed.
const NEEDS_CHECKSUM: u8 = 1;
/// The device has verified the checksum.
const DATA_VALID: u8 = 2;

/// No segmentation.
const ONE: u8 = 0;
/// A large TCP segment in an IPv4 packet.
const SEGMENTS_4: u8 = 1;
/// A large TCP segment in an IPv6 packet.
const SEGMENTS_6: u8 = 4;
/// Datagrams of UDP.
const DATAGRAMS: u8 = 5;
/// With CWR on its first segment only.
const CONGESTION: u8 = 0x80;

/// Where the headers of a frame say what it is, and what they say.
const ETHERTYPE: usize = 12;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// A tag: the type comes so much later.
const TAG: u16 = 0x8100;
const TAG_BYTES: usize = 4;
/// Where the checksum lies in a transport header tells whose it is.
const TCP_CHECKSUM: u16 = 16;
const UDP_CHECKSUM: u16 = 6;
/// Bytes of a UDP header, and of the shortest TCP header; where the latter says its length and flags.
const UDP_HEADER: usize = 8;
const TCP_HEADER: usize = 20;
const TCP_LENGTH: usize = 12;
const TCP_FLAGS: usize = 13;
/// Congestion window reduced (RFC 3168 section 6.1.2).
const CWR: u8 = 0x80;

/// Which form of the header is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Ten bytes: legacy interface without merged buffers.
    Short,
    /// Twelve bytes: with VERSION_1 or merged buffers (5.1.6.1).
    Long,
}

impl Format {
    /// The one that goes with features that were agreed on.
    pub const fn agreed(accepted: u64) -> Self {
        if accepted & (VERSION_1 | MERGED_BUFFERS) == 0 {
            Self::Short
        } else {
            Self::Long
        }
    }

    /// Bytes of the header.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Short => 10,
            Self::Long => 12,
        }
    }

    /// Header and frame of a buffer in which the device has written `written` bytes; `None` when
    /// that is not even a header.
    pub fn split(self, buffer: &[u8], written: usize) -> Option<([u8; 10], &[u8])> {
        let frame = buffer.get(self.bytes()..written)?;
        buffer.first_chunk().map(|header| (*header, frame))
    }
}

/// How many buffers the frame takes that begins in this one, of which a whole header was written;
/// for merged buffers.
pub fn buffers(buffer: &[u8]) -> usize {
    let count = buffer.get(10..12).and_then(<[u8]>::as_array);
    count.map_or(0, |count| u16::from_le_bytes(*count).into())
}

/// What a received header says about its frame of `length` bytes; `None` if it cannot be true, or
/// `accepted` does not allow it. Without `GUEST_CSUM` flags mean nothing (5.1.6.4).
pub fn received(header: &[u8; 10], length: usize, accepted: u64) -> Option<ReceiveMeta> {
    let [flags, segmentation, _, _, size @ .., _, _, _, _] = *header;
    let [_, _, _, _, _, _, start @ .., _, _] = *header;
    let [_, _, _, _, _, _, _, _, offset @ ..] = *header;
    let checksum = if accepted & GUEST_CHECKSUM == 0 {
        Verified::No
    } else if flags & NEEDS_CHECKSUM != 0 {
        // The frame comes from the host itself and its checksum was never completed: the bytes
        // are right, the field is not. Only if the field is inside.
        let (start, offset) = (u16::from_le_bytes(start), u16::from_le_bytes(offset));
        if !field_is_inside(start, offset, length) {
            return None;
        }
        Verified::Yes
    } else if flags & DATA_VALID != 0 {
        Verified::Yes
    } else {
        Verified::No
    };
    // 5.1.6.4.1: only what was negotiated, and how long the segments are must be said.
    let needed = match segmentation & !CONGESTION {
        SEGMENTS_4 => GUEST_SEGMENTS_4,
        SEGMENTS_6 => GUEST_SEGMENTS_6,
        ONE if segmentation == ONE => {
            let segment = 0;
            return Some(ReceiveMeta { checksum, segment });
        }
        _ => return None,
    };
    let is_allowed = segmentation & CONGESTION == 0 || accepted & GUEST_ECN != 0;
    let segment = u16::from_le_bytes(size);
    (accepted & needed != 0 && is_allowed && segment > 0)
        .then_some(ReceiveMeta { checksum, segment })
}

/// Writes the header of a frame of `length` bytes that begins with `front`. `header` is what this
/// function left there, or zeros: without checksum offload (`completes` false) it stays as it is.
/// `None` if the device cannot do what is asked of it, or a field is not inside the frame.
#[inline]
pub fn to_send(
    header: &mut [u8],
    meta: TransmitMeta,
    (front, length): (&[u8], usize),
    completes: bool,
    cuts: Cuts,
) -> Option<()> {
    let (flags, start, offset) = match meta.checksum {
        Checksum::Complete if !completes && meta.segment == 0 => return Some(()),
        Checksum::Complete => (0, 0, 0),
        Checksum::Partial { start, offset } => (NEEDS_CHECKSUM, start, offset),
    };
    if !completes || flags != 0 && !field_is_inside(start, offset, length) {
        return None;
    }
    let (kind, headers, segment) = match meta.segment {
        0 => (ONE, 0, 0),
        segment => {
            // A checksum that is to be completed has a field that tells whose it is.
            let (kind, headers) = large(front, start, offset, cuts)?;
            (kind, headers, segment)
        }
    };
    let fields = header.first_chunk_mut::<10>()?;
    fields[0] = flags;
    fields[1] = kind;
    [fields[2], fields[3]] = headers.to_le_bytes();
    [fields[4], fields[5]] = segment.to_le_bytes();
    [fields[6], fields[7]] = start.to_le_bytes();
    [fields[8], fields[9]] = offset.to_le_bytes();
    Some(())
}

/// What kind of large frame it is, and how long its headers are (5.1.6.2: with the transport's). `None`
/// if the device does not cut such frames, or its headers are not all in `front`.
fn large(front: &[u8], start: u16, offset: u16, cuts: Cuts) -> Option<(u8, u16)> {
    let ethertype = |at: usize| {
        let bytes = front.get(at..at + 2)?.as_array()?;
        Some(u16::from_be_bytes(*bytes))
    };
    let transport = front.get(usize::from(start)..)?;
    let ethertype = match ethertype(ETHERTYPE)? {
        TAG => ethertype(ETHERTYPE + TAG_BYTES)?,
        plain => plain,
    };
    let (kind, length) = match (ethertype, offset) {
        (IPV4, TCP_CHECKSUM) if cuts.tcp4 => (SEGMENTS_4, None),
        (IPV6, TCP_CHECKSUM) if cuts.tcp6 => (SEGMENTS_6, None),
        (IPV4 | IPV6, UDP_CHECKSUM) if cuts.datagrams => (DATAGRAMS, Some(UDP_HEADER)),
        _ => return None,
    };
    let (kind, length) = match length {
        Some(length) => (kind, length),
        None => {
            let length = usize::from(transport.get(TCP_LENGTH)? >> 4) * 4;
            let reduced = transport.get(TCP_FLAGS)? & CWR != 0;
            if length < TCP_HEADER || reduced && !cuts.congestion {
                return None;
            }
            (kind | if reduced { CONGESTION } else { 0 }, length)
        }
    };
    transport.get(..length)?;
    let headers = usize::from(start) + length;
    Some((kind, u16::try_from(headers).ok()?))
}

/// Whether a checksum field of two bytes lies inside a frame.
fn field_is_inside(start: u16, offset: u16, length: usize) -> bool {
    usize::from(start) + usize::from(offset) + 2 <= length
}

#[cfg(test)]
mod tests {
    use super::{Format, buffers, received, to_send};
    use crate::features::{GUEST_CHECKSUM, GUEST_ECN, GUEST_SEGMENTS_4, GUEST_SEGMENTS_6};
    use device::{Checksum, Cuts, TransmitMeta, Verified};

    const LARGE: u64 = GUEST_CHECKSUM | GUEST_SEGMENTS_4 | GUEST_SEGMENTS_6 | GUEST_ECN;

    fn verdict(header: [u8; 10], accepted: u64) -> Option<Verified> {
        received(&header, 60, accepted).map(|meta| meta.checksum)
    }

    #[test]
    fn flags_count_only_when_negotiated() {
        let valid = [2, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let partial = [1, 0, 0, 0, 0, 0, 34, 0, 16, 0];
        assert_eq!(verdict([0; 10], GUEST_CHECKSUM), Some(Verified::No));
        assert_eq!(verdict(valid, GUEST_CHECKSUM), Some(Verified::Yes));
        assert_eq!(verdict(valid, 0), Some(Verified::No));
        assert_eq!(verdict(partial, GUEST_CHECKSUM), Some(Verified::Yes));
        assert_eq!(verdict(partial, 0), Some(Verified::No));
    }

    #[test]
    fn impossible_headers() {
        assert_eq!(verdict([1, 0, 0, 0, 0, 0, 58, 0, 1, 0], LARGE), None);
        assert_eq!(verdict([1, 0, 0, 0, 0, 0, 255, 255, 255, 255], LARGE), None);
    }

    #[test]
    fn large_frames_are_what_was_agreed_on() {
        let segment = |kind, size: u8, accepted| {
            let header = [1, kind, 0, 0, size, 5, 34, 0, 16, 0];
            received(&header, 60, accepted).map(|meta| meta.segment)
        };
        for (kind, without) in [(1, GUEST_SEGMENTS_4), (4, GUEST_SEGMENTS_6)] {
            assert_eq!(segment(kind, 168, LARGE), Some(1448));
            assert_eq!(segment(kind, 168, LARGE & !without), None);
            assert_eq!(segment(kind | 0x80, 168, LARGE), Some(1448));
            assert_eq!(segment(kind | 0x80, 168, LARGE & !GUEST_ECN), None);
            let nothing = [1, kind, 0, 0, 0, 0, 34, 0, 16, 0];
            assert!(
                received(&nothing, 60, LARGE).is_none(),
                "segments of no bytes"
            );
        }
        assert_eq!(segment(0, 168, LARGE), Some(0), "not looked at");
        // Fragments and datagrams, two bits at once, congestion of nothing, rubbish.
        for kind in [2, 3, 5, 6, 0x7f, 0x80, 0x83, 0xff] {
            assert_eq!(segment(kind, 168, LARGE), None, "{kind:#x}");
        }
        for kind in 1..=255 {
            assert_eq!(segment(kind, 168, GUEST_CHECKSUM), None);
        }
    }

    #[test]
    fn the_number_of_buffers_is_behind_the_rest() {
        let mut buffer = [0; 64];
        buffer[10..12].copy_from_slice(&[0x34, 0x12]);
        assert_eq!(buffers(&buffer), 0x1234);
        assert_eq!(buffers(&buffer[..11]), 0);
    }

    #[test]
    fn a_buffer_shorter_than_the_header_is_none() {
        let buffer = [0; 64];
        assert!(Format::Long.split(&buffer, 11).is_none());
        assert!(Format::Short.split(&buffer, 9).is_none());
        assert!(Format::Long.split(&buffer, 65).is_none());
        let (_, frame) = Format::Long.split(&buffer, 12).unwrap();
        assert!(frame.is_empty());
        let (_, frame) = Format::Short.split(&buffer, 64).unwrap();
        assert_eq!(frame.len(), 54);
    }

    #[test]
    fn sending() {
        let mut header = [0; 12];
        let none = Cuts::NONE;
        let front = (&[0; 52][..], 60);
        let complete = TransmitMeta::whole(Checksum::Complete);
        assert!(to_send(&mut header, complete, front, false, none).is_some());
        assert_eq!(header, [0; 12]);
        let checksum = Checksum::Partial {
            start: 34,
            offset: 0x10,
        };
        let meta = TransmitMeta::whole(checksum);
        assert!(to_send(&mut header, meta, front, false, none).is_none());
        assert!(to_send(&mut header, meta, (front.0, 51), true, none).is_none());
        assert!(to_send(&mut header, meta, (front.0, 52), true, none).is_some());
        assert_eq!(header, [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0]);
        assert!(to_send(&mut header, complete, front, true, none).is_some());
        assert_eq!(header, [0; 12]);
    }

    /// The front of a large frame, and what is asked for it.
    fn large(
        ethertype: u16,
        start: u16,
        offset: u16,
        flags: u8,
        cuts: Cuts,
    ) -> Option<([u8; 12], bool)> {
        let mut front = [0; 100];
        front[12..14].copy_from_slice(&ethertype.to_be_bytes());
        let at = usize::from(start);
        front[at + 12] = 0x80;
        front[at + 13] = flags;
        let meta = TransmitMeta {
            checksum: Checksum::Partial { start, offset },
            segment: 1_448,
        };
        let mut header = [0; 12];
        let written = to_send(&mut header, meta, (&front, 60_000), true, cuts).is_some();
        // All headers must be there.
        let end = at + if offset == 6 { 8 } else { 32 };
        let mut other = [0; 12];
        let short = to_send(&mut other, meta, (&front[..end - 1], 60_000), true, cuts);
        assert!(short.is_none());
        let long = to_send(&mut other, meta, (&front[..end], 60_000), true, cuts);
        written.then_some((header, long.is_some() && other == header))
    }

    #[test]
    fn what_is_to_be_cut_is_what_was_agreed_on() {
        const ALL: Cuts = Cuts {
            tcp4: true,
            tcp6: true,
            congestion: true,
            datagrams: true,
        };
        let (v4, v6) = (0x0800, 0x86dd);
        let found = |ethertype, start, offset, flags, cuts| {
            large(ethertype, start, offset, flags, cuts).map(|(header, same)| {
                assert!(same);
                (header[1], header[2], header[4..6] == [168, 5])
            })
        };
        assert_eq!(found(v4, 34, 16, 0x10, ALL), Some((1, 66, true)));
        assert_eq!(found(v6, 54, 16, 0x10, ALL), Some((4, 86, true)));
        assert_eq!(found(v4, 34, 16, 0x90, ALL), Some((0x81, 66, true)));
        assert_eq!(found(v6, 54, 16, 0x90, ALL), Some((0x84, 86, true)));
        assert_eq!(found(v4, 34, 6, 0, ALL), Some((5, 42, true)));
        assert_eq!(found(v6, 54, 6, 0, ALL), Some((5, 62, true)));
        // Another ethertype; a checksum of another protocol.
        assert_eq!(found(0x8100, 34, 16, 0, ALL), None);
        assert_eq!(found(v4, 34, 2, 0, ALL), None);
        let without = |cuts: fn(&mut Cuts)| {
            let mut left = ALL;
            cuts(&mut left);
            left
        };
        let left = without(|cuts| cuts.tcp4 = false);
        assert_eq!(found(v4, 34, 16, 0x10, left), None);
        let left = without(|cuts| cuts.tcp6 = false);
        assert_eq!(found(v6, 54, 16, 0x10, left), None);
        let left = without(|cuts| cuts.datagrams = false);
        assert_eq!(found(v4, 34, 6, 0, left), None);
        let left = without(|cuts| cuts.congestion = false);
        assert_eq!(found(v4, 34, 16, 0x90, left), None);
        assert_eq!(found(v4, 34, 16, 0x10, left), Some((1, 66, true)));
        // What is to be cut has no complete checksum.
        let meta = TransmitMeta {
            checksum: Checksum::Complete,
            segment: 1_448,
        };
        for completes in [false, true] {
            let front = (&[0; 100][..], 60_000);
            assert!(to_send(&mut [0; 12], meta, front, completes, ALL).is_none());
        }
        // A header that says it is shorter than any.
        let mut front = [0; 100];
        front[12] = 8;
        front[46] = 0x40;
        let meta = TransmitMeta {
            checksum: Checksum::Partial {
                start: 34,
                offset: 16,
            },
            segment: 1_448,
        };
        assert!(to_send(&mut [0; 12], meta, (&front, 60_000), true, ALL).is_none());
    }

    #[test]
    fn of_a_tagged_frame_the_type_is_behind_the_tag() {
        for (ethertype, start, kind) in [(0x0800_u16, 38_u8, 1), (0x86dd, 58, 4)] {
            let mut front = [0; 100];
            front[12..18].copy_from_slice(&[0x81, 0, 0, 42, 0, 0]);
            front[16..18].copy_from_slice(&ethertype.to_be_bytes());
            front[usize::from(start) + 12] = 0x50;
            let checksum = Checksum::Partial {
                start: start.into(),
                offset: 16,
            };
            let meta = TransmitMeta {
                checksum,
                segment: 1_448,
            };
            let cuts = Cuts {
                tcp4: true,
                tcp6: true,
                ..Cuts::NONE
            };
            let mut header = [0; 12];
            assert!(to_send(&mut header, meta, (&front, 60_000), true, cuts).is_some());
            assert_eq!((header[1], header[2], header[6]), (kind, start + 20, start));
        }
    }
}
