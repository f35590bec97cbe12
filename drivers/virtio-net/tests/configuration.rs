//! MAC, MTU, link and memory: what the device states and what is made of it.

use crate::common::{
    ANY_LAYOUT, MAC, MERGED, MTU, OWN_MAC, RECEIVE, STATUS, USUAL, device, rig, small, start,
};
use device::Device;
use std::sync::atomic::{AtomicU8, Ordering};
use virtio::fake::{Fake, memory};
use virtio::{DeviceStatus, DeviceType};
use virtio_net::{Config, Fault, InitError};

const FALLBACK: [u8; 6] = [2, 0, 0, 0, 0, 9];

fn config() -> Config {
    Config {
        fallback_mac: FALLBACK,
        ..small()
    }
}

#[test]
fn the_device_states_its_address() {
    for legacy in [false, true] {
        let rig = rig(legacy, USUAL, config());
        assert_eq!(rig.net.facts().mac, OWN_MAC);
        assert_eq!(rig.net.faults(), 0);
    }
}

#[test]
fn an_address_that_is_absent_or_impossible_is_replaced() {
    assert_eq!(rig(false, STATUS, config()).net.facts().mac, FALLBACK);
    for bytes in [[0; 6], [0xff; 6], [1, 2, 3, 4, 5, 6]] {
        let (fake, dma) = device(false, MAC, &config());
        fake.state().config[..6].copy_from_slice(&bytes);
        let net = start(&fake, dma, config()).unwrap();
        assert_eq!(net.facts().mac, FALLBACK);
        assert_eq!(net.fault_counters().of(Fault::Configuration), 1);
    }
}

#[test]
fn an_address_that_changes_while_it_is_read_is_read_again() {
    for legacy in [false, true] {
        let (fake, dma) = device(legacy, MAC, &config());
        let mut reads = 0;
        fake.state().meddler = Some(Box::new(move |config, generation| {
            reads += 1;
            if reads == 4 {
                config[..6].copy_from_slice(&[0x0a, 0xb, 0xc, 0xd, 0xe, 0xf]);
                *generation += 1;
            }
        }));
        let net = start(&fake, dma, config()).unwrap();
        assert_eq!(net.facts().mac, [0x0a, 0xb, 0xc, 0xd, 0xe, 0xf]);
        assert_eq!(net.faults(), 0);
    }
}

#[test]
fn a_configuration_that_never_rests_is_not_believed() {
    for legacy in [false, true] {
        let (fake, dma) = device(legacy, MAC | STATUS, &config());
        let count = AtomicU8::new(0);
        fake.state().meddler = Some(Box::new(move |config, generation| {
            let count = count.fetch_add(1, Ordering::Relaxed);
            config[..8].fill(count);
            *generation += 1;
        }));
        let net = start(&fake, dma, config()).unwrap();
        assert_eq!(net.facts().mac, FALLBACK);
        assert!(!net.link_up(), "not known to be up");
        assert_eq!(net.fault_counters().of(Fault::Configuration), 2);
    }
}

#[test]
fn a_configuration_space_that_is_too_small() {
    let (fake, dma) = device(false, MAC | STATUS | MTU, &config());
    fake.state().config.truncate(3);
    let net = start(&fake, dma, config()).unwrap();
    assert_eq!(net.facts().mac, FALLBACK);
    assert_eq!(net.facts().mtu, 1500);
    assert_eq!(net.fault_counters().of(Fault::Configuration), 3);
}

#[test]
fn a_link_that_does_not_say_has_the_mtu_that_its_owner_says() {
    let config = Config {
        largest_mtu: 9_216,
        unstated_mtu: 9_000,
        ..config()
    };
    let (fake, dma) = device(false, 0, &config);
    assert_eq!(start(&fake, dma, config).unwrap().facts().mtu, 9_000);
    // What it says counts, and what makes no sense does not.
    for (stated, mtu) in [(1_500, 1_500), (9_216, 9_216), (9_217, 9_000), (0, 9_000)] {
        let (fake, dma) = device(false, MTU, &config);
        fake.state().config[10..12].copy_from_slice(&u16::to_le_bytes(stated));
        assert_eq!(start(&fake, dma, config).unwrap().facts().mtu, mtu);
    }
}

#[test]
fn jumbo_frames_take_fewer_buffers_of_memory_for_usual_ones() {
    let config = Config {
        largest_mtu: 9_216,
        ..Config::default()
    };
    for features in [MTU, MTU | MERGED] {
        let (dma, guest) = memory(0x4000_0000, Config::default().memory());
        let fake = Fake::new(DeviceType::Network, false, 2, 256, guest);
        let mut state = fake.state();
        state.offered |= features;
        state.config.extend([0; 10]);
        state.config.extend(9_216_u16.to_le_bytes());
        drop(state);
        let mut net = start(&fake, dma, config).unwrap();
        assert_eq!(net.facts().mtu, 9_216);
        assert!(
            (64..256).contains(&net.transmit_room()),
            "{}",
            net.transmit_room()
        );
        let mut bytes = 0;
        net.provide_transmit(&mut |buffer| {
            bytes = buffer.len();
            None
        });
        assert_eq!(bytes, 9_216 + 18);
    }
}

#[test]
fn mtus() {
    // (stated, largest that we want, result, accepted, faults)
    let table = [
        (1500, 1500, 1500, true, 0),
        (68, 1500, 68, true, 0),
        (1499, 9000, 1499, true, 0),
        (9000, 9000, 9000, true, 0),
        (9000, 1500, 1500, false, 0),
        (65_535, 9000, 1500, false, 0),
        (65_535, 65_535, 65_535, true, 0),
        (0, 1500, 1500, false, 1),
        (67, 1500, 1500, false, 1),
        (1500, 576, 576, false, 0),
    ];
    for (stated, largest_mtu, mtu, accepted, faults) in table {
        let config = Config {
            largest_mtu,
            receive_buffers: 4,
            transmit_buffers: 4,
            ..config()
        };
        let (fake, dma) = device(false, MTU, &config);
        fake.state().config[10..12].copy_from_slice(&u16::to_le_bytes(stated));
        let mut net = start(&fake, dma, config).unwrap();
        assert_eq!(net.facts().mtu, mtu, "{stated}");
        assert_eq!(net.accepted() & MTU != 0, accepted, "{stated}");
        assert_eq!(net.faults(), faults, "{stated}");
        assert_eq!(net.transmit_room(), 4);
        let mut bytes = 0;
        net.provide_transmit(&mut |buffer| {
            bytes = buffer.len();
            None
        });
        assert_eq!(bytes, usize::from(mtu) + 18);
        let chain = fake.queue(RECEIVE, |queue| queue.take().unwrap());
        assert_eq!(chain.length(), 12 + usize::from(mtu) + 18);
        assert_eq!(
            (chain.segments[0].address + 12 + 14) % 16,
            0,
            "packets are aligned"
        );
    }
}

#[test]
fn the_link_goes_down_and_up() {
    for legacy in [false, true] {
        let mut rig = rig(legacy, USUAL, config());
        assert!(rig.net.link_up());
        for round in 0..6_u8 {
            rig.fake.configure(|config| config[6] = round & 1);
            assert_eq!(
                rig.net.link_up(),
                round % 2 == 0,
                "not before the interrupt"
            );
            rig.net.interrupt();
            assert_eq!(rig.net.link_up(), round % 2 == 1);
        }
        assert_eq!(rig.net.faults(), 0);
    }
}

#[test]
fn a_link_without_status_is_up() {
    assert!(rig(false, MAC, config()).net.link_up());
    let (fake, dma) = device(false, STATUS, &config());
    fake.state().config[6] = 0;
    assert!(!start(&fake, dma, config()).unwrap().link_up());
}

#[test]
fn only_the_legacy_interface_without_any_layout_splits_the_header() {
    for (legacy, features, segments) in [(false, 0, 1), (true, ANY_LAYOUT, 1), (true, 0, 2)] {
        let rig = rig(legacy, features, config());
        let chain = rig.fake.queue(RECEIVE, |queue| queue.take().unwrap());
        assert_eq!(chain.segments.len(), segments);
        assert_eq!(chain.length(), rig.header + 1518);
    }
}

#[test]
fn a_legacy_device_that_claims_to_be_modern_is_taken_for_legacy() {
    let rig = rig(true, USUAL | virtio::VERSION_1, config());
    assert_eq!(rig.net.accepted(), USUAL);
    assert!(rig.put(&[1; 60]));
}

#[test]
fn devices_that_cannot_be_driven() {
    type Spoil = fn(&mut virtio::fake::State);
    let table: [(Spoil, InitError); 6] = [
        (|state| state.kind = DeviceType::Block, InitError::WrongKind),
        (|state| state.reset_stuck = true, InitError::ResetStuck),
        (|state| state.offered = MAC, InitError::NotModern),
        (
            |state| state.refuses_features = true,
            InitError::FeaturesRefused,
        ),
        (
            |state| state.largest[0] = 0,
            InitError::NoQueue { index: 0 },
        ),
        (
            |state| state.largest.truncate(1),
            InitError::NoQueue { index: 1 },
        ),
    ];
    for (spoil, error) in table {
        let (fake, dma) = device(false, MAC, &config());
        let mut state = fake.state();
        state.status = DeviceStatus::DRIVER_OK;
        spoil(&mut state);
        drop(state);
        assert_eq!(start(&fake, dma, config()).err(), Some(error));
    }
}

#[test]
fn with_less_memory_there_are_fewer_buffers() {
    let config = config();
    // Each ring begins on a page, the buffers on a line of the cache.
    let ring = virtio::queue_bytes(32);
    let rings = (ring.next_multiple_of(4096) + ring).next_multiple_of(64);
    let table = [
        (64, Some((32, 32))),
        (20, Some((10, 10))),
        (4, Some((2, 2))),
        (3, None),
        (0, None),
    ];
    for (buffers, expected) in table {
        let (fake, mut dma) = device(false, MAC, &config);
        let part = dma.split_to(rings + buffers * 1536).unwrap();
        match start(&fake, part, config) {
            Ok(net) => {
                let waiting = fake.queue(RECEIVE, |queue| queue.waiting());
                assert_eq!(Some((waiting, net.transmit_room())), expected);
            }
            Err(error) => {
                assert_eq!(error, InitError::TooLittleMemory);
                assert_eq!(None, expected);
            }
        }
    }
    let (fake, mut dma) = device(false, MAC, &config);
    let part = dma.split_to(4096).unwrap();
    assert_eq!(
        start(&fake, part, config).err(),
        Some(InitError::TooLittleMemory)
    );
}

#[test]
fn the_legacy_interface_cannot_name_high_memory() {
    let config = config();
    let (dma, guest) = virtio::fake::memory(1 << 45, config.memory());
    let fake = virtio::fake::Fake::new(DeviceType::Network, true, 2, 256, guest);
    assert_eq!(start(&fake, dma, config).err(), Some(InitError::OutOfReach));
}

#[test]
fn an_end_of_the_driver_resets_the_device() {
    let rig = rig(false, USUAL, config());
    let fake = rig.fake.clone();
    assert!(fake.state().status.contains(DeviceStatus::DRIVER_OK));
    drop(rig);
    assert!(fake.state().status.is_empty());
}
