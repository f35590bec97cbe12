//! Tags of VLANs: four bytes between a frame's addresses and its type.
//!
//! *Owns*: the tag. *Never*: knows which VLANs we are in; that is the stack's.
//!
//! *Spec*: IEEE 802.1Q clause 9.6 (format), 6.7.1 (what is tagged for its priority alone).

use zerocopy::byteorder::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ethernet::{self, EtherType};
use crate::{Drop, NoRoom};

/// Length of a tag in bytes.
pub const TAG_LEN: usize = 4;

/// The number in the lower bits; above are priority and a mark for what is dropped first.
const NUMBER: u16 = 0x0fff;

/// A tag behind another (IEEE 802.1ad).
const SERVICE: EtherType = EtherType(0x88a8);

/// Number of a VLAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VlanId(u16);

impl VlanId {
    /// From 1 to 4094 (IEEE 802.1Q table 9-2).
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match number {
            1..NUMBER => Some(Self(number)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    control: U16,
    ethertype: U16,
}

const _: () = assert!(size_of::<Raw>() == TAG_LEN);

/// What follows the addresses of a tagged frame and the type that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tagged<'a> {
    /// Number of the VLAN; zero for none: only the priority is told.
    pub number: u16,
    /// What the frame carries.
    pub ethertype: EtherType,
    /// That, padding included.
    pub payload: &'a [u8],
}

impl<'a> Tagged<'a> {
    /// Reads the payload of a frame of type [`EtherType::VLAN`].
    ///
    /// # Errors
    /// [`Drop::VlanShort`], [`Drop::VlanDouble`], [`Drop::EthernetLength`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Drop> {
        let (raw, payload) = Raw::ref_from_prefix(bytes).map_err(|_| Drop::VlanShort)?;
        let ethertype = EtherType(raw.ethertype.get());
        if ethertype == EtherType::VLAN || ethertype == SERVICE {
            return Err(Drop::VlanDouble);
        }
        if !ethertype.is_type() {
            return Err(Drop::EthernetLength);
        }
        Ok(Self {
            number: raw.control.get() & NUMBER,
            ethertype,
            payload,
        })
    }
}

/// Tags a frame that lies behind [`TAG_LEN`] bytes of room: its addresses move to the front. Its
/// priority is the usual one.
///
/// # Errors
/// [`NoRoom`].
pub fn insert(frame: &mut [u8], vlan: VlanId) -> Result<(), NoRoom> {
    const ADDRESSES: usize = ethernet::HEADER_LEN - 2;
    let head = frame
        .first_chunk_mut::<{ ethernet::HEADER_LEN + TAG_LEN }>()
        .ok_or(NoRoom)?;
    head.copy_within(TAG_LEN..TAG_LEN + ADDRESSES, 0);
    let (_, rest) = head.split_at_mut(ADDRESSES);
    for (to, from) in rest.iter_mut().zip(EtherType::VLAN.0.to_be_bytes()) {
        *to = from;
    }
    for (to, from) in rest.iter_mut().skip(2).zip(vlan.0.to_be_bytes()) {
        *to = from;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_as_it_was_put_in() {
        let mut frame: [u8; 24] = core::array::from_fn(|at| at.to_le_bytes()[0]);
        let plain = frame;
        let vlan = VlanId::new(4_094).unwrap();
        insert(&mut frame, vlan).unwrap();
        assert_eq!(frame[..12], plain[4..16]);
        assert_eq!(frame[12..16], [0x81, 0, 0x0f, 0xfe]);
        assert_eq!(frame[16..], plain[16..]);
        frame[16..18].copy_from_slice(&[8, 0]);
        let tagged = Tagged::parse(&frame[14..]).unwrap();
        assert_eq!((tagged.number, tagged.ethertype), (4_094, EtherType::IPV4));
        assert_eq!(tagged.payload, &plain[18..]);
        assert_eq!(insert(&mut frame[..17], vlan), Err(NoRoom));
    }

    #[test]
    fn priorities_are_no_part_of_the_number() {
        let tagged = Tagged::parse(&[0xf0, 42, 0x86, 0xdd, 7]).unwrap();
        assert_eq!((tagged.number, tagged.payload), (42, &[7][..]));
        for number in [0, 4_095, u16::MAX] {
            assert_eq!(VlanId::new(number), None);
        }
        assert_eq!(VlanId::new(1).map(VlanId::get), Some(1));
    }

    #[test]
    fn what_is_no_tag_has_a_reason() {
        for (bytes, reason) in [
            (&[0, 1, 8][..], Drop::VlanShort),
            (&[], Drop::VlanShort),
            (&[0, 1, 0x81, 0, 0, 2, 8, 0], Drop::VlanDouble),
            (&[0, 1, 0x88, 0xa8, 0, 2, 8, 0], Drop::VlanDouble),
            (&[0, 1, 0x05, 0xff], Drop::EthernetLength),
        ] {
            assert_eq!(Tagged::parse(bytes), Err(reason), "{bytes:?}");
        }
    }
}
