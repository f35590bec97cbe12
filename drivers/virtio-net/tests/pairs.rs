//! Several pairs of queues: a driver for each, and one device that may refuse or lie.

use crate::common::{MAC, Net, OWN_MAC, Random, STATUS, USUAL, small, whole};
use device::{Checksum, Device, Offload, Offloads, TransmitMeta};
use std::sync::{Arc, Mutex};
use virtio::fake::{DeviceQueue, Fake, FakeTransport, memory};
use virtio::{DeviceType, Shared};
use virtio_net::{Config, Fault, InitError, VirtioNet};

type Pair = VirtioNet<Shared<FakeTransport>>;

const COMMANDS: u64 = 1 << 17;
const PAIRS: u64 = 1 << 22;
const FEATURES: u64 = USUAL | PAIRS | COMMANDS;
/// What the device has.
const STATED: u16 = 3;
/// Its queue of commands.
const COMMAND_QUEUE: usize = 6;

fn config(pairs: u16) -> Config {
    Config { pairs, ..small() }
}

/// A device with three pairs, and memory for its drivers.
fn device(legacy: bool, features: u64, config: &Config) -> (Fake, hardware::Dma) {
    let (dma, guest) = memory(0x4000_0000, config.memory());
    let queues = usize::from(2 * STATED + 1);
    let fake = Fake::new(DeviceType::Network, legacy, queues, 256, guest);
    let mut state = fake.state();
    state.offered |= features;
    state.config.extend(OWN_MAC);
    state.config.extend([1, 0]);
    state.config.extend(STATED.to_le_bytes());
    drop(state);
    (fake, dma)
}

/// Lets the device answer commands by what `answer` makes of them.
fn serve(fake: &Fake, mut answer: impl FnMut(&[u8]) -> u8 + Send + 'static) {
    fake.state().servant = Some(Box::new(move |number, queue: &mut DeviceQueue| {
        if number == COMMAND_QUEUE {
            let chain = queue.take().unwrap();
            let written = queue.answer(&chain, |question| vec![answer(question)]);
            queue.give_back(chain.id.into(), written);
        }
    }));
}

/// Drivers of an honest device.
fn rig(legacy: bool, pairs: u16) -> (Fake, Vec<Pair>) {
    let (fake, dma) = device(legacy, FEATURES, &config(pairs));
    serve(&fake, |_| 0);
    let drivers = VirtioNet::pairs(fake.transport(), dma, config(pairs)).unwrap();
    (fake, drivers)
}

fn header(legacy: bool) -> usize {
    if legacy { 10 } else { 12 }
}

/// Puts a frame into a receive queue, as the device.
fn put(fake: &Fake, queue: usize, header: usize, frame: &[u8]) {
    fake.queue(queue, |queue| {
        let chain = queue.take().unwrap();
        let written = queue.write(&chain, &[&[0; 12][..header], frame].concat());
        queue.give_back(chain.id.into(), written);
    });
}

/// Takes a frame off a transmit queue, as the device.
fn take(fake: &Fake, queue: usize, header: usize) -> Option<Vec<u8>> {
    fake.queue(queue, |queue| {
        let chain = queue.take()?;
        let frame = queue.read(&chain).split_off(header);
        queue.give_back(chain.id.into(), 0);
        Some(frame)
    })
}

fn receive(driver: &mut impl Device) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while driver.reap_receive(8, &mut |received| frames.push(whole(&received))) > 0 {}
    frames
}

fn send(driver: &mut impl Device, frame: &[u8]) -> bool {
    let checksum = Checksum::Complete;
    driver.provide_transmit(&mut |buffer| {
        buffer[..frame.len()].copy_from_slice(frame);
        Some((frame.len(), TransmitMeta::whole(checksum)))
    })
}

/// Both ways through one pair.
fn is_alive(fake: &Fake, driver: &mut impl Device, pair: usize, header: usize) {
    let frame = [u8::try_from(pair).unwrap() + 1; 60];
    put(fake, 2 * pair, header, &frame);
    assert_eq!(receive(driver), [frame]);
    assert!(send(driver, &frame));
    driver.flush();
    assert_eq!(take(fake, 2 * pair + 1, header).unwrap(), frame);
    driver.reap_transmit();
}

#[test]
fn each_pair_moves_frames_of_its_own() {
    for legacy in [false, true] {
        let (fake, dma) = device(legacy, FEATURES, &config(2));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        serve(&fake, move |question| {
            seen.lock().unwrap().push(question.to_vec());
            0
        });
        let mut drivers = VirtioNet::pairs(fake.transport(), dma, config(2)).unwrap();
        // 5.1.6.5.6: class 4, command 0, two pairs.
        assert_eq!(*asked.lock().unwrap(), [[4, 0, 2, 0]]);
        assert_eq!(drivers.len(), 2);
        let header = header(legacy);
        for (pair, driver) in drivers.iter_mut().enumerate() {
            let facts = driver.facts();
            assert_eq!(facts.mac, OWN_MAC);
            assert!(facts.offloads.has(Offload::QueuePairs));
            assert!(driver.link_up());
            is_alive(&fake, driver, pair, header);
        }
        put(&fake, 2, header, &[9; 60]);
        assert!(receive(&mut drivers[0]).is_empty());
        assert_eq!(receive(&mut drivers[1]), [[9; 60]]);
        assert!(drivers.iter().all(|driver| driver.faults() == 0));
        assert!(
            fake.state().queues[4].is_none(),
            "the third pair is not used"
        );
        drop(drivers);
        assert_eq!(
            fake.state().resets,
            2,
            "at the start, and when the last has gone"
        );
    }
}

#[test]
fn as_many_as_are_wanted_stated_and_allowed() {
    // (offered, stated, wanted, drivers, faults)
    let table = [
        (FEATURES, 3, 1, 1, 0),
        (FEATURES, 3, 2, 2, 0),
        (FEATURES, 3, 8, 3, 0),
        (FEATURES, 1, 8, 1, 0),
        (FEATURES, 0, 8, 1, 1),
        (FEATURES, 0x8001, 8, 1, 1),
        (USUAL | PAIRS, 3, 2, 1, 0),
        (USUAL | COMMANDS, 3, 2, 1, 0),
        (USUAL, 3, 2, 1, 0),
    ];
    for (offered, stated, wanted, count, faults) in table {
        let (fake, dma) = device(false, offered, &config(wanted));
        fake.state().config[8..10].copy_from_slice(&u16::to_le_bytes(stated));
        serve(&fake, |_| 0);
        let mut drivers = VirtioNet::pairs(fake.transport(), dma, config(wanted)).unwrap();
        assert_eq!(drivers.len(), count, "{offered:#x} {stated} {wanted}");
        assert_eq!(
            drivers[0].faults(),
            faults,
            "{offered:#x} {stated} {wanted}"
        );
        let has_pairs = drivers[0].accepted() & (PAIRS | COMMANDS) != 0;
        assert_eq!(has_pairs, count > 1);
        for (pair, driver) in drivers.iter_mut().enumerate() {
            is_alive(&fake, driver, pair, 12);
        }
    }
    let config = Config {
        offloads: Offloads::ALL.without(Offload::QueuePairs),
        ..config(2)
    };
    let (fake, dma) = device(false, FEATURES, &config);
    let drivers = VirtioNet::pairs(fake.transport(), dma, config).unwrap();
    assert_eq!((drivers.len(), drivers[0].accepted() & PAIRS), (1, 0));
}

#[test]
fn a_driver_of_one_pair_asks_for_no_more() {
    let (fake, dma) = device(false, FEATURES, &config(2));
    let mut net: Net = VirtioNet::new(fake.transport(), dma, config(2)).unwrap();
    assert_eq!(net.accepted() & (PAIRS | COMMANDS), 0);
    is_alive(&fake, &mut net, 0, 12);
}

#[test]
fn a_device_that_refuses_or_does_not_answer_is_driven_with_one_pair() {
    type Answer = fn(&mut DeviceQueue);
    let answers: [Answer; 6] = [
        // No.
        |queue| {
            let chain = queue.take().unwrap();
            let written = queue.answer(&chain, |_| vec![1]);
            queue.give_back(chain.id.into(), written);
        },
        // Done, without an answer.
        |queue| {
            let chain = queue.take().unwrap();
            queue.give_back(chain.id.into(), 0);
        },
        // An answer to what nobody asked.
        |queue| queue.give_back(77, 1),
        |queue| queue.set_used_index(1_000),
        // Nothing, for ever.
        |_| {},
        |queue| {
            queue.take();
        },
    ];
    for answer in answers {
        let (fake, dma) = device(false, FEATURES, &config(2));
        fake.state().servant = Some(Box::new(move |number, queue: &mut DeviceQueue| {
            if number == COMMAND_QUEUE {
                answer(queue);
            }
        }));
        let mut drivers = VirtioNet::pairs(fake.transport(), dma, config(2)).unwrap();
        assert_eq!(drivers.len(), 1);
        assert!(drivers[0].faults() > 0);
        assert!(!drivers[0].facts().offloads.has(Offload::QueuePairs));
        is_alive(&fake, &mut drivers[0], 0, 12);
    }
}

#[test]
fn a_device_without_the_queues_that_it_states() {
    for (missing, index) in [(COMMAND_QUEUE, 6), (3, 3), (2, 2)] {
        let (fake, dma) = device(false, FEATURES, &config(2));
        fake.state().largest[missing] = 0;
        let refused = VirtioNet::pairs(fake.transport(), dma, config(2)).err();
        assert_eq!(refused, Some(InitError::NoQueue { index }));
    }
    let (fake, mut dma) = device(false, FEATURES, &config(2));
    let half = dma.split_to(config(1).memory() / 64).unwrap();
    let refused = VirtioNet::pairs(fake.transport(), half, config(2)).err();
    assert_eq!(refused, Some(InitError::TooLittleMemory));
}

#[test]
fn a_ring_that_is_broken_ends_the_device_for_all() {
    let (fake, mut drivers) = rig(false, 2);
    fake.queue(2, |queue| queue.set_used_index(1_000));
    assert!(drivers.iter().all(|driver| !driver.is_lost()));
    assert!(receive(&mut drivers[1]).is_empty());
    assert_eq!(drivers[1].fault_counters().of(Fault::Index), 1);
    assert_eq!(
        drivers[1].restarts(),
        0,
        "the other one's buffers are with it"
    );
    for driver in &mut drivers {
        assert!(driver.is_lost());
        assert!(receive(driver).is_empty());
    }
    assert!(!drivers[1].link_up() && !send(&mut drivers[1], &[1; 60]));
    assert!(fake.state().queues[0].is_none(), "it was reset");
}

#[test]
fn the_link_is_the_same_for_all_whoever_serves_the_interrupt() {
    let (fake, mut drivers) = rig(false, 3);
    for (server, is_up) in [(1, false), (0, true), (2, false)] {
        fake.configure(|config| config[6] = u8::from(is_up));
        drivers[server].interrupt();
        for driver in &drivers {
            assert_eq!(driver.link_up(), is_up);
        }
    }
    let needs_reset = virtio::DeviceStatus::DEVICE_NEEDS_RESET;
    fake.state().status |= needs_reset;
    fake.configure(|_| {});
    drivers[0].interrupt();
    assert!(drivers.iter().all(Device::is_lost));
}

#[test]
fn others_see_whether_something_came_to_a_driver_that_is_armed() {
    let (fake, mut drivers) = rig(false, 2);
    let driver = &mut drivers[1];
    let signs = driver.signs();
    for _ in 0..3 {
        assert!(!driver.arm() && !signs.has_news());
        put(&fake, 2, 12, &[1; 60]);
        assert!(signs.has_news());
        assert_eq!(receive(driver).len(), 1);
        assert!(!driver.arm() && !signs.has_news());
        // Nobody waits for what was sent, until somebody does.
        assert!(send(driver, &[1; 60]));
        driver.flush();
        take(&fake, 3, 12).unwrap();
        assert!(!signs.has_news());
        while send(driver, &[1; 60]) {}
        driver.flush();
        assert!(!driver.arm() && !signs.has_news());
        while take(&fake, 3, 12).is_some() {}
        assert!(signs.has_news());
        driver.reap_transmit();
    }
}

#[test]
fn drivers_run_in_threads_of_their_own() {
    let (fake, drivers) = rig(false, 3);
    let rounds = if cfg!(miri) { 20 } else { 2_000 };
    std::thread::scope(|scope| {
        for (pair, mut driver) in drivers.into_iter().enumerate() {
            let fake = fake.clone();
            scope.spawn(move || {
                let mut random = Random(pair as u64 + 1);
                for _ in 0..rounds {
                    for _ in 0..random.up_to(3) {
                        is_alive(&fake, &mut driver, pair, 12);
                    }
                    driver.arm();
                    driver.interrupt();
                    driver.disarm();
                }
                assert_eq!(driver.faults(), 0);
            });
        }
    });
    assert!(
        fake.state().accepted == 0,
        "the last one has reset the device"
    );
}

#[test]
fn the_address_of_a_device_without_a_status() {
    let (fake, dma) = device(false, MAC | PAIRS | COMMANDS, &config(2));
    serve(&fake, |_| 0);
    let drivers = VirtioNet::pairs(fake.transport(), dma, config(2)).unwrap();
    assert!(drivers.iter().all(Device::link_up));
    assert_eq!(drivers[0].accepted() & STATUS, 0);
}
