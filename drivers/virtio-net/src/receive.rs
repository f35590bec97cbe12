//! Receiving: buffers go to the device empty and come back as frames.
//!
//! *Owns* the receive buffers: each is with the device, but for the moment of its visit.
//! *Invariant* a buffer that comes back goes to the device again, whatever was in it, and the
//! device is told: a drained ring fills up again.
//! *Spec* 5.1.6.3 (setting up receive buffers), 5.1.6.4 (processing of incoming packets).

use crate::header::{Format, received};
use alloc::vec::Vec;
use device::Received;
use hardware::Dma;
use virtio::{Fault, Faults, Reset, SplitQueue, Transport, Used};

/// Number of the receive queue.
pub(crate) const QUEUE: u16 = 0;

pub(crate) struct Receive {
    pub queue: SplitQueue,
    format: Format,
    /// The device vouches for checksums.
    vouches: bool,
    /// Buffers on their way to the device; empty but during (re)starts.
    spare: Vec<Dma>,
}

impl Receive {
    pub fn new(queue: SplitQueue, format: Format, vouches: bool, buffers: Vec<Dma>) -> Self {
        let mut receive = Self {
            queue,
            format,
            vouches,
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
            transport.notify(QUEUE);
        }
    }

    /// Hands at most `budget` frames to `visit`. Returns how many.
    pub fn reap<T: Transport>(
        &mut self,
        transport: &mut T,
        budget: usize,
        faults: &mut Faults,
        visit: &mut dyn FnMut(Received<'_>),
    ) -> usize {
        let mut frames = 0;
        while frames < budget {
            let Some(Used { buffer, written }) = self.queue.reap(faults) else {
                break;
            };
            // A length beyond the buffer was counted by the queue; the buffer itself is back.
            if let Some(written) = written {
                match self.open(&buffer, written) {
                    Ok(frame) => {
                        frames += 1;
                        visit(frame);
                    }
                    Err(fault) => faults.count(fault),
                }
            }
            let length = buffer.len();
            if let Err(buffer) = self.queue.provide(buffer, length) {
                self.spare.push(buffer);
            }
        }
        self.publish(transport);
        frames
    }

    /// The frame in a buffer.
    fn open<'a>(&self, buffer: &'a Dma, written: usize) -> Result<Received<'a>, Fault> {
        let split = self.format.split(buffer.bytes(), written);
        let (header, frame) = split.ok_or(Fault::Length)?;
        let meta = received(&header, frame, self.vouches).ok_or(Fault::Header)?;
        Ok(Received { frame, meta })
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
