//! A network driver on a device in software.

use device::{Checksum, Device, Received, TransmitMeta};
use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;
use virtio::fake::{Fake, FakeTransport, memory};
use virtio::{DeviceType, EVENT_INDEX};
use virtio_net::{Config, InitError, VirtioNet};

pub const RECEIVE: usize = 0;
pub const TRANSMIT: usize = 1;

pub const CHECKSUM: u64 = 1 << 0;
pub const GUEST_CHECKSUM: u64 = 1 << 1;
pub const MTU: u64 = 1 << 3;
pub const MAC: u64 = 1 << 5;
pub const GUEST_SEGMENTS: u64 = 1 << 7 | 1 << 8;
pub const GUEST_ECN: u64 = 1 << 9;
pub const MERGED: u64 = 1 << 15;
pub const LARGE: u64 = GUEST_CHECKSUM | GUEST_SEGMENTS | GUEST_ECN | MERGED;
pub const STATUS: u64 = 1 << 16;
pub const ANY_LAYOUT: u64 = 1 << 27;
pub const USUAL: u64 = MAC | STATUS | EVENT_INDEX;

pub const OWN_MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

pub type Net = VirtioNet<FakeTransport>;

pub struct Rig {
    pub fake: Fake,
    pub net: Net,
    /// Bytes of the header in front of frames.
    pub header: usize,
}

/// The same cases in every run.
pub fn seeded(cases: u32) -> ProptestConfig {
    ProptestConfig {
        // An interpreter is some hundred times slower.
        cases: if cfg!(miri) {
            cases.div_ceil(64)
        } else {
            cases
        },
        rng_seed: RngSeed::Fixed(0x5eed),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Few buffers, so that rings go round often.
pub fn small() -> Config {
    Config {
        receive_buffers: 32,
        transmit_buffers: 32,
        ..Config::default()
    }
}

/// A device that has not been started.
pub fn device(legacy: bool, features: u64, config: &Config) -> (Fake, hardware::Dma) {
    let (dma, guest) = memory(0x4000_0000, config.memory());
    let fake = Fake::new(DeviceType::Network, legacy, 2, 256, guest);
    let mut state = fake.state();
    state.offered |= features;
    state.config.extend(OWN_MAC);
    state.config.extend([1, 0, 1, 0]);
    state.config.extend(1500_u16.to_le_bytes());
    drop(state);
    (fake, dma)
}

pub fn start(fake: &Fake, dma: hardware::Dma, config: Config) -> Result<Net, InitError> {
    VirtioNet::new(fake.transport(), dma, config)
}

pub fn rig(legacy: bool, features: u64, config: Config) -> Rig {
    let (fake, dma) = device(legacy, features, &config);
    let net = start(&fake, dma, config).unwrap();
    let is_short = legacy && net.accepted() & MERGED == 0;
    let header = if is_short { 10 } else { 12 };
    Rig { fake, net, header }
}

impl Rig {
    /// Takes one frame off the transmit queue, as the device; header and frame.
    pub fn take_sent(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        self.fake.queue(TRANSMIT, |queue| {
            let chain = queue.take()?;
            let mut header = queue.read(&chain);
            let frame = header.split_off(self.header);
            queue.give_back(chain.id.into(), 0);
            Some((header, frame))
        })
    }

    /// Puts a frame into the receive queue, as the device. `false` when it has no buffer.
    pub fn put(&self, frame: &[u8]) -> bool {
        self.put_with(&[0; 12][..self.header], frame)
    }

    pub fn put_with(&self, header: &[u8], frame: &[u8]) -> bool {
        self.fake.queue(RECEIVE, |queue| {
            let Some(chain) = queue.take() else {
                return false;
            };
            let written = queue.write(&chain, &[header, frame].concat());
            queue.give_back(chain.id.into(), written);
            true
        })
    }

    /// Puts a frame into as many receive buffers as it takes, as the device. Returns how many; zero
    /// when it has not enough, and the frame is lost.
    pub fn put_large(&self, header: [u8; 10], frame: &[u8]) -> u16 {
        let mut bytes = [&header[..], &[0; 2], frame].concat();
        self.fake.queue(RECEIVE, |queue| {
            let (mut chains, mut count, mut room) = (Vec::new(), 0, 0);
            while room < bytes.len() {
                if queue.waiting() == 0 {
                    queue.taken -= count;
                    return 0;
                }
                let chain = queue.take().unwrap();
                room += chain.length();
                chains.push(chain);
                count += 1;
            }
            bytes[10..12].copy_from_slice(&u16::to_le_bytes(count));
            let mut rest = &bytes[..];
            for chain in chains {
                let written = queue.write(&chain, &rest[..chain.length().min(rest.len())]);
                rest = &rest[written as usize..];
                queue.give_back(chain.id.into(), written);
            }
            count
        })
    }

    pub fn send(&mut self, frame: &[u8]) -> bool {
        let checksum = Checksum::Complete;
        self.net.provide_transmit(&mut |buffer| {
            buffer[..frame.len()].copy_from_slice(frame);
            Some((frame.len(), TransmitMeta::whole(checksum)))
        })
    }

    /// All frames that are there.
    pub fn receive(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while self
            .net
            .reap_receive(64, &mut |received| frames.push(whole(&received)))
            > 0
        {}
        frames
    }
}

/// All bytes of a frame.
pub fn whole(received: &Received<'_>) -> Vec<u8> {
    [&[received.frame], received.rest].concat().concat()
}

/// A reproducible stream of numbers.
pub struct Random(pub u64);

impl Random {
    /// From 1 to `most`.
    pub fn up_to(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap() + 1
    }
}
