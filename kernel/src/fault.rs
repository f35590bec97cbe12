//! Faults of programs.
//!
//! *Owns* the decision what an exception from EL0 means: a first use of FP is granted, everything
//! else ends the process with a record that its supervisor can read. Nothing a program does
//! is fatal to the kernel.

use crate::object::Kernel;
use crate::object::slab::Key;
use crate::object::thread::Thread;
use abi::{FAULT_KIND_ABORT, FAULT_KIND_ILLEGAL, FAULT_KIND_OTHER, FaultRecord, ProcessState};

/// Exception classes (Arm ARM, `ESR_ELx.EC`).
mod class {
    pub const UNKNOWN: u64 = 0x00;
    pub const WFX: u64 = 0x01;
    pub const FP_ACCESS: u64 = 0x07;
    pub const ILLEGAL_STATE: u64 = 0x0e;
    pub const SYSTEM_REGISTER: u64 = 0x18;
    pub const SVE_ACCESS: u64 = 0x19;
    pub const INSTRUCTION_ABORT: u64 = 0x20;
    pub const PC_ALIGNMENT: u64 = 0x22;
    pub const DATA_ABORT: u64 = 0x24;
    pub const SP_ALIGNMENT: u64 = 0x26;
}

/// Deals with an exception of the running thread.
pub fn handle(kernel: &mut Kernel, cpu: usize, thread: Key<Thread>, syndrome: u64, address: u64) {
    let kind = match (syndrome >> 26) & 0x3f {
        class::FP_ACCESS => {
            kernel.take_fp(cpu, thread);
            return;
        }
        class::INSTRUCTION_ABORT
        | class::DATA_ABORT
        | class::PC_ALIGNMENT
        | class::SP_ALIGNMENT => FAULT_KIND_ABORT,
        class::UNKNOWN
        | class::WFX
        | class::ILLEGAL_STATE
        | class::SYSTEM_REGISTER
        | class::SVE_ACCESS => FAULT_KIND_ILLEGAL,
        _ => FAULT_KIND_OTHER,
    };
    let record = record(kernel, thread, kind, syndrome, address);
    let process = kernel.threads[thread].process;
    log::warn!(
        "{} faulted: pc {:#x} address {:#x} syndrome {:#x} sp {:#x} lr {:#x}",
        kernel.processes[process].name(),
        record.pc,
        record.address,
        record.syndrome,
        record.sp,
        record.registers[30],
    );
    kernel.end_process(process, ProcessState::Faulted, 0, Some(record));
}

/// The registers of a thread that is not in EL0 now.
pub fn record(
    kernel: &Kernel,
    thread: Key<Thread>,
    kind: u32,
    syndrome: u64,
    address: u64,
) -> FaultRecord {
    let context = &kernel.threads[thread].context;
    FaultRecord {
        kind,
        reserved: 0,
        syndrome,
        address,
        pc: context.pc,
        sp: context.sp,
        pstate: context.pstate,
        registers: context.x,
    }
}
