//! VirtIO entropy driver without system calls.
//!
//! *Owns* one entropy device: a queue with a single buffer of [`BLOCK`] bytes.
//! *Never* waits without a bound, and never passes on bytes that the device did not say it wrote.
//! *Spec* VirtIO 1.3, section 5.4 (entropy device).
//!
//! What comes out is what the host says is random. It is to seed a generator together with other
//! sources, not to be used as keys.
#![no_std]
#![forbid(unsafe_code)]

use core::fmt;
use hardware::Dma;
use virtio::{
    DeviceType, Direction, Faults, InitError, Plan, Reset, SplitQueue, Transport, go, negotiate,
    queue_bytes,
};

/// Bytes asked for at once.
pub const BLOCK: usize = 64;
/// Bytes of memory that the driver needs, wherever the memory begins.
pub const MEMORY: usize = 4096 + queue_bytes(1) + BLOCK;
/// How often [`Entropy::fill`] looks for an answer before it gives up: some tenths of a second
/// under emulation, where hosts answer within a millisecond.
pub const PATIENCE: u32 = 20_000_000;

/// Number of the only queue (5.4.2).
const QUEUE: u16 = 0;

/// Why there is no entropy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntropyError {
    /// The device did not answer in time; the host may have run out of entropy.
    Silent,
    /// The device broke the rules of its queue, or keeps returning nothing.
    Broken,
    /// The bytes are all the same: the source is stuck.
    Stuck,
}

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "the entropy device does not answer",
            Self::Broken => "the entropy device breaks the rules",
            Self::Stuck => "the entropy device is stuck",
        })
    }
}

impl core::error::Error for EntropyError {}

/// A VirtIO entropy device. Dropping it resets the device (the transport does).
pub struct Entropy<T: Transport> {
    transport: T,
    queue: SplitQueue,
    /// Here unless the device has it.
    buffer: Option<Dma>,
    faults: Faults,
}

impl<T: Transport> Entropy<T> {
    /// Resets the device behind `transport` and starts it with a queue in `memory`
    /// ([`MEMORY`] bytes).
    ///
    /// # Errors
    ///
    /// When it is no entropy device, does not follow the rules, or memory is too small.
    pub fn new(mut transport: T, mut memory: Dma) -> Result<Self, InitError> {
        let reset = agree(&mut transport)?;
        let plan = Plan {
            index: QUEUE,
            buffers: 1,
            direction: Direction::FromDevice,
            event_index: false,
            header: 0,
            pieces: 0,
            indirect: false,
            quiet: true,
        };
        let queue = SplitQueue::new(&mut transport, plan, &mut memory, &reset)?;
        let buffer = memory.split_to(BLOCK).ok_or(InitError::TooLittleMemory)?;
        go(&mut transport, reset);
        Ok(Self {
            transport,
            queue,
            buffer: Some(buffer),
            faults: Faults::default(),
        })
    }

    /// Fills `out` with entropy, asking as often as it takes, each time with a bound on waiting.
    ///
    /// # Errors
    ///
    /// When the device fails; what is in `out` then is to be thrown away. After
    /// [`EntropyError::Silent`] the next call goes on waiting.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.fill_within(out, PATIENCE)
    }

    /// [`Self::fill`] with another bound: how often to look for each answer.
    ///
    /// # Errors
    ///
    /// As [`Self::fill`].
    pub fn fill_within(&mut self, out: &mut [u8], patience: u32) -> Result<(), EntropyError> {
        /// Empty answers that are put up with in a row.
        const EMPTY: u32 = 8;
        let mut rest = out;
        let mut empty = 0;
        while !rest.is_empty() {
            self.request(rest.len())?;
            let bytes = self.collect(rest, patience)?;
            empty = if bytes == 0 { empty + 1 } else { 0 };
            if empty == EMPTY {
                return Err(EntropyError::Broken);
            }
            rest = rest.get_mut(bytes..).unwrap_or_default();
        }
        Ok(())
    }

    /// Asks for entropy, unless the device has been asked and has not answered.
    fn request(&mut self, wanted: usize) -> Result<(), EntropyError> {
        if self.queue.is_broken() {
            self.restart().map_err(|_| EntropyError::Broken)?;
        }
        let Some(mut buffer) = self.buffer.take() else {
            return Ok(());
        };
        // Nothing of an earlier answer may pass for a new one.
        buffer.bytes_mut().fill(0);
        if let Err(buffer) = self.queue.provide(buffer, wanted.clamp(1, BLOCK)) {
            self.buffer = Some(buffer);
            return Err(EntropyError::Broken);
        }
        if self.queue.publish() {
            self.transport.notify(QUEUE);
        }
        Ok(())
    }

    /// Waits for the answer and copies it to the front of `out`. Returns how many bytes.
    fn collect(&mut self, out: &mut [u8], patience: u32) -> Result<usize, EntropyError> {
        for _ in 0..patience {
            let Some(used) = self.queue.reap(&mut self.faults) else {
                if self.queue.is_broken() {
                    return Err(EntropyError::Broken);
                }
                core::hint::spin_loop();
                continue;
            };
            let buffer = self.buffer.insert(used.buffer);
            let written = used.written.ok_or(EntropyError::Broken)?;
            let bytes = written.min(out.len());
            let (Some(from), Some(to)) = (buffer.bytes().get(..bytes), out.get_mut(..bytes)) else {
                return Err(EntropyError::Broken);
            };
            if is_stuck(from) {
                return Err(EntropyError::Stuck);
            }
            to.copy_from_slice(from);
            // The answer is a secret; the device's memory is to keep nothing of it.
            buffer.bytes_mut().fill(0);
            return Ok(bytes);
        }
        Err(EntropyError::Silent)
    }

    /// Sets the device up anew after it broke its queue.
    fn restart(&mut self) -> Result<(), InitError> {
        let reset = agree(&mut self.transport)?;
        if let Some(buffer) = self.queue.recall(&reset) {
            self.buffer = Some(buffer);
        }
        self.queue.register(&mut self.transport, &reset)?;
        go(&mut self.transport, reset);
        Ok(())
    }
}

/// The device has no features of its own (5.4.3). The event index is worth nothing to one buffer.
fn agree<T: Transport>(transport: &mut T) -> Result<Reset, InitError> {
    let (_, reset) = negotiate(transport, DeviceType::EntropySource, |_, _| 0)?;
    Ok(reset)
}

/// Whether an answer is so long and so uniform that it cannot be random: with 16 bytes once in
/// 2^120 answers.
fn is_stuck(bytes: &[u8]) -> bool {
    const ENOUGH: usize = 16;
    bytes.len() >= ENOUGH && bytes.windows(2).all(|pair| pair[0] == pair[1])
}
