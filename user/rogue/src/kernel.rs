//! Tries what takes a handle or a right that this program was not given.

use abi::{Error, Syscall};
use rt::handle::{Memory, OwnedHandle};
use rt::println;
use rt::system::{self, Refused};

use crate::raw::{call, refused};

/// Prints a line for each attempt; fails if one of them succeeds.
pub fn rights() -> Result<(), &'static str> {
    forged_handles()?;
    bad_calls()?;
    physical_address()?;
    kernel_pointers()?;
    not_in_the_manifest()
}

/// Numbers that might be somebody's handles. Ours are few, so most must be refused as unknown; no
/// device, interrupt or foreign process may be among the others.
fn forged_handles() -> Result<(), &'static str> {
    for number in 1..0x2_0000u64 {
        for (attempt, what) in [
            (
                Syscall::InterruptAcknowledge,
                "an interrupt was acknowledged",
            ),
            (Syscall::ProcessKill, "a process was killed"),
            (Syscall::SystemControl, "the machine was switched off"),
        ] {
            let (status, ..) = call(attempt as u64, [number, 0, 0, 0, 0, 0]);
            if status == 0 {
                return Err(what);
            }
        }
    }
    println!("forged handles: refused");
    Ok(())
}

/// Numbers of calls that do not exist.
fn bad_calls() -> Result<(), &'static str> {
    for number in [Syscall::COUNT, 1000, u64::from(u32::MAX), u64::MAX] {
        let (status, ..) = call(number, [0; 6]);
        if status == 0 {
            return Err("a call that does not exist succeeded");
        }
    }
    println!("unknown calls: refused");
    Ok(())
}

/// Memory is ours, its place in the machine is not: that takes the right to DMA.
fn physical_address() -> Result<(), &'static str> {
    let memory = Memory::create(4096).map_err(|_| "no memory")?;
    match memory.physical(0) {
        Err(Error::Denied) => println!("physical address: refused"),
        _ => return Err("a physical address was told"),
    }
    let greater = memory.handle().duplicate(abi::Rights::all());
    match greater.map(OwnedHandle::into_raw) {
        Err(Error::Denied) => println!("more rights: refused"),
        _ => return Err("more rights were given"),
    }
    // Memory for a device takes a handle to one; ours to the memory is of another kind.
    let (status, ..) = call(
        Syscall::MemoryCreate as u64,
        [4096, memory.raw().0.into(), 0, 0, 0, 0],
    );
    if !refused(status, Error::BadHandle) {
        return Err("memory for a device was given");
    }
    println!("memory for a device: refused");
    Ok(())
}

/// Addresses that are not ours, where the kernel is to read or write.
fn kernel_pointers() -> Result<(), &'static str> {
    for address in [0, 0xffff_0000_0000_0000, u64::MAX - 7, 0x4020_0000, 1 << 47] {
        // Waiting on items at that address, one of them, only to look.
        let (status, ..) = call(Syscall::Wait as u64, [address, 1, 0, 0, 0, 0]);
        if !refused(status, Error::BadAddress) {
            return Err("the kernel took an address that is not ours");
        }
    }
    println!("foreign addresses: refused");
    Ok(())
}

/// What the first process grants only to those that its manifest names.
fn not_in_the_manifest() -> Result<(), &'static str> {
    let denied = |what: &str, answer: Refused| {
        if answer == Refused::Denied {
            println!("{what}: refused");
            Ok(())
        } else {
            Err("the first process allowed it")
        }
    };
    let register = system::register("NETD:").err().unwrap_or(Refused::Gone);
    denied("a service's name", register)?;
    let spawn = rt::block_on(system::spawn("ps", &[]));
    denied("starting a program", spawn.err().unwrap_or(Refused::Gone))?;
    denied(
        "ending another",
        system::kill(1, 0).err().unwrap_or(Refused::Gone),
    )?;
    denied("a reset", system::reset())?;
    denied("power off", system::power_off(0))
}
