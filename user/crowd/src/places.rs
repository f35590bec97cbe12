//! The connections, by their places, and what netd's completions mean for each.
//!
//! *Owns* eight bytes for each. A place has a part of the arena: the room that comes with its accept
//! and is given again when it was used up and all of it has gone back to the peer. A request's number
//! tells place and kind, so nothing is kept of it. *Never* waits: what is to be asked of netd goes into
//! the outbox.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use protocol::{
    Accept, Close, Message, Operation, Payload, REPLY, Range, Receive, Received, Send, SocketId,
    outcome, request,
};

/// Bytes of a connection's room.
pub const ROOM: u32 = 64;
/// Accepts that are posted ahead.
const POSTED: u32 = 64;

/// What a request is for; the lowest bits of its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Kind {
    Room,
    Send,
    Close,
}

const KIND_BITS: u32 = 2;

impl Kind {
    const fn of(request: u32) -> Option<Self> {
        match request & ((1 << KIND_BITS) - 1) {
            0 => Some(Self::Room),
            1 => Some(Self::Send),
            2 => Some(Self::Close),
            _ => None,
        }
    }

    const fn request(self, place: u32) -> u32 {
        place << KIND_BITS | self as u32
    }
}

/// A connection.
#[derive(Clone, Copy, Debug)]
struct Place {
    socket: SocketId,
    /// Sends under way.
    sends: u8,
    /// The room is the connection's no more.
    is_used_up: bool,
    /// The peer has finished, or the connection failed.
    is_ending: bool,
}

impl Place {
    const FREE: Self = Self {
        socket: SocketId(0),
        sends: 0,
        is_used_up: false,
        is_ending: false,
    };
}

/// All of them.
pub struct Places {
    listener: SocketId,
    places: Vec<Place>,
    limit: u32,
    free: Vec<u32>,
    posted: u32,
}

impl Places {
    /// So many, for the connections of that listener.
    pub fn new(listener: SocketId, limit: u32) -> Self {
        Self {
            listener,
            places: Vec::with_capacity(limit as usize),
            limit,
            free: Vec::new(),
            posted: 0,
        }
    }

    /// Posts the first accepts.
    pub fn begin(&mut self, outbox: &mut VecDeque<Message>) {
        while self.posted < POSTED && self.post(outbox) {}
    }

    /// Posts an accept if a place is left for its connection.
    fn post(&mut self, outbox: &mut VecDeque<Message>) -> bool {
        let place = self.free.pop().or_else(|| {
            let next = u32::try_from(self.places.len()).ok()?;
            (next < self.limit).then(|| self.places.push(Place::FREE))?;
            Some(next)
        });
        let Some(place) = place else { return false };
        let accept = Accept {
            socket: self.listener,
            room: Some(room(place)),
            // For one connection.
            each: 0,
        };
        outbox.push_back(request(&accept, Kind::Room.request(place)));
        self.posted += 1;
        true
    }

    /// A completion has come.
    pub fn take(&mut self, message: &Message, outbox: &mut VecDeque<Message>) {
        let id = message.header.request.get();
        let number = id >> KIND_BITS;
        match Kind::of(id) {
            Some(Kind::Room) if message.header.operation.get() == Accept::NUMBER | REPLY => {
                self.accepted(number, message, outbox);
            }
            Some(Kind::Room) => self.received(number, message, outbox),
            Some(Kind::Send) => self.sent(number, message, outbox),
            Some(Kind::Close) => {
                self.leave(number);
                self.begin(outbox);
            }
            None => {}
        }
    }

    fn accepted(&mut self, number: u32, message: &Message, outbox: &mut VecDeque<Message>) {
        self.posted -= 1;
        match outcome::<Accept>(message) {
            Ok(accepted) => {
                if let Some(place) = self.places.get_mut(number as usize) {
                    place.socket = accepted.socket;
                }
                self.begin(outbox);
            }
            // The next close posts another.
            Err(_) => self.leave(number),
        }
    }

    fn received(&mut self, number: u32, message: &Message, outbox: &mut VecDeque<Message>) {
        let Some(place) = self.places.get_mut(number as usize) else {
            return;
        };
        let received = outcome::<Receive>(message);
        place.is_ending |= received.as_ref().is_ok_and(|got| got.end) || received.is_err();
        if let Ok(Received { piece, more, .. }) = received {
            place.is_used_up = !more;
            if piece.length > 0 {
                place.sends += 1;
                let send = Send {
                    socket: place.socket,
                    payload: Payload::Arena(piece),
                    to: None,
                    unanswered: false,
                    along: false,
                };
                outbox.push_back(request(&send, Kind::Send.request(number)));
            }
        }
        self.go_on(number, outbox);
    }

    fn sent(&mut self, number: u32, message: &Message, outbox: &mut VecDeque<Message>) {
        if let Some(place) = self.places.get_mut(number as usize) {
            place.sends = place.sends.saturating_sub(1);
            place.is_ending |= outcome::<Send>(message).is_err();
        }
        self.go_on(number, outbox);
    }

    /// When all has gone back: gives the room again, or ends the connection.
    fn go_on(&mut self, number: u32, outbox: &mut VecDeque<Message>) {
        let Some(place) = self.places.get_mut(number as usize) else {
            return;
        };
        let socket = place.socket;
        if place.sends > 0 || socket == SocketId(0) {
            return;
        }
        if place.is_ending {
            // Whatever else is told of it is told to nobody.
            place.socket = SocketId(0);
            let close = Close {
                socket,
                abort: false,
            };
            outbox.push_back(request(&close, Kind::Close.request(number)));
        } else if place.is_used_up {
            place.is_used_up = false;
            let room = room(number);
            let receive = Receive { socket, room };
            outbox.push_back(request(&receive, Kind::Room.request(number)));
        }
    }

    /// The place is free.
    fn leave(&mut self, number: u32) {
        if let Some(place) = self.places.get_mut(number as usize) {
            *place = Place::FREE;
            self.free.push(number);
        }
    }
}

fn room(place: u32) -> Range {
    Range {
        offset: u64::from(place) * u64::from(ROOM),
        length: ROOM,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{Accepted, Code, Done, Layout, Sent, completion, refusal};
    use std::net::{Ipv4Addr, SocketAddr};

    const LISTENER: SocketId = SocketId(7);

    /// The requests in the outbox, as numbers of operation and request.
    fn asked(outbox: &mut VecDeque<Message>) -> Vec<(u16, u32)> {
        let ids = |message: Message| {
            let header = message.header;
            (header.operation.get(), header.request.get())
        };
        outbox.drain(..).map(ids).collect()
    }

    fn accepted(socket: u32) -> Accepted {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        Accepted {
            socket: SocketId(socket),
            remote: any,
            local: any,
            more: true,
            offset: 0,
        }
    }

    fn received(place: u32, from: u32, length: u32, more: bool, end: bool) -> Message {
        let received = Received {
            socket: SocketId(1),
            piece: Range {
                offset: u64::from(place * ROOM + from),
                length,
            },
            from: None,
            more,
            end,
            round_trip: 0,
            sent: None,
        };
        completion::<Receive>(Kind::Room.request(place), &Ok(received))
    }

    fn one_connection() -> (Places, VecDeque<Message>) {
        let (mut places, mut outbox) = (Places::new(LISTENER, 2), VecDeque::new());
        places.begin(&mut outbox);
        assert_eq!(
            asked(&mut outbox),
            [(Accept::NUMBER, 0), (Accept::NUMBER, 4)]
        );
        let reply = completion::<Accept>(0, &Ok(accepted(9)));
        places.take(&reply, &mut outbox);
        assert!(outbox.is_empty(), "no place is left");
        (places, outbox)
    }

    #[test]
    fn what_came_goes_back_and_the_room_is_given_again() {
        let (mut places, mut outbox) = one_connection();
        places.take(&received(0, 0, 60, true, false), &mut outbox);
        let send = Send::decode(&outbox[0]).unwrap();
        let piece = Range {
            offset: 0,
            length: 60,
        };
        assert_eq!(
            (send.socket, send.payload),
            (SocketId(9), Payload::Arena(piece))
        );
        outbox.clear();
        places.take(&received(0, 60, 4, false, false), &mut outbox);
        assert_eq!(asked(&mut outbox), [(Send::NUMBER, 1)]);
        let sent = completion::<Send>(1, &Ok(Sent { bytes: 1 }));
        places.take(&sent, &mut outbox);
        assert!(outbox.is_empty(), "part of the room is still on its way");
        places.take(&sent, &mut outbox);
        assert_eq!(asked(&mut outbox), [(Receive::NUMBER, 0)]);
    }

    #[test]
    fn the_end_is_answered_when_all_has_gone_back_and_the_place_is_used_again() {
        let (mut places, mut outbox) = one_connection();
        places.take(&received(0, 0, 8, true, false), &mut outbox);
        places.take(&received(0, 8, 0, false, true), &mut outbox);
        assert_eq!(asked(&mut outbox), [(Send::NUMBER, 1)]);
        let sent = completion::<Send>(1, &Ok(Sent { bytes: 8 }));
        places.take(&sent, &mut outbox);
        assert_eq!(asked(&mut outbox), [(Close::NUMBER, 2)]);
        let closed = completion::<Close>(2, &Ok(Done {}));
        places.take(&closed, &mut outbox);
        assert_eq!(asked(&mut outbox), [(Accept::NUMBER, 0)]);
    }

    #[test]
    fn a_connection_that_fails_is_closed_once() {
        let (mut places, mut outbox) = one_connection();
        places.take(&received(0, 0, 8, true, false), &mut outbox);
        outbox.clear();
        places.take(&refusal(Receive::NUMBER, 0, Code::Reset), &mut outbox);
        assert!(outbox.is_empty(), "its send has not ended");
        places.take(&refusal(Send::NUMBER, 1, Code::Reset), &mut outbox);
        assert_eq!(asked(&mut outbox), [(Close::NUMBER, 2)]);
        places.take(&refusal(Receive::NUMBER, 0, Code::Reset), &mut outbox);
        assert!(outbox.is_empty());
    }
}
