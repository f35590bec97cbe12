//! What datagram sockets have to tell their clients.

use crate::event::EventKind;
use crate::family::Family as _;
use crate::publish::Telling;
use crate::requests::{Peer, Request};
use crate::stack::Stack;
use core::net::Ipv6Addr;

impl Stack {
    /// Tells everything there is to tell; `false` when the client's ring is full.
    pub(crate) fn udp_tell(&mut self, index: u32, telling: &mut Telling<'_>) -> bool {
        let Some(socket) = self.udp.sockets.at_mut(index) else {
            return true;
        };
        let id = Some(socket.socket);
        if let Some(token) = socket.connected
            && let (Some(local), Some(remote)) = (socket.local(), socket.remote())
        {
            let kind = EventKind::Connected { local, remote };
            if !telling.tell(id, token, kind) {
                return false;
            }
            socket.connected = None;
        }
        while let Some(arrival) = self.requests.first_arrival(&socket.arrivals) {
            let from = arrival.from.map(|from| match from {
                Peer::V4(from) => socket.shown(from.into()),
                Peer::V6(port) => {
                    let address = self.udp.peers.first(&socket.sources).copied();
                    address.unwrap_or(Ipv6Addr::UNSPECIFIED).end(port)
                }
            });
            let kind = EventKind::Received {
                offset: arrival.offset,
                length: arrival.length,
                from,
                more: arrival.more,
                round_trip: 0,
                sent: None,
            };
            if !telling.tell(id, arrival.token, kind) {
                return false;
            }
            self.requests.discard(&mut socket.arrivals);
            if let Some(Peer::V6(_)) = arrival.from {
                self.udp.peers.pop(&mut socket.sources);
            }
        }
        if let Some(error) = socket.error {
            // The receive that waits ends with the error; without one it waits for the next.
            let failed = |request: Request| request.failed(error);
            if self
                .requests
                .move_first(&mut socket.rooms, &mut socket.notices, failed)
            {
                socket.error = None;
            }
        }
        while let Some(notice) = self.requests.first_notice(&socket.notices) {
            if !telling.tell(id, notice.token, EventKind::Error(notice.error)) {
                return false;
            }
            self.requests.discard(&mut socket.notices);
        }
        while let Some(send) = self.requests.first_send(&socket.done) {
            if !telling.tell(id, send.token, EventKind::Sent { bytes: send.length }) {
                return false;
            }
            self.requests.discard(&mut socket.done);
        }
        if let Some(token) = socket.closing
            && socket.sends.is_empty()
        {
            if !telling.tell(id, token, EventKind::Closed) {
                return false;
            }
            self.udp_forget(index);
        }
        true
    }
}
