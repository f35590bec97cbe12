//! The program's session with netd: one link, one arena, many requests under way.
//!
//! *Owns* the link, the arena and the table of requests. Each request has a slot until its last
//! completion has come, also when nobody waits for it any more: only then is its part of the arena
//! free. One task, the pump, takes completions out of the ring, puts them into their slots and
//! wakes who waits. *Never* trusts a completion: what fits no slot is ignored, a piece outside of
//! its room counts as a broken link.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::task::Waker;

use protocol::{
    Accept, Accepted, Cancel, Close, Code, Message, Operation, OperationBody, Range, Receive,
    Received, SocketId, is_final, outcome, request,
};
use ring::Arena;
use rt::link::Link;

use crate::blocks::Blocks;
use crate::error::Error;

/// Bits of a request id that name the slot; the others count its uses.
const SLOT_BITS: u32 = 20;

/// A datagram in a room.
#[derive(Clone, Copy, Debug)]
pub struct Datagram {
    pub piece: Range,
    pub from: Option<SocketAddr>,
}

/// A receive room and what has come into it.
#[derive(Debug)]
pub struct Room {
    pub block: Range,
    /// Streams: bytes filled from the start.
    pub filled: u32,
    /// Streams: bytes of them that the program has taken.
    pub taken: u32,
    /// Streams: the round-trip time that was told with the latest of them, in microseconds.
    pub round_trip: u32,
    /// Datagrams that the program has not taken.
    pub datagrams: VecDeque<Datagram>,
    /// How it ended, once it has.
    pub end: Option<End>,
}

/// Why a room gets nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is used up.
    Full,
    /// The peer has finished.
    Finished,
    /// The socket has failed.
    Failed(Error),
}

/// A request under way.
pub struct Slot {
    generation: u32,
    used: bool,
    operation: u16,
    socket: SocketId,
    /// The completion of requests that have one, the first of accepts.
    pub reply: Option<Message>,
    /// Completions of event streams.
    pub events: VecDeque<Message>,
    /// Receives, and accepts with a room.
    pub room: Option<Room>,
    /// Sends: the bytes.
    block: Option<Range>,
    finished: bool,
    abandoned: bool,
    waker: Option<Waker>,
}

/// What a turn of the pump found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing had come in.
    Idle,
    /// Completions were taken, and who waited for them was woken.
    Taken,
    /// The link is broken.
    Broken,
}

/// What the session shares between tasks.
pub struct Session {
    link: Link,
    pub arena: Arena,
    pub blocks: Blocks,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Where a completion is read; here but while the pump turns.
    inbox: Option<Box<ring::Message>>,
    /// Requests that did not fit the ring.
    outbox: VecDeque<Message>,
    /// Tasks that wait for room in the ring or for arena.
    waiting: Vec<Waker>,
    /// The pump, to be woken when there is something to tell netd, and whether it sleeps.
    pump: Option<Waker>,
    pump_sleeps: bool,
    broken: bool,
}

impl Session {
    pub fn new(link: Link, arena: Arena) -> Self {
        let blocks = Blocks::new(arena.len());
        Self {
            link,
            arena,
            blocks,
            slots: Vec::new(),
            free: Vec::new(),
            inbox: None,
            outbox: VecDeque::new(),
            waiting: Vec::new(),
            pump: None,
            pump_sleeps: false,
            broken: false,
        }
    }

    /// Starts a request. Its block, if any, belongs to the slot until the last completion.
    pub fn submit<O: Operation>(
        &mut self,
        operation: &O,
        socket: SocketId,
        room: Option<Range>,
        block: Option<Range>,
    ) -> Result<u32, Error> {
        if self.broken {
            for range in [room, block].into_iter().flatten() {
                self.blocks.give(range);
            }
            return Err(Error::ServerRestarted);
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::unused());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let slot = &mut self.slots[index as usize];
        let generation = slot.generation.wrapping_add(1);
        // What is not set here a free slot has not.
        slot.generation = generation;
        slot.used = true;
        slot.operation = O::NUMBER;
        slot.socket = socket;
        slot.room = room.map(Room::new);
        slot.block = block;
        let id = generation << SLOT_BITS | index;
        self.tell(request(operation, id));
        Ok(id)
    }

    /// A request whose outcome nobody waits for.
    pub fn submit_and_forget<O: Operation>(&mut self, operation: &O, socket: SocketId) {
        if let Ok(id) = self.submit(operation, socket, None, None)
            && let Some(slot) = self.slot(id)
        {
            slot.abandoned = true;
        }
    }

    /// Sends now, or when there is room; the pump rings the doorbell.
    fn tell(&mut self, message: Message) {
        if !self.outbox.is_empty() || self.link.push(slot(&message)).is_err() {
            self.outbox.push_back(message);
        }
        self.wake_pump();
    }

    /// The pump sleeps until it is woken by this waker.
    pub fn pump_sleeps(&mut self, waker: &Waker) {
        self.pump_sleeps = true;
        match &mut self.pump {
            Some(known) => known.clone_from(waker),
            None => self.pump = Some(waker.clone()),
        }
    }

    /// Wakes the pump if it sleeps.
    pub fn wake_pump(&mut self) {
        if core::mem::take(&mut self.pump_sleeps)
            && let Some(waker) = &self.pump
        {
            waker.wake_by_ref();
        }
    }

    /// Whether a polite task may submit: nothing waits for room in the ring.
    pub fn has_room(&self) -> bool {
        self.outbox.is_empty() || self.broken
    }

    /// Wakes the task when ring or arena may have room.
    pub fn wait_room(&mut self, waker: &Waker) {
        if !self.waiting.iter().any(|known| known.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
    }

    /// The slot of a request that is under way.
    pub fn slot(&mut self, id: u32) -> Option<&mut Slot> {
        let slot = self.slots.get_mut((id & ((1 << SLOT_BITS) - 1)) as usize)?;
        let live = slot.used && slot.generation << SLOT_BITS == id & !((1 << SLOT_BITS) - 1);
        live.then_some(slot)
    }

    /// The program is done with a finished request: its slot and its part of the arena are free.
    pub fn release(&mut self, id: u32) {
        let Some(slot) = self.slot(id) else { return };
        slot.used = false;
        let (block, room) = (slot.block.take(), slot.room.take());
        slot.waker = None;
        slot.reply = None;
        slot.events.clear();
        slot.finished = false;
        slot.abandoned = false;
        if let Some(block) = block {
            self.blocks.give(block);
        }
        if let Some(room) = room {
            self.blocks.give(room.block);
        }
        self.free.push(id & ((1 << SLOT_BITS) - 1));
        self.wake_waiting();
    }

    /// There may be room in the ring, or arena.
    fn wake_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }

    /// Nobody waits for a request any more. It is cancelled if that makes sense, and its slot is
    /// released with its last completion.
    pub fn abandon(&mut self, id: u32) {
        let Some(slot) = self.slot(id) else { return };
        let (operation, socket) = (slot.operation, slot.socket);
        if slot.finished && operation != Accept::NUMBER {
            return self.release(id);
        }
        if slot.abandoned || self.leave(id) {
            return;
        }
        let endless = [protocol::Send::NUMBER, Close::NUMBER, Cancel::NUMBER];
        if !endless.contains(&operation) {
            let number = operation.into();
            let operation = OperationBody { number };
            let cancel = Cancel {
                request: id,
                socket,
                operation,
            };
            self.submit_and_forget(&cancel, socket);
        }
    }

    /// As [`Self::abandon`], for a request that ends by itself. True when it has ended.
    pub fn leave(&mut self, id: u32) -> bool {
        let Some(slot) = self.slot(id) else {
            return true;
        };
        slot.abandoned = true;
        slot.waker = None;
        let finished = slot.finished;
        self.close_orphan(id);
        if finished {
            self.release(id);
        }
        finished
    }

    /// Resets a connection that was accepted for a request that nobody waits for any more.
    fn close_orphan(&mut self, id: u32) {
        let orphan = self.slot(id).and_then(|slot| {
            let reply = slot.reply.take_if(|_| slot.operation == Accept::NUMBER)?;
            outcome::<Accept>(&reply)
                .ok()
                .map(|accepted| accepted.socket)
        });
        if let Some(socket) = orphan {
            self.submit_and_forget(
                &Close {
                    socket,
                    abort: true,
                },
                socket,
            );
        }
    }

    /// Takes what has come in, and tells netd what is to be told.
    pub fn turn(&mut self) -> Turn {
        if self.broken {
            return Turn::Broken;
        }
        let mut turn = Turn::Idle;
        let mut inbox = self.inbox.take().unwrap_or_default();
        loop {
            match self.link.try_receive_into(&mut inbox) {
                Ok(true) => {
                    if !self.complete(Message::view(inbox.words())) {
                        break;
                    }
                    turn = Turn::Taken;
                }
                Ok(false) => {
                    self.inbox = Some(inbox);
                    self.flush();
                    return turn;
                }
                Err(_) => break,
            }
        }
        self.fail_all();
        Turn::Broken
    }

    /// Moves waiting requests into the ring and rings if netd sleeps.
    fn flush(&mut self) {
        let before = self.outbox.len();
        while let Some(message) = self.outbox.front() {
            if self.link.push(slot(message)).is_err() {
                break;
            }
            self.outbox.pop_front();
        }
        if self.link.needs_ring() {
            rt::ring_soon(self.link.handle());
        }
        if before > 0 && self.outbox.is_empty() {
            self.wake_waiting();
        }
    }

    /// Before the pump sleeps; true when there is something to do first.
    pub fn announce_sleep(&mut self) -> bool {
        let look = if self.outbox.is_empty() {
            self.link.announce_sleep()
        } else {
            self.link.announce_sleep_for_room()
        };
        look == ring::Look::MoreWork
    }

    /// After the pump has slept.
    pub fn awake(&mut self, seen: abi::Signals) {
        self.link.awake();
        self.link.observe(seen);
        self.pump_sleeps = false;
    }

    /// What the pump sleeps for: never another.
    pub fn handle(&self) -> abi::Handle {
        self.link.handle()
    }

    /// Every request ends: netd is gone, or has sent nonsense.
    fn fail_all(&mut self) {
        self.broken = true;
        self.outbox.clear();
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            if !slot.used {
                continue;
            }
            slot.fail(Code::ServerRestarted);
            if slot.abandoned {
                let id = slot.generation << SLOT_BITS | u32::try_from(index).unwrap_or(0);
                self.release(id);
            }
        }
        self.wake_waiting();
    }

    /// Puts a completion where it belongs. `false` when netd has broken the rules.
    fn complete(&mut self, message: &Message) -> bool {
        let id = message.header.request.get();
        let Some(slot) = self.slot(id) else {
            return true;
        };
        if slot.finished || !slot.take(message) {
            return false;
        }
        let finished = is_final(message);
        slot.finished = finished;
        if !slot.abandoned {
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
            return true;
        }
        self.close_orphan(id);
        if finished {
            self.release(id);
        }
        true
    }
}

impl Room {
    fn new(block: Range) -> Self {
        Self {
            block,
            filled: 0,
            taken: 0,
            round_trip: 0,
            datagrams: VecDeque::new(),
            end: None,
        }
    }

    /// Streams: bytes that netd may still fill, or that the program has not taken.
    pub fn untaken(&self) -> u32 {
        let most = self.end.map_or(self.block.length, |_| self.filled);
        most - self.taken
    }

    /// Bytes that came, and the round-trip time in microseconds that was told with the latest.
    pub const fn measured(&self) -> (u32, u32) {
        (self.filled, self.round_trip)
    }

    /// Takes one completion; `false` when it does not fit the room.
    fn take(&mut self, received: &Received) -> bool {
        let piece = received.piece;
        if received.from.is_some() {
            let end = self.block.offset + u64::from(self.block.length);
            if piece.offset < self.block.offset || !piece.fits(end) {
                return false;
            }
            self.datagrams.push_back(Datagram {
                piece,
                from: received.from,
            });
        } else if piece.length > 0 {
            let next = self.block.offset + u64::from(self.filled);
            if piece.offset != next || piece.length > self.block.length - self.filled {
                return false;
            }
            self.filled += piece.length;
            self.round_trip = received.round_trip;
        }
        if received.end {
            self.end = Some(End::Finished);
        } else if !received.more {
            self.end = Some(End::Full);
        }
        true
    }
}

impl Slot {
    const fn unused() -> Self {
        Self {
            generation: 0,
            used: false,
            operation: 0,
            socket: SocketId(0),
            reply: None,
            events: VecDeque::new(),
            room: None,
            block: None,
            finished: false,
            abandoned: false,
            waker: None,
        }
    }

    /// Whether the last completion has come.
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Wakes the task at the next completion.
    pub fn wait(&mut self, waker: &Waker) {
        if !self
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            self.waker = Some(waker.clone());
        }
    }

    /// Takes one completion; `false` when it makes no sense.
    fn take(&mut self, message: &Message) -> bool {
        let number = message.header.operation.get();
        let is_receive = number == Receive::NUMBER | protocol::REPLY;
        if let Some(room) = self.room.as_mut().filter(|_| is_receive) {
            return match outcome::<Receive>(message) {
                Ok(received) => room.take(&received),
                Err(error) => {
                    room.end = Some(End::Failed(error.into()));
                    true
                }
            };
        }
        if number != self.operation | protocol::REPLY {
            return false;
        }
        if self.operation == protocol::Subscribe::NUMBER {
            self.events.push_back(*message);
        } else {
            self.reply = Some(*message);
            if let Some(room) = self.room.as_mut() {
                match outcome::<Accept>(message) {
                    Ok(accepted) => {
                        self.socket = accepted.socket;
                        room.end = (!accepted.more).then_some(End::Full);
                    }
                    Err(error) => room.end = Some(End::Failed(error.into())),
                }
            }
        }
        true
    }

    /// The request ends without a completion.
    fn fail(&mut self, code: Code) {
        if self.finished {
            return;
        }
        self.finished = true;
        if self.reply.is_none() {
            self.reply = Some(protocol::refusal(self.operation, 0, code));
        }
        if let Some(room) = self.room.as_mut()
            && room.end.is_none()
        {
            room.end = Some(End::Failed(Error::from_code(code)));
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// The connection that an accept has got.
    pub fn accepted(&self) -> Option<Result<Accepted, Error>> {
        let reply = self.reply.as_ref()?;
        Some(outcome::<Accept>(reply).map_err(Error::from))
    }
}

fn slot(message: &Message) -> &ring::Message {
    ring::Message::view(message.words())
}
