//! Commands to the device, by a queue of their own.
//!
//! *Owns* that queue and its one buffer, for as long as the device is being set up: afterwards there is
//! nothing to say. *Never* waits without a bound, nor believes an answer that was not written.
//! *Spec* 5.1.6.5 (control virtqueue), 5.1.6.5.6 (automatic receive steering).

use hardware::Dma;
use virtio::{Fault, Faults, InitError, Plan, Reset, SplitQueue, Transport};

/// Class and command: use so many pairs.
const USE_PAIRS: [u8; 2] = [4, 0];
/// Bytes of that command, and where the answer is.
const COMMAND_BYTES: usize = 4;
/// What a device answers that has done it, and what nobody answers.
const DONE: u8 = 0;
const UNANSWERED: u8 = 0xff;
/// How often the queue is looked at until there is an answer. QEMU answers from another thread, which
/// runs when a register is read.
const PATIENCE: u32 = 1_000_000;

/// The queue, before anything was asked.
pub struct Commands {
    queue: SplitQueue,
    buffer: Dma,
}

impl Commands {
    /// Sets the queue up.
    pub fn new<T: Transport>(
        transport: &mut T,
        plan: Plan,
        memory: &mut Dma,
        reset: &Reset,
    ) -> Result<Self, InitError> {
        let plan = Plan {
            header: COMMAND_BYTES,
            ..plan
        };
        let queue = SplitQueue::new(transport, plan, memory, reset)?;
        let buffer = memory.split_to(COMMAND_BYTES + 1);
        let buffer = buffer.ok_or(InitError::TooLittleMemory)?;
        Ok(Self { queue, buffer })
    }

    /// Tells the device to use so many pairs. Whether it does; if not, it goes on with the first.
    pub fn use_pairs<T: Transport>(
        self,
        transport: &mut T,
        pairs: usize,
        faults: &mut Faults,
    ) -> bool {
        let Self {
            mut queue,
            mut buffer,
        } = self;
        let [class, command] = USE_PAIRS;
        let [low, high] = u16::try_from(pairs).unwrap_or(u16::MAX).to_le_bytes();
        if let Some(bytes) = buffer.bytes_mut().first_chunk_mut() {
            *bytes = [class, command, low, high, UNANSWERED];
        }
        let length = buffer.len();
        if queue.provide(buffer, length).is_err() {
            return false;
        }
        if queue.publish() {
            transport.notify(queue.index());
        }
        for _ in 0..PATIENCE {
            if let Some(used) = queue.reap(faults) {
                let is_done = used.buffer.bytes().last() == Some(&DONE);
                if !is_done {
                    faults.count(Fault::Configuration);
                }
                return is_done;
            }
            if queue.is_broken() {
                return false;
            }
            let _status = transport.get_status();
        }
        faults.count(Fault::Configuration);
        false
    }
}
