//! The direct ways of a wait lead where the general way does: the same programs, driven at random by the
//! one and by the other, see the same and leave the kernel as it would be.

use super::fuzz::Random;
use super::{ask, fire, kernel, program};
use crate::mm::user::{read_value, write_value};
use crate::object::handle::Entry;
use crate::object::process::Process;
use crate::object::slab::Key;
use crate::object::thread::Thread;
use crate::object::{Kernel, ObjectRef};
use crate::sched::wait::direct::Led;
use crate::syscall::{self, Caller};
use abi::{DEADLINE_NEVER, Handle, Rights, Signals, Syscall, WaitItem};
use std::thread::spawn;

const ITEM: u64 = size_of::<WaitItem>() as u64;
const DUPLICATE: Rights = Rights::DUPLICATE;
/// Long after every test.
const LATE: u64 = 1 << 40;

struct Program {
    process: Key<Process>,
    thread: Key<Thread>,
    memory: u64,
    /// Its ends of channels, and a line.
    handles: Vec<u64>,
}

/// Puts a handle of one program into another's table.
fn pass(kernel: &mut Kernel, handle: u64, from: Key<Process>, to: Key<Process>) -> u64 {
    let entry = kernel.give_up(from, Handle(handle as u32)).unwrap();
    let handle = kernel.processes[to].handles.insert(entry).unwrap();
    handle.0.into()
}

/// Three programs that wait for each other by channels, and for a line.
fn world(kernel: &mut Kernel) -> Vec<Program> {
    let mut programs: Vec<Program> = (0..3)
        .map(|_| {
            let (process, thread, memory) = program(kernel, u64::MAX);
            let handles = Vec::new();
            Program {
                process,
                thread,
                memory,
                handles,
            }
        })
        .collect();
    let first = programs[0].process;
    for other in [1, 2, 1] {
        let (one, two) = ask(kernel, Syscall::ChannelCreate, &[4096]).unwrap();
        programs[0].handles.push(one);
        let process = programs[other].process;
        let two = pass(kernel, two, first, process);
        programs[other].handles.push(two);
    }
    let line = kernel.create_interrupt(40, true).unwrap();
    for (program, rights) in programs
        .iter_mut()
        .zip([Rights::SIGNAL | DUPLICATE, DUPLICATE])
    {
        kernel.retain_interrupt(line);
        let object = ObjectRef::Interrupt(line);
        let table = &mut kernel.processes[program.process].handles;
        let handle = table.insert(Entry { object, rights }).unwrap();
        program.handles.push(handle.0.into());
    }
    kernel.acknowledge(line);
    programs
}

/// What the program that runs asks for next.
fn wait(kernel: &mut Kernel, random: &mut Random, program: &Program) {
    let count = program.handles.len() as u64;
    let items = if random.below(8) == 0 {
        count - 1
    } else {
        count
    };
    let bell = match random.below(8) {
        0..3 => 0,
        3 => 0xffff,
        _ => program.handles[random.below(count) as usize],
    };
    let deadline = match random.below(8) {
        0 => 0,
        1..4 => LATE + random.below(4),
        _ => DEADLINE_NEVER,
    };
    // Mostly the same items, and sometimes what was reported has been served.
    let flags = u64::from(random.below(8) != 0) | random.below(2) << 1;
    let registers = &mut kernel.threads[program.thread].context.x;
    registers[..5].copy_from_slice(&[program.memory, items, deadline, bell, flags]);
}

/// A wait of the program that runs. Whether it went directly, and whether to a peer.
fn perform(kernel: &mut Kernel, program: &Program, is_direct: bool) -> Option<bool> {
    if is_direct && let Some(led) = kernel.wait_directly(0) {
        return Some(matches!(led, Led::ToPeer(_)));
    }
    let caller = Caller {
        cpu: 0,
        thread: program.thread,
        process: program.process,
    };
    let [a, b, c, d, e, f, ..] = kernel.threads[program.thread].context.x;
    syscall::perform(kernel, caller, Syscall::Wait as u64, [a, b, c, d, e, f]);
    kernel.choose(0);
    None
}

/// A step of the world from outside.
fn happen(kernel: &mut Kernel, random: &mut Random, programs: &[Program], is_direct: bool) {
    match random.below(4) {
        0 => kernel.expire(0, LATE + random.below(4)),
        1 => {
            let program = &programs[random.below(3) as usize];
            let table = &kernel.processes[program.process].handles;
            let handle = Handle(program.handles[0] as u32);
            if let Ok(ObjectRef::Channel(channel, side)) = table.get(handle).map(|it| it.object) {
                kernel.ring(channel, side).unwrap();
            }
        }
        _ if is_direct => fire(kernel),
        _ => {
            let gic = kernel.gic.as_ref().unwrap();
            if gic.open.contains(&40)
                && let Some((waiter, _)) = kernel.fire(40)
            {
                kernel.notify(waiter);
            }
        }
    }
    kernel.choose(0);
}

/// All that a wait may have changed.
fn state(kernel: &Kernel, programs: &[Program]) -> String {
    let own = &kernel.sched.cpus[0];
    let mut text = format!(
        "{:?} {:?} {} {:?}",
        own.current,
        kernel.gic.as_ref().unwrap().open,
        kernel.sched.figures().switches,
        own.fp()
    );
    for program in programs {
        let thread = &kernel.threads[program.thread];
        let space = &kernel.processes[program.process].space;
        let items = (0..4).map(|place| read_value(space, program.memory + place * ITEM));
        let seen: Vec<WaitItem> = items.map(Result::unwrap).collect();
        text += &format!(
            "\n{:?} {:?} {:?} {:?} {:?}",
            thread.state,
            &thread.context.x[..3],
            (thread.fp_turns, thread.fp_cpu),
            thread.wait.state(),
            seen.iter().map(|it| it.observed).collect::<Vec<_>>(),
        );
    }
    text
}

/// A run: what could be seen after each step, and how many waits went directly to a peer and to idleness.
fn run(seed: u64, is_direct: bool) -> (Vec<String>, [u32; 2]) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut kernel = kernel();
    let mut programs = world(&mut kernel);
    let (mut states, mut led) = (Vec::new(), [0; 2]);
    for _ in 0..400 {
        let running = kernel.sched.cpus[0].current;
        let place = programs.iter().position(|it| Some(it.thread) == running);
        match place {
            Some(place) if random.below(16) == 0 => {
                // A handle for another, of the same end.
                let program = &mut programs[place];
                let which = random.below(program.handles.len() as u64) as usize;
                let old = program.handles[which];
                let table = &kernel.processes[program.process].handles;
                let held = table.get(Handle(old as u32)).unwrap();
                let rights = held.rights.bits().into();
                let new = ask(&mut kernel, Syscall::HandleDuplicate, &[old, rights]);
                ask(&mut kernel, Syscall::HandleClose, &[old]).unwrap();
                program.handles[which] = new.unwrap().0;
            }
            Some(place) if random.below(16) == 0 => {
                kernel.take_fp(0, programs[place].thread);
            }
            Some(place) => {
                let program = &programs[place];
                let space = &kernel.processes[program.process].space;
                for (at, &handle) in (0..).zip(&program.handles) {
                    let item = WaitItem::new(Handle(handle as u32), Signals::all());
                    write_value(space, program.memory + at * ITEM, &item).unwrap();
                }
                wait(&mut kernel, &mut random, program);
                if let Some(is_to_peer) = perform(&mut kernel, program, is_direct) {
                    led[usize::from(!is_to_peer)] += 1;
                }
            }
            None => happen(&mut kernel, &mut random, &programs, is_direct),
        }
        states.push(state(&kernel, &programs));
    }
    (states, led)
}

#[test]
fn direct_ways_lead_where_the_general_one_does() {
    let mut all = [0; 2];
    for seed in 1..=60 {
        // Each run has a machine of its own.
        let [direct, general] =
            [true, false].map(|is_direct| spawn(move || run(seed, is_direct)).join().unwrap());
        let ((direct, led), (general, _)) = (direct, general);
        for (step, (direct, general)) in direct.iter().zip(&general).enumerate() {
            assert_eq!(direct, general, "seed {seed}, step {step}");
        }
        all = [all[0] + led[0], all[1] + led[1]];
    }
    assert!(all.iter().all(|&count| count > 500), "{all:?}");
}
