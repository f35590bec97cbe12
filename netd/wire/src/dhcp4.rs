//! DHCP messages for IPv4.
//!
//! *Owns*: the message with the options a client or its server needs.
//! *Never*: knows who says what when; that is the client's state machine.
//!
//! *Spec*: RFC 2131 section 2 (layout); RFC 2132 (options); RFC 3396 (long options are split and
//! joined); RFC 3442 (classless routes); RFC 1542 section 2.1 (least length).

mod options;
mod text;

pub use options::{Addresses, Code, Options, Route};
pub use text::Text;

use core::net::Ipv4Addr;

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Drop, MacAddress, NoRoom};

/// UDP port of servers.
pub const SERVER_PORT: u16 = 67;
/// UDP port of clients.
pub const CLIENT_PORT: u16 = 68;

/// Messages that a client can always take (RFC 2131 section 2).
pub const MAX_MESSAGE: usize = 576;

/// Shorter messages are lost in old relays (RFC 1542 section 2.1).
const MIN_LEN: usize = 300;

const MAGIC: [u8; 4] = [99, 130, 83, 99];
const BROADCAST: u16 = 0x8000;
const ETHERNET: u8 = 1;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    operation: u8,
    hardware_type: u8,
    hardware_len: u8,
    hops: u8,
    xid: U32,
    secs: U16,
    flags: U16,
    ciaddr: [u8; 4],
    yiaddr: [u8; 4],
    siaddr: [u8; 4],
    giaddr: [u8; 4],
    chaddr: MacAddress,
    chaddr_rest: [u8; 10],
    sname: [u8; 64],
    file: [u8; 128],
    magic: [u8; 4],
}

const _: () = assert!(size_of::<Raw>() == 240);

/// Who speaks (the `op` field).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// A client, BOOTREQUEST.
    Client,
    /// A server, BOOTREPLY.
    Server,
}

/// What is said (RFC 2132 section 9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MessageType {
    /// "Are there servers?"
    Discover = 1,
    /// "You may have this address."
    Offer = 2,
    /// "I take it", "is it still right?", "may I keep it?"
    Request = 3,
    /// "Somebody else uses it."
    Decline = 4,
    /// "It is yours."
    Ack = 5,
    /// "It is not yours."
    Nak = 6,
    /// "I do not need it any more."
    Release = 7,
    /// "I have an address; tell me the rest."
    Inform = 8,
}

impl MessageType {
    const ALL: [Self; 8] = [
        Self::Discover,
        Self::Offer,
        Self::Request,
        Self::Decline,
        Self::Ack,
        Self::Nak,
        Self::Release,
        Self::Inform,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// A DHCP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub speaker: Speaker,
    /// What is said.
    pub message_type: MessageType,
    /// Chosen by the client to recognise answers.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// The client cannot be reached by its future address yet: answer by broadcast.
    pub broadcast: bool,
    /// The address that the client has and can be reached by.
    pub ciaddr: Ipv4Addr,
    /// The address that the client is given.
    pub yiaddr: Ipv4Addr,
    /// The next server of a boot.
    pub siaddr: Ipv4Addr,
    /// The relay on the way.
    pub giaddr: Ipv4Addr,
    /// The client's hardware address.
    pub chaddr: MacAddress,
    /// Everything else.
    pub options: Options,
}

impl Message {
    /// A message of a client that has no address yet; the caller fills in what is to be said.
    #[must_use]
    pub fn from_client(message_type: MessageType, xid: u32, chaddr: MacAddress) -> Self {
        Self {
            speaker: Speaker::Client,
            message_type,
            xid,
            secs: 0,
            broadcast: false,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr,
            options: Options::default(),
        }
    }

    /// Reads a UDP payload.
    ///
    /// # Errors
    /// [`Drop::DhcpShort`], [`Drop::DhcpForeign`], [`Drop::DhcpOption`],
    /// [`Drop::DhcpMessageType`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Drop> {
        let (raw, options) = Raw::ref_from_prefix(bytes).map_err(|_| Drop::DhcpShort)?;
        let speaker = match raw.operation {
            1 => Speaker::Client,
            2 => Speaker::Server,
            _ => return Err(Drop::DhcpForeign),
        };
        if raw.hardware_type != ETHERNET || raw.hardware_len != 6 || raw.magic != MAGIC {
            return Err(Drop::DhcpForeign);
        }
        let areas = options::Areas::new(options, &raw.file, &raw.sname)?;
        let message_type = areas
            .message_type()?
            .and_then(MessageType::from_number)
            .ok_or(Drop::DhcpMessageType)?;
        Ok(Self {
            speaker,
            message_type,
            xid: raw.xid.get(),
            secs: raw.secs.get(),
            broadcast: raw.flags.get() & BROADCAST != 0,
            ciaddr: raw.ciaddr.into(),
            yiaddr: raw.yiaddr.into(),
            siaddr: raw.siaddr.into(),
            giaddr: raw.giaddr.into(),
            chaddr: raw.chaddr,
            options: Options::parse(&areas)?,
        })
    }

    /// Writes the message to the start of `into` and gives its length in bytes, 300 at least.
    ///
    /// # Errors
    /// [`NoRoom`]. The options of a client fit in [`MAX_MESSAGE`].
    pub fn emit(&self, into: &mut [u8]) -> Result<usize, NoRoom> {
        let room = into.len();
        let (raw, options) = Raw::mut_from_prefix(into).map_err(|_| NoRoom)?;
        *raw = Raw {
            operation: match self.speaker {
                Speaker::Client => 1,
                Speaker::Server => 2,
            },
            hardware_type: ETHERNET,
            hardware_len: 6,
            hops: 0,
            xid: U32::new(self.xid),
            secs: U16::new(self.secs),
            flags: U16::new(if self.broadcast { BROADCAST } else { 0 }),
            ciaddr: self.ciaddr.octets(),
            yiaddr: self.yiaddr.octets(),
            siaddr: self.siaddr.octets(),
            giaddr: self.giaddr.octets(),
            chaddr: self.chaddr,
            chaddr_rest: [0; 10],
            sname: [0; 64],
            file: [0; 128],
            magic: MAGIC,
        };
        let mut writer = options::Writer::new(options);
        // RFC 2131 section 3: the type is customarily the first option.
        writer.put(Code::MESSAGE_TYPE, &[self.message_type as u8])?;
        self.options.emit(&mut writer)?;
        let left = writer.finish()?;
        let written = room.saturating_sub(left);
        let padded = written.max(MIN_LEN);
        into.get_mut(written..padded).ok_or(NoRoom)?.fill(0);
        Ok(padded)
    }
}

#[cfg(test)]
mod tests;
