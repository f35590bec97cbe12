//! The device object: from a window and some memory to a [`Device`].
//!
//! *Owns* transport and queues, the facts, the link's state and the counters of faults.
//! *Invariant* a device that breaks its rings or asks for it is reset and set up anew with the
//! same facts; one that does so twice without having moved a frame between is given up, and the
//! link is down for good. One with several drivers is given up at once: what it holds of the other
//! drivers cannot be taken back here.

use crate::config::Config;
use crate::receive::Receive;
use crate::setup::set_up;
use crate::space::{self, Stated};
use crate::transmit::Transmit;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use device::{Device, Facts, Filled, Gathered, Offload, Places, Received};
use hardware::Dma;
use virtio::{
    DeviceStatus, DeviceType, Fault, Faults, InitError, InterruptStatus, Shared, Sign, Transport,
    give_up, go, negotiate, reset_device,
};

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
    /// Of a device with several drivers.
    common: Option<Arc<Common>>,
    armed: Arc<Armed>,
}

/// What a driver was armed for.
#[derive(Debug, Default)]
struct Armed {
    /// How far the queues had been reaped.
    receive: AtomicU16,
    transmit: AtomicU16,
    /// It waits for what it has sent, too.
    is_sent_awaited: AtomicBool,
}

/// What the drivers of one device have in common.
struct Common {
    /// The device was given up: by one of them, for all.
    is_lost: AtomicBool,
    /// The link is up.
    is_up: AtomicBool,
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
    /// `memory` ([`Config::memory`] bytes; with less there are fewer buffers) and starts it. One pair of
    /// queues is used, whatever `config` says.
    ///
    /// # Errors
    ///
    /// When it is no network device, does not follow the rules, or memory is too small.
    pub fn new(mut transport: T, memory: Dma, config: Config) -> Result<Self, InitError> {
        let config = Config { pairs: 1, ..config };
        let set = set_up(&mut transport, memory, &config)?;
        go(&mut transport, set.reset);
        let Some((receive, transmit)) = set.pairs.into_iter().next() else {
            return Err(InitError::TooLittleMemory);
        };
        let mut driver = Self {
            transport,
            accepted: set.accepted,
            facts: set.facts,
            receive,
            transmit,
            link: Link::Down,
            faults: set.faults,
            restarts: 0,
            moved: false,
            common: None,
            armed: Arc::default(),
        };
        driver.begin();
        Ok(driver)
    }

    /// After the device was started.
    fn begin(&mut self) {
        self.receive.publish(&mut self.transport);
        self.look_at_link();
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

    /// Tells whoever does not own the driver whether something has come since it was last armed.
    #[must_use]
    pub fn signs(&self) -> Signs {
        Signs {
            receive: self.receive.queue.sign(),
            transmit: self.transmit.queue.sign(),
            armed: Arc::clone(&self.armed),
        }
    }

    /// Tells those who see [`Self::signs`] what there is to be seen.
    fn tell_armed(&self) {
        let Armed {
            receive,
            transmit,
            is_sent_awaited,
        } = &*self.armed;
        receive.store(self.receive.queue.reaped(), Ordering::Relaxed);
        transmit.store(self.transmit.queue.reaped(), Ordering::Relaxed);
        is_sent_awaited.store(self.transmit.is_awaited(), Ordering::Relaxed);
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
        if let Some(common) = &self.common {
            common.is_up.store(self.link == Link::Up, Ordering::Relaxed);
        }
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
        let is_alone = self.common.is_none();
        if is_alone && (progress || self.restarts == 0) && self.restart().is_ok() {
            return;
        }
        if let Some(common) = &self.common {
            common.is_lost.store(true, Ordering::Relaxed);
        }
        self.link = Link::Dead;
        self.faults.count(Fault::NeedsReset);
        // It may refuse even this; its buffers stay with it for ever.
        if let Ok(reset) = reset_device(&mut self.transport) {
            self.transmit.recall(&reset);
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
        self.begin();
        Ok(())
    }
}

impl<T: Transport> VirtioNet<Shared<T>> {
    /// As [`Self::new`], with as many pairs of queues as `config` and device allow: a driver for each,
    /// for as many threads. One of them at a time serves the device's interrupt, whose it is.
    ///
    /// # Errors
    ///
    /// As there. A device that refuses to use several pairs is driven with one.
    pub fn pairs(transport: T, memory: Dma, config: Config) -> Result<Vec<Self>, InitError> {
        let mut transport = Shared::alone(transport);
        let mut set = set_up(&mut transport, memory, &config)?;
        go(&mut transport, set.reset);
        if let Some(commands) = set.commands
            && !commands.use_pairs(&mut transport, set.pairs.len(), &mut set.faults)
        {
            set.pairs.truncate(1);
            set.facts.offloads = set.facts.offloads.without(Offload::QueuePairs);
        }
        let count = set.pairs.len();
        let common = (count > 1).then(|| {
            Arc::new(Common {
                is_lost: AtomicBool::new(false),
                is_up: AtomicBool::new(false),
            })
        });
        let mut transports = Vec::with_capacity(count);
        if count > 1 {
            transports.extend(transport.among(count));
        } else {
            transports.push(transport);
        }
        let driver = |(transport, (receive, transmit))| {
            let mut driver = Self {
                transport,
                accepted: set.accepted,
                facts: set.facts,
                receive,
                transmit,
                link: Link::Down,
                // Those of the start are the first one's.
                faults: core::mem::take(&mut set.faults),
                restarts: 0,
                moved: false,
                common: common.clone(),
                armed: Arc::default(),
            };
            driver.begin();
            driver
        };
        Ok(transports.into_iter().zip(set.pairs).map(driver).collect())
    }
}

/// Whether a device has something for one of its drivers, for others to see.
#[derive(Clone, Debug)]
pub struct Signs {
    receive: Sign,
    transmit: Sign,
    armed: Arc<Armed>,
}

impl Signs {
    /// Whether something has come back since [`Device::arm`]. While the driver is at work this means
    /// nothing.
    #[must_use]
    pub fn has_news(&self) -> bool {
        let Armed {
            receive,
            transmit,
            is_sent_awaited,
        } = &*self.armed;
        self.receive.index() != receive.load(Ordering::Relaxed)
            || is_sent_awaited.load(Ordering::Relaxed)
                && self.transmit.index() != transmit.load(Ordering::Relaxed)
    }
}

impl<T: Transport> Device for VirtioNet<T> {
    fn facts(&self) -> Facts {
        self.facts
    }

    fn link_up(&self) -> bool {
        match &self.common {
            Some(common) => self.link != Link::Dead && common.is_up.load(Ordering::Relaxed),
            None => self.link == Link::Up,
        }
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

    fn provide_gathered(
        &mut self,
        fill: &mut dyn FnMut(&mut [u8], &mut Places) -> Option<Gathered>,
    ) -> bool {
        self.link != Link::Dead && self.transmit.provide_gathered(&mut self.faults, fill)
    }

    fn take_back(&mut self) -> Option<u16> {
        self.transmit.take_back()
    }

    fn want_back(&mut self) {
        self.transmit.want_back();
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
        if self.common.is_some() {
            self.tell_armed();
        }
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

    fn is_lost(&self) -> bool {
        let by_another = |common: &Arc<Common>| common.is_lost.load(Ordering::Relaxed);
        self.link == Link::Dead || self.common.as_ref().is_some_and(by_another)
    }

    fn faults(&self) -> u64 {
        self.faults.total()
    }
}
