//! Receiving: buffers go to the device empty and come back as frames.
//!
//! *Owns* the receive buffers: each is with the device, but for the moment of its visit.
//! *Invariant* a buffer that comes back goes to the device again, whatever was in it, and the
//! device is told: a drained ring fills up again. *Never* shows a byte that the device has not
//! written: buffers still hold what came before.
//! *Spec* 5.1.6.3 (setting up receive buffers), 5.1.6.4 (processing of incoming packets).

use crate::features::MERGED_BUFFERS;
use crate::header::{Format, buffers, received};
use alloc::vec::Vec;
use device::{FIRST_PIECE, LONGEST_FRAME, Received};
use hardware::Dma;
use virtio::{Fault, Faults, Reset, Returned, SplitQueue, Transport};

/// Most buffers of a frame: twice what the longest needs, because a device need not fill all.
const MOST: usize = 18;

pub(crate) struct Receive {
    pub queue: SplitQueue,
    format: Format,
    /// Features that were agreed on.
    accepted: u64,
    /// Buffers on their way to the device; empty but during (re)starts.
    spare: Vec<Dma>,
}

/// What was found in a buffer.
enum Opened {
    /// A frame, which was shown.
    Frame,
    /// The first of so many buffers of a frame.
    Several(usize),
    /// Nothing.
    Fault(Fault),
}

impl Receive {
    pub fn new(queue: SplitQueue, format: Format, accepted: u64, buffers: Vec<Dma>) -> Self {
        let mut receive = Self {
            queue,
            format,
            accepted,
            spare: buffers,
        };
        receive.provide();
        receive
    }

    /// Gives all spare buffers to the device.
    fn provide(&mut self) {
        while let Some(buffer) = self.spare.pop() {
            let length = buffer.len();
            if let Err(buffer) = self.queue.provide(buffer, length) {
                self.spare.push(buffer);
                return;
            }
        }
    }

    /// Shows the device its new buffers.
    pub fn publish<T: Transport>(&mut self, transport: &mut T) {
        if self.queue.publish() {
            transport.notify(self.queue.index());
        }
    }

    /// Hands frames to `visit` until `budget` buffers are used up. Returns how many frames.
    pub fn reap<T: Transport>(
        &mut self,
        transport: &mut T,
        budget: usize,
        faults: &mut Faults,
        visit: &mut dyn FnMut(Received<'_>),
    ) -> usize {
        // What comes meanwhile is found by the next call, or by the look before a sleep.
        if !self.queue.next_used(faults) {
            return 0;
        }
        let (mut frames, mut taken) = (0, 0);
        while taken < budget && !self.queue.is_drained() {
            let Some(Returned { number, written }) = self.queue.look_one(faults) else {
                continue;
            };
            taken += 1;
            // A length beyond the buffer was counted by the queue; the buffer itself is back.
            if let Some(written) = written {
                match self.open(number, written, visit) {
                    Opened::Frame => frames += 1,
                    Opened::Several(count) => {
                        let is_frame = self.merge((number, written), count, faults, visit);
                        frames += usize::from(is_frame);
                        taken += count - 1;
                        continue;
                    }
                    Opened::Fault(fault) => faults.count(fault),
                }
            }
            self.queue.provide_again(number);
        }
        self.publish(transport);
        frames
    }

    /// Shows the frame in a buffer.
    #[inline]
    fn open(&self, number: u16, written: usize, visit: &mut dyn FnMut(Received<'_>)) -> Opened {
        let buffer = self.queue.bytes(number);
        let Some((header, frame)) = self.format.split(buffer, written) else {
            return Opened::Fault(Fault::Length);
        };
        if self.accepted & MERGED_BUFFERS != 0 {
            match buffers(buffer) {
                1 => {}
                0 => return Opened::Fault(Fault::Buffers),
                count => return Opened::Several(count),
            }
        }
        let Some(meta) = received(&header, frame.len(), self.accepted) else {
            return Opened::Fault(Fault::Header);
        };
        visit(Received {
            frame,
            rest: &[],
            meta,
        });
        Opened::Frame
    }

    /// Takes the other buffers of a frame of `count` and shows it. Returns whether it was one.
    #[inline(never)]
    fn merge(
        &mut self,
        first: (u16, usize),
        count: usize,
        faults: &mut Faults,
        visit: &mut dyn FnMut(Received<'_>),
    ) -> bool {
        // 5.1.6.4.1: a device shows all buffers of a frame at once. If it has not, nobody knows where
        // the next frame begins.
        if self.queue.ready(faults) < count - 1 {
            faults.count(Fault::Buffers);
            self.queue.provide_again(first.0);
            self.queue.give_up();
            return false;
        }
        let mut is_sound = count <= MOST;
        if !is_sound {
            faults.count(Fault::Buffers);
        }
        // The buffers, and the bytes written in each.
        let (mut held, mut len) = ([first; MOST], 1);
        for _ in 1..count {
            // What is no buffer, or too long, was counted by the queue.
            let Some(Returned { number, written }) = self.queue.look_one(faults) else {
                is_sound = false;
                continue;
            };
            is_sound &= written.is_some();
            match held.get_mut(len).filter(|_| is_sound) {
                Some(place) => {
                    *place = (number, written.unwrap_or(0));
                    len += 1;
                }
                None => self.queue.provide_again(number),
            }
        }
        let held = held.get(..len).unwrap_or_default();
        if is_sound && let Err(fault) = self.show(held, visit) {
            faults.count(fault);
            is_sound = false;
        }
        for (number, _) in held {
            self.queue.provide_again(*number);
        }
        is_sound
    }

    /// Shows the frame in these buffers, of which so many bytes were written.
    fn show(
        &self,
        held: &[(u16, usize)],
        visit: &mut dyn FnMut(Received<'_>),
    ) -> Result<(), Fault> {
        let mut pieces: [&[u8]; MOST] = [&[]; MOST];
        let mut length = 0;
        for (piece, (number, written)) in pieces.iter_mut().zip(held) {
            let bytes = self.queue.bytes(*number);
            *piece = bytes.get(..*written).ok_or(Fault::Length)?;
            length += written;
        }
        let pieces = pieces.get(..held.len()).unwrap_or_default();
        let (first, rest) = pieces.split_first().ok_or(Fault::Buffers)?;
        let split = self.format.split(first, first.len());
        let (header, frame) = split.ok_or(Fault::Length)?;
        let length = length - self.format.bytes();
        // Whoever reads headers finds them in one piece.
        if frame.len() < FIRST_PIECE || length > LONGEST_FRAME {
            return Err(Fault::Length);
        }
        let meta = received(&header, length, self.accepted).ok_or(Fault::Header)?;
        visit(Received { frame, rest, meta });
        Ok(())
    }

    /// Takes all buffers back from a device that has been reset; [`Self::resume`] gives them out
    /// again.
    pub fn recall(&mut self, reset: &Reset) {
        while let Some(buffer) = self.queue.recall(reset) {
            self.spare.push(buffer);
        }
    }

    /// Fills the queue after it has been registered again.
    pub fn resume(&mut self) {
        self.provide();
    }
}
