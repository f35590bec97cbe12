//! The debug console: a polled PL011.
//!
//! *Owns* the kernel's view of the UART. The console process drives the same device with
//! interrupts; both only ever wait for room and store a byte.

use arm_pl011_uart::{PL011Registers, Uart, UniqueMmioPointer};
use core::ptr::NonNull;
use spin::mutex::TicketMutex;

/// Last in the lock order: held for one line, takes nothing else.
static UART: TicketMutex<Option<Uart<'static>>> = TicketMutex::new(None);

/// Takes the UART whose registers are mapped at `registers` into use.
pub fn init_console(registers: NonNull<u8>) {
    // SAFETY: the caller passes the address at which `map_registers` mapped a PL011 as device
    // memory, for ever; this module alone uses that mapping.
    let pointer = unsafe { UniqueMmioPointer::new(registers.cast::<PL011Registers>()) };
    *UART.lock() = Some(Uart::new(pointer));
}

/// Writes `bytes` without another CPU's output in between; a line feed gets its carriage return.
pub fn console_write(bytes: &[u8]) {
    if let Some(uart) = UART.lock().as_mut() {
        for &byte in bytes {
            if byte == b'\n' {
                put(uart, b'\r');
            }
            put(uart, byte);
        }
    }
}

fn put(uart: &mut Uart<'static>, byte: u8) {
    while uart.is_tx_fifo_full() {
        core::hint::spin_loop();
    }
    uart.write_word(byte);
}
