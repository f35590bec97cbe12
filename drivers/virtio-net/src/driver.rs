//! The device object: from a window and some memory to a [`Device`].
//!
//! *Owns* transport and queues, the facts, the link's state and the counters of faults.
//! *Invariant* a device that breaks its rings or asks for it is reset and set up anew with the
//! same facts; one that does so twice without having moved a frame between is given up, and the
//! link is down for good.

use crate::config::{
    CELL_ALIGNMENT, Config, LINK_BYTES, MERGED_CELL, USUAL_MTU, cell_bytes, cell_front,
};
use crate::features::{CHECKSUM, MERGED_BUFFERS, features, offloads};
use crate::header::Format;
use crate::receive::{self, Receive};
use crate::space::{self, Stated};
use crate::transmit::{self, Transmit};
use alloc::vec::Vec;
use device::{Device, Facts, Filled, Offload, Received};
use hardware::Dma;
use virtio::{
    ANY_LAYOUT, DeviceStatus, DeviceType, Direction, EVENT_INDEX, Fault, Faults, InitError,
    InterruptStatus, Plan, SplitQueue, Transport, VERSION_1, give_up, go, negotiate, reset_device,
};

/// Fewest buffers each way with which the driver begins.
const FEWEST: usize = 2;

/// A VirtIO network device. Dropping it resets the device (the transport does).
pub struct VirtioNet<T: Transport> {
    transport: T,
    accepted: u64,
    facts: Facts,
    receive: Receive,
    transmit: Transmit,
    link: Link,
    faults: Faults,
    restarts: u64,
    /// Something was moved since the device was last set up.
    moved: bool,
}

/// What is known of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Up,
    Down,
    /// The device was given up.
    Dead,
}

impl<T: Transport> VirtioNet<T> {
    /// Resets the device behind `transport`, agrees on features, lays rings and buffers out in
    /// `memory` ([`Config::memory`] bytes; with less there are fewer buffers) and starts it.
    ///
    /// # Errors
    ///
    /// When it is no network device, does not follow the rules, or memory is too small.
    pub fn new(mut transport: T, mut memory: Dma, config: Config) -> Result<Self, InitError> {
        let mut faults = Faults::default();
        let choose = |transport: &T, offered| {
            let stated = space::mtu(transport, offered);
            if stated == Stated::Impossible {
                faults.count(Fault::Configuration);
            }
            let fits = matches!(stated, Stated::Value(mtu) if mtu <= config.largest_mtu);
            features(offered, &config, fits)
        };
        let (accepted, reset) = negotiate(&mut transport, DeviceType::Network, choose)?;
        let facts = facts(&transport, accepted, &config, &mut faults);

        let modern = accepted & VERSION_1 != 0;
        let merged = accepted & MERGED_BUFFERS != 0;
        let format = if modern || merged {
            Format::Long
        } else {
            Format::Short
        };
        let whole = modern || accepted & ANY_LAYOUT != 0;
        let plan = |index, buffers, direction| Plan {
            index,
            buffers,
            direction,
            event_index: accepted & EVENT_INDEX != 0,
            header: if whole { 0 } else { format.bytes() },
            pieces: 0,
            indirect: false,
            quiet: facts.offloads.has(Offload::Quiet),
        };
        let inward = plan(
            receive::QUEUE,
            config.receive_buffers,
            Direction::FromDevice,
        );
        let outward = plan(
            transmit::QUEUE,
            config.transmit_buffers,
            Direction::ToDevice,
        );
        let inward = SplitQueue::new(&mut transport, inward, &mut memory, &reset)?;
        let outward = SplitQueue::new(&mut transport, outward, &mut memory, &reset)?;

        let mut cells = Cells::new(memory)?;
        let frame = Shape::frame(facts.mtu, format);
        let outward_cells = cells.take(frame, outward.capacity().min(cells.count(frame) / 2));
        let part = if merged { Shape::part(format) } else { frame };
        let inward_cells = cells.take(part, inward.capacity());
        if outward_cells.len() < FEWEST || inward_cells.len() < FEWEST {
            return Err(InitError::TooLittleMemory);
        }
        let completes = accepted & CHECKSUM != 0;
        let mut driver = Self {
            transport,
            accepted,
            facts,
            receive: Receive::new(inward, format, accepted, inward_cells),
            transmit: Transmit::new(outward, format, completes, outward_cells),
            link: Link::Down,
            faults,
            restarts: 0,
            moved: false,
        };
        go(&mut driver.transport, reset);
        driver.receive.publish(&mut driver.transport);
        driver.look_at_link();
        Ok(driver)
    }

    /// Features that were agreed on.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// What the device did wrong, by kind.
    #[must_use]
    pub fn fault_counters(&self) -> &Faults {
        &self.faults
    }

    /// How often the device had to be set up anew.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    fn look_at_link(&mut self) {
        self.link = match space::link_up(&self.transport, self.accepted) {
            // 5.1.4.2: without a status the link is assumed to be up.
            Stated::Nothing | Stated::Value(true) => Link::Up,
            Stated::Value(false) => Link::Down,
            Stated::Impossible => {
                self.faults.count(Fault::Configuration);
                self.link
            }
        };
    }

    /// Recovers from what the device did to its rings. Returns whether there was anything.
    fn mend(&mut self) -> bool {
        let broken = self.receive.queue.is_broken() || self.transmit.queue.is_broken();
        if broken {
            self.recover();
        }
        broken
    }

    /// Sets a broken device up anew, or gives it up.
    fn recover(&mut self) {
        if self.link == Link::Dead {
            return;
        }
        let progress = core::mem::take(&mut self.moved);
        if (progress || self.restarts == 0) && self.restart().is_ok() {
            return;
        }
        self.link = Link::Dead;
        self.faults.count(Fault::NeedsReset);
        // It may refuse even this; its buffers stay with it for ever.
        if reset_device(&mut self.transport).is_ok() {
            give_up(&mut self.transport);
        }
    }

    /// Negotiates the same features again and gives all buffers out anew. What was in flight is
    /// lost, as on a wire.
    fn restart(&mut self) -> Result<(), InitError> {
        self.restarts = self.restarts.saturating_add(1);
        let wanted = self.accepted;
        let same = |_: &T, offered| wanted & offered;
        let (accepted, reset) = negotiate(&mut self.transport, DeviceType::Network, same)?;
        if accepted != wanted {
            return Err(InitError::FeaturesRefused);
        }
        self.receive.recall(&reset);
        self.transmit.recall(&reset);
        self.receive.queue.register(&mut self.transport, &reset)?;
        self.transmit.queue.register(&mut self.transport, &reset)?;
        self.receive.resume();
        go(&mut self.transport, reset);
        self.receive.publish(&mut self.transport);
        self.look_at_link();
        Ok(())
    }
}

/// What the device is, as far as it can be believed.
fn facts<T: Transport>(
    transport: &T,
    accepted: u64,
    config: &Config,
    faults: &mut Faults,
) -> Facts {
    let mac = match space::mac(transport, accepted) {
        Stated::Value(mac) => mac,
        Stated::Nothing => config.fallback_mac,
        Stated::Impossible => {
            faults.count(Fault::Configuration);
            config.fallback_mac
        }
    };
    let mtu = match space::mtu(transport, accepted) {
        Stated::Value(mtu) => mtu,
        Stated::Nothing | Stated::Impossible => USUAL_MTU,
    };
    Facts {
        mac,
        // It may have changed since it was agreed on.
        mtu: mtu.min(config.largest_mtu),
        offloads: offloads(accepted, config.offloads),
    }
}

/// How a buffer lies in its cell.
#[derive(Clone, Copy)]
struct Shape {
    /// Bytes of the cell.
    cell: usize,
    /// Bytes left free in front.
    front: usize,
    /// Bytes of the buffer.
    buffer: usize,
}

impl Shape {
    /// One header and one frame.
    fn frame(mtu: u16, format: Format) -> Self {
        Self {
            cell: cell_bytes(mtu),
            front: cell_front(format.bytes()),
            buffer: format.bytes() + LINK_BYTES + usize::from(mtu),
        }
    }

    /// As much as the cell holds, of a frame that takes as many of them as it needs.
    fn part(format: Format) -> Self {
        let front = cell_front(format.bytes());
        Self {
            cell: MERGED_CELL,
            front,
            buffer: MERGED_CELL - front,
        }
    }
}

/// Memory to be cut into buffers.
struct Cells(Dma);

impl Cells {
    fn new(mut memory: Dma) -> Result<Self, InitError> {
        if !memory.align_to(CELL_ALIGNMENT) {
            return Err(InitError::TooLittleMemory);
        }
        Ok(Self(memory))
    }

    fn count(&self, shape: Shape) -> usize {
        self.0.len() / shape.cell
    }

    /// Cuts at most `most` buffers off.
    fn take(&mut self, shape: Shape, most: usize) -> Vec<Dma> {
        let one = |_| {
            let mut cell = self.0.split_to(shape.cell)?;
            let _front = cell.split_to(shape.front)?;
            cell.split_to(shape.buffer)
        };
        (0..most).map_while(one).collect()
    }
}

impl<T: Transport> Device for VirtioNet<T> {
    fn facts(&self) -> Facts {
        self.facts
    }

    fn link_up(&self) -> bool {
        self.link == Link::Up
    }

    fn reap_receive(&mut self, budget: usize, visit: &mut dyn FnMut(Received<'_>)) -> usize {
        if self.link == Link::Dead {
            return 0;
        }
        let Self {
            transport,
            receive,
            faults,
            ..
        } = self;
        let frames = receive.reap(transport, budget, faults, visit);
        self.moved |= frames != 0;
        self.mend();
        frames
    }

    fn reap_transmit(&mut self) -> usize {
        if self.link == Link::Dead {
            return 0;
        }
        let buffers = self.transmit.reap(&mut self.faults);
        self.moved |= buffers != 0;
        self.mend();
        buffers
    }

    fn transmit_room(&self) -> usize {
        if self.link == Link::Dead {
            return 0;
        }
        self.transmit.room()
    }

    fn provide_transmit(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> Filled) -> bool {
        self.link != Link::Dead && self.transmit.provide(&mut self.faults, fill)
    }

    fn flush(&mut self) {
        if self.link != Link::Dead {
            self.transmit.flush(&mut self.transport);
        }
    }

    fn arm(&mut self) -> bool {
        if self.link == Link::Dead {
            return false;
        }
        if self.mend() {
            return true;
        }
        let frames = self.receive.queue.arm(1);
        let room = self.transmit.arm();
        frames || room
    }

    fn disarm(&mut self) {
        self.receive.queue.disarm();
        self.transmit.queue.disarm();
    }

    fn interrupt(&mut self) {
        let reasons = self.transport.ack_interrupt();
        if !reasons.contains(InterruptStatus::DEVICE_CONFIGURATION_INTERRUPT) {
            return;
        }
        // 2.1.2: a device in trouble says so by its status and a configuration change.
        if self
            .transport
            .get_status()
            .contains(DeviceStatus::DEVICE_NEEDS_RESET)
        {
            self.faults.count(Fault::NeedsReset);
            self.recover();
        } else if self.link != Link::Dead {
            self.look_at_link();
        }
    }

    fn faults(&self) -> u64 {
        self.faults.total()
    }
}
