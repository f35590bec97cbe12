//! Random calls: nothing they do may hurt anybody else.

use crate::sys::{self, call, poke, raw};
use crate::world::{Test, Verdict, World};
use crate::{ensure, must, roles};
use abi::{ProcessState, Syscall};

pub const TESTS: &[Test] = &[("fuzz-system-calls", fuzz)];

const CALLS: u64 = 3000;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number of the kind that breaks things.
    fn number(&mut self, handles: &[u64], memory: u64) -> u64 {
        match self.next() % 12 {
            0 => 0,
            1 => u64::MAX,
            2 => self.next(),
            3 => self.next() & 0xffff,
            4 => memory + (self.next() & 0x1ff8),
            5 => 4096 << (self.next() % 8),
            6 => self.next() % 16,
            7 => 1 << (self.next() % 64),
            _ => handles[self.next() as usize % handles.len()],
        }
    }
}

/// The life of a copy that calls at random.
pub fn play(channel: u64, memory: u64, seed: u64) -> ! {
    let mut random = Random(seed | 1);
    let mut handles = [channel; 16];
    for count in 0..CALLS {
        let number = random.next() % (Syscall::COUNT + 1);
        let harmless =
            number != Syscall::ProcessExit as u64 && number != Syscall::ThreadExit as u64;
        if !harmless || number == Syscall::ThreadCreate as u64 {
            continue;
        }
        let mut arguments = [0; 6].map(|_: u64| random.number(&handles, memory));
        if number == Syscall::Wait as u64 {
            arguments[2] %= 2;
        }
        if number == Syscall::MemoryUnmap as u64 && !random.next().is_multiple_of(8) {
            continue;
        }
        if number == Syscall::HandleClose as u64 && arguments[0] == channel {
            continue;
        }
        if let Ok((first, second)) = raw(number, arguments) {
            let place = random.next() as usize % handles.len();
            handles[place] = first;
            if random.next().is_multiple_of(2) {
                handles[(place + 1) % handles.len()] = second;
            }
        }
        poke(memory + 16, count);
    }
    sys::exit(0)
}

fn fuzz(world: &World) -> Verdict {
    let before = world.figures();
    for seed in 1..=60_u64 {
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let child = must!(world.spawn_with(roles::FUZZ, seed, 3, 64 << 20));
        // It may unmap its own memory and fault; anything but a hang or a leak is right.
        let info = child.join();
        let ended = [
            ProcessState::Exited as u32,
            ProcessState::Faulted as u32,
            ProcessState::Killed as u32,
        ];
        ensure!(ended.contains(&info.state));
        child.close();
    }
    let after = world.figures();
    ensure!(after.memory_free == before.memory_free);
    ensure!(after.processes == before.processes);
    must!(call(Syscall::Null, []));
    Ok(())
}
