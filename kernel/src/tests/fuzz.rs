//! Programs that call at random: whatever they do, nothing is left when they are gone.

use super::{assert_empty, call, end, kernel, program};
use crate::object::Kernel;
use abi::Syscall;

pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn number(&mut self, known: &[u64], memory: u64) -> u64 {
        match self.below(14) {
            0 => 0,
            1 => u64::MAX,
            2 => self.next(),
            3 => self.below(1 << 16),
            4 => memory + self.below(4096),
            5 => 4096 << self.below(6),
            6 => self.below(16),
            7 => 1 << self.below(64),
            8 => (memory + self.below(4096)) & !7,
            _ => known[self.below(known.len() as u64) as usize],
        }
    }
}

fn calls(kernel: &mut Kernel, random: &mut Random, memory: u64, rounds: usize) {
    let mut known = vec![1; 24];
    for _ in 0..rounds {
        if kernel.sched.cpus[0].current.is_none() {
            return;
        }
        let number = random.below(Syscall::COUNT + 1);
        if number == Syscall::SystemControl as u64 || number == Syscall::ProcessExit as u64 {
            continue;
        }
        let mut arguments: Vec<u64> = (0..6).map(|_| random.number(&known, memory)).collect();
        if number == Syscall::Wait as u64 {
            // Look, do not sleep: there is nobody to wake.
            arguments[2] = 0;
        }
        if let Some(Ok((first, second))) = call(kernel, number, &arguments) {
            let place = random.below(known.len() as u64) as usize;
            known[place] = first;
            known[(place + 1) % 24] = second;
        }
        kernel.choose(0);
    }
}

#[test]
fn random_calls_leave_nothing_behind() {
    for seed in 1..=40_u64 {
        let mut kernel = kernel();
        let frames = kernel.frames.free();
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let limit = if seed % 2 == 0 { 1 << 20 } else { u64::MAX };
        let (one, _, memory) = program(&mut kernel, limit);
        let (two, _, _) = program(&mut kernel, limit);
        calls(&mut kernel, &mut random, memory, 2500);
        end(&mut kernel, one);
        calls(&mut kernel, &mut random, memory, 500);
        end(&mut kernel, two);
        while let Some(key) = { kernel.processes.keys().next() } {
            kernel.end_process(key, abi::ProcessState::Killed, 0, None);
        }
        assert_empty(&kernel, frames);
    }
}
