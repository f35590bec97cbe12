//! Takes all there is of something, and keeps it.

use abi::Protection;
use rt::handle::{Channel, Memory};
use rt::println;

const MEBIBYTE: usize = 1 << 20;

/// Creates and touches memory until it is refused. Exit gives nothing back by itself.
pub fn leak() -> Result<(), &'static str> {
    let mut mebibytes = 0;
    while let Ok(memory) = Memory::create(MEBIBYTE) {
        match memory.map(0, MEBIBYTE, Protection::READ | Protection::WRITE) {
            Ok(mapping) => core::mem::forget(mapping),
            Err(_) => break,
        }
        core::mem::forget(memory);
        mebibytes += 1;
    }
    println!("kept {mebibytes} MiB");
    Ok(())
}

/// Creates channels until it is refused.
pub fn handles() -> Result<(), &'static str> {
    let mut channels = 0;
    while let Ok(pair) = Channel::create(4096) {
        core::mem::forget(pair);
        channels += 1;
    }
    println!("kept {channels} channels");
    Ok(())
}

/// Never sleeps, never ends.
pub fn spin() -> Result<(), &'static str> {
    loop {
        core::hint::spin_loop();
    }
}
