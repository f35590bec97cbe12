//! The entropy driver and a device in software.

use std::thread;
use virtio::fake::{Fake, memory};
use virtio::{DeviceType, InitError};
use virtio_rng::{BLOCK, Entropy, EntropyError, MEMORY};

/// Looks that a test waits for an answer that never comes.
const FEW: u32 = 100;
/// Looks that are enough for a device in another thread.
const MANY: u32 = u32::MAX;

type Device = Entropy<virtio::fake::FakeTransport>;

fn start(legacy: bool) -> (Fake, Device) {
    let (dma, guest) = memory(0x4000_0000, MEMORY);
    let fake = Fake::new(DeviceType::EntropySource, legacy, 1, 8, guest);
    let entropy = Entropy::new(fake.transport(), dma).unwrap();
    (fake, entropy)
}

/// Answers one request with `bytes`, claiming to have written `written`.
fn answer(fake: &Fake, bytes: &[u8], written: u32) -> usize {
    loop {
        let taken = fake.queue(0, |queue| {
            let chain = queue.take()?;
            queue.write(&chain, bytes);
            queue.give_back(chain.id.into(), written);
            Some(chain.length())
        });
        match taken {
            Some(asked) => return asked,
            None => thread::yield_now(),
        }
    }
}

/// Lets the device do `work` while the driver fills `bytes` bytes.
fn fill<R: Send>(
    fake: &Fake,
    entropy: &mut Device,
    bytes: usize,
    work: impl FnOnce(&Fake) -> R + Send,
) -> Result<Vec<u8>, EntropyError> {
    let mut out = vec![0xee; bytes];
    let device = fake.clone();
    thread::scope(|scope| {
        scope.spawn(move || work(&device));
        entropy.fill_within(&mut out, MANY).map(|()| out)
    })
}

fn noise(from: u8) -> Vec<u8> {
    (from..).take(BLOCK).collect()
}

#[test]
fn answers_are_put_together() {
    for legacy in [false, true] {
        let (fake, mut entropy) = start(legacy);
        let filled = fill(&fake, &mut entropy, 100, |fake| {
            assert_eq!(answer(fake, &noise(1), 64), 64);
            assert_eq!(answer(fake, &noise(101), 5), 36);
            assert_eq!(answer(fake, &noise(0), 0), 31);
            assert_eq!(answer(fake, &noise(151), 31), 31);
        });
        let expected = [&noise(1)[..], &noise(101)[..5], &noise(151)[..31]].concat();
        assert_eq!(filled, Ok(expected));
    }
}

#[test]
fn nothing_asked_nothing_done() {
    let (fake, mut entropy) = start(false);
    assert_eq!(entropy.fill_within(&mut [], 0), Ok(()));
    assert_eq!(fake.notifications(0), 0);
}

#[test]
fn a_silent_device_is_not_waited_for_and_may_answer_later() {
    let (fake, mut entropy) = start(false);
    let mut out = [0; 16];
    assert_eq!(
        entropy.fill_within(&mut out, FEW),
        Err(EntropyError::Silent)
    );
    assert_eq!(
        entropy.fill_within(&mut out, FEW),
        Err(EntropyError::Silent)
    );
    assert_eq!(fake.notifications(0), 1, "asked once");
    answer(&fake, &noise(7), 16);
    assert_eq!(entropy.fill_within(&mut out, FEW), Ok(()));
    assert_eq!(out[..], noise(7)[..16]);
}

#[test]
fn uniform_answers_are_refused() {
    for byte in [0, 0xaa, 0xff] {
        let (fake, mut entropy) = start(false);
        let filled = fill(&fake, &mut entropy, 32, |fake| {
            answer(fake, &[byte; BLOCK], 32);
        });
        assert_eq!(filled, Err(EntropyError::Stuck));
    }
}

#[test]
fn a_claim_without_a_write_is_noticed() {
    let (fake, mut entropy) = start(false);
    assert!(fill(&fake, &mut entropy, 64, |fake| answer(fake, &noise(1), 64)).is_ok());
    // The bytes of the first answer are gone: what is left is zeros.
    let filled = fill(&fake, &mut entropy, 64, |fake| answer(fake, &[], 64));
    assert_eq!(filled, Err(EntropyError::Stuck));
}

#[test]
fn lies_are_errors_and_the_device_recovers() {
    let (fake, mut entropy) = start(true);
    let filled = fill(&fake, &mut entropy, 16, |fake| answer(fake, &noise(1), 17));
    assert_eq!(filled, Err(EntropyError::Broken), "more than was asked for");
    let filled = fill(&fake, &mut entropy, 16, |fake| {
        for _ in 0..8 {
            answer(fake, &[], 0);
        }
    });
    assert_eq!(
        filled,
        Err(EntropyError::Broken),
        "nothing, again and again"
    );
    let filled = fill(&fake, &mut entropy, 16, |fake| {
        fake.queue(0, |queue| {
            queue.set_used_index(queue.returned.wrapping_add(7));
        });
    });
    assert_eq!(filled, Err(EntropyError::Broken), "an index that ran away");
    let filled = fill(&fake, &mut entropy, 16, |fake| {
        while fake.state().resets < 2 {
            thread::yield_now();
        }
        while fake.state().queues[0].is_none() {
            thread::yield_now();
        }
        answer(fake, &noise(3), 16);
    });
    assert_eq!(filled, Ok(noise(3)[..16].to_vec()));
}

#[test]
fn only_entropy_devices_and_enough_memory() {
    let (dma, guest) = memory(0x4000_0000, MEMORY);
    let fake = Fake::new(DeviceType::Network, false, 1, 8, guest);
    let wrong = Entropy::new(fake.transport(), dma).err();
    assert_eq!(wrong, Some(InitError::WrongKind));
    let (mut dma, guest) = memory(0x4000_0000, MEMORY);
    let fake = Fake::new(DeviceType::EntropySource, false, 1, 8, guest);
    let part = dma.split_to(4096).unwrap();
    let short = Entropy::new(fake.transport(), part).err();
    assert_eq!(short, Some(InitError::TooLittleMemory));
}
