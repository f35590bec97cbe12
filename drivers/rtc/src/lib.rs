//! PL031 real-time clock: the seconds since 1970, which go on while the machine is off or starts anew.
//!
//! *Owns* the registers of one clock. *Never* uses its alarm.
//! *Spec* PrimeCell Real Time Clock (PL031), ARM DDI 0224.
#![no_std]
#![forbid(unsafe_code)]

use hardware::{OutOfRange, Registers};

/// Data register: seconds.
const DATA: usize = 0x00;
/// Load register: what is written there is the time from then on.
const LOAD: usize = 0x08;

/// One clock.
pub struct Pl031(Registers);

impl Pl031 {
    /// Takes the clock's registers.
    #[must_use]
    pub const fn new(registers: Registers) -> Self {
        Self(registers)
    }

    /// Seconds since 1970; zero where nobody set the clock.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] when there is no such register.
    pub fn seconds(&self) -> Result<u64, OutOfRange> {
        self.0.read(DATA).map(u64::from)
    }

    /// Sets the clock, in seconds since 1970: it ends in 2106.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] when there is no such register.
    pub fn set(&mut self, seconds: u32) -> Result<(), OutOfRange> {
        self.0.write(LOAD, seconds)
    }
}
