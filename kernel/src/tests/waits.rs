//! What the kernel keeps of a wait's items.

use super::{ask, call, end, fire, kernel, program};
use crate::mm::user::{read_value, write_value};
use crate::object::handle::Entry;
use crate::object::process::Process;
use crate::object::slab::Key;
use crate::object::{Kernel, ObjectRef};
use abi::{DEADLINE_NEVER, Error, Handle, Rights, Signals, Syscall, WaitFlags, WaitItem};

const SAME: u64 = WaitFlags::SAME_ITEMS.bits();
const ITEM: u64 = size_of::<WaitItem>() as u64;

fn put(kernel: &Kernel, process: Key<Process>, address: u64, handles: &[u64]) {
    for (place, &handle) in (0..).zip(handles) {
        let item = WaitItem::new(Handle(handle as u32), Signals::all());
        let space = &kernel.processes[process].space;
        write_value(space, address + place * ITEM, &item).unwrap();
    }
}

fn observed(kernel: &Kernel, process: Key<Process>, address: u64, place: u64) -> Signals {
    let space = &kernel.processes[process].space;
    let item: WaitItem = read_value(space, address + place * ITEM).unwrap();
    item.signals()
}

/// Rings the end opposite to a handle.
fn ring_from(kernel: &mut Kernel, process: Key<Process>, handle: u64) {
    let handles = &kernel.processes[process].handles;
    let Ok(Entry {
        object: ObjectRef::Channel(channel, side),
        ..
    }) = handles.get(Handle(handle as u32))
    else {
        panic!("a channel");
    };
    kernel.ring(channel, side).unwrap();
}

/// `first` of an answer: one item with a doorbell.
fn doorbell_at(place: u64) -> u64 {
    place | u64::from(Signals::DOORBELL.bits()) << 32
}

#[test]
fn kept_items_are_told_like_new_ones() {
    let mut kernel = kernel();
    let (process, thread, address) = program(&mut kernel, u64::MAX);
    let channels: Vec<(u64, u64)> = (0..70)
        .map(|_| ask(&mut kernel, Syscall::ChannelCreate, &[4096]).unwrap())
        .collect();
    let ends: Vec<u64> = channels.iter().map(|&(one, _)| one).collect();
    put(&kernel, process, address, &ends);
    let sleep = [address, 70, DEADLINE_NEVER, 0, SAME];
    for place in [0usize, 63, 64, 69, 5] {
        assert_eq!(call(&mut kernel, Syscall::Wait as u64, &sleep), None);
        assert!(kernel.choose(0).is_none());
        ring_from(&mut kernel, process, channels[place].1);
        assert!(kernel.choose(0).is_some());
        let told = &kernel.threads[thread].context.x[..3];
        assert_eq!(told, [0, 1, doorbell_at(place as u64)]);
        assert!(observed(&kernel, process, address, place as u64).is_empty());
    }
    // What happens while the program runs is told at once, several by the items.
    for place in [2, 66] {
        ring_from(&mut kernel, process, channels[place].1);
    }
    let (seen, _) = ask(&mut kernel, Syscall::Wait, &sleep).unwrap();
    assert_eq!(seen, 2);
    for place in [2, 66] {
        let signals = observed(&kernel, process, address, place);
        assert_eq!(signals, Signals::DOORBELL);
    }
    end(&mut kernel, process);
}

#[test]
fn a_level_is_told_as_long_as_it_lasts() {
    let mut kernel = kernel();
    let (process, thread, address) = program(&mut kernel, u64::MAX);
    let (one, two) = ask(&mut kernel, Syscall::ChannelCreate, &[4096]).unwrap();
    let (other, _) = ask(&mut kernel, Syscall::ChannelCreate, &[4096]).unwrap();
    let (memory, _) = ask(&mut kernel, Syscall::MemoryCreate, &[4096]).unwrap();
    put(&kernel, process, address, &[other, one]);
    let sleep = [address, 2, DEADLINE_NEVER, 0, SAME];
    assert_eq!(call(&mut kernel, Syscall::Wait as u64, &sleep), None);
    ring_from(&mut kernel, process, two);
    kernel.choose(0);
    assert_eq!(kernel.threads[thread].context.x[1..3], [1, doorbell_at(1)]);
    ask(&mut kernel, Syscall::ChannelSendHandle, &[two, memory, 0]).unwrap();
    let handle_at_1 = 1 | u64::from(Signals::HANDLE.bits()) << 32;
    for _ in 0..3 {
        // The handles of the process have changed: the items are read again, and say the same.
        assert_eq!(
            ask(&mut kernel, Syscall::Wait, &sleep),
            Ok((1, handle_at_1))
        );
    }
    ask(&mut kernel, Syscall::ChannelReceiveHandle, &[one]).unwrap();
    assert_eq!(call(&mut kernel, Syscall::Wait as u64, &sleep), None);
    end(&mut kernel, process);
}

#[test]
fn a_closed_handle_is_not_waited_for_any_more() {
    let mut kernel = kernel();
    let (process, thread, address) = program(&mut kernel, u64::MAX);
    let (one, two) = ask(&mut kernel, Syscall::ChannelCreate, &[4096]).unwrap();
    let (kept, _) = ask(&mut kernel, Syscall::HandleDuplicate, &[one, 0]).unwrap();
    put(&kernel, process, address, &[one]);
    let sleep = [address, 1, DEADLINE_NEVER, 0, SAME];
    assert_eq!(call(&mut kernel, Syscall::Wait as u64, &sleep), None);
    ring_from(&mut kernel, process, two);
    kernel.choose(0);
    assert_eq!(kernel.threads[thread].context.x[0], 0);
    // The object lives on by its other handle; this number names nothing.
    ask(&mut kernel, Syscall::HandleClose, &[one]).unwrap();
    ring_from(&mut kernel, process, two);
    assert_eq!(
        ask(&mut kernel, Syscall::Wait, &sleep),
        Err(Error::BadHandle)
    );
    put(&kernel, process, address, &[kept]);
    assert_eq!(
        ask(&mut kernel, Syscall::Wait, &sleep),
        Ok((1, doorbell_at(0)))
    );
    end(&mut kernel, process);
}

#[test]
fn a_wait_rings_on_its_way_to_sleep() {
    let mut kernel = kernel();
    let (process, _, address) = program(&mut kernel, u64::MAX);
    let (one, two) = ask(&mut kernel, Syscall::ChannelCreate, &[4096]).unwrap();
    put(&kernel, process, address, &[one]);
    // Ringing one's own other end ends the wait before it begins.
    assert_eq!(
        ask(&mut kernel, Syscall::Wait, &[address, 1, 0, two]),
        Ok((1, doorbell_at(0)))
    );
    let bad = ask(&mut kernel, Syscall::Wait, &[address, 1, 0, 0xffff]);
    assert_eq!(bad, Err(Error::BadHandle));
    let (mute, _) = ask(&mut kernel, Syscall::HandleDuplicate, &[two, 0]).unwrap();
    let denied = ask(&mut kernel, Syscall::Wait, &[address, 1, 0, mute]);
    assert_eq!(denied, Err(Error::Denied));
    ask(&mut kernel, Syscall::HandleClose, &[mute]).unwrap();
    ask(&mut kernel, Syscall::HandleClose, &[two]).unwrap();
    // Nobody is there to be rung, which the wait itself tells.
    let closed = u64::from(Signals::PEER_CLOSED.bits()) << 32;
    assert_eq!(
        ask(&mut kernel, Syscall::Wait, &[address, 1, 0, one]),
        Ok((1, closed))
    );
    end(&mut kernel, process);
}

#[test]
fn a_wait_opens_the_line_of_the_interrupt_that_was_served() {
    let mut kernel = kernel();
    let (process, thread, address) = program(&mut kernel, u64::MAX);
    let line = kernel.create_interrupt(40, true).unwrap();
    let mut give = |rights| {
        kernel.retain_interrupt(line);
        let entry = Entry {
            object: ObjectRef::Interrupt(line),
            rights,
        };
        let handle = kernel.processes[process].handles.insert(entry).unwrap();
        u64::from(handle.0)
    };
    let (full, mute) = (give(Rights::SIGNAL), give(Rights::empty()));
    kernel.acknowledge(line);
    let is_open = |kernel: &Kernel| kernel.gic.as_ref().unwrap().open.contains(&40);
    let sleep = [address, 1, DEADLINE_NEVER, 0, SAME];
    let served = SAME | WaitFlags::SERVED.bits();
    let fired = u64::from(Signals::INTERRUPT.bits()) << 32;
    for (handle, opens) in [(full, true), (mute, false)] {
        put(&kernel, process, address, &[handle]);
        let fresh = [address, 1, DEADLINE_NEVER];
        assert_eq!(call(&mut kernel, Syscall::Wait as u64, &fresh), None);
        fire(&mut kernel);
        kernel.choose(0);
        assert_eq!(kernel.threads[thread].context.x[1..3], [1, fired]);
        assert!(!is_open(&kernel));
        // Not served yet: told again.
        assert_eq!(ask(&mut kernel, Syscall::Wait, &sleep), Ok((1, fired)));
        let again = [address, 1, 0, 0, served];
        let answer = ask(&mut kernel, Syscall::Wait, &again);
        assert_eq!(is_open(&kernel), opens);
        if opens {
            assert_eq!(answer, Err(Error::TimedOut));
        } else {
            assert_eq!(answer, Ok((1, fired)));
        }
    }
    kernel.release_interrupt(line);
    end(&mut kernel, process);
}

#[test]
fn who_was_told_of_an_old_firing_does_not_end_a_new_one() {
    let mut kernel = kernel();
    let (process, thread, address) = program(&mut kernel, u64::MAX);
    let line = kernel.create_interrupt(40, true).unwrap();
    kernel.retain_interrupt(line);
    let entry = Entry {
        object: ObjectRef::Interrupt(line),
        rights: Rights::SIGNAL,
    };
    let handle = kernel.processes[process].handles.insert(entry).unwrap();
    put(&kernel, process, address, &[u64::from(handle.0)]);
    kernel.acknowledge(line);
    let sleep = [address, 1, DEADLINE_NEVER];
    assert_eq!(call(&mut kernel, Syscall::Wait as u64, &sleep), None);
    fire(&mut kernel);
    kernel.choose(0);
    assert_eq!(kernel.threads[thread].context.x[1], 1);
    // Another thread that was told as well has served it, and the line fires again.
    kernel.acknowledge(line);
    fire(&mut kernel);
    let served = [address, 1, 0, 0, SAME | WaitFlags::SERVED.bits()];
    let fired = u64::from(Signals::INTERRUPT.bits()) << 32;
    assert_eq!(ask(&mut kernel, Syscall::Wait, &served), Ok((1, fired)));
    let is_open = |kernel: &Kernel| kernel.gic.as_ref().unwrap().open.contains(&40);
    assert!(!is_open(&kernel));
    // That one it may end.
    assert_eq!(
        ask(&mut kernel, Syscall::Wait, &served),
        Err(Error::TimedOut)
    );
    assert!(is_open(&kernel));
    kernel.release_interrupt(line);
    end(&mut kernel, process);
}

#[test]
fn a_served_interrupt_opens_its_line_only_by_a_handle_that_still_may() {
    let mut kernel = kernel();
    let (process, thread, address) = program(&mut kernel, u64::MAX);
    let line = kernel.create_interrupt(40, true).unwrap();
    let entry = |rights| Entry {
        object: ObjectRef::Interrupt(line),
        rights,
    };
    let is_open = |kernel: &Kernel| kernel.gic.as_ref().unwrap().open.contains(&40);
    let served = SAME | WaitFlags::SERVED.bits();
    // The line fires, its handle is given up, and the object lives on by another one: in the hands
    // of somebody else, or in our own without the right.
    for kept in [None, Some(Rights::empty())] {
        kernel.acknowledge(line);
        kernel.retain_interrupt(line);
        let handles = &mut kernel.processes[process].handles;
        let full = u64::from(handles.insert(entry(Rights::SIGNAL)).unwrap().0);
        put(&kernel, process, address, &[full]);
        let sleep = [address, 1, DEADLINE_NEVER, 0, SAME];
        assert_eq!(call(&mut kernel, Syscall::Wait as u64, &sleep), None);
        fire(&mut kernel);
        kernel.choose(0);
        assert_eq!(kernel.threads[thread].context.x[1], 1);
        ask(&mut kernel, Syscall::HandleClose, &[full]).unwrap();
        let mut left = full;
        if let Some(rights) = kept {
            kernel.retain_interrupt(line);
            let handles = &mut kernel.processes[process].handles;
            left = u64::from(handles.insert(entry(rights)).unwrap().0);
            put(&kernel, process, address, &[left]);
        }
        let answer = ask(&mut kernel, Syscall::Wait, &[address, 1, 0, 0, served]);
        assert!(!is_open(&kernel), "opened without a right");
        let fired = u64::from(Signals::INTERRUPT.bits()) << 32;
        match kept {
            None => assert_eq!(answer, Err(Error::BadHandle)),
            Some(_) => {
                assert_eq!(answer, Ok((1, fired)));
                ask(&mut kernel, Syscall::HandleClose, &[left]).unwrap();
            }
        }
    }
    kernel.release_interrupt(line);
    end(&mut kernel, process);
}

#[test]
fn a_served_interrupt_opens_its_line_whatever_is_waited_for_next() {
    let mut kernel = kernel();
    let (process, thread, address) = program(&mut kernel, u64::MAX);
    let line = kernel.create_interrupt(40, true).unwrap();
    let entry = Entry {
        object: ObjectRef::Interrupt(line),
        rights: Rights::SIGNAL,
    };
    let handles = &mut kernel.processes[process].handles;
    let full = u64::from(handles.insert(entry).unwrap().0);
    let (one, two) = ask(&mut kernel, Syscall::ChannelCreate, &[4096]).unwrap();
    put(&kernel, process, address, &[full]);
    let sleep = [address, 1, DEADLINE_NEVER];
    assert_eq!(call(&mut kernel, Syscall::Wait as u64, &sleep), None);
    kernel.acknowledge(line);
    fire(&mut kernel);
    kernel.choose(0);
    assert_eq!(kernel.threads[thread].context.x[1], 1);
    // Handles have come and gone, and the list is another one.
    ask(&mut kernel, Syscall::HandleClose, &[two]).unwrap();
    put(&kernel, process, address, &[one, full]);
    let closed = u64::from(Signals::PEER_CLOSED.bits()) << 32;
    let next = [address, 2, DEADLINE_NEVER, 0, WaitFlags::SERVED.bits()];
    assert_eq!(ask(&mut kernel, Syscall::Wait, &next), Ok((1, closed)));
    assert!(kernel.gic.as_ref().unwrap().open.contains(&40));
    end(&mut kernel, process);
}

#[test]
fn a_deadline_that_was_left_is_changed_and_fires_once() {
    let mut kernel = kernel();
    let (process, thread, address) = program(&mut kernel, u64::MAX);
    let (one, two) = ask(&mut kernel, Syscall::ChannelCreate, &[4096]).unwrap();
    put(&kernel, process, address, &[one]);
    for deadline in [9_000_000, 5_000_000, 5_000_000, 7_000_000] {
        let sleep = [address, 1, deadline, 0, SAME];
        assert_eq!(call(&mut kernel, Syscall::Wait as u64, &sleep), None);
        kernel.choose(0);
        assert!(kernel.sched.cpus[0].current.is_none());
        ring_from(&mut kernel, process, two);
        kernel.choose(0);
        assert_eq!(kernel.threads[thread].context.x[1..3], [1, doorbell_at(0)]);
    }
    // Awake when the last one passes: nobody is told.
    kernel.expire(0, 7_000_000);
    let sleep = [address, 1, 8_000_000, 0, SAME];
    assert_eq!(call(&mut kernel, Syscall::Wait as u64, &sleep), None);
    kernel.choose(0);
    kernel.expire(0, 7_999_999);
    kernel.choose(0);
    assert!(kernel.sched.cpus[0].current.is_none());
    kernel.expire(0, 8_000_000);
    kernel.choose(0);
    assert_eq!(kernel.sched.cpus[0].current, Some(thread));
    assert_eq!(
        kernel.threads[thread].context.x[0],
        Error::TimedOut.register()
    );
    end(&mut kernel, process);
}
