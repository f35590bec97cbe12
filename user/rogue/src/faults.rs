//! Ways to end by a fault.

/// Does what the word says; none of them comes back.
pub fn fault(kind: &str) -> Result<(), &'static str> {
    match kind {
        "null" => write_to(core::ptr::null_mut()),
        "stack" => {
            deeper(&[0; 256]);
        }
        "text" => write_to(fault as fn(&str) -> Result<(), &'static str> as *mut u8),
        "udf" => illegal(),
        // The kernel's half of the address space.
        "kernel" => write_to((usize::MAX - 0xfff) as *mut u8),
        _ => return Err("no such fault"),
    }
    Err("still here")
}

fn write_to(address: *mut u8) {
    // SAFETY: it is wrong on purpose. The address is never one that this program has mapped
    // writable, so the write changes nothing; the processor stops it.
    unsafe { address.write_volatile(1) };
}

/// Calls itself until the stack ends.
#[expect(unconditional_recursion, reason = "that is what it is for")]
fn deeper(above: &[u8; 256]) -> u8 {
    let mut here = *above;
    here[usize::from(here[0])] = here[1].wrapping_add(1);
    core::hint::black_box(&mut here);
    deeper(&here).wrapping_add(here[2])
}

#[cfg(target_os = "none")]
fn illegal() {
    // SAFETY: the instruction is permanently undefined; it only traps.
    unsafe { core::arch::asm!("udf #0", options(nomem, nostack)) };
}

#[cfg(not(target_os = "none"))]
const fn illegal() {}
