//! Kinds of TCP options (IANA TCP option kind numbers).

/// The list ends before the area does.
pub(crate) const END: u8 = 0;
/// Padding.
pub(crate) const NO_OPERATION: u8 = 1;
/// RFC 9293 section 3.7.1.
pub(crate) const MSS: u8 = 2;
/// RFC 7323 section 2.
pub(crate) const WINDOW_SCALE: u8 = 3;
/// RFC 2018 section 2.
pub(crate) const SACK_PERMITTED: u8 = 4;
/// RFC 2018 section 3.
pub(crate) const SACK: u8 = 5;
/// RFC 7323 section 3.
pub(crate) const TIMESTAMPS: u8 = 8;
/// RFC 5482 section 3.
pub(crate) const USER_TIMEOUT: u8 = 28;
/// RFC 7413 section 4.1.1.
pub(crate) const FAST_OPEN: u8 = 34;
