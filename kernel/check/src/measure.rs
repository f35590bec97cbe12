//! Prices, in ticks of the counter over many rounds: with `-icount shift=0` a tick of 62.5 MHz is
//! 16 instructions.

use crate::roles;
use crate::sys::{call, now};
use crate::world::{World, print};
use abi::Syscall;

/// Nanoseconds of one round: instructions under `-icount shift=0`.
fn price(rounds: u64, mut round: impl FnMut()) -> u64 {
    let start = now();
    for _ in 0..rounds {
        round();
    }
    (now() - start) * 1_000_000 / crate::sys::milliseconds(1) / rounds
}

/// Prints a line per price.
pub fn run(world: &World) {
    let null = price(10_000, || {
        let _done = call(Syscall::Null, []);
    });
    print(format_args!("measure null-call {null}"));
    let Ok(child) = world.spawn_with(roles::ECHO, 0, 7, u64::MAX) else {
        return;
    };
    let echo = price(2_000, || {
        let _answered = child.ask();
    });
    print(format_args!("measure ring-and-answer {echo}"));
    // Alone, for a profile.
    let create = price(200, || {
        if let Ok(other) = world.spawn(roles::EXIT, 0) {
            other.join();
            other.close();
        }
    });
    print(format_args!("measure process-life {create}"));
}
