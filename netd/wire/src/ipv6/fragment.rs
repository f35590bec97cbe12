//! The fragment header.
//!
//! *Spec*: RFC 8200 section 4.5; RFC 6946 (atomic fragments).

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Headroom, NoRoom, Protocol};

/// Length of the header in bytes.
pub const FRAGMENT_LEN: usize = 8;

const MORE_FRAGMENTS: u16 = 0x0001;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Raw {
    pub(super) next_header: u8,
    reserved: u8,
    offset_and_flags: U16,
    identification: U32,
}

const _: () = assert!(size_of::<Raw>() == FRAGMENT_LEN);

/// Where in a packet a part of it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// In units of 8 bytes; 13 bits.
    pub offset: u16,
    /// This is not the packet's last part.
    pub more: bool,
    /// Tells the parts of one packet from another's.
    pub identification: u32,
}

impl Fragment {
    pub(super) fn from_raw(raw: &Raw) -> Self {
        let field = raw.offset_and_flags.get();
        Self {
            offset: field >> 3,
            more: field & MORE_FRAGMENTS != 0,
            identification: raw.identification.get(),
        }
    }

    /// Whether this is a whole packet in spite of its fragment header (RFC 6946).
    #[must_use]
    pub const fn is_atomic(&self) -> bool {
        self.offset == 0 && !self.more
    }

    /// Puts the header in front of a part of what `next` says.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn emit(&self, room: &mut Headroom<'_>, next: Protocol) -> Result<(), NoRoom> {
        let more = if self.more { MORE_FRAGMENTS } else { 0 };
        let raw = Raw {
            next_header: next.0,
            reserved: 0,
            offset_and_flags: U16::new(self.offset << 3 | more),
            identification: U32::new(self.identification),
        };
        room.prepend(raw.as_bytes())
    }
}
