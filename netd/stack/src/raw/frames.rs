//! Sockets for frames of Ethernet, of one type on one link: for programs that speak what is no IP.
//!
//! A frame is a datagram of such a socket: it begins with the header of Ethernet, in both directions. What
//! is sent goes to whom that says; where it is from, and its type, are ours to put in, so that nobody
//! speaks as somebody else. Types that the stack speaks itself nobody can have, nor those of tags. What is
//! for a group is heard by who has named the group.
//!
//! *Owns* the checks, the copies and the way out. Rooms, queues and their bounds are `udp/`'s.

use crate::burst::Landing;
use crate::config::{Data, INLINE_PAYLOAD, TransmitChecksum, TransmitMeta};
use crate::error::{RawError, SendError, SocketError};
use crate::id::{ClientId, InterfaceId, SocketId, Token};
use crate::interface::Medium;
use crate::memory::ClientMemory;
use crate::pieces::{Draft, Extent};
use crate::requests::{Peer, Send, Source, To};
use crate::sender::{Next, Sent, Store, Turn};
use crate::stack::Stack;
use crate::stats::Counter;
use crate::udp::socket::{Frames, Raw};
use core::net::{Ipv4Addr, SocketAddrV4};
use wire::ethernet::{self, EtherType, Frame};
use wire::{Drop, Headroom, MacAddress};

/// What is spoken here already, and tags, which say what is whose.
const TAKEN: [EtherType; 5] = [
    EtherType::IPV4,
    EtherType::ARP,
    EtherType::IPV6,
    EtherType::VLAN,
    EtherType(0x88a8),
];

/// Stands in the place of a peer, which a frame has in itself.
const NOBODY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);

impl Frames {
    /// Whether such a socket hears a frame of its type to this address.
    fn hears(&self, link: InterfaceId, to: MacAddress) -> bool {
        let is_heard = !to.is_group() || to.is_broadcast() || self.group == Some(to);
        self.link == link && is_heard
    }
}

impl Stack {
    /// A new socket for frames of a type on a link: to us, to everybody, and to a group if one is named.
    /// Who may have one is the caller's to decide.
    ///
    /// # Errors
    /// See [`RawError`].
    pub fn socket_frames(
        &mut self,
        client: ClientId,
        link: InterfaceId,
        ethertype: u16,
        group: Option<MacAddress>,
    ) -> Result<SocketId, RawError> {
        let ethertype = EtherType(ethertype);
        if !ethertype.is_type() || TAKEN.contains(&ethertype) {
            return Err(RawError::BadProtocol);
        }
        let is_group = |group: MacAddress| group.is_group() && !group.is_broadcast();
        let interface = self.interfaces.get(link.index());
        let is_wire = interface.is_some_and(|it| it.medium == Medium::Ethernet);
        if !is_wire || !group.is_none_or(is_group) {
            return Err(RawError::AddressNotLocal);
        }
        let frames = Frames {
            ethertype,
            link,
            group,
        };
        self.raw_create(client, Raw::Frames(frames), None)
    }

    /// What a socket for frames is for.
    pub(crate) fn frames_of(&self, index: u32) -> Option<Frames> {
        match self.udp.sockets.at(index)?.raw? {
            Raw::Frames(frames) => Some(frames),
            Raw::Packets(_) => None,
        }
    }

    /// Queues a frame.
    #[cold]
    pub(crate) fn frames_send(
        &mut self,
        index: u32,
        data: Data<'_>,
        token: Token,
    ) -> Result<(), SendError> {
        let frames = self.frames_of(index).ok_or(SendError::NoDestination)?;
        let socket = self.udp.sockets.at(index).ok_or(SendError::BadSocket)?;
        let owner = self.clients.index(socket.client);
        let limit = u32::from(self.config.requests_per_socket);
        if self.requests.len(&socket.sends) + self.requests.len(&socket.done) >= limit {
            return Err(SendError::TooMany);
        }
        let mtu = self.interfaces.get(frames.link.index());
        let most = mtu.map_or(0, |it| usize::from(it.mtu)) + ethernet::HEADER_LEN;
        let length = match data {
            Data::Arena(range) => range.length as usize,
            Data::Inline(bytes) => bytes.len(),
        };
        if length < ethernet::HEADER_LEN {
            return Err(SendError::TooShort);
        }
        if length > most || matches!(data, Data::Inline(bytes) if bytes.len() > INLINE_PAYLOAD) {
            return Err(SendError::TooBig);
        }
        let source = match data {
            Data::Arena(range) => Source::Arena(range.offset),
            Data::Inline(bytes) => {
                let kept = self.inline.keep(owner, bytes);
                Source::Inline(kept.ok_or(SendError::TooMany)?)
            }
        };
        let send = Send {
            token,
            source,
            length: u32::try_from(length).map_err(|_| SendError::TooBig)?,
            to: To::Peer(Peer::V4(NOBODY)),
        };
        self.udp_queue(index, owner, (send, None), frames.link)
    }

    /// Writes a socket's next frame.
    #[cold]
    pub(crate) fn frames_output<M: ClientMemory>(
        &mut self,
        (index, frames): (u32, Frames),
        send: &Send,
        turn: Turn,
        draft: &mut Draft<'_>,
        memory: &M,
    ) -> Option<Sent> {
        if frames.link != turn.link {
            return self.end_turn(turn, Next::Elsewhere(frames.link));
        }
        let client = self.udp.sockets.at(index)?.client;
        let store = Store {
            inline: &self.inline,
            memory,
        };
        let length = usize::try_from(send.length).ok()?;
        let place = draft.buffer.get_mut(..length);
        let copied = place.and_then(|place| store.copy(Some(client), send.source, 0, place, false));
        let error = copied.is_none().then_some(SocketError::BadMemory);
        self.udp_done(index, send, error);
        copied?;
        self.stats.count(Counter::RawSent);
        self.end_turn(turn, Next::Later);
        // Of the header only the destination is the client's.
        Some(Sent {
            extent: Extent::copied(length.checked_sub(ethernet::HEADER_LEN)?),
            ethertype: frames.ethertype,
            meta: TransmitMeta {
                checksum: TransmitChecksum::Complete,
                segment: 0,
            },
        })
    }

    /// Whether a socket hears frames to this group.
    pub(crate) fn frames_hear(&self, link: InterfaceId, group: MacAddress) -> bool {
        let mut all = self.udp.frames.iter();
        let is_it = |frames: Frames| frames.link == link && frames.group == Some(group);
        all.any(|index| self.frames_of(*index).is_some_and(is_it))
    }

    /// Gives each socket that hears it a copy of a frame.
    #[cold]
    pub(crate) fn frames_input<M: ClientMemory>(
        &mut self,
        link: InterfaceId,
        frame: &Frame<'_>,
        memory: &mut M,
    ) -> Result<Landing, Drop> {
        let header = &frame.header;
        let mut front = [0; ethernet::HEADER_LEN];
        let written = header.emit(&mut Headroom::new(&mut front));
        debug_assert!(written.is_ok(), "it is as long");
        let mut outcome = Err(Drop::EthernetUnknownType);
        for place in 0..self.udp.frames.len() {
            let Some(index) = self.udp.frames.get(place).copied() else {
                break;
            };
            let of_type = self.frames_of(index);
            let of_type = of_type.filter(|it| it.ethertype == header.ethertype);
            if !of_type.is_some_and(|it| it.hears(link, header.destination)) {
                continue;
            }
            let nobody = (*NOBODY.ip(), NOBODY.port());
            let given = self.put_behind(index, nobody, [&front, frame.payload], memory);
            self.stats.count(match given {
                Ok(()) => Counter::DetailedReceived,
                Err(_) => Counter::DetailedLost,
            });
            outcome = match (outcome, given) {
                (Ok(landing), _) => Ok(landing),
                (_, Ok(())) => Ok(Landing::None),
                (_, Err(_)) => Err(Drop::RawQueueFull),
            };
        }
        outcome
    }
}
