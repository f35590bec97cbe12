//! A DHCP server that does what a test tells it to, one message at a time, on the raw cable. Its
//! messages are made and read by a library that the guest does not use.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, bail};
use dhcproto::v4::{DhcpOption, Message, MessageType, Opcode, OptionCode};
use dhcproto::{Decodable, Encodable};
use etherparse::PacketBuilder;

use crate::frames::{BROADCAST, Cable, GUEST, GUEST_MAC, OUR_MAC, US, as_udp};

/// What the server says about a lease, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub lease: u32,
    pub renewal: u32,
    pub rebinding: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            lease: 3600,
            renewal: 1800,
            rebinding: 3150,
        }
    }
}

/// A message from the guest with its envelope.
#[derive(Clone, Debug)]
pub struct Heard {
    pub message: Message,
    pub kind: MessageType,
    /// IP addresses it came from and went to.
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub to_everybody: bool,
}

impl Heard {
    /// The address that an option of the message names.
    pub fn requested(&self) -> Option<Ipv4Addr> {
        match self.message.opts().get(OptionCode::RequestedIpAddress) {
            Some(DhcpOption::RequestedIpAddress(address)) => Some(*address),
            _ => None,
        }
    }
}

fn parse(frame: &[u8]) -> Option<Heard> {
    let datagram = as_udp(frame)?;
    if datagram.source.1 != 68 || datagram.destination.1 != 67 || !datagram.checksum_good {
        return None;
    }
    let message = Message::decode(&mut dhcproto::Decoder::new(&datagram.payload)).ok()?;
    let kind = message.opts().msg_type()?;
    Some(Heard {
        kind,
        message,
        source: datagram.source.0,
        destination: datagram.destination.0,
        to_everybody: frame.get(..6) == Some(&BROADCAST),
    })
}

/// Waits for a message of that kind; passes over others.
pub fn hear(cable: &Cable, kind: MessageType, limit: Duration) -> Result<Heard> {
    cable.expect(&format!("DHCP {kind:?}"), limit, |frame| {
        parse(frame).filter(|heard| heard.kind == kind)
    })
}

/// Answers a message; `GUEST` is what is offered and acknowledged.
pub fn answer(cable: &Cable, heard: &Heard, kind: MessageType, terms: Terms) -> Result<()> {
    let mut message = Message::default();
    message
        .set_opcode(Opcode::BootReply)
        .set_xid(heard.message.xid())
        .set_flags(heard.message.flags())
        .set_chaddr(heard.message.chaddr())
        .set_siaddr(US);
    let refusal = kind == MessageType::Nak;
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    options.insert(DhcpOption::ServerIdentifier(US));
    if !refusal {
        options.insert(DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)));
        options.insert(DhcpOption::Router(vec![US]));
        options.insert(DhcpOption::DomainNameServer(vec![
            US,
            Ipv4Addr::new(192, 0, 2, 3),
        ]));
        options.insert(DhcpOption::DomainName("example.test".into()));
        options.insert(DhcpOption::InterfaceMtu(1400));
        options.insert(DhcpOption::AddressLeaseTime(terms.lease));
        options.insert(DhcpOption::Renewal(terms.renewal));
        options.insert(DhcpOption::Rebinding(terms.rebinding));
        message.set_yiaddr(GUEST);
    }
    send(cable, &message)
}

fn send(cable: &Cable, message: &Message) -> Result<()> {
    let Ok(payload) = message.to_vec() else {
        bail!("the answer cannot be encoded");
    };
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(OUR_MAC, BROADCAST)
        .ipv4(US.octets(), [255; 4], 64)
        .udp(67, 68)
        .write(&mut frame, &payload)?;
    cable.send(&frame)
}

/// The whole exchange as it goes when nothing is wrong.
pub fn lease(cable: &Cable, terms: Terms, limit: Duration) -> Result<Heard> {
    let discover = hear(cable, MessageType::Discover, limit)?;
    answer(cable, &discover, MessageType::Offer, terms)?;
    let request = hear(cable, MessageType::Request, limit)?;
    answer(cable, &request, MessageType::Ack, terms)?;
    Ok(request)
}

/// Whether the message is from the guest's card.
pub fn is_ours(heard: &Heard) -> bool {
    heard.message.chaddr().get(..6) == Some(&GUEST_MAC)
}
