//! A DHCP server in one page: it leases one address to everybody who asks. (RFC 2131 section 4.3)

use std::net::Ipv4Addr;

use stack::Instant;
use wire::dhcp4::{Message, MessageType, Speaker};
use wire::{
    Check, EtherType, Headroom, MacAddress, Protocol, Pseudo, Seal, arp, ethernet, ipv4, udp,
};

use crate::world::Device;

/// What the server leases.
#[derive(Clone, Copy, Debug)]
pub struct DhcpServer {
    /// Its hardware address.
    pub mac: MacAddress,
    /// Its address, which is router and name server as well.
    pub address: Ipv4Addr,
    /// The address that it leases.
    pub lease: Ipv4Addr,
    /// For so many seconds.
    pub lease_time: u32,
}

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
/// Link, network and transport header.
const HEADERS: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN + udp::HEADER_LEN;

impl DhcpServer {
    fn answer_arp(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let question = arp::Packet::parse(payload).ok()?;
        let is_for_us =
            question.operation == arp::Operation::Request && question.target_ip == self.address;
        let reply = is_for_us.then(|| question.reply(self.mac))?;
        let mut frame = vec![0; ethernet::HEADER_LEN + arp::LEN];
        let mut room = Headroom::new(&mut frame);
        reply.emit(&mut room).ok()?;
        self.link(question.sender_mac, EtherType::ARP)
            .emit(&mut room)
            .ok()?;
        frame.resize(60, 0);
        Some(frame)
    }

    fn link(&self, destination: MacAddress, ethertype: EtherType) -> ethernet::Header {
        ethernet::Header {
            destination,
            source: self.mac,
            ethertype,
        }
    }

    fn answer_dhcp(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let packet = ipv4::Packet::parse(payload).ok()?;
        if packet.header.protocol != Protocol::UDP {
            return None;
        }
        let pseudo = Pseudo::v4(packet.header.source, packet.header.destination);
        let check = Check::Verify(pseudo);
        let datagram = udp::Datagram::parse(packet.payload, check, udp::NoChecksum::Accept).ok()?;
        if datagram.header.dst_port != SERVER_PORT {
            return None;
        }
        let question = Message::parse(datagram.payload).ok()?;
        let answer = self.reply(&question)?;
        // RFC 2131 section 4.1: to the client's address if it has one, to everybody otherwise.
        let is_bound = !question.ciaddr.is_unspecified();
        let (to, mac) = if is_bound {
            (question.ciaddr, question.chaddr)
        } else {
            (Ipv4Addr::BROADCAST, MacAddress::BROADCAST)
        };
        self.frame(&answer, to, mac)
    }

    fn reply(&self, question: &Message) -> Option<Message> {
        let wanted = question
            .options
            .requested_address
            .unwrap_or(question.ciaddr);
        let message_type = match question.message_type {
            MessageType::Discover => MessageType::Offer,
            // RFC 2131 section 4.3.2: what is not ours to give is refused.
            MessageType::Request if wanted != self.lease => MessageType::Nak,
            MessageType::Request => MessageType::Ack,
            _ => return None,
        };
        let mut answer = Message::from_client(message_type, question.xid, question.chaddr);
        answer.speaker = Speaker::Server;
        answer.options.server_id = Some(self.address);
        answer.options.parameter_request = Default::default();
        answer.options.client_id = Default::default();
        if message_type != MessageType::Nak {
            answer.yiaddr = self.lease;
            answer.ciaddr = question.ciaddr;
            answer.options.lease_time = Some(self.lease_time);
            answer.options.subnet_mask = Some(Ipv4Addr::new(255, 255, 255, 0));
            answer.options.routers = [self.address].into_iter().collect();
            answer.options.dns_servers = [self.address].into_iter().collect();
        }
        Some(answer)
    }

    fn frame(&self, answer: &Message, to: Ipv4Addr, mac: MacAddress) -> Option<Vec<u8>> {
        let mut message = vec![0; 1_400];
        let len = answer.emit(&mut message).ok()?;
        let payload = &message[..len];
        let mut frame = vec![0; HEADERS];
        frame.extend(payload);
        let mut room = Headroom::new(&mut frame[..HEADERS]);
        let header = udp::Header {
            src_port: SERVER_PORT,
            dst_port: CLIENT_PORT,
        };
        let seal = Seal::Full {
            pseudo: Pseudo::v4(self.address, to),
            payload: wire::sum(payload),
        };
        header.emit(&mut room, len, seal).ok()?;
        ipv4::Header::atomic(self.address, to, Protocol::UDP, 64)
            .emit(&mut room, udp::HEADER_LEN + len)
            .ok()?;
        self.link(mac, EtherType::IPV4).emit(&mut room).ok()?;
        Some(frame)
    }
}

impl Device for DhcpServer {
    fn answer(&mut self, frame: &[u8], _: Instant) -> Vec<Vec<u8>> {
        let Ok(frame) = ethernet::Frame::parse(frame) else {
            return Vec::new();
        };
        let answer = match frame.header.ethertype {
            EtherType::ARP => self.answer_arp(frame.payload),
            EtherType::IPV4 => self.answer_dhcp(frame.payload),
            _ => None,
        };
        answer.into_iter().collect()
    }
}
