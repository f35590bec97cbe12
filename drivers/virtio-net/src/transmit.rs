//! Sending: buffers go to the device full and come back empty.
//!
//! *Owns* the transmit buffers: each is spare, or has come back and waits in the queue, or is with the
//! device; and the tokens of frames that lie elsewhere too, until their owner has taken them back.
//! *Invariant* a token is told once, and not before the device has returned the frame or has been reset.
//! *Spec* 5.1.6.2 (packet transmission).
//!
//! The queue is quiet: buffers are taken back when the owner comes round or room is needed. Only
//! when a frame was refused, or its owner misses one, does the device have to say so.

use crate::header::{Format, to_send};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use device::{Cuts, Filled, Gathered, LONGEST_FRAME, PLACES, Places};
use hardware::Dma;
use virtio::{Faults, Piece, Reset, SplitQueue, Transport};

/// Pieces of a frame beside the front of its buffer: places, and the tail.
pub(crate) const PIECES: u16 = 17;
const _: () = assert!(PIECES as usize == PLACES + 1);

pub(crate) struct Transmit {
    pub queue: SplitQueue,
    headers: Headers,
    /// Frames may have pieces.
    gathers: bool,
    /// Buffers that are not in the queue.
    spare: Vec<Dma>,
    /// Buffers stay in the queue when they have come back: one descriptor each, until a frame is gathered.
    stay: bool,
    /// Those that wait there to be filled again.
    returned: Vec<u16>,
    /// A frame was refused for lack of room, and none has come since.
    refused: bool,
    /// Somebody waits for frames to come back, and none has come since.
    wanted: bool,
    /// The tokens of frames with the device, by their first descriptors.
    tokens: Box<[Option<u16>]>,
    /// How many there are.
    lent: usize,
    /// Tokens to be taken back.
    ended: Vec<u16>,
    /// Of the frame that is being put together.
    places: Places,
    pieces: Vec<Piece>,
}

/// How frames are told of to the device.
#[derive(Clone, Copy)]
struct Headers {
    format: Format,
    /// The device completes checksums.
    completes: bool,
    /// What the device cuts.
    cuts: Cuts,
}

impl Headers {
    /// Lets `fill` write a frame into a buffer, puts the header in front and returns the bytes of
    /// both. `None` when there is nothing to send, or nothing that can be sent.
    #[inline]
    fn write(self, buffer: &mut [u8], fill: &mut dyn FnMut(&mut [u8]) -> Filled) -> Option<usize> {
        let (header, frame) = buffer.split_at_mut_checked(self.format.bytes())?;
        let (length, meta) = fill(frame)?;
        let front = frame.get(..length).filter(|front| !front.is_empty())?;
        to_send(header, meta, (front, length), self.completes, self.cuts)?;
        Some(header.len() + length)
    }
}

impl Transmit {
    pub fn new(
        queue: SplitQueue,
        format: Format,
        (completes, cuts, gathers): (bool, Cuts, bool),
        mut buffers: Vec<Dma>,
    ) -> Self {
        for buffer in &mut buffers {
            // Headers begin as zeros; see `to_send`.
            if let Some(header) = buffer.bytes_mut().get_mut(..format.bytes()) {
                header.fill(0);
            }
        }
        Self {
            tokens: vec![None; queue.size()].into_boxed_slice(),
            lent: 0,
            ended: Vec::with_capacity(queue.capacity()),
            stay: queue.is_plain(),
            returned: Vec::with_capacity(queue.capacity()),
            queue,
            headers: Headers {
                format,
                completes,
                cuts,
            },
            gathers,
            spare: buffers,
            refused: false,
            wanted: false,
            places: Places::new(),
            pieces: Vec::with_capacity(PIECES.into()),
        }
    }

    pub fn room(&self) -> usize {
        self.spare.len() + self.returned.len()
    }

    /// Takes sent buffers back. Returns how many.
    pub fn reap(&mut self, faults: &mut Faults) -> usize {
        let before = self.room();
        if self.stay {
            while let Some(used) = self.queue.look_next(faults) {
                self.returned.push(used.number);
            }
        } else {
            while let Some(used) = self.queue.reap(faults) {
                if self.lent > 0 {
                    self.end(used.number);
                }
                self.spare.push(used.buffer);
            }
        }
        // A frame that the device never names again would keep others' memory for ever.
        if self.lent > 0 && self.queue.lost() > 0 {
            self.queue.give_up();
        }
        let reaped = self.room() - before;
        self.refused &= reaped == 0;
        self.wanted &= reaped == 0;
        reaped
    }

    /// The frame that began at this descriptor is the device's no more.
    #[inline]
    fn end(&mut self, number: u16) {
        let token = self.tokens.get_mut(usize::from(number));
        if let Some(token) = token.and_then(Option::take) {
            self.lent -= 1;
            self.ended.push(token);
        }
    }

    /// A token to be told.
    pub fn take_back(&mut self) -> Option<u16> {
        self.ended.pop()
    }

    /// Frames are gathered from now on, which wants all descriptors: no buffer stays in the queue.
    #[cold]
    fn take_out(&mut self) {
        self.stay = false;
        for number in self.returned.drain(..) {
            self.spare.extend(self.queue.take(number));
        }
    }

    /// A buffer to be filled that is not in the queue.
    fn spare(&mut self, faults: &mut Faults) -> Option<Dma> {
        if self.spare.is_empty() {
            self.reap(faults);
        }
        let buffer = self.spare.pop();
        self.refused |= buffer.is_none();
        buffer
    }

    /// Lets `fill` write a frame and gives it to the device.
    pub fn provide(
        &mut self,
        faults: &mut Faults,
        fill: &mut dyn FnMut(&mut [u8]) -> Filled,
    ) -> bool {
        if self.room() == 0 {
            self.reap(faults);
        }
        if let Some(number) = self.returned.pop() {
            let buffer = self.queue.bytes_mut(number);
            let bytes = self.headers.write(buffer, fill);
            let is_given = bytes.is_some_and(|bytes| self.queue.provide_part(number, bytes));
            if !is_given {
                self.returned.push(number);
            }
            return is_given;
        }
        let Some(mut buffer) = self.spare(faults) else {
            return false;
        };
        let Some(bytes) = self.headers.write(buffer.bytes_mut(), fill) else {
            self.spare.push(buffer);
            return false;
        };
        if let Err(buffer) = self.queue.provide(buffer, bytes) {
            self.spare.push(buffer);
            return false;
        }
        true
    }

    /// The same for a frame that may lie elsewhere too.
    pub fn provide_gathered(
        &mut self,
        faults: &mut Faults,
        fill: &mut dyn FnMut(&mut [u8], &mut Places) -> Option<Gathered>,
    ) -> bool {
        if !self.gathers {
            return false;
        }
        if self.stay {
            self.take_out();
        }
        if !self.queue.has_room_for(PIECES.into()) {
            self.reap(faults);
            if !self.queue.has_room_for(PIECES.into()) {
                self.refused = true;
                return false;
            }
        }
        let Some(mut buffer) = self.spare(faults) else {
            return false;
        };
        let header = self.headers.format.bytes();
        let room = buffer.bytes_mut().get_mut(header..).unwrap_or_default();
        self.places.clear();
        let Some(frame) = fill(room, &mut self.places) else {
            self.spare.push(buffer);
            return false;
        };
        let given = match self.lay_out(&mut buffer, &frame) {
            Some(bytes) => self.queue.provide_gathered(buffer, bytes, &self.pieces),
            None => Err(buffer),
        };
        match given {
            Ok(number) => {
                if let Some(token) = self.tokens.get_mut(usize::from(number)) {
                    *token = frame.token;
                    self.lent += usize::from(token.is_some());
                }
                true
            }
            Err(buffer) => {
                self.spare.push(buffer);
                self.ended.extend(frame.token);
                false
            }
        }
    }

    /// Puts the header in front of what was written, and lists the pieces behind that: its bytes.
    /// `None` when it cannot be sent.
    fn lay_out(&mut self, buffer: &mut Dma, frame: &Gathered) -> Option<usize> {
        let places = self.places.as_slice();
        let Headers {
            format,
            completes,
            cuts,
        } = self.headers;
        let at = format.bytes();
        let physical = buffer.physical();
        let (header, room) = buffer.bytes_mut().split_at_mut_checked(at)?;
        let front = room.get(..frame.head).filter(|front| !front.is_empty())?;
        let written = frame.head.checked_add(frame.tail)?;
        let most = if frame.meta.segment > 0 {
            LONGEST_FRAME
        } else {
            room.len()
        };
        let mut length = written;
        for place in places {
            length = length.checked_add(place.length as usize)?;
        }
        if written > room.len() || length > most || places.is_empty() && frame.tail > 0 {
            return None;
        }
        let front = (front, length);
        to_send(header, frame.meta, front, completes, cuts)?;
        self.pieces.clear();
        self.pieces.extend(places.iter().map(|place| Piece {
            physical: place.physical,
            length: place.length,
        }));
        if frame.tail > 0 {
            self.pieces.push(Piece {
                physical: physical + (at + frame.head) as u64,
                length: u32::try_from(frame.tail).ok()?,
            });
        }
        Some(at + frame.head)
    }

    /// Shows the device the frames provided since the last time.
    pub fn flush<T: Transport>(&mut self, transport: &mut T) {
        if self.queue.publish() {
            transport.notify(self.queue.index());
        }
    }

    /// Frames are missed.
    pub fn want_back(&mut self) {
        self.wanted = true;
    }

    /// If frames are missed: asks to be told when one comes; if a frame was refused: when half of what
    /// is in flight has been sent. Returns whether it has been already.
    pub fn arm(&mut self) -> bool {
        if self.wanted {
            self.queue.arm(1)
        } else {
            self.refused && self.queue.arm(self.queue.outstanding() / 2)
        }
    }

    /// Whether [`Self::arm`] asks for something.
    pub fn is_awaited(&self) -> bool {
        self.wanted || self.refused
    }

    /// Takes all buffers back from a device that has been reset.
    pub fn recall(&mut self, reset: &Reset) {
        while let Some(buffer) = self.queue.recall(reset) {
            self.spare.push(buffer);
        }
        self.returned.clear();
        for token in &mut self.tokens {
            self.ended.extend(token.take());
        }
        self.lent = 0;
        self.refused = false;
        self.wanted = false;
    }
}
