//! Driver and device in two threads, with nothing between them but the ring: a missing barrier is
//! a data race or a lost wake-up. Natively a stress test; under Miri each run is another schedule
//! on a weak memory model.

use hardware::Dma;
use std::thread::{self, Thread};
use std::time::Duration;
use virtio::fake::{DeviceQueue, Fake, memory};
use virtio::{DeviceType, Direction, EVENT_INDEX, Faults, Plan, SplitQueue, Used, go, negotiate};

const BUFFERS: u16 = 4;
const BUFFER: usize = 8;
const ROUNDS: u32 = if cfg!(miri) { 60 } else { 200_000 };
/// Nobody has to wait this long unless a wake-up was lost. (Miri finds the deadlock itself.)
const FOR_EVER: Duration = Duration::from_secs(60);

/// Sleeps until the other side rings. Spurious wake-ups do no harm, lost ones do.
fn sleep() {
    if cfg!(miri) {
        thread::park();
        return;
    }
    let start = std::time::Instant::now();
    thread::park_timeout(FOR_EVER);
    assert!(start.elapsed() < FOR_EVER, "a wake-up was lost");
}

/// Fills every buffer with the number of its turn.
fn device(mut queue: DeviceQueue, driver: &Thread) {
    let mut turn = 0_u32;
    while turn < ROUNDS {
        let mut worked = false;
        while let Some(chain) = queue.take() {
            let number = turn.to_le_bytes();
            let written = queue.write(&chain, &[number, number].concat());
            queue.give_back(chain.id.into(), written);
            turn += 1;
            worked = true;
        }
        if worked && queue.wants_interrupt() {
            driver.unpark();
        }
        if turn < ROUNDS && !queue.rest() {
            sleep();
        }
        queue.quiet();
    }
}

fn driver(queue: &mut SplitQueue, mut buffers: Vec<Dma>, device: &Thread) {
    let mut faults = Faults::default();
    let (mut provided, mut reaped) = (0, 0_u32);
    while reaped < ROUNDS {
        while let Some(Used { buffer, written }) = queue.reap(&mut faults) {
            assert_eq!(written, Some(BUFFER));
            let number = reaped.to_le_bytes();
            assert_eq!(buffer.bytes(), [number, number].concat());
            buffers.push(buffer);
            reaped += 1;
        }
        while provided < ROUNDS
            && let Some(buffer) = buffers.pop()
        {
            queue.provide(buffer, BUFFER).unwrap();
            provided += 1;
        }
        if queue.publish() {
            device.unpark();
        }
        if reaped < ROUNDS && !queue.arm(1) {
            sleep();
        }
        queue.disarm();
    }
    assert_eq!(faults.total(), 0);
}

fn run(event_index: bool) {
    let (mut dma, guest) = memory(0x4000_0000, 3 * 4096);
    let fake = Fake::new(DeviceType::EntropySource, false, 1, 64, guest);
    fake.state().offered |= EVENT_INDEX;
    let mut transport = fake.transport();
    let wanted = if event_index { EVENT_INDEX } else { 0 };
    let kind = DeviceType::EntropySource;
    let (_, reset) = negotiate(&mut transport, kind, |_, _| wanted).unwrap();
    let plan = Plan {
        index: 0,
        buffers: BUFFERS,
        direction: Direction::FromDevice,
        event_index,
        header: 0,
    };
    let mut queue = SplitQueue::new(&mut transport, plan, &mut dma, &reset).unwrap();
    go(&mut transport, reset);
    let buffers = (0..BUFFERS)
        .map(|_| dma.split_to(BUFFER).unwrap())
        .collect();
    let device_queue = fake.state().queues[0].take().unwrap();
    let this = thread::current();
    thread::scope(|scope| {
        let other = scope.spawn(move || device(device_queue, &this));
        driver(&mut queue, buffers, other.thread());
    });
}

#[test]
fn nothing_is_lost_with_event_index() {
    run(true);
}

#[test]
fn nothing_is_lost_without_event_index() {
    run(false);
}
