//! Bursts between a network device and the stack.
//!
//! *Owns* the device and the names of the interfaces on it. *Never* copies a frame: the stack reads
//! received frames where the device put them and writes frames to send where the device fetches
//! them; payload stays in clients' memory if the device gathers.

use alloc::vec;
use alloc::vec::Vec;

use device::{Checksum, Device, Gathered, Offload, Offloads, Places, Received, Verified};
use stack::{
    ClientMemory, Instant, InterfaceId, Loan, OutputBurst, Pieces, ReceiveMeta, Stack,
    TransmitChecksum, TransmitMeta,
};

use crate::arenas::PIECES;
use crate::crossing::Crossing;

/// Buffers of received frames, or frames to send, of one turn: enough to share the cost of a turn, few
/// enough that clients and timers wait at most some hundred microseconds. Seven frames of 64 KiB: what they
/// acknowledge lets the peer send while the next are taken.
pub const BURST: usize = 64;
/// Sent frames that may lie with the device before they are taken back: several at a time.
const REAP_AT: usize = 32;

/// Memory of clients that frames may refer to.
pub trait Lends: ClientMemory {
    /// A frame with this loan refers to these pieces: names their places. `false` if they have none, and
    /// there is no such frame.
    fn lend_out(&mut self, loan: Loan, pieces: &Pieces, places: &mut Places) -> bool;

    /// The device has given the frame back.
    fn take_back(&mut self, loan: Loan);
}

/// A network device and its interfaces.
pub struct Nic<D> {
    device: D,
    interface: InterfaceId,
    /// Its own and those of its tagged frames, in the order of their next turns.
    turns: Vec<InterfaceId>,
    /// The device fetches frames from several places.
    gathers: bool,
    /// Of the frame that is being written.
    pieces: Pieces,
    /// Frames with the device that refer to clients' memory.
    lent: usize,
    up: bool,
    /// Frames that the device has been given and not given back.
    in_flight: usize,
    /// The device has been asked for an interrupt, and none has come since: until then there is
    /// nothing to take from it.
    watched: bool,
    /// The way to the other loops, if there are any.
    crossing: Option<Crossing>,
}

impl<D: Device> Nic<D> {
    /// A device whose interface the stack knows already.
    pub fn new(device: D, interface: InterfaceId) -> Self {
        let up = device.link_up();
        let facts = device.facts();
        // Who has to sum up what is sent reads it all: then a copy costs nothing.
        let gathers = facts.places > 0 && facts.offloads.has(Offload::ChecksumOut);
        Self {
            device,
            interface,
            turns: vec![interface],
            gathers,
            pieces: Pieces::new(PIECES),
            lent: 0,
            up,
            in_flight: 0,
            watched: false,
            crossing: None,
        }
    }

    /// Frames of this interface too leave by the device.
    pub fn carry(&mut self, interface: InterfaceId) {
        self.turns.push(interface);
    }

    /// Its interface, and those of its tagged frames.
    pub fn interfaces(&self) -> &[InterfaceId] {
        &self.turns
    }

    /// There are other loops: what is theirs is handed over.
    pub fn join(&mut self, crossing: Crossing) {
        self.crossing = Some(crossing);
    }

    /// Its interface.
    pub const fn interface(&self) -> InterfaceId {
        self.interface
    }

    /// The device will interrupt when a frame has come.
    pub const fn is_watched(&self) -> bool {
        self.watched && self.crossing.is_none()
    }

    /// Whether other loops have given frames.
    pub fn has_frames(&mut self) -> bool {
        self.crossing.as_mut().is_some_and(Crossing::has_frames)
    }

    /// Frames given to other loops, and those that were lost on the way.
    pub fn crossed(&self) -> (u64, u64) {
        let crossing = self.crossing.as_ref();
        crossing.map_or((0, 0), |it| (it.given, it.dropped))
    }

    /// Whether the link is up, as of the last look.
    pub const fn is_up(&self) -> bool {
        self.up
    }

    /// Whether the device was given up for good.
    pub fn is_lost(&self) -> bool {
        self.device.is_lost()
    }

    /// Hands a burst of received frames to the stack. Returns how many there were.
    pub fn receive<M: ClientMemory>(
        &mut self,
        stack: &mut Stack,
        memory: &mut M,
        now: Instant,
    ) -> usize {
        self.watched = false;
        let mut burst = stack.burst(self.interface, memory, now);
        let Some(crossing) = &mut self.crossing else {
            return self.device.reap_receive(BURST, &mut |received| {
                burst.input_scattered(received.frame, received.rest, known(&received));
            });
        };
        let given = crossing.take(BURST, |frame, rest, meta| {
            burst.input_scattered(frame, rest, meta);
        });
        let received = self.device.reap_receive(BURST, &mut |received| {
            let meta = known(&received);
            if crossing.keeps(received.frame, received.rest, meta) {
                burst.input_scattered(received.frame, received.rest, meta);
            }
        });
        crossing.tell();
        given + received
    }

    /// What the device does for us.
    pub fn offloads(&self) -> Offloads {
        self.device.facts().offloads
    }

    /// Lets the stack write a burst of frames for the device. Returns how many there were.
    pub fn transmit<M: Lends>(&mut self, stack: &mut Stack, memory: &mut M, now: Instant) -> usize {
        if self.in_flight >= REAP_AT {
            self.reap(stack, memory);
        }
        let mut sent = 0;
        for turn in 0..self.turns.len() {
            // The others have what room there is left, and the next is the first one in the next turn.
            if turn > 0 {
                self.turns.rotate_left(1);
            }
            sent += self.transmit_next(stack, memory, now);
        }
        if sent > 0 {
            self.device.flush();
        }
        // Without room for the next frame, the device is to say when it has some.
        self.watched &= self.device.transmit_room() > 0;
        self.in_flight = self.in_flight.saturating_add(sent);
        sent
    }

    /// Frames of the interface whose turn it is.
    #[inline(always)]
    fn transmit_next<M: Lends>(
        &mut self,
        stack: &mut Stack,
        memory: &mut M,
        now: Instant,
    ) -> usize {
        let interface = self.turns.first().copied().unwrap_or(self.interface);
        let mut output = stack.output_burst(interface, memory, now);
        let mut sent = 0;
        while sent < BURST
            && output.has_output()
            && if self.gathers {
                let (pieces, lent) = (&mut self.pieces, &mut self.lent);
                provide_gathered(&mut self.device, &mut output, pieces, lent)
            } else {
                self.device.provide_transmit(&mut |frame| {
                    let (length, meta) = output.output(frame)?;
                    Some((length, told(meta)))
                })
            }
        {
            sent += 1;
        }
        sent
    }

    /// Takes back what the device has sent of clients' memory, so that they can be told.
    pub fn collect<M: Lends>(&mut self, stack: &mut Stack, memory: &mut M) {
        if self.lent > 0 {
            self.reap(stack, memory);
        }
    }

    /// Whether the device still has frames to send.
    pub fn is_transmitting<M: Lends>(&mut self, stack: &mut Stack, memory: &mut M) -> bool {
        self.reap(stack, memory);
        self.in_flight > 0
    }

    fn reap<M: Lends>(&mut self, stack: &mut Stack, memory: &mut M) {
        // A device that breaks its rings is set up anew, and knows no wish of ours any more.
        self.watched = false;
        let sent = self.device.reap_transmit();
        self.in_flight = self.in_flight.saturating_sub(sent);
        while let Some(token) = self.device.take_back() {
            let loan = Loan::from_raw(token);
            memory.take_back(loan);
            stack.end_loan(loan);
            self.lent = self.lent.saturating_sub(1);
        }
    }

    /// Whether the link went up or down since the last look, and to what.
    pub fn link_change(&mut self) -> Option<bool> {
        let up = self.device.link_up();
        (up != core::mem::replace(&mut self.up, up)).then_some(up)
    }

    /// Before sleeping: asks for an interrupt, also when frames come back if they are missed. True when
    /// something has come meanwhile.
    pub fn arm(&mut self, are_missed: bool) -> bool {
        if are_missed {
            self.device.want_back();
            self.watched = false;
        }
        if self.watched {
            return false;
        }
        let more = self.device.arm();
        self.watched = !more;
        more
    }

    /// After the interrupt.
    pub fn interrupt(&mut self) {
        self.watched = false;
        self.device.disarm();
        self.device.interrupt();
    }

    /// What the device did wrong since the start.
    pub fn faults(&self) -> u64 {
        self.device.faults()
    }
}

/// Gives the device one frame, whose payload may be in clients' memory; counts it if it is.
fn provide_gathered<D: Device, M: Lends>(
    device: &mut D,
    output: &mut OutputBurst<'_, M>,
    pieces: &mut Pieces,
    lent: &mut usize,
) -> bool {
    device.provide_gathered(&mut |buffer, places| {
        let frame = output.output_gathered(buffer, pieces)?;
        if let Some(loan) = frame.loan {
            if !output.memory().lend_out(loan, pieces, places) {
                // It is lost, as it could be anywhere on its way.
                output.end_loan(loan);
                return None;
            }
            *lent += 1;
        }
        Some(Gathered {
            head: frame.head,
            tail: frame.tail,
            meta: told(frame.meta),
            token: frame.loan.map(Loan::raw),
        })
    })
}

/// What the device must know of a frame.
fn told(meta: TransmitMeta) -> device::TransmitMeta {
    let checksum = match meta.checksum {
        TransmitChecksum::Complete => Checksum::Complete,
        TransmitChecksum::Partial { start, offset } => Checksum::Partial { start, offset },
    };
    device::TransmitMeta {
        checksum,
        segment: meta.segment,
    }
}

/// What the device knows of a frame, for the stack.
#[inline]
fn known(received: &Received<'_>) -> ReceiveMeta {
    ReceiveMeta {
        checksum_verified: received.meta.checksum == Verified::Yes,
        is_joined: received.meta.segment > 0,
    }
}
