//! Processes from creation to end.

use crate::sys::{call, milliseconds, now, peek, text};
use crate::world::{Test, Verdict, World, map, process_info, wait, wait_one};
use crate::{ensure, must, roles};
use abi::{
    DEADLINE_NEVER, Error, FAULT_KIND_KILLED, ProcessState, Protection, Rights, Signals, Syscall,
};

pub const TESTS: &[Test] = &[
    ("process-exit-code", exit_code),
    ("process-states", states),
    ("process-kill-sleeping", kill_sleeping),
    ("process-kill-spinning", kill_spinning),
    ("process-kill-unstarted", kill_unstarted),
    ("process-dies-with-its-channel", dies_with_channel),
    ("process-handle-delivery", delivery),
    ("process-shares-memory", shares),
    ("process-bad-images", bad_images),
    ("process-priority-bound", priority),
    ("process-preempts-spinner", preempts),
    ("process-figures", figures),
    ("process-cycles-leak-nothing", cycles),
];

fn exit_code(world: &World) -> Verdict {
    for code in [0, 1, 255, -7, i32::MIN] {
        let child = must!(world.spawn(roles::EXIT, u64::from(code as u32)));
        let info = child.join();
        ensure!(info.code == code);
        ensure!(info.state == ProcessState::Exited as u32);
        ensure!(info.threads == 0 && info.handles == 0);
        ensure!(&info.name[..6] == b"child\0");
        child.close();
    }
    Ok(())
}

fn states(world: &World) -> Verdict {
    let process = must!(world.create(u64::MAX));
    ensure!(process_info(process).state == ProcessState::New as u32);
    ensure!(wait_one(process, Signals::EXITED, 0) == Err(Error::TimedOut));
    must!(call(Syscall::ProcessStart, [process, 0, 3]));
    ensure!(call(Syscall::ProcessStart, [process, 0, 3]) == Err(Error::BadState));
    // Without a channel it gives up.
    must!(wait_one(process, Signals::EXITED, DEADLINE_NEVER));
    ensure!(process_info(process).code == 90);
    ensure!(call(Syscall::ProcessStart, [process, 0, 3]) == Err(Error::BadState));
    ensure!(call(Syscall::ProcessKill, [process, 1]) == Err(Error::BadState));
    must!(call(Syscall::HandleClose, [process]));
    Ok(())
}

fn kill_sleeping(world: &World) -> Verdict {
    let child = must!(world.spawn(roles::SLEEP, 0));
    ensure!(wait(&mut [], now() + milliseconds(2)) == Err(Error::TimedOut));
    must!(call(Syscall::ProcessKill, [child.process, 42]));
    let info = child.join();
    ensure!(info.state == ProcessState::Killed as u32 && info.code == 42);
    ensure!(info.fault.kind == FAULT_KIND_KILLED && info.fault.pc >= 0x40_0000);
    ensure!(wait_one(child.channel, Signals::PEER_CLOSED, 0).is_ok());
    child.close();
    Ok(())
}

fn kill_spinning(world: &World) -> Verdict {
    for _ in 0..20 {
        let child = must!(world.spawn(roles::SPIN, 0));
        ensure!(wait(&mut [], now() + milliseconds(1)) == Err(Error::TimedOut));
        must!(call(Syscall::ProcessKill, [child.process, 9]));
        ensure!(child.join().state == ProcessState::Killed as u32);
        child.close();
    }
    Ok(())
}

fn kill_unstarted(world: &World) -> Verdict {
    let before = world.figures();
    let process = must!(world.create(u64::MAX));
    must!(call(Syscall::ProcessKill, [process, 3]));
    ensure!(process_info(process).state == ProcessState::Killed as u32);
    must!(call(Syscall::HandleClose, [process]));
    // One that is just let go.
    let process = must!(world.create(u64::MAX));
    must!(call(Syscall::HandleClose, [process]));
    let after = world.figures();
    ensure!(before.processes == after.processes);
    ensure!(before.memory_free == after.memory_free);
    Ok(())
}

fn dies_with_channel(world: &World) -> Verdict {
    let child = must!(world.spawn(roles::ECHO, 0));
    must!(child.ask());
    must!(call(Syscall::ProcessKill, [child.process, 0]));
    let seen = must!(wait_one(
        child.channel,
        Signals::PEER_CLOSED,
        DEADLINE_NEVER
    ));
    ensure!(seen == Signals::PEER_CLOSED);
    child.join();
    child.close();
    Ok(())
}

fn delivery(world: &World) -> Verdict {
    let child = must!(world.spawn(roles::RECEIVE, 0));
    let (memory, _) = must!(call(Syscall::MemoryCreate, [4096, 0]));
    must!(call(
        Syscall::ChannelSendHandle,
        [child.channel, memory, 55]
    ));
    ensure!(child.join().code == 55);
    child.close();
    Ok(())
}

fn shares(world: &World) -> Verdict {
    let (memory, _) = must!(call(Syscall::MemoryCreate, [4096, 0]));
    let address = must!(map(memory, 4096, Protection::READ));
    let all = Rights::all() - Rights::SIGNAL - Rights::DMA;
    for (rights, code) in [(all, 0), (all - Rights::WRITE, 13)] {
        let (copy, _) = must!(call(
            Syscall::HandleDuplicate,
            [memory, rights.bits().into()]
        ));
        let child = must!(world.spawn(roles::SHARE, 0));
        must!(call(
            Syscall::ChannelSendHandle,
            [child.channel, copy, 1234]
        ));
        ensure!(child.join().code == code);
        ensure!(peek(address) == 1234);
        child.close();
    }
    must!(call(Syscall::MemoryUnmap, [address, 4096]));
    must!(call(Syscall::HandleClose, [memory]));
    Ok(())
}

fn bad_images(world: &World) -> Verdict {
    let before = world.figures();
    let initrd = u64::from(world.boot.initrd.0);
    let [name, length] = text("bad");
    for offset in [1, 64, 4096, 10_000] {
        let refused = call(
            Syscall::ProcessCreate,
            [initrd, offset, 4096, name, length, u64::MAX],
        );
        ensure!(refused == Err(Error::BadImage));
    }
    for (offset, bytes) in [(0, u64::MAX), (u64::MAX, 1), (1 << 40, 4096)] {
        let refused = call(
            Syscall::ProcessCreate,
            [initrd, offset, bytes, name, length, u64::MAX],
        );
        ensure!(refused == Err(Error::BadArgument));
    }
    let (offset, bytes) = world.image();
    for cut in [0, 63, 64, 120, 3000] {
        let image = [initrd, offset, cut, name, length, u64::MAX];
        ensure!(call(Syscall::ProcessCreate, image) == Err(Error::BadImage));
    }
    for limit in [0, 4096, 100_000] {
        let image = [initrd, offset, bytes, name, length, limit];
        ensure!(call(Syscall::ProcessCreate, image) == Err(Error::NoMemory));
    }
    let image = [initrd, offset, bytes, 8, 16, u64::MAX];
    ensure!(call(Syscall::ProcessCreate, image) == Err(Error::BadAddress));
    let after = world.figures();
    ensure!(before.memory_free == after.memory_free);
    ensure!(before.processes == after.processes);
    Ok(())
}

fn priority(world: &World) -> Verdict {
    let process = must!(world.create(u64::MAX));
    ensure!(call(Syscall::ProcessStart, [process, 0, 8]) == Err(Error::BadArgument));
    ensure!(call(Syscall::ProcessStart, [process, 0xfff, 1]) == Err(Error::BadHandle));
    must!(call(Syscall::HandleClose, [process]));
    Ok(())
}

fn preempts(world: &World) -> Verdict {
    // More spinners than CPUs, all less urgent: this one goes on, and so does an equal of theirs.
    let spinners = [(); 9].map(|()| world.spawn_with(roles::SPIN, 0, 1, u64::MAX));
    let echo = must!(world.spawn_with(roles::ECHO, 0, 1, u64::MAX));
    for _ in 0..20 {
        must!(echo.ask());
    }
    for spinner in spinners {
        let spinner = must!(spinner);
        must!(call(Syscall::ProcessKill, [spinner.process, 0]));
        spinner.join();
        spinner.close();
    }
    must!(call(Syscall::ProcessKill, [echo.process, 0]));
    echo.join();
    echo.close();
    Ok(())
}

fn figures(world: &World) -> Verdict {
    let child = must!(world.spawn(roles::SPIN, 0));
    let mut info = child.info();
    let until = now() + milliseconds(2000);
    while info.cpu_ticks == 0 && now() < until {
        let _slept = wait(&mut [], now() + milliseconds(5));
        info = child.info();
    }
    ensure!(info.cpu_ticks > 0);
    ensure!(info.memory > 128 * 1024 && info.memory < 1 << 20);
    ensure!(info.threads == 1 && info.handles == 1);
    must!(call(Syscall::ProcessKill, [child.process, 0]));
    ensure!(child.join().memory == 0);
    child.close();
    Ok(())
}

fn cycles(world: &World) -> Verdict {
    let round = || -> Verdict {
        let child = must!(world.spawn(roles::EXIT, 5));
        ensure!(child.join().code == 5);
        child.close();
        Ok(())
    };
    round()?;
    let before = world.figures();
    for _ in 0..1000 {
        round()?;
    }
    let after = world.figures();
    ensure!(before.memory_free == after.memory_free);
    ensure!(before.processes == after.processes);
    ensure!(before.kernel_heap + 4096 > after.kernel_heap);
    Ok(())
}
