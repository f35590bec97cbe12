//! The header in front of each frame, `virtio_net_hdr`.
//!
//! *Spec* 5.1.6 (layout), 5.1.6.2 (sending), 5.1.6.4 (receiving).
//!
//! | bytes | what |
//! | --- | --- |
//! | 0 | flags |
//! | 1 | segmentation; always none here |
//! | 2..4, 4..6 | header length and segment size, for segmentation only |
//! | 6..8 | where the checksum starts |
//! | 8..10 | where it goes, from there |
//! | 10..12 | buffers of the frame; absent in the legacy form |

use device::{Checksum, ReceiveMeta, TransmitMeta, Verified};

/// The checksum has to be completed.
const NEEDS_CHECKSUM: u8 = 1;
/// The device has verified the checksum.
const DATA_VALID: u8 = 2;

/// Which form of the header is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Ten bytes: legacy interface without merged buffers.
    Legacy,
    /// Twelve bytes: with VERSION_1 (5.1.6.1).
    Modern,
}

impl Format {
    /// Bytes of the header.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Legacy => 10,
            Self::Modern => 12,
        }
    }

    /// Header and frame of a buffer in which the device has written `written` bytes; `None` when
    /// that is not even a header.
    pub fn split(self, buffer: &[u8], written: usize) -> Option<([u8; 10], &[u8])> {
        let frame = buffer.get(self.bytes()..written)?;
        buffer.first_chunk().map(|header| (*header, frame))
    }
}

/// What a received header says about its frame; `None` if it cannot be true. Without
/// `GUEST_CSUM` (`vouches` false) flags mean nothing (5.1.6.4).
pub fn received(header: &[u8; 10], frame: &[u8], vouches: bool) -> Option<ReceiveMeta> {
    let [
        flags,
        segmentation,
        _,
        _,
        _,
        _,
        start_low,
        start_high,
        offset_low,
        offset_high,
    ] = *header;
    // No segmentation was negotiated, so none may come.
    if segmentation != 0 {
        return None;
    }
    let checksum = if !vouches {
        Verified::No
    } else if flags & NEEDS_CHECKSUM != 0 {
        // The frame comes from the host itself and its checksum was never completed: the bytes
        // are right, the field is not. Only if the field is inside.
        let start = u16::from_le_bytes([start_low, start_high]);
        let offset = u16::from_le_bytes([offset_low, offset_high]);
        if !field_is_inside(start, offset, frame.len()) {
            return None;
        }
        Verified::Yes
    } else if flags & DATA_VALID != 0 {
        Verified::Yes
    } else {
        Verified::No
    };
    Some(ReceiveMeta { checksum })
}

/// Writes the header of a frame of `length` bytes. `header` is what this function left there, or
/// zeros: without checksum offload (`completes` false) it stays as it is.
/// `None` if the checksum cannot be asked for: the device does not offer it, or its field is not
/// inside the frame.
pub fn to_send(
    header: &mut [u8],
    meta: TransmitMeta,
    length: usize,
    completes: bool,
) -> Option<()> {
    let (flags, start, offset) = match meta.checksum {
        Checksum::Complete if !completes => return Some(()),
        Checksum::Complete => (0, 0, 0),
        Checksum::Partial { start, offset } => (NEEDS_CHECKSUM, start, offset),
    };
    if !completes || flags != 0 && !field_is_inside(start, offset, length) {
        return None;
    }
    let fields = header.first_chunk_mut::<10>()?;
    fields[0] = flags;
    [fields[6], fields[7]] = start.to_le_bytes();
    [fields[8], fields[9]] = offset.to_le_bytes();
    Some(())
}

/// Whether a checksum field of two bytes lies inside a frame.
fn field_is_inside(start: u16, offset: u16, length: usize) -> bool {
    usize::from(start) + usize::from(offset) + 2 <= length
}

#[cfg(test)]
mod tests {
    use super::{Format, received, to_send};
    use device::{Checksum, TransmitMeta, Verified};

    const FRAME: [u8; 60] = [0; 60];

    fn verdict(header: [u8; 10], vouches: bool) -> Option<Verified> {
        received(&header, &FRAME, vouches).map(|meta| meta.checksum)
    }

    #[test]
    fn flags_count_only_when_negotiated() {
        let valid = [2, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let partial = [1, 0, 0, 0, 0, 0, 34, 0, 16, 0];
        assert_eq!(verdict([0; 10], true), Some(Verified::No));
        assert_eq!(verdict(valid, true), Some(Verified::Yes));
        assert_eq!(verdict(valid, false), Some(Verified::No));
        assert_eq!(verdict(partial, true), Some(Verified::Yes));
        assert_eq!(verdict(partial, false), Some(Verified::No));
    }

    #[test]
    fn impossible_headers() {
        assert_eq!(verdict([1, 0, 0, 0, 0, 0, 58, 0, 1, 0], true), None);
        assert_eq!(verdict([1, 0, 0, 0, 0, 0, 255, 255, 255, 255], true), None);
        assert_eq!(verdict([0, 1, 0, 0, 0, 0, 0, 0, 0, 0], true), None);
        assert_eq!(verdict([0, 1, 0, 0, 0, 0, 0, 0, 0, 0], false), None);
    }

    #[test]
    fn a_buffer_shorter_than_the_header_is_none() {
        let buffer = [0; 64];
        assert!(Format::Modern.split(&buffer, 11).is_none());
        assert!(Format::Legacy.split(&buffer, 9).is_none());
        assert!(Format::Modern.split(&buffer, 65).is_none());
        let (_, frame) = Format::Modern.split(&buffer, 12).unwrap();
        assert!(frame.is_empty());
        let (_, frame) = Format::Legacy.split(&buffer, 64).unwrap();
        assert_eq!(frame.len(), 54);
    }

    #[test]
    fn sending() {
        let mut header = [0; 12];
        let checksum = Checksum::Complete;
        let complete = TransmitMeta { checksum };
        assert!(to_send(&mut header, complete, 60, false).is_some());
        assert_eq!(header, [0; 12]);
        let checksum = Checksum::Partial {
            start: 34,
            offset: 0x10,
        };
        let meta = TransmitMeta { checksum };
        assert!(to_send(&mut header, meta, 60, false).is_none());
        assert!(to_send(&mut header, meta, 51, true).is_none());
        assert!(to_send(&mut header, meta, 52, true).is_some());
        assert_eq!(header, [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0]);
        assert!(to_send(&mut header, complete, 60, true).is_some());
        assert_eq!(header, [0; 12]);
    }
}
