//! Messages of the DHCP client, in and out.
//!
//! *Owns* how they travel: from an address that may not be ours yet, to one that may not be either
//! (RFC 2131 section 4.1). *Never* acts on them: that is `autoconf`'s.

use crate::id::InterfaceId;
use crate::ip::out::{Path, USUAL_HOPS};
use crate::packets::Owner;
use crate::stack::Stack;
use ::tcp::Instant;
use wire::dhcp4::{CLIENT_PORT, MAX_MESSAGE, SERVER_PORT};
use wire::ipv4::{self, Packet};
use wire::udp::{self, Datagram, NoChecksum};
use wire::{Check, Drop, Pseudo};

const TO_SERVER: udp::Header = udp::Header {
    src_port: CLIENT_PORT,
    dst_port: SERVER_PORT,
};

/// Whether a datagram goes between these ports.
#[inline]
pub(crate) fn is_between(payload: &[u8], from: u16, to: u16) -> bool {
    let [from, to] = [from, to].map(u16::to_be_bytes);
    payload.first_chunk() == Some(&[from[0], from[1], to[0], to[1]])
}

impl Stack {
    /// Whether a packet is for the DHCP client of an interface.
    pub(crate) fn dhcp_wants(&self, id: InterfaceId, packet: &Packet<'_>) -> bool {
        is_between(packet.payload, SERVER_PORT, CLIENT_PORT)
            && self
                .autoconf
                .get(id.index())
                .is_some_and(|auto| auto.dhcp.is_some())
    }

    /// Takes in a message for the DHCP client.
    pub(crate) fn dhcp_input(
        &mut self,
        id: InterfaceId,
        packet: &Packet<'_>,
        trusted: bool,
        now: Instant,
    ) -> Result<(), Drop> {
        let pseudo = Pseudo::v4(packet.header.source, packet.header.destination);
        let check = if trusted {
            Check::Trusted
        } else {
            Check::Verify(pseudo)
        };
        let datagram = Datagram::parse(packet.payload, check, NoChecksum::Accept)?;
        let client = self
            .autoconf
            .get_mut(id.index())
            .and_then(|auto| auto.dhcp.as_mut());
        let client = client.ok_or(Drop::UdpNoSocket)?;
        let action = client.input(datagram.payload, &mut self.rng, now)?;
        self.act(id, action, now);
        self.dhcp_output(id);
        self.arm_interface(id);
        Ok(())
    }

    /// Queues what the DHCP client has to say.
    pub(super) fn dhcp_output(&mut self, id: InterfaceId) {
        let mut message = [0; MAX_MESSAGE];
        loop {
            let client = self
                .autoconf
                .get_mut(id.index())
                .and_then(|auto| auto.dhcp.as_mut());
            let Some(outgoing) = client.and_then(|client| client.emit(&mut message)) else {
                return;
            };
            let Some(bytes) = message.get(..outgoing.len) else {
                return;
            };
            let (source, to) = (outgoing.source, outgoing.destination);
            let routed = self
                .path(to, Some(source))
                .filter(|path| path.interface == id);
            let mtu = self.interfaces.get(id.index()).map_or(0, |it| it.mtu);
            let next_hop = routed
                .filter(|_| !to.is_broadcast())
                .map_or(to, |path| path.next_hop);
            let version = self.nets.v4.routes.version();
            let path = Path {
                interface: id,
                next_hop,
                source,
                mtu,
                shared: true,
                version,
            };
            debug_assert!(
                bytes.len() + udp::HEADER_LEN + ipv4::HEADER_LEN <= usize::from(mtu),
                "the least MTU is 576"
            );
            let to = (to, USUAL_HOPS);
            self.queue_datagram(&path, to, TO_SERVER, Owner::None, bytes);
        }
    }
}
