//! What connections have to tell their clients, and what telling permits: acknowledgement.
//!
//! The order is that of the stream: accepted, connected, what is remarkable, bytes, end; then what
//! became of sends; then the end of everything. Bytes that have been told of may be acknowledged, not before.

use crate::error::SocketError;
use crate::event::EventKind;
use crate::id::Token;
use crate::publish::Telling;
use crate::requests::Request;
use crate::stack::Stack;
use crate::tcp::connection::{Beginning, Holder};
use ::tcp::Instant;

impl Stack {
    /// Tells everything there is to tell; `false` when the client's ring is full.
    pub(crate) fn tcp_tell(&mut self, index: u32, telling: &mut Telling<'_>, now: Instant) -> bool {
        let before = telling.published();
        let told = self.tell_beginning(index, telling)
            && self.tell_remarks(index, telling)
            && self.tell_received(index, telling, now)
            && self.tell_sent(index, telling)
            && self.tell_end(index, telling);
        // Acknowledgements may leave now, also for what was told before the ring was full. (A full
        // ring alone gives nothing to send: to wake the connection then would be to spin.)
        if telling.published() > before {
            self.settle(index, now);
        }
        told
    }

    fn tell_beginning(&mut self, index: u32, telling: &mut Telling<'_>) -> bool {
        let Some(conn) = self.tcp.connections.at_mut(index) else {
            return true;
        };
        let (local, remote) = (conn.local(), conn.remote());
        if let (Beginning::Accepted(token, listener), Some(socket)) =
            (conn.beginning, conn.socket())
        {
            if !telling.tell(
                listener,
                token,
                EventKind::Accepted {
                    socket,
                    local,
                    remote,
                },
            ) {
                return false;
            }
            conn.beginning = Beginning::Told;
        }
        if let Beginning::Connecting(token) = conn.beginning {
            let kind = if conn.established {
                EventKind::Connected { local, remote }
            } else if conn.over {
                conn.error_told = true;
                EventKind::Error(conn.error.unwrap_or(SocketError::Closed))
            } else {
                return true;
            };
            if !telling.tell(conn.socket(), token, kind) {
                return false;
            }
            conn.beginning = Beginning::Told;
        }
        true
    }

    /// What no request asked for: urgent bytes, doubt.
    fn tell_remarks(&mut self, index: u32, telling: &mut Telling<'_>) -> bool {
        let Some(conn) = self.tcp.connections.at_mut(index) else {
            return true;
        };
        let Some(socket) = conn.socket() else {
            return true;
        };
        let (socket, token) = (Some(socket), Token::default());
        if conn.urgent_is_news {
            let bytes = conn.urgent.into();
            if bytes > 0 && !telling.tell(socket, token, EventKind::Urgent { bytes }) {
                return false;
            }
            conn.urgent_is_news = false;
        }
        if let Some(doubt) = conn.doubt().filter(|_| !conn.doubt_told) {
            if !telling.tell(socket, token, EventKind::Doubtful(doubt)) {
                return false;
            }
            conn.doubt_told = true;
        }
        true
    }

    fn tell_received(&mut self, index: u32, telling: &mut Telling<'_>, now: Instant) -> bool {
        let Some(conn) = self.tcp.connections.at_mut(index) else {
            return true;
        };
        let socket = conn.socket();
        // What is in the client's memory, and known to it, may be acknowledged.
        let arrived = conn.arrived();
        while conn.told() < arrived {
            let Some(Request::Room(room)) = self.requests.first_mut(&conn.rooms) else {
                break;
            };
            let told = conn.told();
            let left = room.range.length.saturating_sub(conn.room_used);
            let news = u32::try_from(arrived.saturating_sub(told)).unwrap_or(u32::MAX);
            let length = news.min(left);
            let more = length < left;
            let kind = EventKind::Received {
                offset: room.range.offset.saturating_add(conn.room_used.into()),
                length,
                from: None,
                more,
            };
            if !telling.tell(socket, room.token, kind) {
                return false;
            }
            conn.publish(told.saturating_add(length.into()), now);
            conn.room_used = conn.room_used.saturating_add(length);
            if !more {
                conn.room_used = 0;
                self.requests.pop(&mut conn.rooms);
            }
        }
        self.publish_end(index, now);
        let Some(conn) = self.tcp.connections.at_mut(index) else {
            return true;
        };
        let ended = conn.at_eof() || conn.receive_closed;
        while let Some(token) = self
            .requests
            .first(&conn.rooms)
            .filter(|_| ended)
            .map(Request::token)
        {
            if !telling.tell(socket, token, EventKind::Eof) {
                return false;
            }
            self.requests.pop(&mut conn.rooms);
        }
        true
    }

    /// Once the client knows of everything before it, the end of the stream may be acknowledged: the
    /// client will find it whenever it looks.
    pub(crate) fn publish_end(&mut self, index: u32, now: Instant) {
        let Some(conn) = self.tcp.connections.at_mut(index) else {
            return;
        };
        if conn.at_eof() && !conn.end_published {
            conn.end_published = true;
            let outcome = conn.tcp.publish_fin(&mut self.tcp.shared, now);
            self.apply_outcome(index, &outcome, now);
        }
    }

    fn tell_sent(&mut self, index: u32, telling: &mut Telling<'_>) -> bool {
        let Some(conn) = self.tcp.connections.at_mut(index) else {
            return true;
        };
        let socket = conn.socket();
        while let Some(Request::Send(send)) = self.requests.first(&conn.sends) {
            let send = *send;
            if send.end > conn.acked() {
                break;
            }
            if !telling.tell(socket, send.token, EventKind::Sent { bytes: send.length }) {
                return false;
            }
            conn.forget_cursor(self.requests.start(&conn.sends));
            self.requests.pop(&mut conn.sends);
            if let crate::requests::Source::Inline(buffer) = send.source {
                self.inline.release(buffer);
            }
        }
        true
    }

    fn tell_end(&mut self, index: u32, telling: &mut Telling<'_>) -> bool {
        let Some(conn) = self.tcp.connections.at_mut(index) else {
            return true;
        };
        let socket = conn.socket();
        if conn.over {
            let error = conn.error.unwrap_or(SocketError::Closed);
            let failed = |request: Request| request.failed(error);
            while let Some(Request::Send(send)) = self.requests.first(&conn.sends).copied() {
                self.requests
                    .move_first(&mut conn.sends, &mut conn.notices, failed);
                if let crate::requests::Source::Inline(buffer) = send.source {
                    self.inline.release(buffer);
                }
            }
            while self
                .requests
                .move_first(&mut conn.rooms, &mut conn.notices, failed)
            {}
        }
        while let Some(Request::Notice(notice)) = self.requests.first(&conn.notices) {
            if !telling.tell(socket, notice.token, EventKind::Error(notice.error)) {
                return false;
            }
            conn.error_told = conn.over;
            self.requests.pop(&mut conn.notices);
        }
        if let Some(error) = conn.error.filter(|_| conn.over && !conn.error_told) {
            if socket.is_some() && !telling.tell(socket, Token::default(), EventKind::Lost(error)) {
                return false;
            }
            conn.error_told = true;
        }
        self.tell_closed(index, telling)
    }

    fn tell_closed(&mut self, index: u32, telling: &mut Telling<'_>) -> bool {
        let Some(conn) = self.tcp.connections.at_mut(index) else {
            return true;
        };
        let Holder::Closing(_, token) = conn.holder else {
            return true;
        };
        if !conn.over && !conn.our_fin_acked {
            return true;
        }
        let token: Token = token;
        if !telling.tell(None, token, EventKind::Closed) {
            return false;
        }
        conn.holder = Holder::Nobody;
        if conn.over {
            self.tcp_forget(index);
        }
        true
    }
}
