//! PL011 UART: bytes out, bytes in, and the two interrupts that say when more can be done.
//!
//! *Owns* the registers of one UART. *Never* waits and makes no system call: whoever owns the
//! driver sleeps for its interrupt.
//! *Spec* PrimeCell UART (PL011), ARM DDI 0183.
#![no_std]

#[cfg(test)]
extern crate std;

use arm_pl011_uart::{
    DataBits, FifoLevel, Interrupts, LineConfig, PL011Registers, Parity, StopBits, Uart,
    UniqueMmioPointer,
};
use hardware::Registers;

/// Clock of the UART on QEMU's `virt`, in Hz.
const CLOCK: u32 = 24_000_000;
/// Bits in a second.
const BAUD: u32 = 115_200;

/// The registers are too few for a PL011.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAUart;

impl core::fmt::Display for NotAUart {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("not a PL011")
    }
}

impl core::error::Error for NotAUart {}

/// One UART.
pub struct Pl011 {
    uart: Uart<'static>,
    masks: Interrupts,
}

impl Pl011 {
    /// Takes the UART over: 8 data bits, no parity, FIFOs on, interrupt when something comes in.
    ///
    /// # Errors
    ///
    /// [`NotAUart`].
    pub fn new(registers: Registers) -> Result<Self, NotAUart> {
        if registers.len() < size_of::<PL011Registers>() {
            return Err(NotAUart);
        }
        let place = registers
            .into_pointer()
            .ptr_nonnull()
            .cast::<PL011Registers>();
        // SAFETY: `registers` was alone with these registers for the rest of the program and is
        // consumed; there are enough of them, and all are words.
        let mut uart = Uart::new(unsafe { UniqueMmioPointer::new(place) });
        let line = LineConfig {
            data_bits: DataBits::Bits8,
            parity: Parity::None,
            stop_bits: StopBits::One,
        };
        uart.enable(line, BAUD, CLOCK).map_err(|_| NotAUart)?;
        uart.set_interrupt_fifo_levels(FifoLevel::Bytes4, FifoLevel::Bytes4);
        let masks = Interrupts::RXI | Interrupts::RTI;
        uart.set_interrupt_masks(masks);
        Ok(Self { uart, masks })
    }

    /// Sends as much as there is room for now and returns how much that was.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        for (count, byte) in bytes.iter().enumerate() {
            if self.uart.is_tx_fifo_full() {
                return count;
            }
            self.uart.write_word(*byte);
        }
        bytes.len()
    }

    /// Takes what has come in, as much as fits, and returns how much that was. Characters with
    /// errors (a cut line, noise) are left out.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        let mut count = 0;
        while let Some(place) = into.get_mut(count) {
            match self.uart.read_word() {
                Ok(Some(byte)) => {
                    *place = byte;
                    count += 1;
                }
                Ok(None) => break,
                Err(_) => {}
            }
        }
        count
    }

    /// Chooses whether room for output interrupts as well as input.
    pub fn interrupt_on_room(&mut self, wanted: bool) {
        let mut masks = Interrupts::RXI | Interrupts::RTI;
        masks.set(Interrupts::TXI, wanted);
        if masks != self.masks {
            self.masks = masks;
            self.uart.set_interrupt_masks(masks);
        }
    }

    /// Clears the causes of the interrupt. To be called before reading and writing what there is:
    /// what comes later interrupts again.
    pub fn clear_interrupts(&mut self) {
        self.uart
            .clear_interrupts(Interrupts::RXI | Interrupts::RTI | Interrupts::TXI);
    }
}

#[cfg(test)]
mod tests {
    use super::{NotAUart, Pl011};
    use core::{
        ptr::NonNull,
        sync::atomic::{AtomicU32, Ordering},
    };
    use hardware::Registers;
    use std::{boxed::Box, vec::Vec};

    const DATA: usize = 0x00;
    const FLAGS: usize = 0x18;
    const CONTROL: usize = 0x30;
    const MASK: usize = 0x38;
    const CLEAR: usize = 0x44;
    const TRANSMIT_FULL: u32 = 1 << 5;
    const RECEIVE_EMPTY: u32 = 1 << 4;

    /// Registers that only remember.
    struct Fake(&'static [AtomicU32]);

    impl Fake {
        fn new(words: usize) -> (Self, Registers) {
            let words: Vec<AtomicU32> = (0..words).map(|_| AtomicU32::new(0)).collect();
            let words: &'static [AtomicU32] = Box::leak(words.into_boxed_slice());
            let base = NonNull::from(words).cast();
            // SAFETY: leaked, so there for ever; the test looks at them through atomics only.
            let registers = unsafe { Registers::new(base, words.len() * 4) };
            (Self(words), registers)
        }

        fn get(&self, register: usize) -> u32 {
            self.0[register / 4].load(Ordering::Relaxed)
        }

        fn set(&self, register: usize, value: u32) {
            self.0[register / 4].store(value, Ordering::Relaxed);
        }
    }

    #[test]
    fn takes_the_uart_over() {
        let (fake, registers) = Fake::new(1024);
        let mut uart = Pl011::new(registers).unwrap();
        assert_eq!(fake.get(CONTROL), 0x301, "transmit, receive, on");
        assert_eq!(fake.get(MASK), 0x50, "input interrupts");
        uart.interrupt_on_room(true);
        assert_eq!(fake.get(MASK), 0x70);
        uart.interrupt_on_room(false);
        assert_eq!(fake.get(MASK), 0x50);
        uart.clear_interrupts();
        assert_eq!(fake.get(CLEAR), 0x70);
    }

    #[test]
    fn does_not_write_into_a_full_fifo() {
        let (fake, registers) = Fake::new(1024);
        let mut uart = Pl011::new(registers).unwrap();
        assert_eq!(uart.write(b"ab"), 2);
        assert_eq!(fake.get(DATA), u32::from(b'b'));
        fake.set(FLAGS, TRANSMIT_FULL);
        assert_eq!(uart.write(b"c"), 0);
        assert_eq!(fake.get(DATA), u32::from(b'b'));
    }

    #[test]
    fn reads_until_the_fifo_is_empty_or_the_buffer_full() {
        let (fake, registers) = Fake::new(1024);
        let mut uart = Pl011::new(registers).unwrap();
        let mut buffer = [0; 3];
        fake.set(FLAGS, RECEIVE_EMPTY);
        assert_eq!(uart.read(&mut buffer), 0);
        fake.set(FLAGS, 0);
        fake.set(DATA, u32::from(b'x'));
        assert_eq!(uart.read(&mut buffer), 3);
        assert_eq!(&buffer, b"xxx");
    }

    #[test]
    fn too_few_registers_are_refused() {
        let (_, registers) = Fake::new(16);
        assert!(matches!(Pl011::new(registers), Err(NotAUart)));
    }
}
