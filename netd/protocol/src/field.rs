//! Where a field stands in a message, and what may stand there.
//!
//! *Owns* the codecs: each pair of (type, place) is written once, here. A declaration in
//! `layout!` only names the place, so that encoder, decoder and document cannot disagree.
//! *Invariant*: decoding is total and strict. Flags that no field claims, a length that no field
//! claims, an enum number without meaning: [`Malformed`], never a guess.

use core::net::{IpAddr, SocketAddr};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::Malformed;
use crate::message::{Address, INLINE_BYTES, Message, flag};

/// The places a field can have.
pub mod at {
    /// Header bytes 8 to 11.
    pub struct Socket;
    /// Header bytes 28 to 31.
    pub struct Argument;
    /// Header bytes 32 to 55.
    pub struct Address;
    /// Header bytes 16 to 27: offset and length in the arena.
    pub struct Room;
    /// Inline bytes, or a range of the arena; the flag `INLINE` tells which.
    pub struct Payload;
    /// Inline bytes with a fixed layout; `length` is exactly its size.
    pub struct Body;
    /// Bytes 56 to 59, which no length counts; zero without the flag `ALONG`.
    pub struct Along;
    /// Bits of the flags.
    pub struct Flag<const BITS: u16>;
}

/// A type that can stand in a place `P`.
pub trait Field<P>: Sized {
    /// Where, for the document.
    const PLACE: &'static str;
    /// Flags that this field claims.
    const FLAGS: u16 = 0;
    /// Whether the field claims the header's `length`.
    const LENGTH: bool = false;
    /// Fixed layout of what stands there, if it has one.
    const FIXED: Option<FixedDescription> = None;

    /// Writes the field.
    fn put(&self, message: &mut Message);

    /// Reads the field.
    ///
    /// # Errors
    /// [`Malformed`] when it means nothing.
    fn take(message: &Message) -> Result<Self, Malformed>;
}

/// A value that fits one 32-bit word.
pub trait Word: Copy {
    /// To the word.
    fn to_word(self) -> u32;
    /// From the word; `None` when it means nothing.
    fn from_word(word: u32) -> Option<Self>;
}

impl Word for u32 {
    fn to_word(self) -> u32 {
        self
    }
    fn from_word(word: u32) -> Option<Self> {
        Some(word)
    }
}

/// Declares an enum of numbers that stand in a word.
macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant = $number,)* }

        impl $crate::field::Word for $name {
            fn to_word(self) -> u32 {
                self as u32
            }
            fn from_word(word: u32) -> Option<Self> {
                match word { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}
pub(crate) use word_enum;

impl<T: Word> Field<at::Argument> for T {
    const PLACE: &'static str = "argument";
    fn put(&self, message: &mut Message) {
        message.header.argument.set(self.to_word());
    }
    fn take(message: &Message) -> Result<Self, Malformed> {
        T::from_word(message.header.argument.get()).ok_or(Malformed::BadField)
    }
}

impl<T: Word> Field<at::Socket> for T {
    const PLACE: &'static str = "socket";
    fn put(&self, message: &mut Message) {
        message.header.socket.set(self.to_word());
    }
    fn take(message: &Message) -> Result<Self, Malformed> {
        T::from_word(message.header.socket.get()).ok_or(Malformed::BadField)
    }
}

impl<const BITS: u16> Field<at::Flag<BITS>> for bool {
    const PLACE: &'static str = match BITS {
        flag::MORE => "flag MORE",
        flag::END => "flag END",
        flag::ABORT => "flag ABORT",
        flag::ALONG => "flag ALONG",
        _ => "flags",
    };
    const FLAGS: u16 = BITS;
    fn put(&self, message: &mut Message) {
        if *self {
            message.set(BITS);
        }
    }
    fn take(message: &Message) -> Result<Self, Malformed> {
        Ok(message.has(BITS))
    }
}

impl Field<at::Along> for Option<u32> {
    const PLACE: &'static str = "flag ALONG, inline 0 to 3";
    const FLAGS: u16 = flag::ALONG;
    fn put(&self, message: &mut Message) {
        if let Some(id) = self {
            message.set(flag::ALONG);
            if let Some(place) = message.inline.first_chunk_mut() {
                *place = id.to_le_bytes();
            }
        }
    }
    fn take(message: &Message) -> Result<Self, Malformed> {
        let id = message.inline.first_chunk().copied();
        Ok(id
            .filter(|_| message.has(flag::ALONG))
            .map(u32::from_le_bytes))
    }
}

impl Field<at::Address> for Option<SocketAddr> {
    const PLACE: &'static str = "address, may be none";
    fn put(&self, message: &mut Message) {
        message.header.address = self.map_or(Address::NONE, Address::from_socket);
    }
    fn take(message: &Message) -> Result<Self, Malformed> {
        message.header.address.socket()
    }
}

impl Field<at::Address> for SocketAddr {
    const PLACE: &'static str = "address";
    fn put(&self, message: &mut Message) {
        message.header.address = Address::from_socket(*self);
    }
    fn take(message: &Message) -> Result<Self, Malformed> {
        message.header.address.socket()?.ok_or(Malformed::BadField)
    }
}

impl Field<at::Address> for IpAddr {
    const PLACE: &'static str = "address, port zero";
    fn put(&self, message: &mut Message) {
        message.header.address = Address::from_ip(*self);
    }
    fn take(message: &Message) -> Result<Self, Malformed> {
        message.header.address.ip().ok_or(Malformed::BadField)
    }
}

/// A part of the client's arena. Whether it lies inside, netd checks: a range is only a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Bytes from the start of the arena.
    pub offset: u64,
    /// Bytes.
    pub length: u32,
}

impl Range {
    /// Whether the range lies in an arena of `size` bytes.
    #[must_use]
    pub fn fits(&self, size: u64) -> bool {
        self.offset
            .checked_add(u64::from(self.length))
            .is_some_and(|end| end <= size)
    }
}

impl Field<at::Room> for Range {
    const PLACE: &'static str = "offset, length";
    const LENGTH: bool = true;
    fn put(&self, message: &mut Message) {
        message.header.offset.set(self.offset);
        message.header.length.set(self.length);
    }
    fn take(message: &Message) -> Result<Self, Malformed> {
        Ok(Self {
            offset: message.header.offset.get(),
            length: message.header.length.get(),
        })
    }
}

impl Field<at::Room> for Option<Range> {
    const PLACE: &'static str = "offset, length; length zero: none";
    const LENGTH: bool = true;
    fn put(&self, message: &mut Message) {
        Field::<at::Room>::put(&self.unwrap_or_default(), message);
    }
    fn take(message: &Message) -> Result<Self, Malformed> {
        let range = <Range as Field<at::Room>>::take(message)?;
        Ok((range.length != 0).then_some(range))
    }
}

/// Up to 200 bytes by value.
#[derive(Clone, Copy, Eq)]
pub struct Inline {
    length: u8,
    /// Beyond the length they mean nothing.
    bytes: [u8; INLINE_BYTES],
}

impl Inline {
    /// The bytes; `None` when there are more than 200.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut out = Self {
            length: u8::try_from(bytes.len()).ok()?,
            bytes: [0; INLINE_BYTES],
        };
        out.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(out)
    }

    /// The first of a message's. All are taken: to copy as many as there always are takes a few instructions.
    fn of(bytes: &[u8; INLINE_BYTES], length: u32) -> Option<Self> {
        let length = u8::try_from(length).ok()?;
        (usize::from(length) <= INLINE_BYTES).then_some(Self {
            length,
            bytes: *bytes,
        })
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }
}

impl PartialEq for Inline {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl core::fmt::Debug for Inline {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_slice().fmt(f)
    }
}

/// Bytes that a request brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// In the message.
    Inline(Inline),
    /// In the arena, left alone by the client until the completion.
    Arena(Range),
}

impl Field<at::Payload> for Payload {
    const PLACE: &'static str = "inline with flag INLINE, else offset; length";
    const FLAGS: u16 = flag::INLINE;
    const LENGTH: bool = true;
    fn put(&self, message: &mut Message) {
        match self {
            Self::Arena(range) => Field::<at::Room>::put(range, message),
            Self::Inline(inline) => {
                message.set(flag::INLINE);
                message.header.length.set(u32::from(inline.length));
                message.inline = inline.bytes;
            }
        }
    }
    fn take(message: &Message) -> Result<Self, Malformed> {
        if !message.has(flag::INLINE) {
            return Ok(Self::Arena(<Range as Field<at::Room>>::take(message)?));
        }
        let inline = Inline::of(&message.inline, message.header.length.get());
        inline.map(Self::Inline).ok_or(Malformed::Long)
    }
}

/// A fixed layout for the inline part or a row of it: integers and byte arrays, at most 200 bytes.
pub trait Body: FromBytes + IntoBytes + Immutable + KnownLayout + Unaligned + Copy {
    /// For the document.
    const DESCRIPTION: FixedDescription;
}

/// What the document says of a fixed layout.
#[derive(Clone, Copy, Debug)]
pub struct FixedDescription {
    /// Name of the type.
    pub name: &'static str,
    /// Its members in order.
    pub members: &'static [Member],
}

/// A member of a fixed layout.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Name.
    pub name: &'static str,
    /// First byte.
    pub offset: usize,
    /// Bytes.
    pub bytes: usize,
    /// Meaning.
    pub meaning: &'static str,
}

/// Declares a fixed layout and its size in bytes; implements [`Body`].
macro_rules! fixed {
    (
        $(#[$meta:meta])*
        pub struct $name:ident: $size:literal {
            $($(#[doc = $doc:literal])+ pub $member:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, zerocopy::FromBytes, zerocopy::IntoBytes,
            zerocopy::Immutable, zerocopy::KnownLayout, zerocopy::Unaligned,
        )]
        #[repr(C)]
        pub struct $name { $($(#[doc = $doc])+ pub $member: $type,)* }

        const _: () = assert!(size_of::<$name>() == $size);

        impl $crate::field::Body for $name {
            const DESCRIPTION: $crate::field::FixedDescription = $crate::field::FixedDescription {
                name: stringify!($name),
                members: &[$($crate::field::Member {
                    name: stringify!($member),
                    offset: core::mem::offset_of!($name, $member),
                    bytes: size_of::<$type>(),
                    meaning: concat!($($doc),+),
                },)*],
            };
        }
    };
}
pub(crate) use fixed;

pub(crate) fn put_body(body: &(impl IntoBytes + Immutable), message: &mut Message) {
    let bytes = body.as_bytes();
    if let Some(to) = message.inline.get_mut(..bytes.len()) {
        to.copy_from_slice(bytes);
    }
    message
        .header
        .length
        .set(u32::try_from(bytes.len()).unwrap_or(0));
}

pub(crate) fn body_of(message: &Message, size: usize) -> Result<&[u8], Malformed> {
    let length = usize::try_from(message.header.length.get()).unwrap_or(usize::MAX);
    match length.cmp(&size) {
        core::cmp::Ordering::Less => Err(Malformed::Short),
        core::cmp::Ordering::Greater => Err(Malformed::Long),
        core::cmp::Ordering::Equal => message.inline.get(..size).ok_or(Malformed::Long),
    }
}

impl<T: Body> Field<at::Body> for T {
    const PLACE: &'static str = {
        assert!(size_of::<T>() <= INLINE_BYTES);
        "inline"
    };
    const LENGTH: bool = true;
    const FIXED: Option<FixedDescription> = Some(T::DESCRIPTION);
    fn put(&self, message: &mut Message) {
        put_body(self, message);
    }
    fn take(message: &Message) -> Result<Self, Malformed> {
        let bytes = body_of(message, size_of::<T>())?;
        T::read_from_bytes(bytes).map_err(|_| Malformed::Short)
    }
}

impl Field<at::Body> for SocketAddr {
    const PLACE: &'static str = "inline, laid out like the address";
    const LENGTH: bool = true;
    fn put(&self, message: &mut Message) {
        put_body(&Address::from_socket(*self), message);
    }
    fn take(message: &Message) -> Result<Self, Malformed> {
        let bytes = body_of(message, size_of::<Address>())?;
        let address = Address::read_from_bytes(bytes).map_err(|_| Malformed::Short)?;
        address.socket()?.ok_or(Malformed::BadField)
    }
}

/// What the document says of a field.
#[derive(Clone, Copy, Debug)]
pub struct FieldDescription {
    /// Name.
    pub name: &'static str,
    /// Where it stands.
    pub place: &'static str,
    /// Meaning.
    pub meaning: &'static str,
    /// Its fixed layout, if it has one.
    pub fixed: Option<FixedDescription>,
}

/// A request's or a reply's fields.
pub trait Layout: Sized {
    /// The fields in order.
    const FIELDS: &'static [FieldDescription];

    /// Writes all fields.
    fn encode(&self, message: &mut Message);

    /// Reads all fields.
    ///
    /// # Errors
    /// [`Malformed`]; see the module.
    fn decode(message: &Message) -> Result<Self, Malformed>;
}

/// Declares a struct whose fields have places; implements [`Layout`].
macro_rules! layout {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident { $($(#[doc = $doc:literal])+ $field:ident: $type:ty => $place:ty,)* }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[doc = $doc])+ pub $field: $type,)* }

        impl $crate::field::Layout for $name {
            const FIELDS: &'static [$crate::field::FieldDescription] = &[
                $($crate::field::FieldDescription {
                    name: stringify!($field),
                    place: <$type as $crate::field::Field<$place>>::PLACE,
                    meaning: concat!($($doc),+),
                    fixed: <$type as $crate::field::Field<$place>>::FIXED,
                },)*
            ];

            #[allow(unused_variables, reason = "some layouts have no fields")]
            fn encode(&self, message: &mut $crate::message::Message) {
                $(<$type as $crate::field::Field<$place>>::put(&self.$field, message);)*
            }

            fn decode(
                message: &$crate::message::Message,
            ) -> Result<Self, $crate::error::Malformed> {
                const FLAGS: u16 = 0 $(| <$type as $crate::field::Field<$place>>::FLAGS)*;
                const LENGTH: bool = false $(|| <$type as $crate::field::Field<$place>>::LENGTH)*;
                if message.header.flags.get() & !FLAGS != 0 {
                    return Err($crate::error::Malformed::BadFlags);
                }
                if !LENGTH && message.header.length.get() != 0 {
                    return Err($crate::error::Malformed::Long);
                }
                Ok(Self { $($field: <$type as $crate::field::Field<$place>>::take(message)?,)* })
            }
        }
    )*};
}
pub(crate) use layout;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_checked_without_overflow() {
        assert!(
            Range {
                offset: 4096,
                length: 4096
            }
            .fits(8192)
        );
        assert!(
            !Range {
                offset: 4096,
                length: 4097
            }
            .fits(8192)
        );
        assert!(
            !Range {
                offset: u64::MAX,
                length: 1
            }
            .fits(u64::MAX)
        );
        assert!(
            Range {
                offset: 8192,
                length: 0
            }
            .fits(8192)
        );
    }

    #[test]
    fn inline_takes_two_hundred_bytes_and_no_more() {
        assert_eq!(
            Inline::new(&[7; 200]).map(|i| i.as_slice().len()),
            Some(200)
        );
        assert_eq!(Inline::new(&[7; 201]), None);
        assert_eq!(Inline::new(&[7; 300]), None);
        assert_eq!(Inline::new(&[]).map(|i| i.as_slice().len()), Some(0));
    }

    #[test]
    fn an_inline_payload_cannot_claim_more_than_the_message_holds() {
        let mut message = Message::zeroed();
        message.set(flag::INLINE);
        message.header.length.set(201);
        let taken = <Payload as Field<at::Payload>>::take(&message);
        assert_eq!(taken, Err(Malformed::Long));
        message.header.length.set(u32::MAX);
        let taken = <Payload as Field<at::Payload>>::take(&message);
        assert_eq!(taken, Err(Malformed::Long));
    }

    #[test]
    fn a_body_must_have_exactly_its_size() {
        let mut message = Message::zeroed();
        for (length, verdict) in [
            (23, Malformed::Short),
            (25, Malformed::Long),
            (24, Malformed::BadField),
        ] {
            message.header.length.set(length);
            assert_eq!(
                <SocketAddr as Field<at::Body>>::take(&message),
                Err(verdict)
            );
        }
    }
}
