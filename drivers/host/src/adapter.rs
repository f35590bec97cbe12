//! The contract of a link device, kept with the buffers of a process.
//!
//! *Owns* the buffers of both directions and the order of frames. How frames get in and out of the
//! process is a [`Port`]'s business.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use device::{Checksum, Device, Facts, Filled, ReceiveMeta, Received, Verified};

/// Frames in one call of the operating system, at most.
pub(crate) const BATCH: usize = 32;
/// Frames that wait to be sent, at most.
const TRANSMIT: usize = 256;
/// An Ethernet header with one VLAN tag, in bytes.
const HEADERS: usize = 18;

/// Room for one frame, and the frame in it.
#[derive(Debug)]
pub struct Buffer {
    bytes: Box<[u8]>,
    len: usize,
    checksum: Verified,
}

impl Buffer {
    fn new(mtu: u16) -> Self {
        Self {
            bytes: vec![0; usize::from(mtu) + HEADERS].into(),
            len: 0,
            checksum: Verified::No,
        }
    }

    /// The frame.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// All the room there is.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// A frame of `len` bytes has been written into the room; longer than the room it cannot be.
    pub fn filled(&mut self, len: usize, checksum: Verified) {
        self.len = len.min(self.bytes.len());
        self.checksum = checksum;
    }
}

/// A way for frames in and out of the process.
pub trait Port: AsFd {
    /// What it can do.
    fn facts(&self) -> Facts;

    /// Whether its interface is up and connected.
    fn is_up(&self) -> bool;

    /// Receives frames into the buffers, from the first on, without waiting. Returns how many.
    ///
    /// # Errors
    /// One frame was received and is not usable; there may be more.
    fn receive(&mut self, into: &mut [Buffer]) -> io::Result<usize>;

    /// Sends frames, from the first on, without waiting. Returns how many were taken.
    ///
    /// # Errors
    /// The first frame cannot be sent, now or later.
    fn send(&mut self, frames: &[Buffer]) -> io::Result<usize>;
}

/// A link device of the host.
#[derive(Debug)]
pub struct Adapter<P> {
    port: P,
    facts: Facts,
    is_up: bool,
    receive: Vec<Buffer>,
    /// A ring: `waiting` frames from `first` on are provided and not sent.
    transmit: Vec<Buffer>,
    first: usize,
    waiting: usize,
    /// How many were sent since they were last reaped.
    sent: usize,
    faults: u64,
}

impl<P: Port> Adapter<P> {
    /// Gives the port its buffers.
    #[must_use]
    pub fn new(port: P) -> Self {
        let facts = port.facts();
        let buffers = |count| (0..count).map(|_| Buffer::new(facts.mtu)).collect();
        Self {
            facts,
            is_up: port.is_up(),
            port,
            receive: buffers(BATCH),
            transmit: buffers(TRANSMIT),
            first: 0,
            waiting: 0,
            sent: 0,
            faults: 0,
        }
    }

    /// Sends what waits, as much as the port takes now.
    fn drain(&mut self) {
        while self.waiting > 0 {
            // Up to the end of the ring; the rest is next.
            let end = (self.first + self.waiting).min(self.transmit.len());
            let frames = self.transmit.get(self.first..end).unwrap_or_default();
            let done = match self.port.send(frames) {
                Ok(0) => return,
                Ok(taken) => taken.min(frames.len()),
                Err(_) => {
                    self.faults += 1;
                    1
                }
            };
            self.first = (self.first + done) % self.transmit.len();
            self.waiting -= done;
            self.sent += done;
        }
    }
}

impl<P: Port> Device for Adapter<P> {
    fn facts(&self) -> Facts {
        self.facts
    }

    fn link_up(&self) -> bool {
        self.is_up
    }

    fn reap_receive(&mut self, budget: usize, visit: &mut dyn FnMut(Received<'_>)) -> usize {
        let mut count = 0;
        while count < budget {
            let batch = BATCH.min(budget - count);
            let buffers = self.receive.get_mut(..batch).unwrap_or_default();
            let Ok(received) = self.port.receive(buffers) else {
                // It counts against the budget: a port that is broken holds nobody up.
                self.faults += 1;
                count += 1;
                continue;
            };
            for buffer in buffers.iter().take(received) {
                visit(Received {
                    frame: buffer.frame(),
                    rest: &[],
                    meta: ReceiveMeta {
                        checksum: buffer.checksum,
                        segment: 0,
                    },
                });
            }
            count += received;
            if received < batch {
                break;
            }
        }
        count
    }

    fn reap_transmit(&mut self) -> usize {
        std::mem::take(&mut self.sent)
    }

    fn transmit_room(&self) -> usize {
        self.transmit.len() - self.waiting
    }

    fn provide_transmit(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> Filled) -> bool {
        if self.transmit_room() == 0 {
            self.drain();
        }
        if self.transmit_room() == 0 {
            return false;
        }
        let place = (self.first + self.waiting) % self.transmit.len();
        let Some(buffer) = self.transmit.get_mut(place) else {
            return false;
        };
        match fill(buffer.room()) {
            Some((len, meta)) if meta.checksum == Checksum::Complete => {
                buffer.filled(len, Verified::No);
                self.waiting += 1;
                true
            }
            // No sums were promised.
            Some(_) => {
                self.faults += 1;
                false
            }
            None => false,
        }
    }

    fn flush(&mut self) {
        self.drain();
    }

    fn arm(&mut self) -> bool {
        // What is to be waited for is said in `wait`; here only whether there is need to.
        self.drain();
        crate::wait(&[self.port.as_fd()], Some(std::time::Duration::ZERO)).unwrap_or(false)
    }

    fn disarm(&mut self) {}

    fn interrupt(&mut self) {
        self.is_up = self.port.is_up();
    }

    fn faults(&self) -> u64 {
        self.faults
    }
}

impl<P: AsFd> AsFd for Adapter<P> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }
}

#[cfg(test)]
#[path = "adapter_tests.rs"]
mod tests;
