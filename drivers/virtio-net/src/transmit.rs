//! Sending: buffers go to the device full and come back empty.
//!
//! *Owns* the transmit buffers: each is spare or with the device.
//! *Spec* 5.1.6.2 (packet transmission).
//!
//! The queue is quiet: buffers are taken back when the owner comes round or room is needed. Only
//! when a frame was refused does the device have to say that there is room again.

use crate::header::{Format, to_send};
use alloc::vec::Vec;
use device::Filled;
use hardware::Dma;
use virtio::{Faults, Reset, SplitQueue, Transport};

pub(crate) struct Transmit {
    pub queue: SplitQueue,
    format: Format,
    /// The device completes checksums.
    completes: bool,
    spare: Vec<Dma>,
    /// A frame was refused for lack of room, and none has come since.
    refused: bool,
}

impl Transmit {
    pub fn new(queue: SplitQueue, format: Format, completes: bool, mut buffers: Vec<Dma>) -> Self {
        for buffer in &mut buffers {
            // Headers begin as zeros; see `to_send`.
            if let Some(header) = buffer.bytes_mut().get_mut(..format.bytes()) {
                header.fill(0);
            }
        }
        Self {
            queue,
            format,
            completes,
            spare: buffers,
            refused: false,
        }
    }

    pub fn room(&self) -> usize {
        self.spare.len()
    }

    /// Takes sent buffers back. Returns how many.
    pub fn reap(&mut self, faults: &mut Faults) -> usize {
        let before = self.spare.len();
        while let Some(used) = self.queue.reap(faults) {
            self.spare.push(used.buffer);
        }
        let reaped = self.spare.len() - before;
        self.refused &= reaped == 0;
        reaped
    }

    /// Lets `fill` write a frame and gives it to the device.
    pub fn provide(
        &mut self,
        faults: &mut Faults,
        fill: &mut dyn FnMut(&mut [u8]) -> Filled,
    ) -> bool {
        if self.spare.is_empty() {
            self.reap(faults);
        }
        let Some(mut buffer) = self.spare.pop() else {
            self.refused = true;
            return false;
        };
        let Some(bytes) = self.write(&mut buffer, fill) else {
            self.spare.push(buffer);
            return false;
        };
        if let Err(buffer) = self.queue.provide(buffer, bytes) {
            self.spare.push(buffer);
            return false;
        }
        true
    }

    /// Lets `fill` write a frame into a buffer, puts the header in front and returns the bytes of
    /// both. `None` when there is nothing to send, or nothing that can be sent.
    fn write(&self, buffer: &mut Dma, fill: &mut dyn FnMut(&mut [u8]) -> Filled) -> Option<usize> {
        let (header, frame) = buffer
            .bytes_mut()
            .split_at_mut_checked(self.format.bytes())?;
        let (length, meta) = fill(frame)?;
        if length == 0 || length > frame.len() {
            return None;
        }
        to_send(header, meta, length, self.completes)?;
        Some(header.len() + length)
    }

    /// Shows the device the frames provided since the last time.
    pub fn flush<T: Transport>(&mut self, transport: &mut T) {
        if self.queue.publish() {
            transport.notify(self.queue.index());
        }
    }

    /// If a frame was refused: asks to be told when half of what is in flight has been sent.
    /// Returns whether it has been already.
    pub fn arm(&mut self) -> bool {
        self.refused && self.queue.arm(self.queue.outstanding() / 2)
    }

    /// Takes all buffers back from a device that has been reset.
    pub fn recall(&mut self, reset: &Reset) {
        while let Some(buffer) = self.queue.recall(reset) {
            self.spare.push(buffer);
        }
        self.refused = false;
    }
}
