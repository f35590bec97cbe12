//! A VirtIO device in software, for the tests of drivers on the host.
//!
//! It is honest as long as a test uses it so; every register, index and length can also be made
//! to lie. A test holds a [`Fake`], the driver the [`FakeTransport`] of it.

mod memory;
mod queue;

pub use memory::{GuestMemory, memory};
pub use queue::{Chain, DeviceQueue, Segment};

use crate::init::VERSION_1;
use std::boxed::Box;
use std::sync::{Arc, Mutex, MutexGuard};
use std::vec::Vec;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{Error, PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Called before each read of the configuration space; may change it.
pub type Meddler = Box<dyn FnMut(&mut Vec<u8>, &mut u32) + Send>;

/// Called when a queue that is set up is notified: a device that acts by itself.
pub type Servant = Box<dyn FnMut(usize, &mut DeviceQueue) + Send>;

/// What the device is and has been told; a test may change all of it.
pub struct State {
    /// Number of the kind.
    pub kind: DeviceType,
    /// Speaks the legacy interface.
    pub legacy: bool,
    /// Features offered.
    pub offered: u64,
    /// Features accepted by the driver.
    pub accepted: u64,
    /// Does not confirm FEATURES_OK.
    pub refuses_features: bool,
    /// Status as the driver set it.
    pub status: DeviceStatus,
    /// Does not come back from a reset.
    pub reset_stuck: bool,
    /// Resets so far.
    pub resets: u64,
    /// Largest size of each queue.
    pub largest: Vec<u32>,
    /// Queues set up.
    pub queues: Vec<Option<DeviceQueue>>,
    /// Notifications of each queue so far.
    pub notified: Vec<u64>,
    /// Interrupt status.
    pub interrupt: InterruptStatus,
    /// Interrupts raised so far.
    pub interrupts: u64,
    /// Configuration space and its generation.
    pub config: Vec<u8>,
    /// Counts changes of `config` (modern).
    pub generation: u32,
    /// Changes the configuration while it is read.
    pub meddler: Option<Meddler>,
    /// Acts when it is notified.
    pub servant: Option<Servant>,
}

/// The test's handle.
#[derive(Clone)]
pub struct Fake {
    state: Arc<Mutex<State>>,
    memory: GuestMemory,
}

impl Fake {
    /// A device with `queues` queues of at most `largest` entries, over `memory`.
    #[must_use]
    pub fn new(
        kind: DeviceType,
        legacy: bool,
        queues: usize,
        largest: u32,
        memory: GuestMemory,
    ) -> Self {
        let state = State {
            kind,
            legacy,
            offered: if legacy { 0 } else { VERSION_1 },
            accepted: 0,
            refuses_features: false,
            status: DeviceStatus::empty(),
            reset_stuck: false,
            resets: 0,
            largest: std::vec![largest; queues],
            queues: (0..queues).map(|_| None).collect(),
            notified: std::vec![0; queues],
            interrupt: InterruptStatus::empty(),
            interrupts: 0,
            config: Vec::new(),
            generation: 0,
            meddler: None,
            servant: None,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            memory,
        }
    }

    /// The device itself.
    ///
    /// # Panics
    ///
    /// When a test panicked while it held the device.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("an earlier panic")
    }

    /// The driver's end.
    #[must_use]
    pub fn transport(&self) -> FakeTransport {
        FakeTransport(self.clone())
    }

    /// Works on a queue.
    ///
    /// # Panics
    ///
    /// When the driver has not set it up.
    pub fn queue<R>(&self, index: usize, work: impl FnOnce(&mut DeviceQueue) -> R) -> R {
        work(self.state().queues[index].as_mut().expect("no queue"))
    }

    /// Raises the interrupt if the driver wants to hear of a queue; whether it did.
    pub fn signal(&self, index: usize) -> bool {
        let wanted = self.queue(index, DeviceQueue::wants_interrupt);
        if wanted {
            let mut state = self.state();
            state.interrupts += 1;
            state.interrupt |= InterruptStatus::QUEUE_INTERRUPT;
        }
        wanted
    }

    /// Changes the configuration and tells the driver.
    pub fn configure(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        change(&mut state.config);
        state.generation += 1;
        state.interrupts += 1;
        state.interrupt |= InterruptStatus::DEVICE_CONFIGURATION_INTERRUPT;
    }

    /// Notifications of a queue since the last time.
    #[must_use]
    pub fn notifications(&self, index: usize) -> u64 {
        core::mem::take(&mut self.state().notified[index])
    }
}

/// The driver's end of a [`Fake`]. Like the real one, it resets the device when it is dropped.
pub struct FakeTransport(Fake);

impl Drop for FakeTransport {
    fn drop(&mut self) {
        self.set_status(DeviceStatus::empty());
    }
}

impl Transport for FakeTransport {
    fn device_type(&self) -> DeviceType {
        self.0.state().kind
    }

    fn read_device_features(&mut self) -> u64 {
        self.0.state().offered
    }

    fn write_driver_features(&mut self, driver_features: u64) {
        let mut state = self.0.state();
        let unknown = driver_features & !state.offered;
        assert_eq!(unknown, 0, "accepts what was not offered");
        assert!(!state.status.contains(DeviceStatus::FEATURES_OK));
        state.accepted = driver_features;
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        let state = self.0.state();
        state.largest.get(usize::from(queue)).copied().unwrap_or(0)
    }

    fn notify(&mut self, queue: u16) {
        let mut state = self.0.state();
        assert!(
            state.status.contains(DeviceStatus::DRIVER_OK),
            "notified too early"
        );
        let (state, queue) = (&mut *state, usize::from(queue));
        state.notified[queue] += 1;
        if let (Some(servant), Some(at)) = (&mut state.servant, &mut state.queues[queue]) {
            servant(queue, at);
        }
    }

    fn get_status(&self) -> DeviceStatus {
        self.0.state().status
    }

    fn set_status(&mut self, status: DeviceStatus) {
        let mut state = self.0.state();
        if !status.is_empty() {
            let agreed = status.contains(DeviceStatus::FEATURES_OK);
            assert!(!(state.legacy && agreed), "no step of the legacy interface");
            state.status = status;
            if state.refuses_features {
                state.status -= DeviceStatus::FEATURES_OK;
            }
            return;
        }
        state.resets += 1;
        if state.reset_stuck {
            return;
        }
        state.status = status;
        state.accepted = 0;
        state.interrupt = InterruptStatus::empty();
        state.queues.iter_mut().for_each(|queue| *queue = None);
    }

    fn set_guest_page_size(&mut self, guest_page_size: u32) {
        assert_eq!(guest_page_size, 4096);
    }

    fn requires_legacy_layout(&self) -> bool {
        self.0.state().legacy
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        let mut state = self.0.state();
        let index = usize::from(queue);
        assert!(size.is_power_of_two() && size <= state.largest[index]);
        // 2.7: alignments of the three parts.
        assert_eq!([descriptors % 16, driver_area % 2, device_area % 4], [0; 3]);
        if state.legacy {
            // 2.7.2: one run of memory, the used ring on the next page.
            let end = driver_area + 6 + 2 * u64::from(size);
            assert_eq!(descriptors % 4096, 0);
            assert_eq!(driver_area, descriptors + 16 * u64::from(size));
            assert_eq!(device_area, end.next_multiple_of(4096));
        }
        let size = u16::try_from(size).expect("at most 32,768");
        let at = [descriptors, driver_area, device_area];
        let new = DeviceQueue::new(self.0.memory, size, at, state.accepted);
        let old = state.queues[index].replace(new);
        assert!(old.is_none(), "queue set twice");
    }

    fn queue_unset(&mut self, queue: u16) {
        self.0.state().queues[usize::from(queue)] = None;
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.0.state().queues[usize::from(queue)].is_some()
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        let mut state = self.0.state();
        core::mem::replace(&mut state.interrupt, InterruptStatus::empty())
    }

    fn read_config_generation(&self) -> u32 {
        let state = self.0.state();
        assert!(!state.legacy, "the legacy interface has no generation");
        state.generation
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        let state = &mut *self.0.state();
        if let Some(meddler) = &mut state.meddler {
            meddler(&mut state.config, &mut state.generation);
        }
        let bytes = state
            .config
            .get(offset..)
            .ok_or(Error::ConfigSpaceTooSmall)?;
        let (value, _) = T::read_from_prefix(bytes).map_err(|_| Error::ConfigSpaceTooSmall)?;
        Ok(value)
    }

    fn write_config_space<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: T,
    ) -> Result<()> {
        let mut state = self.0.state();
        let bytes = state
            .config
            .get_mut(offset..)
            .ok_or(Error::ConfigSpaceTooSmall)?;
        value
            .write_to_prefix(bytes)
            .map_err(|_| Error::ConfigSpaceTooSmall)
    }
}
