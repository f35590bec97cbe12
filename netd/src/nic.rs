//! Bursts between the network device and the stack.
//!
//! *Owns* the device and the name of its interface. *Never* copies a frame: the stack reads
//! received frames where the device put them and writes frames to send where the device fetches
//! them.

use device::{Checksum, Device, Offloads, Verified};
use stack::{ClientMemory, Instant, InterfaceId, ReceiveMeta, Stack, TransmitChecksum};

/// Frames taken or given in one turn: enough to share the cost of a turn, few enough that clients
/// and timers wait at most some hundred microseconds.
pub const BURST: usize = 64;
/// Sent frames that may lie with the device before they are taken back: several at a time.
const REAP_AT: usize = 32;

/// The network device and its interface.
pub struct Nic<D> {
    device: D,
    interface: InterfaceId,
    up: bool,
    /// Frames that the device has been given and not given back.
    in_flight: usize,
    /// The device has been asked for an interrupt, and none has come since: until then there is
    /// nothing to take from it.
    watched: bool,
}

impl<D: Device> Nic<D> {
    /// A device whose interface the stack knows already.
    pub fn new(device: D, interface: InterfaceId) -> Self {
        let up = device.link_up();
        Self {
            device,
            interface,
            up,
            in_flight: 0,
            watched: false,
        }
    }

    /// Its interface.
    pub const fn interface(&self) -> InterfaceId {
        self.interface
    }

    /// The device will interrupt when a frame has come.
    pub const fn is_watched(&self) -> bool {
        self.watched
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
        self.device.reap_receive(BURST, &mut |received| {
            let checksum_verified = received.meta.checksum == Verified::Yes;
            let meta = ReceiveMeta {
                checksum_verified,
                is_joined: received.meta.segment > 0,
            };
            burst.input_scattered(received.frame, received.rest, meta);
        })
    }

    /// What the device does for us.
    pub fn offloads(&self) -> Offloads {
        self.device.facts().offloads
    }

    /// Lets the stack write a burst of frames for the device. Returns how many there were.
    pub fn transmit<M: ClientMemory>(
        &mut self,
        stack: &mut Stack,
        memory: &mut M,
        now: Instant,
    ) -> usize {
        if self.in_flight >= REAP_AT {
            self.reap();
        }
        let interface = self.interface;
        let mut sent = 0;
        while sent < BURST
            && stack.has_output(interface)
            && self.device.provide_transmit(&mut |frame| {
                let (length, meta) = stack.output(interface, frame, memory, now)?;
                let checksum = match meta.checksum {
                    TransmitChecksum::Complete => Checksum::Complete,
                    TransmitChecksum::Partial { start, offset } => {
                        Checksum::Partial { start, offset }
                    }
                };
                Some((length, device::TransmitMeta::whole(checksum)))
            })
        {
            sent += 1;
        }
        if sent > 0 {
            self.device.flush();
        }
        // Without room for the next frame, the device is to say when it has some.
        self.watched &= self.device.transmit_room() > 0;
        self.in_flight = self.in_flight.saturating_add(sent);
        sent
    }

    /// Whether the device still has frames to send.
    pub fn is_transmitting(&mut self) -> bool {
        self.reap();
        self.in_flight > 0
    }

    fn reap(&mut self) {
        // A device that breaks its rings is set up anew, and knows no wish of ours any more.
        self.watched = false;
        let sent = self.device.reap_transmit();
        self.in_flight = self.in_flight.saturating_sub(sent);
    }

    /// Whether the link went up or down since the last look, and to what.
    pub fn link_change(&mut self) -> Option<bool> {
        let up = self.device.link_up();
        (up != core::mem::replace(&mut self.up, up)).then_some(up)
    }

    /// Before sleeping: asks for an interrupt. True when something has come meanwhile.
    pub fn arm(&mut self) -> bool {
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
