//! What completions do to the requests that they end.
//!
//! *Owns* the way from a message to its slot. *Never* believes one: a piece outside of its room, or a
//! request that is not there, counts as a broken link.

use super::{ACCEPTED, RECEIVED, Session};
use crate::error::Error;
use crate::slot::{Room, Slot};
use protocol::{Accept, Accepted, Message, Operation, along, is_final, outcome};

impl Session {
    /// Puts a completion where it belongs. `false` when netd has broken the rules.
    pub(super) fn complete(&mut self, message: &Message) -> bool {
        let id = message.header.request.get();
        if message.header.operation.get() == RECEIVED
            && let Some(sent) = along(message)
            && !self.complete_send(sent)
        {
            return false;
        }
        match self.slot(id) {
            Some(slot) if slot.area.is_some() => self.complete_area(id, message),
            Some(Slot {
                owed: Some(owed), ..
            }) => {
                let owed = *owed;
                self.settle_told(id, owed, message)
            }
            Some(_) => self.complete_request(id, message),
            None => true,
        }
    }

    /// As [`Self::complete`], for an accept of several connections and their first rooms.
    fn complete_area(&mut self, id: u32, message: &Message) -> bool {
        let number = message.header.operation.get();
        let told = match number {
            RECEIVED => self.complete_room(id, message),
            ACCEPTED => match outcome::<Accept>(message) {
                Ok(accepted) => self.accepted(id, &accepted, message),
                Err(error) => self.stopped(id, message.header.argument.get(), error.into()),
            },
            _ => None,
        };
        if told.is_none() {
            return false;
        }
        if let Some(slot) = self.slot(id)
            && slot.area.as_ref().is_some_and(|area| area.is_over())
        {
            slot.finished = true;
            if slot.abandoned {
                self.release(id);
            }
        }
        true
    }

    /// Something about the first room of a connection.
    fn complete_room(&mut self, id: u32, message: &Message) -> Option<()> {
        let area = self.slot(id)?.area.as_mut()?;
        let room = area.request_of(message.header.socket.get())?;
        if is_final(message) {
            area.leave(room);
        }
        self.complete_request(room, message).then_some(())
    }

    /// A connection, which becomes a request of its own: that of its room.
    fn accepted(&mut self, id: u32, accepted: &Accepted, message: &Message) -> Option<()> {
        let area = self.slot(id)?.area.as_mut()?;
        let (range, place) = area.take(accepted.offset)?;
        let (room, slot) = self.open_slot(Accept::NUMBER, accepted.socket);
        slot.room = Some(Room::new(range));
        slot.reply = Some(*message);
        let slot = self.slot(id)?;
        let abandoned = slot.abandoned;
        let area = slot.area.as_mut()?;
        area.enter(place, room);
        if abandoned {
            self.leave(room);
        } else {
            area.accepted.push_back(room);
            self.wake_waiter(id);
        }
        Some(())
    }

    /// No more connections come; `left` rooms were given to none.
    fn stopped(&mut self, id: u32, left: u32, error: Error) -> Option<()> {
        let rest = self.slot(id)?.area.as_mut()?.stop(left, error)?;
        self.give(rest);
        self.wake_waiter(id);
        Some(())
    }

    fn wake_waiter(&mut self, id: u32) {
        if let Some(waker) = self.take_waiter(id) {
            waker.wake();
        }
    }

    /// As [`Self::complete`], for a stream's send that is done, by an answer that came along with another.
    fn complete_send(&mut self, id: u32) -> bool {
        let Some(slot) = self.slot(id) else {
            return true;
        };
        let Some(owed) = slot.owed else {
            return false;
        };
        self.settle(id, owed, Ok(()));
        true
    }

    /// As [`Self::complete`], for a request of its own.
    fn complete_request(&mut self, id: u32, message: &Message) -> bool {
        let Some(slot) = self.slot(id) else {
            return true;
        };
        if slot.finished || !slot.take(message) {
            return false;
        }
        if slot.is_tally {
            return true;
        }
        let finished = is_final(message);
        slot.finished = finished;
        // What was sent is free, whenever the program looks: others may wait for arena.
        let sent = slot.source.take_if(|_| finished);
        if !slot.abandoned {
            if let Some(waker) = slot.waker.take() {
                let was_awaited = slot.is_quiet();
                self.patient = self.patient.saturating_sub(was_awaited.into());
                waker.wake();
            }
        } else {
            self.close_orphan(id);
            if finished {
                self.release(id);
            }
        }
        if let Some(sent) = sent {
            self.free(sent);
        }
        true
    }
}
