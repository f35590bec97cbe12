//! One device behind several drivers: each has queues of its own, and all the same registers.
//!
//! *Owns* the turns at the registers: a driver has them for one access, which is short. A driver that
//! is alone has them without asking.
//! *Never* orders what drivers do: setting the device up is for one of them, before there are others.

use alloc::sync::Arc;
use spin::mutex::SpinMutex;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A transport that may have several owners. The device is reset when the last is gone, as the
/// transport does.
pub struct Shared<T>(Way<T>);

/// How the registers are reached.
enum Way<T> {
    Alone(T),
    InTurn(Arc<SpinMutex<T>>),
}

impl<T: Transport> Shared<T> {
    /// For one driver.
    pub const fn alone(transport: T) -> Self {
        Self(Way::Alone(transport))
    }

    /// For `count` drivers.
    pub fn among(self, count: usize) -> impl Iterator<Item = Self> {
        let shared = match self.0 {
            Way::Alone(transport) => Arc::new(SpinMutex::new(transport)),
            Way::InTurn(shared) => shared,
        };
        (0..count).map(move |_| Self(Way::InTurn(Arc::clone(&shared))))
    }

    #[inline]
    fn look<R>(&self, work: impl FnOnce(&T) -> R) -> R {
        match &self.0 {
            Way::Alone(transport) => work(transport),
            Way::InTurn(shared) => work(&shared.lock()),
        }
    }

    #[inline]
    fn work<R>(&mut self, work: impl FnOnce(&mut T) -> R) -> R {
        match &mut self.0 {
            Way::Alone(transport) => work(transport),
            Way::InTurn(shared) => work(&mut shared.lock()),
        }
    }
}

impl<T: Transport> Transport for Shared<T> {
    fn device_type(&self) -> DeviceType {
        self.look(T::device_type)
    }

    fn read_device_features(&mut self) -> u64 {
        self.work(T::read_device_features)
    }

    fn write_driver_features(&mut self, driver_features: u64) {
        self.work(|it| it.write_driver_features(driver_features));
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.work(|it| it.max_queue_size(queue))
    }

    #[inline]
    fn notify(&mut self, queue: u16) {
        self.work(|it| it.notify(queue));
    }

    fn get_status(&self) -> DeviceStatus {
        self.look(T::get_status)
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.work(|it| it.set_status(status));
    }

    fn set_guest_page_size(&mut self, guest_page_size: u32) {
        self.work(|it| it.set_guest_page_size(guest_page_size));
    }

    fn requires_legacy_layout(&self) -> bool {
        self.look(T::requires_legacy_layout)
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        self.work(|it| it.queue_set(queue, size, descriptors, driver_area, device_area));
    }

    fn queue_unset(&mut self, queue: u16) {
        self.work(|it| it.queue_unset(queue));
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.work(|it| it.queue_used(queue))
    }

    #[inline]
    fn ack_interrupt(&mut self) -> InterruptStatus {
        self.work(T::ack_interrupt)
    }

    fn read_config_generation(&self) -> u32 {
        self.look(T::read_config_generation)
    }

    fn read_config_space<V: FromBytes + IntoBytes>(&self, offset: usize) -> Result<V> {
        self.look(|it| it.read_config_space(offset))
    }

    fn write_config_space<V: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: V,
    ) -> Result<()> {
        self.work(|it| it.write_config_space(offset, value))
    }
}
