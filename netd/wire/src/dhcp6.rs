//! DHCP messages for IPv6.
//!
//! *Owns*: the messages between a client and a server, with the options that a client needs. What
//! relays put around them is not read.
//! *Never*: knows who says what when; that is the client's state machine.
//!
//! *Spec*: RFC 8415 sections 7 (numbers), 8 (layout), 11 (DUIDs) and 21 (options); RFC 3646 (name
//! servers and domains).

mod options;

pub use options::{Code, Duid, Identity, Leased, Options, Status};

use core::net::Ipv6Addr;

use crate::{Drop, NoRoom};

/// UDP port of servers and relays.
pub const SERVER_PORT: u16 = 547;
/// UDP port of clients.
pub const CLIENT_PORT: u16 = 546;
/// The group of all servers and relays of a link (section 7.1).
pub const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// What is said (section 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MessageType {
    /// "Are there servers?"
    Solicit = 1,
    /// "You may have these addresses."
    Advertise = 2,
    /// "I take them."
    Request = 3,
    /// "Are these still right here?"
    Confirm = 4,
    /// "May I keep them?"
    Renew = 5,
    /// "May I keep them, whoever you are?"
    Rebind = 6,
    /// The answer.
    Reply = 7,
    /// "I do not need them any more."
    Release = 8,
    /// "Somebody else uses them."
    Decline = 9,
    /// "Ask me again." Only from those whom one can authenticate.
    Reconfigure = 10,
    /// "I have addresses; tell me the rest."
    InformationRequest = 11,
}

impl MessageType {
    const ALL: [Self; 11] = [
        Self::Solicit,
        Self::Advertise,
        Self::Request,
        Self::Confirm,
        Self::Renew,
        Self::Rebind,
        Self::Reply,
        Self::Release,
        Self::Decline,
        Self::Reconfigure,
        Self::InformationRequest,
    ];
}

/// A message between a client and a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What is said.
    pub message_type: MessageType,
    /// Chosen by the client to recognise answers: 24 bits.
    pub transaction: u32,
    /// Everything else.
    pub options: Options<'a>,
}

impl<'a> Message<'a> {
    /// Reads a UDP payload.
    ///
    /// # Errors
    /// [`Drop::Dhcp6Short`], [`Drop::Dhcp6MessageType`], [`Drop::Dhcp6Option`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Drop> {
        let (&[kind, a, b, c], options) = bytes.split_first_chunk().ok_or(Drop::Dhcp6Short)?;
        let message_type = MessageType::ALL.into_iter().find(|it| *it as u8 == kind);
        Ok(Self {
            message_type: message_type.ok_or(Drop::Dhcp6MessageType)?,
            transaction: u32::from_be_bytes([0, a, b, c]),
            options: Options::parse(options)?,
        })
    }

    /// Writes the message to the start of `into` and gives its length in bytes.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn emit(&self, into: &mut [u8]) -> Result<usize, NoRoom> {
        let room = into.len();
        let [_, a, b, c] = self.transaction.to_be_bytes();
        let (head, rest) = into.split_first_chunk_mut().ok_or(NoRoom)?;
        *head = [self.message_type as u8, a, b, c];
        let mut writer = options::Writer::new(rest);
        self.options.emit(&mut writer)?;
        Ok(room.saturating_sub(writer.left()))
    }
}

#[cfg(test)]
mod tests;
