//! A TCP client of a few lines on the raw cable: it does exactly one thing at a time, so that what
//! the guest does for it can be counted.

use std::time::Duration;

use anyhow::{Result, ensure};
use etherparse::{SlicedPacket, TransportSlice};

use crate::frames::{Cable, GUEST, US, as_tcp, ipv4, pad};

const ANSWER: Duration = Duration::from_secs(10);
const WINDOW: u16 = 64_000;

/// An open connection to the guest.
pub struct Client<'a> {
    cable: &'a Cable,
    port: u16,
    guest_port: u16,
    sequence: u32,
    acknowledgment: u32,
}

impl<'a> Client<'a> {
    /// Opens a connection; retries while the guest refuses, because its services may be starting.
    pub fn connect(cable: &'a Cable, port: u16, guest_port: u16) -> Result<Self> {
        for attempt in 0..50u16 {
            let mut client = Self {
                cable,
                port: port + attempt,
                guest_port,
                sequence: 1000,
                acknowledgment: 0,
            };
            let mut out = Vec::new();
            ipv4(US, GUEST)
                .tcp(client.port, guest_port, client.sequence, WINDOW)
                .syn()
                .write(&mut out, &[])?;
            cable.send(&pad(out))?;
            let answer = cable.expect("answer to the SYN", ANSWER, as_tcp)?;
            if answer.syn && answer.ack {
                client.sequence += 1;
                client.acknowledgment = answer.sequence_number.wrapping_add(1);
                client.send(&[])?;
                return Ok(client);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        anyhow::bail!("port {guest_port} stays closed")
    }

    fn send(&mut self, payload: &[u8]) -> Result<()> {
        let mut out = Vec::new();
        let step = ipv4(US, GUEST)
            .tcp(self.port, self.guest_port, self.sequence, WINDOW)
            .ack(self.acknowledgment);
        let step = if payload.is_empty() { step } else { step.psh() };
        step.write(&mut out, payload)?;
        self.sequence = self.sequence.wrapping_add(u32::try_from(payload.len())?);
        self.cable.send(&pad(out))
    }

    /// Sends bytes and waits until as many have come back. They are acknowledged with what is sent
    /// next.
    pub fn echo(&mut self, payload: &[u8]) -> Result<()> {
        self.send(payload)?;
        let mut back = Vec::new();
        while back.len() < payload.len() {
            let (sequence, bytes) = self.cable.expect("echo", ANSWER, tcp_payload)?;
            ensure!(sequence == self.acknowledgment, "out of order");
            self.acknowledgment = self
                .acknowledgment
                .wrapping_add(u32::try_from(bytes.len())?);
            back.extend(bytes);
        }
        ensure!(back == payload, "the echo was changed");
        Ok(())
    }
}

fn tcp_payload(frame: &[u8]) -> Option<(u32, Vec<u8>)> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else {
        return None;
    };
    let payload = tcp.payload();
    (!payload.is_empty()).then(|| (tcp.sequence_number(), payload.to_vec()))
}
