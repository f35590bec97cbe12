use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use device::{Cuts, Offloads, TransmitMeta};

use super::*;

/// What a port of a test has seen and will see.
#[derive(Default)]
struct Script {
    arrivals: VecDeque<io::Result<Vec<u8>>>,
    sent: Vec<Vec<u8>>,
    /// Frames that it takes before it is full.
    room: usize,
    refuses_next: bool,
}

struct Scripted(Rc<RefCell<Script>>, std::fs::File);

impl AsFd for Scripted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.1.as_fd()
    }
}

impl Port for Scripted {
    fn facts(&self) -> Facts {
        Facts {
            mac: [2; 6],
            mtu: 1_500,
            offloads: Offloads::NONE,
            cuts: Cuts::NONE,
            places: 0,
        }
    }

    fn is_up(&self) -> bool {
        true
    }

    fn receive(&mut self, into: &mut [Buffer]) -> io::Result<usize> {
        let mut script = self.0.borrow_mut();
        for (count, buffer) in into.iter_mut().enumerate() {
            match script.arrivals.pop_front() {
                Some(Ok(frame)) => {
                    buffer.room()[..frame.len()].copy_from_slice(&frame);
                    buffer.filled(frame.len(), Verified::No);
                }
                Some(Err(error)) if count == 0 => return Err(error),
                Some(Err(error)) => {
                    script.arrivals.push_front(Err(error));
                    return Ok(count);
                }
                None => return Ok(count),
            }
        }
        Ok(into.len())
    }

    fn send(&mut self, frames: &[Buffer]) -> io::Result<usize> {
        let mut script = self.0.borrow_mut();
        if std::mem::take(&mut script.refuses_next) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let taken = frames.len().min(script.room);
        script.room -= taken;
        script
            .sent
            .extend(frames[..taken].iter().map(|buffer| buffer.frame().to_vec()));
        Ok(taken)
    }
}

fn adapter() -> (Adapter<Scripted>, Rc<RefCell<Script>>) {
    let script = Rc::new(RefCell::new(Script::default()));
    let file = std::fs::File::open("/dev/null").unwrap();
    (Adapter::new(Scripted(script.clone(), file)), script)
}

fn provide(adapter: &mut Adapter<Scripted>, bytes: &[u8], checksum: Checksum) -> bool {
    adapter.provide_transmit(&mut |room| {
        room[..bytes.len()].copy_from_slice(bytes);
        Some((bytes.len(), TransmitMeta::whole(checksum)))
    })
}

#[test]
fn frames_leave_in_order_and_wait_while_the_port_is_full() {
    let (mut adapter, script) = adapter();
    let mut expected = Vec::new();
    // Several times round the ring, with a port that takes a few at a time.
    for round in 0..100u8 {
        for place in 0..20u8 {
            let frame = vec![round, place];
            assert!(provide(&mut adapter, &frame, Checksum::Complete));
            expected.push(frame);
        }
        script.borrow_mut().room = 20;
        adapter.flush();
        assert_eq!(adapter.reap_transmit(), 20);
    }
    assert_eq!(script.borrow().sent, expected);
    assert_eq!((adapter.transmit_room(), adapter.faults()), (TRANSMIT, 0));
}

#[test]
fn a_full_ring_takes_nothing_and_asks_nobody() {
    let (mut adapter, script) = adapter();
    for _ in 0..TRANSMIT {
        assert!(provide(&mut adapter, &[1], Checksum::Complete));
    }
    let refused = adapter.provide_transmit(&mut |_| panic!("there is no room to fill"));
    assert!(!refused);
    script.borrow_mut().room = 1;
    assert!(provide(&mut adapter, &[2], Checksum::Complete));
    assert_eq!(adapter.transmit_room(), 0);
}

#[test]
fn what_cannot_be_sent_is_counted_and_holds_nothing_up() {
    let (mut adapter, script) = adapter();
    provide(&mut adapter, &[1], Checksum::Complete);
    provide(&mut adapter, &[2], Checksum::Complete);
    script.borrow_mut().refuses_next = true;
    script.borrow_mut().room = 9;
    adapter.flush();
    assert_eq!(script.borrow().sent, [[2]]);
    let partial = Checksum::Partial {
        start: 34,
        offset: 16,
    };
    assert!(!provide(&mut adapter, &[3], partial));
    assert!(!adapter.provide_transmit(&mut |_| None));
    assert_eq!(adapter.faults(), 2);
}

#[test]
fn a_burst_is_handed_out_within_its_budget() {
    let (mut adapter, script) = adapter();
    let frames: Vec<Vec<u8>> = (0..100u8).map(|number| vec![number; 60]).collect();
    script
        .borrow_mut()
        .arrivals
        .extend(frames.iter().cloned().map(Ok));
    let mut seen = Vec::new();
    let mut visit = |received: Received<'_>| seen.push(received.frame.to_vec());
    assert_eq!(adapter.reap_receive(70, &mut visit), 70);
    assert_eq!(adapter.reap_receive(70, &mut visit), 30);
    assert_eq!(adapter.reap_receive(70, &mut visit), 0);
    assert_eq!(seen, frames);
}

#[test]
fn a_broken_port_uses_up_its_budget_and_no_more() {
    let (mut adapter, script) = adapter();
    let broken = || Err(io::Error::from(io::ErrorKind::Other));
    script
        .borrow_mut()
        .arrivals
        .extend((0..50).map(|_| broken()));
    assert_eq!(
        adapter.reap_receive(20, &mut |_| panic!("nothing came")),
        20
    );
    assert_eq!(adapter.faults(), 20);
}
