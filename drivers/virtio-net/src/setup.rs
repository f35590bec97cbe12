//! Setting a device up: from its features and some memory to queues with their buffers.
//!
//! *Owns* how the memory is divided. *Invariant* the device has seen no buffer yet when this is done:
//! its owner lets it go.

use crate::commands::Commands;
use crate::config::{CELL_ALIGNMENT, Config, LINK_BYTES, MERGED_CELL, cell_bytes, cell_front};
use crate::features::{CHECKSUM, MERGED_BUFFERS, cuts, features, offloads};
use crate::header::Format;
use crate::receive::Receive;
use crate::space::{self, Stated};
use crate::transmit::{PIECES, Transmit};
use alloc::vec::Vec;
use device::{Facts, Offload, PLACES};
use hardware::Dma;
use virtio::{
    ANY_LAYOUT, DeviceType, Direction, EVENT_INDEX, Fault, Faults, InitError, Plan, Reset,
    SplitQueue, Transport, VERSION_1, negotiate,
};

/// Fewest buffers each way with which the driver begins.
const FEWEST: usize = 2;

/// A device that may be let go.
pub struct SetUp {
    pub accepted: u64,
    pub facts: Facts,
    pub faults: Faults,
    pub pairs: Vec<(Receive, Transmit)>,
    /// Of a device with several pairs, of which it uses the first until it is told otherwise.
    pub commands: Option<Commands>,
    pub reset: Reset,
}

/// Resets the device, agrees on features, and lays rings and buffers out in `memory`.
pub fn set_up<T: Transport>(
    transport: &mut T,
    mut memory: Dma,
    config: &Config,
) -> Result<SetUp, InitError> {
    let mut faults = Faults::default();
    let mut stated_pairs = 1;
    let choose = |transport: &T, offered| {
        let mtu = space::mtu(transport, offered);
        let pairs = space::pairs(transport, offered);
        for is_impossible in [mtu == Stated::Impossible, pairs == Stated::Impossible] {
            if is_impossible {
                faults.count(Fault::Configuration);
            }
        }
        let fits = matches!(mtu, Stated::Value(mtu) if mtu <= config.largest_mtu);
        if let Stated::Value(pairs) = pairs {
            stated_pairs = pairs;
        }
        features(offered, config, fits, config.pairs.min(stated_pairs))
    };
    let (accepted, reset) = negotiate(transport, DeviceType::Network, choose)?;
    let facts = facts(transport, accepted, config, &mut faults);
    let count = if facts.offloads.has(Offload::QueuePairs) {
        config.pairs.min(stated_pairs)
    } else {
        1
    };

    let format = Format::agreed(accepted);
    let merged = accepted & MERGED_BUFFERS != 0;
    let whole = accepted & (VERSION_1 | ANY_LAYOUT) != 0;
    let gathers = facts.offloads.has(Offload::Gather);
    let plan = |index, buffers, direction| Plan {
        index,
        buffers,
        direction,
        event_index: accepted & EVENT_INDEX != 0,
        header: if whole { 0 } else { format.bytes() },
        pieces: if gathers && direction == Direction::ToDevice {
            PIECES
        } else {
            0
        },
        indirect: facts.offloads.has(Offload::Indirect),
        quiet: facts.offloads.has(Offload::Quiet),
    };
    let mut queues = Vec::with_capacity(count.into());
    for pair in 0..count {
        // 5.1.2: receive and transmit queues take turns.
        let inward = plan(2 * pair, config.receive_buffers, Direction::FromDevice);
        let outward = plan(2 * pair + 1, config.transmit_buffers, Direction::ToDevice);
        let inward = SplitQueue::new(transport, inward, &mut memory, &reset)?;
        let outward = SplitQueue::new(transport, outward, &mut memory, &reset)?;
        queues.push((inward, outward));
    }
    let commands = if count > 1 {
        // 5.1.2: behind all that the device has, used or not.
        let plan = plan(2 * stated_pairs, 1, Direction::Both);
        Some(Commands::new(transport, plan, &mut memory, &reset)?)
    } else {
        None
    };

    let shapes = (
        if merged {
            Shape::part(format)
        } else {
            Shape::frame(facts.mtu, format)
        },
        Shape::frame(facts.mtu, format),
    );
    let does = (accepted & CHECKSUM != 0, facts.cuts, gathers);
    let pairs = fill(memory, queues, shapes)?.into_iter().map(
        |((inward, inward_cells), (outward, outward_cells))| {
            (
                Receive::new(inward, format, accepted, inward_cells),
                Transmit::new(outward, format, does, outward_cells),
            )
        },
    );
    Ok(SetUp {
        accepted,
        facts,
        faults,
        pairs: pairs.collect(),
        commands,
        reset,
    })
}

/// A queue and its buffers.
type Filled = (SplitQueue, Vec<Dma>);

/// Divides memory evenly among pairs of queues; `shapes` are those of buffers to receive and to send.
fn fill(
    mut memory: Dma,
    queues: Vec<(SplitQueue, SplitQueue)>,
    (part, frame): (Shape, Shape),
) -> Result<Vec<(Filled, Filled)>, InitError> {
    let share = memory.len() / queues.len().max(1);
    let mut pairs = Vec::with_capacity(queues.len());
    for (inward, outward) in queues {
        let own = memory.split_to(share).ok_or(InitError::TooLittleMemory)?;
        let mut cells = Cells::new(own)?;
        let outward_cells = cells.take(frame, outward.capacity().min(cells.count(frame) / 2));
        let inward_cells = cells.take(part, inward.capacity());
        if outward_cells.len() < FEWEST || inward_cells.len() < FEWEST {
            return Err(InitError::TooLittleMemory);
        }
        pairs.push(((inward, inward_cells), (outward, outward_cells)));
    }
    Ok(pairs)
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
        Stated::Nothing | Stated::Impossible => config.unstated_mtu,
    };
    let offloads = offloads(accepted, config.offloads);
    Facts {
        mac,
        // It may have changed since it was agreed on.
        mtu: mtu.min(config.largest_mtu),
        offloads,
        cuts: cuts(accepted),
        places: if offloads.has(Offload::Gather) {
            PLACES
        } else {
            0
        },
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
