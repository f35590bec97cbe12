//! What the copies do.

use crate::sys::{self, call, peek, poke};
use crate::world::{wait, wait_one};
use abi::{DEADLINE_NEVER, Handle, Protection, Signals, Syscall, WaitItem};
use core::arch::asm;

/// Exits with the argument as code.
pub const EXIT: u64 = 1;
/// Rings back whenever rung.
pub const ECHO: u64 = 2;
/// Never does anything again.
pub const SPIN: u64 = 3;
/// Sleeps for ever.
pub const SLEEP: u64 = 4;
/// Breaks a rule: the argument says which (`faults`).
pub const FAULT: u64 = 5;
/// Takes memory until there is none, leaves the number of pages behind, exits.
pub const HOARD: u64 = 6;
/// Fills the FP registers with the argument and looks whether they stay, ringing in between.
pub const FLOAT: u64 = 7;
/// Takes the first handle that comes, exits with its tag.
pub const RECEIVE: u64 = 8;
/// Random system calls; the argument is the seed.
pub const FUZZ: u64 = 9;
/// Takes everything there is of handles, channels and threads, then sleeps.
pub const GRAB: u64 = 10;
/// Starts children until it is refused and exits with their number.
pub const BREED: u64 = 11;
/// Two threads, of which one spins; exits from the other.
pub const TWO_THREADS: u64 = 12;
/// Maps the Memory that comes, writes to it and exits.
pub const SHARE: u64 = 13;

/// The life of a copy: its channel is all it has.
pub fn play(channel: u64) -> ! {
    let Ok((memory, _)) = call(Syscall::ChannelMap, [channel]) else {
        sys::exit(90);
    };
    let (role, argument) = (peek(memory), peek(memory + 8));
    match role {
        EXIT => sys::exit(argument as i32),
        ECHO => echo(channel, memory),
        SPIN => loop {
            core::hint::spin_loop();
        },
        SLEEP => {
            // Without items and deadline it never returns.
            let _never = wait(&mut [], DEADLINE_NEVER);
        }
        FAULT => crate::faults::commit(argument),
        HOARD => hoard(memory),
        FLOAT => float(channel, argument),
        RECEIVE => receive(channel),
        FUZZ => crate::fuzz::play(channel, memory, argument),
        GRAB => grab(memory),
        BREED => breed(channel),
        TWO_THREADS => two_threads(),
        SHARE => share(channel),
        _ => {}
    }
    sys::exit(91)
}

fn echo(channel: u64, memory: u64) {
    loop {
        let wanted = Signals::DOORBELL | Signals::PEER_CLOSED;
        match wait_one(channel, wanted, DEADLINE_NEVER) {
            Ok(seen) if !seen.contains(Signals::PEER_CLOSED) => {
                poke(memory + 16, peek(memory + 16).wrapping_add(1));
                // The other end may be gone by now; the next wait tells.
                let _closed = call(Syscall::ChannelRing, [channel]);
            }
            _ => sys::exit(0),
        }
    }
}

fn hoard(memory: u64) {
    let mut pages = 0;
    while let Ok((block, _)) = call(Syscall::MemoryCreate, [16 * 4096, 0]) {
        let protection = Protection::READ | Protection::WRITE;
        if let Ok(address) = crate::world::map(block, 16 * 4096, protection) {
            poke(address, 1);
        }
        pages += 16;
        poke(memory + 16, pages);
    }
    sys::exit(0)
}

fn float(channel: u64, value: u64) {
    // SAFETY: sets a register that is declared.
    unsafe { asm!("dup v17.2d, {0}", in(reg) value, out("v17") _) };
    for _ in 0..200 {
        let read: u64;
        let mut item = [WaitItem::new(Handle(channel as u32), Signals::DOORBELL)];
        // SAFETY: a system call between setting and reading the register; the kernel keeps it.
        unsafe {
            asm!(
                "dup v17.2d, {value}",
                "svc #0",
                "umov {read}, v17.d[1]",
                value = in(reg) value,
                read = out(reg) read,
                in("x8") Syscall::Wait as u64,
                inlateout("x0") item.as_mut_ptr() => _,
                inlateout("x1") 1u64 => _,
                inlateout("x2") sys::now() + 1000 => _,
                out("v17") _,
            );
        }
        if read != value {
            sys::exit(1);
        }
    }
    sys::exit(0)
}

fn receive(channel: u64) {
    let seen = wait_one(channel, Signals::HANDLE, DEADLINE_NEVER);
    if seen != Ok(Signals::HANDLE) {
        sys::exit(1);
    }
    match call(Syscall::ChannelReceiveHandle, [channel]) {
        Ok((_, tag)) => sys::exit(tag as i32),
        Err(_) => sys::exit(2),
    }
}

fn grab(memory: u64) {
    let mut taken = 0;
    while let Ok((one, _)) = call(Syscall::ChannelCreate, [4096]) {
        // Mapping may be refused first; the handles count.
        let _refused = call(Syscall::ChannelMap, [one]);
        taken += 1;
    }
    let entry = [
        sys::thread_entry(),
        0x7000_0000,
        spin as *const () as u64,
        0,
    ];
    while call(Syscall::ThreadCreate, entry).is_ok() {
        taken += 1;
    }
    poke(memory + 16, taken);
    let _never = wait(&mut [], DEADLINE_NEVER);
}

fn breed(channel: u64) {
    if wait_one(channel, Signals::HANDLE, DEADLINE_NEVER).is_err() {
        sys::exit(-1);
    }
    let Ok((image, tag)) = call(Syscall::ChannelReceiveHandle, [channel]) else {
        sys::exit(-2);
    };
    let (offset, bytes) = (tag >> 32, tag & 0xffff_ffff);
    let [name, length] = sys::text("grandchild");
    let mut count = 0;
    let create = [image, offset, bytes, name, length, u64::MAX];
    while call(Syscall::ProcessCreate, create).is_ok() {
        count += 1;
    }
    sys::exit(count)
}

/// Needs no stack.
extern "C" fn spin() {
    loop {
        core::hint::spin_loop();
    }
}

fn two_threads() {
    let Ok((stack, _)) = call(Syscall::MemoryCreate, [4096, 0]) else {
        sys::exit(1);
    };
    let protection = Protection::READ | Protection::WRITE;
    let Ok(stack) = crate::world::map(stack, 4096, protection) else {
        sys::exit(2);
    };
    let function = spin as *const () as u64;
    let thread = [sys::thread_entry(), stack + 4096, function, 0];
    if call(Syscall::ThreadCreate, thread).is_err() {
        sys::exit(3);
    }
    let _slept = wait(&mut [], sys::now() + sys::milliseconds(5));
    sys::exit(7)
}

fn share(channel: u64) {
    if wait_one(channel, Signals::HANDLE, DEADLINE_NEVER).is_err() {
        sys::exit(1);
    }
    let Ok((memory, value)) = call(Syscall::ChannelReceiveHandle, [channel]) else {
        sys::exit(2);
    };
    match crate::world::map(memory, 4096, Protection::READ | Protection::WRITE) {
        Ok(address) => poke(address, value),
        Err(abi::Error::Denied) => sys::exit(13),
        Err(_) => sys::exit(3),
    }
    sys::exit(0)
}
