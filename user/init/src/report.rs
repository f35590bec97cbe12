//! What is said about a process that did not end well.
//!
//! *Owns* the words only: a fault record goes in, text comes out.

use abi::{FAULT_KIND_ABORT, FAULT_KIND_ILLEGAL, FaultRecord};
use core::fmt;

/// A fault in words: cause and place, then all registers.
pub struct Fault<'a>(pub &'a FaultRecord);

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(fault) = self;
        match fault.kind {
            FAULT_KIND_ABORT => write!(
                f,
                "{} at address {:#x}",
                abort(fault.syndrome),
                fault.address
            ),
            FAULT_KIND_ILLEGAL => f.write_str("illegal instruction"),
            _ => write!(f, "exception, syndrome {:#x}", fault.syndrome),
        }?;
        write!(f, ", pc {:#x}, sp {:#x}", fault.pc, fault.sp)
    }
}

/// One line of registers of a fault, from 0 to 7.
pub struct Registers<'a>(pub &'a FaultRecord, pub usize);

/// Lines that [`Registers`] has.
pub const REGISTER_LINES: usize = 8;

impl fmt::Display for Registers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.1 * 4;
        for (number, value) in self.0.registers.iter().enumerate().skip(first).take(4) {
            write!(f, " x{number:<2} {value:016x}")?;
        }
        Ok(())
    }
}

/// What an abort was, from the syndrome (Arm ARM, ESR_EL1: EC, ISS encodings for aborts).
const fn abort(syndrome: u64) -> &'static str {
    /// Instruction abort from EL0.
    const INSTRUCTION: u64 = 0x20;
    /// Alignment faults of program counter and stack pointer.
    const ALIGNMENT: [u64; 2] = [0x22, 0x26];
    const WRITE: u64 = 1 << 6;
    let class = syndrome >> 26 & 0x3f;
    if class == ALIGNMENT[0] || class == ALIGNMENT[1] {
        return "misaligned pc or sp";
    }
    if class == INSTRUCTION {
        return "execution";
    }
    match (syndrome >> 2 & 0xf, syndrome & WRITE != 0) {
        (1, false) => "read of unmapped memory",
        (1, true) => "write to unmapped memory",
        (3, false) => "forbidden read",
        (3, true) => "forbidden write",
        (8, _) => "misaligned access",
        (_, false) => "bad read",
        (_, true) => "bad write",
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Registers};
    use abi::{FAULT_KIND_ABORT, FAULT_KIND_ILLEGAL, FaultRecord};

    fn fault(kind: u32, syndrome: u64) -> FaultRecord {
        let mut registers = [0; 31];
        registers[30] = 0xabc;
        FaultRecord {
            kind,
            syndrome,
            address: 0x10,
            pc: 0x40_1000,
            sp: 0x7000,
            registers,
            ..FaultRecord::default()
        }
    }

    #[test]
    fn says_what_and_where() {
        let text = |kind, syndrome| format!("{}", Fault(&fault(kind, syndrome)));
        let place = ", pc 0x401000, sp 0x7000";
        assert_eq!(
            text(FAULT_KIND_ABORT, 0x9200_0046),
            format!("write to unmapped memory at address 0x10{place}")
        );
        assert_eq!(
            text(FAULT_KIND_ABORT, 0x9200_000f),
            format!("forbidden read at address 0x10{place}")
        );
        assert_eq!(
            text(FAULT_KIND_ABORT, 0x8200_0006),
            format!("execution at address 0x10{place}")
        );
        assert_eq!(
            text(FAULT_KIND_ILLEGAL, 0),
            format!("illegal instruction{place}")
        );
        assert_eq!(text(99, 5), format!("exception, syndrome 0x5{place}"));
    }

    #[test]
    fn shows_every_register() {
        let fault = fault(FAULT_KIND_ABORT, 0);
        let all: String = (0..8)
            .map(|line| format!("{}", Registers(&fault, line)))
            .collect();
        assert_eq!(all.matches(" x").count(), 31);
        assert!(all.ends_with(" x30 0000000000000abc"));
    }
}
