//! The program's session with netd: one link, one arena, many requests under way.
//!
//! *Owns* the link, who has what of the arena, and the table of requests. Each request has a slot
//! until its last completion has come, also when nobody waits for it any more: only then is its part
//! of the arena free, and not before the pieces that were lent of it have come back. Before the program
//! sleeps, completions are taken out of the ring and put into their slots, and who waits is woken.
//! *Never* trusts a completion: what fits no slot is ignored, a piece outside of
//! its room counts as a broken link.

mod accounts;
mod completing;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Weak;
use alloc::vec::Vec;
use core::task::{Context, Waker};

use protocol::{
    Accept, Cancel, Close, Code, Message, Operation, OperationBody, Range, Receive, SocketCreate,
    SocketId, outcome, request,
};
use ring::Wish;
use rt::attend::{Attend, Next};
use rt::handle::{OwnedHandle, SendHandleError};
use rt::link::Link;

use crate::area::Area;
use crate::blocks::Blocks;
use crate::error::Error;
use crate::slot::{Room, Slot, Source};
use accounts::Accounts;
pub use accounts::Owed;

/// Bits of a request id that name the slot; the others count its uses.
const SLOT_BITS: u32 = 20;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;

/// Operations of completions.
const RECEIVED: u16 = Receive::NUMBER | protocol::REPLY;
const ACCEPTED: u16 = Accept::NUMBER | protocol::REPLY;

/// What a turn found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
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
    pub blocks: Blocks,
    accounts: Accounts,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Where a completion is read; here but during a turn.
    inbox: Option<Box<ring::Message>>,
    /// Requests that did not fit the ring.
    outbox: VecDeque<Message>,
    /// Tasks that wait for room in the ring or for arena.
    waiting: Vec<Waker>,
    /// Requests that a task waits for although netd tells of their end quietly.
    patient: u32,
    /// netd has been asked to ring, and nothing has changed since on our side.
    sleeps: bool,
    broken: bool,
}

impl Session {
    pub fn new(link: Link, arena_bytes: usize) -> Self {
        let blocks = Blocks::new(arena_bytes);
        Self {
            link,
            blocks,
            accounts: Accounts::default(),
            slots: Vec::new(),
            free: Vec::new(),
            inbox: None,
            outbox: VecDeque::new(),
            waiting: Vec::new(),
            patient: 0,
            sleeps: false,
            broken: false,
        }
    }

    /// Starts a request. Its room and its source belong to the slot until the last completion.
    pub fn submit<O: Operation>(
        &mut self,
        operation: &O,
        socket: SocketId,
        room: Option<Range>,
        source: Option<Source>,
    ) -> Result<u32, Error> {
        if self.broken {
            self.free_source(source);
            if let Some(room) = room {
                self.give(room);
            }
            return Err(Error::ServerRestarted);
        }
        let (id, slot) = self.open_slot(O::NUMBER, socket);
        slot.room = room.map(Room::new);
        slot.source = source;
        self.tell(request(operation, id));
        Ok(id)
    }

    /// Starts an accept of as many connections as the block has rooms of `each` bytes.
    pub fn submit_accept(
        &mut self,
        socket: SocketId,
        block: Range,
        each: u32,
    ) -> Result<u32, Error> {
        let accept = Accept {
            socket,
            room: Some(block),
            each,
        };
        let submitted = self.submit(&accept, socket, None, None);
        match submitted {
            Ok(id) => {
                if let Some(slot) = self.slot(id) {
                    slot.area = Some(Box::new(Area::new(block, each)));
                }
            }
            Err(_) => self.give(block),
        }
        submitted
    }

    /// A slot for a request, and the request's id. What is not set here it has not.
    fn open_slot(&mut self, operation: u16, socket: SocketId) -> (u32, &mut Slot) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::unused());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.used = true;
        slot.operation = operation;
        slot.socket = socket;
        (slot.generation << SLOT_BITS | index, slot)
    }

    /// A request whose outcome nobody waits for.
    pub fn submit_and_forget<O: Operation>(&mut self, operation: &O, socket: SocketId) {
        if let Ok(id) = self.submit(operation, socket, None, None)
            && let Some(slot) = self.slot(id)
        {
            slot.abandoned = true;
        }
    }

    /// Queues a handle for netd, which a request will speak of.
    pub fn send_handle(&mut self, handle: OwnedHandle, tag: u64) -> Result<(), SendHandleError> {
        self.link.send_handle(handle, tag)
    }

    /// A slot for what goes wrong with requests that are answered only if they fail.
    pub fn open_tally(&mut self, operation: u16, socket: SocketId) -> u32 {
        let (id, slot) = self.open_slot(operation, socket);
        slot.is_tally = true;
        id
    }

    /// Starts a request of such a slot.
    pub fn submit_unanswered(&mut self, message: Message) -> Result<(), Error> {
        if self.broken {
            return Err(Error::ServerRestarted);
        }
        self.tell(message);
        Ok(())
    }

    /// Starts a request whose message is there already.
    pub fn submit_message(
        &mut self,
        operation: u16,
        socket: SocketId,
        message: impl FnOnce(u32) -> Option<Message>,
    ) -> Result<u32, Error> {
        if self.broken {
            return Err(Error::ServerRestarted);
        }
        let (id, _) = self.open_slot(operation, socket);
        match message(id) {
            Some(message) => {
                self.tell(message);
                Ok(id)
            }
            None => {
                self.release(id);
                Err(Error::Other(Code::TooBig))
            }
        }
    }

    /// Sends now, or when there is room; the doorbell is rung before a sleep.
    fn tell(&mut self, message: Message) {
        if !self.outbox.is_empty() || self.link.push(as_sent(&message)).is_err() {
            self.outbox.push_back(message);
        }
        self.sleeps = false;
    }

    /// Whether netd is gone.
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether a polite task may submit: nothing waits for room in the ring.
    pub fn has_room(&self) -> bool {
        self.outbox.is_empty() || self.broken
    }

    /// Wakes the task, if one waits, when ring or arena may have room.
    pub fn wait_room(&mut self, context: Option<&Context<'_>>) {
        let Some(waker) = context.map(Context::waker) else {
            return;
        };
        if !self.waiting.iter().any(|known| known.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
        // It may sleep for less.
        self.sleeps = false;
    }

    /// One more task waits for what netd tells of quietly.
    pub const fn wait_quietly(&mut self) {
        self.patient += 1;
        // It may sleep for less.
        self.sleeps = false;
    }

    /// Nobody waits for the request any more: the task that did.
    fn take_waiter(&mut self, id: u32) -> Option<Waker> {
        let slot = self.slot(id)?;
        let (waker, quiet) = (slot.waker.take()?, slot.is_quiet());
        self.patient = self.patient.saturating_sub(quiet.into());
        Some(waker)
    }

    /// What a sleep is to be ended for.
    fn wish(&self) -> Wish {
        if self.patient > 0 || !self.waiting.is_empty() {
            Wish::Anything
        } else {
            Wish::Urgent
        }
    }

    /// The slot of a request that is under way.
    pub fn slot(&mut self, id: u32) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(place_of(id))?;
        let live = slot.used && slot.generation << SLOT_BITS == id & !SLOT_MASK;
        live.then_some(slot)
    }

    /// The program is done with a finished request: its slot and its part of the arena are free, as
    /// soon as no piece of its room is lent any more.
    pub fn release(&mut self, id: u32) {
        let Some(slot) = self.slot(id) else { return };
        let was_awaited = slot.waker.take().is_some() && slot.is_quiet();
        slot.is_left_to_pieces = slot.lent > 0;
        if slot.is_left_to_pieces {
            self.patient = self.patient.saturating_sub(was_awaited.into());
            return;
        }
        slot.used = false;
        let (source, room) = (slot.source.take(), slot.room.take());
        slot.reply = None;
        slot.area = None;
        slot.events.clear();
        slot.finished = false;
        slot.abandoned = false;
        slot.is_tally = false;
        self.patient = self.patient.saturating_sub(was_awaited.into());
        self.free_source(source);
        if let Some(room) = room {
            self.blocks.give(room.block);
        }
        self.free.push(id & SLOT_MASK);
        self.wake_waiting();
    }

    /// The bytes of a send are no longer needed.
    fn free_source(&mut self, source: Option<Source>) {
        match source {
            Some(Source::Block(block)) => self.blocks.give(block),
            Some(Source::Room(id)) => self.take_back(id),
            None => {}
        }
    }

    /// Bytes that were held for nothing.
    pub fn free(&mut self, source: Source) {
        self.free_source(Some(source));
        self.wake_waiting();
    }

    /// A block that was taken for nothing.
    pub fn give(&mut self, block: Range) {
        self.free(Source::Block(block));
    }

    /// Makes a room of a block that nothing comes into, and lends it, so that pieces of it can be held
    /// and sent as those of any other; the last that comes back frees it.
    pub fn keep(&mut self, block: Range) -> u32 {
        // No request has this number.
        let (id, slot) = self.open_slot(0, SocketId(0));
        slot.room = Some(Room::new(block));
        slot.finished = true;
        slot.lent = 1;
        slot.is_left_to_pieces = true;
        id
    }

    /// Lends a piece of a room.
    pub fn lend(&mut self, id: u32) {
        if let Some(slot) = self.slot(id) {
            slot.lent += 1;
        }
    }

    /// A piece of a room comes back.
    fn take_back(&mut self, id: u32) {
        let Some(slot) = self.slot(id) else { return };
        slot.lent = slot.lent.saturating_sub(1);
        if slot.lent == 0 && slot.is_left_to_pieces {
            self.release(id);
        }
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
        if slot.is_tally || slot.finished && !slot.has_orphans() {
            // By far the most often: nothing is owed.
            return self.release(id);
        }
        if slot.abandoned || self.leave(id) {
            return;
        }
        let ends_by_itself = [
            protocol::Send::NUMBER,
            protocol::Flush::NUMBER,
            Close::NUMBER,
            Cancel::NUMBER,
            SocketCreate::NUMBER,
        ];
        if !ends_by_itself.contains(&operation) {
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
        let finished = slot.finished;
        if slot.has_orphans() {
            self.close_orphan(id);
        }
        if finished {
            self.release(id);
        } else {
            let _waiter = self.take_waiter(id);
        }
        finished
    }

    /// Closes the sockets that were made for a request that nobody waits for any more.
    fn close_orphan(&mut self, id: u32) {
        let area = self.slot(id).and_then(|slot| slot.area.as_mut());
        if let Some(area) = area {
            for connection in core::mem::take(&mut area.accepted) {
                self.leave(connection);
            }
            return;
        }
        let orphan = self.slot(id).and_then(|slot| {
            let reply = match slot.operation {
                Accept::NUMBER | SocketCreate::NUMBER => slot.reply.take()?,
                _ => return None,
            };
            let accepted = outcome::<Accept>(&reply).map(|accepted| accepted.socket);
            let created = outcome::<SocketCreate>(&reply).map(|created| created.socket);
            accepted.ok().or(created.ok())
        });
        if let Some(socket) = orphan {
            let abort = true;
            self.submit_and_forget(&Close { socket, abort }, socket);
        }
    }

    /// Takes what has come in, tells netd what is to be told, and has netd ring when more comes, if it may.
    /// `seen` is what was seen at the link.
    pub fn attend(&mut self, seen: abi::Signals, may_sleep: bool) -> Next {
        let seen = seen | self.link.heard();
        if self.sleeps && seen.is_empty() {
            return Next::Sleep;
        }
        self.sleeps = false;
        self.link.awake();
        self.link.observe(seen);
        if may_sleep && seen.is_empty() && !self.broken {
            // Nothing is known to have come: the look before the sleep finds what has.
            self.flush();
            if !self.announce_sleep() {
                self.sleeps = true;
                return Next::Sleep;
            }
        }
        match self.turn() {
            Turn::Broken => Next::Leave,
            // Those who were woken run first: what they ask for leaves with one doorbell, and one sleep is
            // announced instead of two.
            Turn::Taken => Next::Again,
            Turn::Idle if !may_sleep => Next::Sleep,
            Turn::Idle if self.announce_sleep() => Next::Again,
            Turn::Idle => {
                self.sleeps = true;
                Next::Sleep
            }
        }
    }

    /// Takes what has come in, and tells netd what is to be told.
    fn turn(&mut self) -> Turn {
        if self.broken {
            return Turn::Broken;
        }
        let mut turn = Turn::Idle;
        let mut inbox = self.inbox.take().unwrap_or_default();
        loop {
            match self.link.take_into(&mut inbox) {
                Ok(true) => {
                    if !self.complete(Message::view(inbox.words())) {
                        break;
                    }
                    turn = Turn::Taken;
                }
                Ok(false) => {
                    self.inbox = Some(inbox);
                    // Else those who are woken ask for something first: one doorbell is for all.
                    if turn == Turn::Idle || !self.outbox.is_empty() {
                        self.flush();
                    }
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
            if self.link.push(as_sent(message)).is_err() {
                break;
            }
            self.outbox.pop_front();
        }
        if self.link.needs_ring() {
            self.link.ring_soon();
        }
        if before > 0 && self.outbox.is_empty() {
            self.wake_waiting();
        }
    }

    /// Before a sleep; true when there is something to do first.
    fn announce_sleep(&mut self) -> bool {
        let look = if self.outbox.is_empty() {
            self.link.announce_sleep_for(self.wish())
        } else {
            self.link.announce_sleep_for_room()
        };
        look == ring::Look::MoreWork
    }

    /// Has `who` do all that, from now on.
    pub fn attended_by(&self, who: Weak<dyn Attend>) {
        self.link.attended_by(who);
    }

    /// Every request ends: netd is gone, or has sent nonsense.
    fn fail_all(&mut self) {
        self.broken = true;
        self.patient = 0;
        self.outbox.clear();
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            if !slot.used {
                continue;
            }
            let id = slot.generation << SLOT_BITS | u32::try_from(index).unwrap_or(0);
            if let Some(owed) = slot.owed {
                self.settle(id, owed, Err(Error::ServerRestarted));
                continue;
            }
            slot.fail(Code::ServerRestarted);
            if slot.abandoned {
                self.release(id);
            }
        }
        self.wake_waiting();
    }
}

/// Where the slot of a request is.
const fn place_of(id: u32) -> usize {
    (id & SLOT_MASK) as usize
}

fn as_sent(message: &Message) -> &ring::Message {
    ring::Message::view(message.words())
}
