//! Greedy programs.

use crate::sys::{call, milliseconds, now, peek};
use crate::world::{Test, Verdict, World, wait};
use crate::{ensure, must, roles};
use abi::Syscall;

pub const TESTS: &[Test] = &[
    ("limit-memory", memory),
    ("limit-all-memory", all_memory),
    ("limit-handles-and-threads", grab),
    ("limit-children", children),
];

fn memory(world: &World) -> Verdict {
    let before = world.figures();
    let limit = 4 << 20;
    let child = must!(world.spawn_with(roles::HOARD, 0, 3, limit));
    ensure!(child.join().code == 0);
    let pages = peek(child.memory + 16);
    ensure!(pages * 4096 < limit && pages * 4096 > limit / 2);
    child.close();
    ensure!(world.figures().memory_free == before.memory_free);
    Ok(())
}

fn all_memory(world: &World) -> Verdict {
    let before = world.figures();
    if before.memory_total > 1 << 30 {
        // It would make the host find all that memory.
        return Ok(());
    }
    for _ in 0..3 {
        let child = must!(world.spawn(roles::HOARD, 0));
        ensure!(child.join().code == 0);
        ensure!(peek(child.memory + 16) > 1000);
        child.close();
    }
    ensure!(world.figures().memory_free == before.memory_free);
    Ok(())
}

fn grab(world: &World) -> Verdict {
    let before = world.figures();
    let child = must!(world.spawn(roles::GRAB, 0));
    let until = now() + milliseconds(20_000);
    while peek(child.memory + 16) == 0 && now() < until {
        let _slept = wait(&mut [], now() + milliseconds(5));
    }
    ensure!(peek(child.memory + 16) > 100);
    // Another program works all the same.
    let other = must!(world.spawn(roles::EXIT, 6));
    ensure!(other.join().code == 6);
    other.close();
    must!(call(Syscall::ProcessKill, [child.process, 0]));
    child.join();
    child.close();
    ensure!(world.figures().memory_free == before.memory_free);
    Ok(())
}

fn children(world: &World) -> Verdict {
    let before = world.figures();
    let child = must!(world.spawn(roles::BREED, 0));
    let initrd = u64::from(world.boot.initrd.0);
    let rights = 0b1_0110; // transfer, read, execute
    let (image, _) = must!(call(Syscall::HandleDuplicate, [initrd, rights]));
    let (offset, bytes) = world.image();
    must!(call(
        Syscall::ChannelSendHandle,
        [child.channel, image, offset << 32 | bytes]
    ));
    let code = child.join().code;
    ensure!(code > 0 && code <= 32);
    child.close();
    let after = world.figures();
    ensure!(after.processes == before.processes);
    ensure!(after.memory_free == before.memory_free);
    Ok(())
}
