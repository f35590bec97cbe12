//! What connections have to tell their clients, and what telling permits: acknowledgement.
//!
//! The order is that of the stream: accepted, connected, what is remarkable, bytes, end; then what
//! became of sends; then the end of everything. Bytes that have been told of may be acknowledged, not before.

use crate::config::Half;
use crate::error::SocketError;
use crate::event::EventKind;
use crate::family::{Family, mapped};
use crate::id::Token;
use crate::inline::Inline;
use crate::loans::Loans;
use crate::packed::Requests;
use crate::publish::Telling;
use crate::requests::{Accepted, Request, Room, Send, Source};
use crate::stack::Stack;
use crate::tcp::aside::Asides;
use crate::tcp::connection::{Conn, Fact, Holder};
use ::tcp::Instant;

/// Where what waits is kept.
type Stores<'a> = (
    &'a mut Requests,
    &'a mut Inline,
    &'a mut Loans,
    &'a mut Asides,
);

impl Stack {
    /// Tells everything there is to tell; `false` when the client's ring is full.
    pub(crate) fn tcp_tell<A: Family>(
        &mut self,
        index: u32,
        telling: &mut Telling<'_>,
        now: Instant,
    ) -> bool {
        self.commit::<A>(index);
        let tables = self.tcp.tables.of_mut::<A>();
        let Some(conn) = tables.connections.at_mut(index) else {
            return true;
        };
        let before = telling.published();
        let told = if conn.has_bytes_alone_to_tell() {
            let number = self.numbering.number(A::connection(index));
            let mut stores = (
                &mut self.requests,
                &mut self.inline,
                &mut self.loans,
                &mut tables.asides,
            );
            Self::tell_bytes(number, conn, &mut stores, telling, now)
                && (conn.sends.is_empty() || Self::tell_sent(number, conn, &mut stores, telling))
        } else {
            self.tell_all::<A>(index, telling, now)
        };
        // Acknowledgements may leave now, also for what was told before the ring was full. (A full
        // ring alone gives nothing to send: to wake the connection then would be to spin.)
        if telling.published() > before {
            self.settle::<A>(index, now);
        }
        told
    }

    fn tell_all<A: Family>(&mut self, index: u32, telling: &mut Telling<'_>, now: Instant) -> bool {
        if !(self.tell_beginning::<A>(index, telling) && self.tell_remarks::<A>(index, telling)) {
            return false;
        }
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return true;
        };
        if !(Self::tell_received(conn, &mut self.requests, telling, now)
            && self.tell_eof::<A>(index, telling, now))
        {
            return false;
        }
        let tables = self.tcp.tables.of_mut::<A>();
        let Some(conn) = tables.connections.at_mut(index) else {
            return true;
        };
        let mut stores = (
            &mut self.requests,
            &mut self.inline,
            &mut self.loans,
            &mut tables.asides,
        );
        let number = self.numbering.number(A::connection(index));
        if !Self::tell_sent(number, conn, &mut stores, telling) {
            return false;
        }
        // The end tells of all sends that are left.
        let is_ending = conn.is(Fact::Over) || conn.is(Fact::OurFinAcked);
        let is_kept = is_ending && !conn.sends.is_empty() && self.loans.keep(number, u64::MAX);
        is_kept || self.tell_end::<A>(index, telling)
    }

    fn tell_beginning<A: Family>(&mut self, index: u32, telling: &mut Telling<'_>) -> bool {
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return true;
        };
        if !conn.is(Fact::Untold) {
            return true;
        }
        let (mut local, mut remote) = (conn.local(), conn.remote());
        let holder = conn.client().zip(conn.socket());
        if holder.is_some_and(|(client, socket)| self.clients.is_dual(client, socket)) {
            (local, remote) = (mapped(local), mapped(remote));
        }
        match (self.requests.first(&conn.rooms), conn.socket()) {
            (Some(Request::Accepted(accepted)), Some(socket)) => {
                let Accepted {
                    token,
                    listener,
                    range,
                } = accepted;
                let room = (range.length > 0).then_some(range);
                let kind = EventKind::Accepted {
                    socket,
                    local,
                    remote,
                    room,
                };
                if !telling.tell(listener, token, kind) {
                    return false;
                }
                if range.length == 0 {
                    self.requests.discard(&mut conn.rooms);
                } else {
                    let room = Room {
                        token,
                        range,
                        used: 0,
                    };
                    self.requests
                        .replace_first(&conn.rooms, Request::Room(room));
                }
            }
            (Some(Request::Connect(token)), socket) => {
                let kind = if conn.is(Fact::Established) {
                    EventKind::Connected { local, remote }
                } else if conn.is(Fact::Over) {
                    conn.note(Fact::ErrorTold);
                    EventKind::Error(conn.error().unwrap_or(SocketError::Closed))
                } else {
                    return true;
                };
                if !telling.tell(socket, token, kind) {
                    return false;
                }
                self.requests.discard(&mut conn.rooms);
            }
            _ => return true,
        }
        conn.set(Fact::Untold, false);
        conn.note_change();
        // From now on its bytes are the client's to find.
        self.commit::<A>(index);
        true
    }

    /// What no request asked for: urgent bytes, doubt.
    fn tell_remarks<A: Family>(&mut self, index: u32, telling: &mut Telling<'_>) -> bool {
        let tables = self.tcp.tables.of_mut::<A>();
        let Some(conn) = tables.connections.at_mut(index) else {
            return true;
        };
        let Some(socket) = conn.socket() else {
            return true;
        };
        let (socket, token) = (Some(socket), Token::default());
        if conn.is(Fact::UrgentIsNews) {
            let aside = tables.asides.get(&conn.aside);
            let bytes = aside.urgent_to.saturating_sub(conn.told());
            if bytes > 0 && !telling.tell(socket, token, EventKind::Urgent { bytes }) {
                return false;
            }
            conn.set(Fact::UrgentIsNews, false);
        }
        if let Some(doubt) = conn.doubt().filter(|_| !conn.is(Fact::DoubtTold)) {
            if !telling.tell(socket, token, EventKind::Doubtful(doubt)) {
                return false;
            }
            conn.note(Fact::DoubtTold);
        }
        true
    }

    /// Tells of bytes that have come, and along with the first of them of the oldest send, if that is done
    /// and allows it: who answers what it is asked hears of both at once.
    #[inline]
    fn tell_bytes<A: Family>(
        number: u32,
        conn: &mut Conn<A>,
        stores: &mut Stores<'_>,
        telling: &mut Telling<'_>,
        now: Instant,
    ) -> bool {
        if conn.told() < conn.arrived()
            && let Some(send) = Self::first_sent(number, conn, stores)
            && send.token.is_along()
            && let Some(room) = stores.0.first_room(&conn.rooms)
        {
            if !Self::tell_room(conn, (room, Some(send.token)), stores.0, telling, now) {
                return false;
            }
            Self::end_send(conn, send, stores);
        }
        Self::tell_received(conn, stores.0, telling, now)
    }

    /// Tells of bytes that have come, room after room.
    #[inline]
    fn tell_received<A: Family>(
        conn: &mut Conn<A>,
        requests: &mut Requests,
        telling: &mut Telling<'_>,
        now: Instant,
    ) -> bool {
        while conn.told() < conn.arrived()
            && let Some(room) = requests.first_room(&conn.rooms)
        {
            if !Self::tell_room(conn, (room, None), requests, telling, now) {
                return false;
            }
        }
        true
    }

    /// Tells of bytes that have come into the first room, and of a send that is done. (Mostly one is all:
    /// what is known of many before the first would be more work than the first.)
    #[inline(never)]
    fn tell_room<A: Family>(
        conn: &mut Conn<A>,
        (room, sent): (Room, Option<Token>),
        requests: &mut Requests,
        telling: &mut Telling<'_>,
        now: Instant,
    ) -> bool {
        // What is in the client's memory, and known to it, may be acknowledged.
        let told = conn.told();
        let left = room.range.length.saturating_sub(room.used);
        let news = u32::try_from(conn.arrived().saturating_sub(told)).unwrap_or(u32::MAX);
        let length = news.min(left);
        // The last room is given back when what is left of it is too little to be offered.
        let is_rest_stranded = length == news
            && length < left
            && requests.len(&conn.rooms) == 1
            && conn.tcp.has_stranded_room();
        let more = length < left && !is_rest_stranded;
        let kind = EventKind::Received {
            offset: room.range.offset.saturating_add(room.used.into()),
            length,
            from: None,
            more,
            round_trip: conn.tcp.round_trip(),
            sent,
        };
        if !telling.tell(conn.socket(), room.token, kind) {
            return false;
        }
        conn.publish(told.saturating_add(length.into()), now);
        if is_rest_stranded {
            conn.tcp.drop_rest_of_room();
        }
        if more {
            let used = room.used.saturating_add(length);
            requests.use_first_room(&conn.rooms, used);
        } else {
            requests.discard(&mut conn.rooms);
        }
        true
    }

    fn tell_eof<A: Family>(&mut self, index: u32, telling: &mut Telling<'_>, now: Instant) -> bool {
        self.publish_end::<A>(index, now);
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return true;
        };
        let socket = conn.socket();
        // After a close they are cancelled.
        let ended = !conn.is_closing() && (conn.at_eof() || conn.is(Fact::ReceiveClosed));
        while ended && let Some(room) = self.requests.first_room(&conn.rooms) {
            if !telling.tell(socket, room.token, EventKind::Eof) {
                return false;
            }
            self.requests.discard(&mut conn.rooms);
        }
        true
    }

    /// Once the client knows of everything before it, the end of the stream may be acknowledged: the
    /// client will find it whenever it looks.
    pub(crate) fn publish_end<A: Family>(&mut self, index: u32, now: Instant) {
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return;
        };
        if conn.at_eof() && !conn.is(Fact::EndPublished) {
            conn.note(Fact::EndPublished);
            let outcome = conn.tcp.publish_fin(&mut self.tcp.shared, now);
            self.apply_outcome::<A>(index, &outcome, now);
        }
    }

    /// Tells of sends whose bytes have come and that no frame refers to any more.
    fn tell_sent<A: Family>(
        number: u32,
        conn: &mut Conn<A>,
        stores: &mut Stores<'_>,
        telling: &mut Telling<'_>,
    ) -> bool {
        let socket = conn.socket();
        while let Some(send) = Self::first_sent(number, conn, stores) {
            if !telling.tell(socket, send.token, EventKind::Sent { bytes: send.length }) {
                return false;
            }
            Self::end_send(conn, send, stores);
        }
        true
    }

    /// The oldest send, if its bytes have come and no frame refers to them any more.
    #[inline]
    fn first_sent<A: Family>(number: u32, conn: &Conn<A>, stores: &mut Stores<'_>) -> Option<Send> {
        let (requests, _, loans, _) = stores;
        let send = requests.first_send(&conn.sends)?;
        let end = send.end(conn.queued());
        (end <= conn.acked() && !loans.keep(number, end)).then_some(send)
    }

    /// It has been told of.
    #[inline]
    fn end_send<A: Family>(conn: &mut Conn<A>, send: Send, stores: &mut Stores<'_>) {
        let (requests, inline, _, asides) = stores;
        asides.forget_cursor(&mut conn.aside, requests.start(&conn.sends));
        requests.discard(&mut conn.sends);
        if let Source::Inline(buffer) = send.source {
            inline.release(buffer);
        }
    }

    fn tell_end<A: Family>(&mut self, index: u32, telling: &mut Telling<'_>) -> bool {
        let Some(conn) = self.tcp.tables.of::<A>().connections.at(index) else {
            return true;
        };
        let (is_over, error) = (conn.is(Fact::Over), conn.error());
        let ended = is_over.then_some(error.unwrap_or(SocketError::Closed));
        // A close cancels the rooms before anything else ends.
        let told = if conn.is_closing() {
            self.tell_failed::<A>(index, Half::Receive, Some(SocketError::Cancelled), telling)
                && self.tell_failed::<A>(index, Half::Send, ended, telling)
        } else {
            self.tell_failed::<A>(index, Half::Send, ended, telling)
                && self.tell_failed::<A>(index, Half::Receive, ended, telling)
        };
        let Some(conn) = self
            .tcp
            .tables
            .of_mut::<A>()
            .connections
            .at_mut(index)
            .filter(|_| told)
        else {
            return false;
        };
        if let Some(error) = error.filter(|_| is_over && !conn.is(Fact::ErrorTold)) {
            let socket = conn.socket();
            if socket.is_some() && !telling.tell(socket, Token::default(), EventKind::Lost(error)) {
                return false;
            }
            conn.note(Fact::ErrorTold);
        }
        self.tell_closed::<A>(index, telling)
    }

    /// Tells what waits of one half that it ends so, if it does.
    fn tell_failed<A: Family>(
        &mut self,
        index: u32,
        half: Half,
        error: Option<SocketError>,
        telling: &mut Telling<'_>,
    ) -> bool {
        let (Some(conn), Some(error)) = (
            self.tcp.tables.of_mut::<A>().connections.at_mut(index),
            error,
        ) else {
            return true;
        };
        let socket = conn.socket();
        loop {
            let chain = match half {
                Half::Send => &mut conn.sends,
                Half::Receive | Half::Both => &mut conn.rooms,
            };
            let Some(request) = self.requests.first(chain) else {
                return true;
            };
            if !telling.tell(socket, request.token(), EventKind::Error(error)) {
                return false;
            }
            self.requests.discard(chain);
            if let Request::Send(send) = request
                && let Source::Inline(buffer) = send.source
            {
                self.inline.release(buffer);
            }
            conn.set(Fact::ErrorTold, conn.is(Fact::Over));
        }
    }

    fn tell_closed<A: Family>(&mut self, index: u32, telling: &mut Telling<'_>) -> bool {
        let tables = self.tcp.tables.of_mut::<A>();
        let Some(conn) = tables.connections.at_mut(index) else {
            return true;
        };
        let closing = tables.asides.get(&conn.aside).closing;
        let Some(token) = closing.filter(|_| conn.is_closing()) else {
            return true;
        };
        if !conn.is(Fact::Over) && !conn.is(Fact::OurFinAcked) {
            return true;
        }
        if !telling.tell(None, token, EventKind::Closed) {
            return false;
        }
        conn.set_holder(Holder::Nobody);
        let asides = &mut tables.asides;
        asides.change(&mut conn.aside, |aside| aside.closing = None);
        if conn.is(Fact::Over) {
            self.tcp_forget::<A>(index);
        }
        true
    }
}
