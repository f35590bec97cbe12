//! Driver and device in two threads, with nothing between them but the ring: a missing barrier is
//! a data race or a lost wake-up. Natively a stress test; under Miri each run is another schedule
//! on a weak memory model.

use hardware::Dma;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use virtio::fake::{DeviceQueue, Fake, memory};
use virtio::{DeviceType, Direction, EVENT_INDEX, Faults, Plan, SplitQueue, Used, go, negotiate};

const BUFFERS: u16 = 4;
const BUFFER: usize = 8;
const ROUNDS: u32 = if cfg!(miri) { 60 } else { 100_000 };
/// Nobody has to wait this long unless a wake-up was lost. (Miri's clock counts its own steps.)
const FOR_EVER: Duration = Duration::from_millis(if cfg!(miri) { 500 } else { 60_000 });

/// Wakes the other side and orders nothing: a stronger bell (such as a system call) would hide a
/// missing fence.
#[derive(Default)]
struct Bell(AtomicU32);

impl Bell {
    fn ring(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Sleeps until the bell has been rung since `heard`.
    fn sleep(&self, heard: &mut u32) {
        let start = Instant::now();
        loop {
            let rung = self.0.load(Ordering::Relaxed);
            if rung != *heard {
                *heard = rung;
                return;
            }
            assert!(start.elapsed() < FOR_EVER, "a wake-up was lost");
            thread::yield_now();
        }
    }
}

/// Fills every buffer with the number of its turn.
fn device(mut queue: DeviceQueue, own: &Bell, driver: &Bell) {
    let (mut turn, mut heard) = (0_u32, 0);
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
            driver.ring();
        }
        if turn < ROUNDS && !queue.rest() {
            own.sleep(&mut heard);
        }
        queue.quiet();
    }
}

fn driver(queue: &mut SplitQueue, mut buffers: Vec<Dma>, own: &Bell, device: &Bell) {
    let mut faults = Faults::default();
    let (mut provided, mut reaped, mut heard) = (0, 0_u32, 0);
    while reaped < ROUNDS {
        let before = reaped;
        while let Some(Used {
            buffer, written, ..
        }) = queue.reap(&mut faults)
        {
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
            device.ring();
        }
        if reaped == before && !queue.arm(1) {
            own.sleep(&mut heard);
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
        pieces: 0,
        indirect: false,
        quiet: true,
    };
    let mut queue = SplitQueue::new(&mut transport, plan, &mut dma, &reset).unwrap();
    go(&mut transport, reset);
    let buffers = (0..BUFFERS)
        .map(|_| dma.split_to(BUFFER).unwrap())
        .collect();
    let device_queue = fake.state().queues[0].take().unwrap();
    let (bell_of_device, bell_of_driver) = (Bell::default(), Bell::default());
    thread::scope(|scope| {
        scope.spawn(|| device(device_queue, &bell_of_device, &bell_of_driver));
        driver(&mut queue, buffers, &bell_of_driver, &bell_of_device);
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
