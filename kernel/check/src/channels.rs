//! Channels, wait, deadlines.

use crate::sys::{call, milliseconds, now, peek, poke};
use crate::world::{Test, Verdict, World, map, wait, wait_one};
use crate::{ensure, must, roles};
use abi::{
    CHANNEL_HANDLE_QUEUE, DEADLINE_NEVER, Error, Handle, Protection, Rights, Signals, Syscall,
    WaitItem,
};

pub const TESTS: &[Test] = &[
    ("channel-shared-memory", shared),
    ("channel-doorbell", doorbell),
    ("channel-map-once", map_once),
    ("channel-handles-in-order", handles),
    ("channel-queue-full", queue_full),
    ("channel-peer-closed", peer_closed),
    ("channel-no-cycles", no_cycles),
    ("channel-rights", rights),
    ("channel-ping-pong", ping_pong),
    ("channel-cycles-leak-nothing", cycles),
    ("wait-deadline", deadline),
    ("wait-many", many),
    ("wait-bad-items", bad_items),
];

fn pair() -> Result<(u64, u64), Error> {
    call(Syscall::ChannelCreate, [4096])
}

fn close(handles: &[u64]) {
    for &handle in handles {
        // A test may have given it away.
        let _gone = call(Syscall::HandleClose, [handle]);
    }
}

fn look(handle: u64) -> Signals {
    let all = Signals::all();
    wait_one(handle, all, 0).unwrap_or(Signals::empty())
}

fn shared(_: &World) -> Verdict {
    let (one, two) = must!(pair());
    let (first, length) = must!(call(Syscall::ChannelMap, [one]));
    let (second, _) = must!(call(Syscall::ChannelMap, [two]));
    ensure!(length == 4096 && first != second && peek(second) == 0);
    poke(first + 8, 5);
    ensure!(peek(second + 8) == 5);
    close(&[one, two]);
    poke(first + 8, 6);
    ensure!(peek(second + 8) == 6);
    must!(call(Syscall::MemoryUnmap, [first, 4096]));
    must!(call(Syscall::MemoryUnmap, [second, 4096]));
    Ok(())
}

fn doorbell(_: &World) -> Verdict {
    let (one, two) = must!(pair());
    ensure!(look(one).is_empty() && look(two).is_empty());
    must!(call(Syscall::ChannelRing, [one]));
    must!(call(Syscall::ChannelRing, [one]));
    ensure!(look(one).is_empty());
    // Not wanted: it stays.
    ensure!(wait_one(two, Signals::HANDLE, 0) == Err(Error::TimedOut));
    ensure!(look(two) == Signals::DOORBELL);
    ensure!(look(two).is_empty());
    close(&[one, two]);
    Ok(())
}

fn map_once(_: &World) -> Verdict {
    let (one, two) = must!(pair());
    let (address, _) = must!(call(Syscall::ChannelMap, [one]));
    ensure!(call(Syscall::ChannelMap, [one]) == Err(Error::BadState));
    must!(call(Syscall::MemoryUnmap, [address, 4096]));
    close(&[one, two]);
    Ok(())
}

fn handles(_: &World) -> Verdict {
    let (one, two) = must!(pair());
    for tag in 0..5 {
        let (memory, _) = must!(call(Syscall::MemoryCreate, [4096, 0]));
        must!(call(
            Syscall::ChannelSendHandle,
            [one, memory, tag << 40 | tag]
        ));
        // It has left.
        ensure!(call(Syscall::HandleClose, [memory]) == Err(Error::BadHandle));
    }
    ensure!(look(two) == Signals::HANDLE);
    for tag in 0..5 {
        let (memory, got) = must!(call(Syscall::ChannelReceiveHandle, [two]));
        ensure!(got == tag << 40 | tag);
        ensure!(call(Syscall::MemoryPhysical, [memory, 0]) == Err(Error::Denied));
        close(&[memory]);
    }
    ensure!(call(Syscall::ChannelReceiveHandle, [two]) == Err(Error::WouldBlock));
    close(&[one, two]);
    Ok(())
}

fn queue_full(_: &World) -> Verdict {
    let (one, two) = must!(pair());
    for tag in 0..CHANNEL_HANDLE_QUEUE as u64 {
        let (memory, _) = must!(call(Syscall::MemoryCreate, [4096, 0]));
        must!(call(Syscall::ChannelSendHandle, [one, memory, tag]));
    }
    let (memory, _) = must!(call(Syscall::MemoryCreate, [4096, 0]));
    let full = call(Syscall::ChannelSendHandle, [one, memory, 0]);
    ensure!(full == Err(Error::WouldBlock));
    close(&[memory, one, two]);
    Ok(())
}

fn peer_closed(_: &World) -> Verdict {
    let (one, two) = must!(pair());
    let (memory, _) = must!(call(Syscall::MemoryCreate, [4096, 0]));
    must!(call(Syscall::ChannelSendHandle, [one, memory, 3]));
    close(&[one]);
    ensure!(look(two) == Signals::PEER_CLOSED | Signals::HANDLE);
    ensure!(call(Syscall::ChannelRing, [two]) == Err(Error::PeerClosed));
    // What was sent before arrives.
    let (memory, tag) = must!(call(Syscall::ChannelReceiveHandle, [two]));
    ensure!(tag == 3);
    let gone = call(Syscall::ChannelReceiveHandle, [two]);
    ensure!(gone == Err(Error::PeerClosed));
    let gone = call(Syscall::ChannelSendHandle, [two, memory, 0]);
    ensure!(gone == Err(Error::PeerClosed));
    close(&[memory, two]);
    Ok(())
}

fn no_cycles(world: &World) -> Verdict {
    let before = world.figures();
    let (a, b) = must!(pair());
    let (c, d) = must!(pair());
    // An end into its own channel.
    ensure!(call(Syscall::ChannelSendHandle, [a, b, 0]) == Err(Error::WouldBlock));
    // d waits in b's queue; b may then not be sent, and d takes no channels.
    must!(call(Syscall::ChannelSendHandle, [a, d, 0]));
    ensure!(call(Syscall::ChannelSendHandle, [c, b, 0]) == Err(Error::BadState));
    let (e, f) = must!(pair());
    ensure!(call(Syscall::ChannelSendHandle, [c, e, 0]) == Err(Error::WouldBlock));
    let (memory, _) = must!(call(Syscall::MemoryCreate, [4096, 0]));
    must!(call(Syscall::ChannelSendHandle, [c, memory, 0]));
    close(&[a, b, c, e, f]);
    let after = world.figures();
    ensure!(before.memory_free == after.memory_free);
    Ok(())
}

fn rights(_: &World) -> Verdict {
    let (one, two) = must!(pair());
    let few = u64::from(Rights::DUPLICATE.bits());
    let (mute, _) = must!(call(Syscall::HandleDuplicate, [one, few]));
    ensure!(call(Syscall::ChannelRing, [mute]) == Err(Error::Denied));
    ensure!(call(Syscall::ChannelSendHandle, [two, mute, 0]) == Err(Error::Denied));
    let (memory, _) = must!(call(Syscall::MemoryCreate, [4096, 0]));
    ensure!(call(Syscall::ChannelRing, [memory]) == Err(Error::BadHandle));
    // Two handles to one end: it closes with the last.
    close(&[one]);
    ensure!(look(two).is_empty());
    close(&[mute]);
    ensure!(look(two) == Signals::PEER_CLOSED);
    close(&[memory, two]);
    Ok(())
}

fn ping_pong(world: &World) -> Verdict {
    let child = must!(world.spawn(roles::ECHO, 0));
    for count in 1..=2000 {
        must!(child.ask());
        ensure!(peek(child.memory + 16) == count);
    }
    must!(call(Syscall::HandleClose, [child.channel]));
    ensure!(child.join().code == 0);
    child.close();
    Ok(())
}

fn cycles(world: &World) -> Verdict {
    let round = || -> Verdict {
        let (one, two) = must!(pair());
        let (three, four) = must!(pair());
        let (address, length) = must!(call(Syscall::ChannelMap, [one]));
        must!(call(Syscall::ChannelSendHandle, [one, four, 1]));
        let (memory, _) = must!(call(Syscall::MemoryCreate, [4096, 0]));
        must!(call(Syscall::ChannelSendHandle, [three, memory, 2]));
        close(&[two, three, one]);
        must!(call(Syscall::MemoryUnmap, [address, length]));
        Ok(())
    };
    round()?;
    let before = world.figures();
    for _ in 0..10_000 {
        round()?;
    }
    let after = world.figures();
    ensure!(before.memory_free == after.memory_free);
    ensure!(before.kernel_heap + 4096 > after.kernel_heap);
    Ok(())
}

fn deadline(_: &World) -> Verdict {
    let (one, two) = must!(pair());
    ensure!(wait_one(one, Signals::DOORBELL, 0) == Err(Error::TimedOut));
    ensure!(wait_one(one, Signals::DOORBELL, now()) == Err(Error::TimedOut));
    for pause in [1, 3, 20] {
        let at = now() + milliseconds(pause);
        ensure!(wait_one(one, Signals::DOORBELL, at) == Err(Error::TimedOut));
        ensure!(now() >= at);
    }
    let at = now() + milliseconds(2);
    ensure!(wait(&mut [], at) == Err(Error::TimedOut));
    ensure!(now() >= at);
    must!(call(Syscall::ChannelRing, [two]));
    let far = now() + milliseconds(1_000_000);
    ensure!(wait_one(one, Signals::DOORBELL, far) == Ok(Signals::DOORBELL));
    close(&[one, two]);
    Ok(())
}

fn many(_: &World) -> Verdict {
    let mut ours = [0; 100];
    let mut theirs = [0; 100];
    let mut items = [WaitItem::new(Handle::NONE, Signals::empty()); 100];
    for place in 0..100 {
        (ours[place], theirs[place]) = must!(pair());
        items[place] = WaitItem::new(Handle(ours[place] as u32), Signals::all());
        items[place].observed = 99;
    }
    ensure!(wait(&mut items, 0) == Err(Error::TimedOut));
    ensure!(items.iter().all(|item| item.observed == 0));
    for place in (0..100).step_by(7) {
        must!(call(Syscall::ChannelRing, [theirs[place]]));
    }
    ensure!(wait(&mut items, DEADLINE_NEVER) == Ok(15));
    for (place, item) in items.iter().enumerate() {
        let expected = if place % 7 == 0 {
            Signals::DOORBELL
        } else {
            Signals::empty()
        };
        ensure!(item.signals() == expected);
    }
    close(&ours);
    close(&theirs);
    Ok(())
}

fn bad_items(_: &World) -> Verdict {
    let (one, two) = must!(pair());
    let mut items = [WaitItem::new(Handle(one as u32), Signals::all()); 2];
    items[1].handle = 0xdead_beef;
    ensure!(wait(&mut items, 0) == Err(Error::BadHandle));
    let address = crate::sys::at_mut(&mut items);
    ensure!(call(Syscall::Wait, [address, 257, 0]) == Err(Error::BadArgument));
    ensure!(call(Syscall::Wait, [address, u64::MAX, 0]) == Err(Error::BadArgument));
    ensure!(call(Syscall::Wait, [address + 1, 1, 0]) == Err(Error::BadAddress));
    ensure!(call(Syscall::Wait, [0, 1, 0]) == Err(Error::BadAddress));
    // Items that can be read but not written do for what comes by register.
    let (memory, _) = must!(call(Syscall::MemoryCreate, [4096, 0]));
    let writable = must!(map(memory, 4096, Protection::READ | Protection::WRITE));
    poke(writable, one | 1 << 32);
    poke(writable + 8, 0);
    poke(writable + 16, two | 1 << 32);
    poke(writable + 24, 0);
    must!(call(Syscall::MemoryUnmap, [writable, 4096]));
    let constant = must!(map(memory, 4096, Protection::READ));
    must!(call(Syscall::ChannelRing, [two]));
    ensure!(call(Syscall::Wait, [constant, 2, 0]) == Ok((1, 1 << 32)));
    must!(call(Syscall::ChannelRing, [two]));
    must!(call(Syscall::ChannelRing, [one]));
    ensure!(call(Syscall::Wait, [constant, 2, 0]) == Err(Error::BadAddress));
    must!(call(Syscall::MemoryUnmap, [constant, 4096]));
    close(&[memory, one, two]);
    Ok(())
}
