//! A crowd on the raw cable: any number of peers that open connections to the guest's echo service,
//! stay idle, and answer when they are asked whether they are still there.
//!
//! *Owns* what it must know of each peer, twelve bytes; frames are made from one template. Nothing of it
//! is a stack: no timers, no options, and a segment is only ever sent again when the guest says so.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use regex::Regex;

use crate::frames::{ADDRESS, Cable, GUEST, GUEST_MAC, OUR_MAC, US, ones_complement};
use crate::guest::Guest;
use crate::machine::{Card, Machine};
use crate::paths;

/// Addresses for measurements (RFC 2544 appendix C.2.2), all of which are behind us.
const FIRST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
/// Connections from each address.
const PORTS: usize = 8;
const FIRST_PORT: u16 = 20_000;
const ECHO_PORT: u16 = 7;
/// Handshakes, or echoes, that are under way at the same time.
const WINDOW: usize = 128;
/// A guest that says nothing for so long has lost something.
const SILENCE: Duration = Duration::from_secs(20);
/// The number that every peer begins with.
const START: u32 = 1_000;
const ETHERNET: usize = 14;
const HEADERS: usize = ETHERNET + 20 + 20;
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PUSH: u8 = 8;
const ACK: u8 = 16;

/// One peer.
#[derive(Clone, Copy)]
struct Peer {
    /// Its next number, and the guest's.
    next: u32,
    expected: u32,
    is_open: bool,
    /// The guest has asked whether it is there.
    was_asked: bool,
    /// Its last words have not come back.
    waits: bool,
}

/// All peers, at their end of the cable.
pub struct Crowd<'a> {
    cable: &'a Cable,
    peers: Vec<Peer>,
    open: usize,
    asked: usize,
    waiting: usize,
    buffer: Vec<u8>,
}

/// A segment of the guest's.
struct Segment {
    peer: usize,
    sequence: u32,
    flags: u8,
    payload: std::ops::Range<usize>,
}

impl<'a> Crowd<'a> {
    /// Nobody yet.
    pub fn new(cable: &'a Cable) -> Self {
        Self {
            cable,
            peers: Vec::new(),
            open: 0,
            asked: 0,
            waiting: 0,
            buffer: vec![0; 2_048],
        }
    }

    /// How many peers the guest has asked, since they opened their connections, whether they are there.
    pub const fn asked(&self) -> usize {
        self.asked
    }

    /// Opens connections until there are `count`.
    pub fn open(&mut self, count: usize) -> Result<()> {
        let mut heard = Instant::now();
        while self.open < count {
            while self.peers.len() < count && self.peers.len() - self.open < WINDOW {
                self.peers.push(Peer {
                    next: START,
                    expected: 0,
                    is_open: false,
                    was_asked: false,
                    waits: false,
                });
                self.call(self.peers.len() - 1)?;
            }
            if self.hear(Duration::from_millis(500))? {
                heard = Instant::now();
                continue;
            }
            ensure!(
                heard.elapsed() < SILENCE,
                "{} connections, and no more",
                self.open
            );
            // The service may be starting still.
            let closed = (0..self.peers.len()).filter(|peer| !self.peers[*peer].is_open);
            for peer in closed.collect::<Vec<_>>() {
                self.call(peer)?;
            }
        }
        Ok(())
    }

    /// Says something at every `step`th connection, and hears it again.
    pub fn echo(&mut self, step: usize) -> Result<usize> {
        let (mut next, mut count, mut heard) = (0, 0, Instant::now());
        while next < self.peers.len() || self.waiting > 0 {
            while next < self.peers.len() && self.waiting < WINDOW {
                self.say(next)?;
                next += step;
                count += 1;
            }
            if self.hear(Duration::from_millis(500))? {
                heard = Instant::now();
            }
            ensure!(
                heard.elapsed() < SILENCE,
                "{} of {count} are not answered",
                self.waiting
            );
        }
        Ok(count)
    }

    /// Answers until the guest has asked everybody.
    pub fn be_asked(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.asked < self.peers.len() {
            self.hear(Duration::from_millis(500))?;
            ensure!(
                Instant::now() < deadline,
                "{} of {} were asked within {limit:?}",
                self.asked,
                self.peers.len()
            );
        }
        Ok(())
    }

    /// Answers for so long.
    pub fn stay(&mut self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            self.hear(Duration::from_millis(20))?;
        }
        Ok(())
    }

    /// Asks for a connection.
    fn call(&mut self, peer: usize) -> Result<()> {
        self.send(peer, SYN, START, &[])
    }

    /// What a peer says: its number.
    fn say(&mut self, peer: usize) -> Result<()> {
        let next = self.peers[peer].next;
        self.send(peer, ACK | PUSH, next, &peer.to_be_bytes())?;
        let it = &mut self.peers[peer];
        it.next = next.wrapping_add(8);
        it.waits = true;
        self.waiting += 1;
        Ok(())
    }

    fn acknowledge(&mut self, peer: usize) -> Result<()> {
        self.send(peer, ACK, self.peers[peer].next, &[])
    }

    /// Takes in a frame; whether one came within the limit.
    fn hear(&mut self, limit: Duration) -> Result<bool> {
        let Some(length) = self.cable.receive_into(&mut self.buffer, limit)? else {
            return Ok(false);
        };
        let frame = &self.buffer[..length];
        if self.cable.answer_arp(frame, US, OUR_MAC)? {
            return Ok(true);
        }
        let Some(segment) = parse(frame, self.peers.len()) else {
            return Ok(true);
        };
        let said = frame[segment.payload.clone()].to_vec();
        self.take(&segment, &said)?;
        Ok(true)
    }

    fn take(&mut self, segment: &Segment, said: &[u8]) -> Result<()> {
        let number = segment.peer;
        let peer = &mut self.peers[number];
        if segment.flags & RST != 0 {
            // Nobody listens yet; who is connected is not to be given up.
            ensure!(!peer.is_open, "connection {number} was reset");
            return Ok(());
        }
        if segment.flags & SYN != 0 {
            peer.expected = segment.sequence.wrapping_add(1);
            peer.next = START.wrapping_add(1);
            self.open += usize::from(!std::mem::replace(&mut peer.is_open, true));
            return self.acknowledge(number);
        }
        ensure!(segment.flags & FIN == 0, "connection {number} was closed");
        let early = peer.expected.wrapping_sub(segment.sequence).cast_signed();
        if said.is_empty() {
            // RFC 9293 section 3.8.4: one number below the next.
            if early == 1 {
                self.asked += usize::from(!std::mem::replace(&mut peer.was_asked, true));
                return self.acknowledge(number);
            }
            return Ok(());
        }
        if early == 0 {
            ensure!(
                said == number.to_be_bytes(),
                "{said:?} came back to {number}"
            );
            peer.expected = peer.expected.wrapping_add(8);
            self.waiting -= usize::from(std::mem::take(&mut peer.waits));
        }
        self.acknowledge(number)
    }

    fn send(&mut self, number: usize, flags: u8, sequence: u32, payload: &[u8]) -> Result<()> {
        let peer = &self.peers[number];
        let mut frame = [0; HEADERS + 8];
        let length = HEADERS + payload.len();
        let (address, port) = end(number)?;
        frame[..6].copy_from_slice(&GUEST_MAC);
        frame[6..12].copy_from_slice(&OUR_MAC);
        frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
        frame[16..18].copy_from_slice(&u16::try_from(length - ETHERNET)?.to_be_bytes());
        frame[22..24].copy_from_slice(&[64, 6]);
        frame[26..30].copy_from_slice(&address.octets());
        frame[30..34].copy_from_slice(&GUEST.octets());
        let sum = !ones_complement(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        frame[34..36].copy_from_slice(&port.to_be_bytes());
        frame[36..38].copy_from_slice(&ECHO_PORT.to_be_bytes());
        frame[38..42].copy_from_slice(&sequence.to_be_bytes());
        let acknowledged = if flags & ACK == 0 { 0 } else { peer.expected };
        frame[42..46].copy_from_slice(&acknowledged.to_be_bytes());
        frame[46..50].copy_from_slice(&[0x50, flags, 0xff, 0xff]);
        frame[HEADERS..length].copy_from_slice(payload);
        // The pseudo header: addresses, protocol and length, in front of the segment.
        let mut summed = [0; 12 + 20 + 8];
        summed[..8].copy_from_slice(&frame[26..34]);
        summed[9] = 6;
        let bytes = u16::try_from(length - 34)?;
        summed[10..12].copy_from_slice(&bytes.to_be_bytes());
        let covered = 12 + usize::from(bytes);
        summed[12..covered].copy_from_slice(&frame[34..length]);
        let sum = !ones_complement(&summed[..covered]);
        frame[50..52].copy_from_slice(&sum.to_be_bytes());
        self.cable.send(&frame[..length.max(60)])
    }
}

/// The address and port of a peer.
fn end(number: usize) -> Result<(Ipv4Addr, u16)> {
    let host = u32::try_from(number / PORTS)?;
    let port = FIRST_PORT + u16::try_from(number % PORTS)?;
    Ok((Ipv4Addr::from_bits(FIRST.to_bits() + host), port))
}

/// What the guest says to one of so many peers.
fn parse(frame: &[u8], peers: usize) -> Option<Segment> {
    let word = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?));
    let half = |at: usize| Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
    if frame.get(12..15)? != [8, 0, 0x45] || *frame.get(23)? != 6 || half(34)? != ECHO_PORT {
        return None;
    }
    let host = word(30)?.checked_sub(FIRST.to_bits())?;
    let port = half(36)?.checked_sub(FIRST_PORT)?;
    let peer = usize::try_from(host).ok()? * PORTS + usize::from(port);
    let end = ETHERNET + usize::from(half(16)?);
    let start = 34 + usize::from(frame.get(46)? >> 4) * 4;
    let is_sound = peer < peers && usize::from(port) < PORTS && start <= end && end <= frame.len();
    is_sound.then_some(Segment {
        peer,
        sequence: word(38)?,
        flags: *frame.get(47)?,
        payload: start..end,
    })
}

/// What came of a crowd.
pub struct Outcome {
    /// How long it took to open them all.
    pub opening: Duration,
    /// Connections that were asked whether they are there, and that were spoken to.
    pub asked: usize,
    pub answered: usize,
    /// Bytes of the guest's memory that were in use at the end.
    pub used: f64,
}

/// Boots a machine with so many mebibytes whose service has room for so many connections, each of
/// which is asked after so many seconds; opens them, waits until everybody was asked and then speaks to
/// every `step`th.
pub fn gather(count: usize, memory: u32, keep_alive: u32, step: usize) -> Result<Outcome> {
    let cable = Cable::new(&format!("crowd-{count}"))?;
    let words = format!("{ADDRESS} services=crowd connections={count} keepalive={keep_alive}");
    let mut guest = Guest::boot(Machine {
        kernel: paths::build().join("skerry.img"),
        memory: format!("{memory}M"),
        cards: vec![Card::new(cable.link())],
        append: words,
        extra: vec![
            "-initrd".into(),
            paths::build().join("test.cpio").display().to_string(),
        ],
        ..Machine::default()
    })?;
    let mut crowd = Crowd::new(&cable);
    let start = Instant::now();
    crowd.open(count)?;
    let opening = start.elapsed();
    // Slow machines are late, too.
    crowd.be_asked(Duration::from_secs(u64::from(keep_alive) * 3 + 30))?;
    let answered = crowd.echo(step)?;
    // What was said is acknowledged, and nobody has been given up meanwhile.
    crowd.stay(Duration::from_secs(1))?;
    let asked = crowd.asked();
    let used = memory_in_use(&guest.must("ps")?)?;
    Ok(Outcome {
        opening,
        asked,
        answered,
        used,
    })
}

/// Bytes in use, as `ps` tells.
fn memory_in_use(text: &str) -> Result<f64> {
    let figures = Regex::new(r"memory: (\d+) KiB free of (\d+) KiB")?;
    let found = figures.captures(text);
    let Some(found) = found else {
        bail!("no memory in {text}")
    };
    let [free, all] = [1, 2].map(|place| found[place].parse::<f64>());
    Ok((all.context("all")? - free.context("free")?) * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::{Cable, Crowd, HEADERS, SYN, end, memory_in_use, parse};
    use crate::frames::as_tcp;
    use std::net::Ipv4Addr;

    #[test]
    fn peers_have_ends_of_their_own_and_are_found_by_them() {
        let mut ends: Vec<_> = (0..1_000).map(|peer| end(peer).unwrap()).collect();
        assert_eq!(ends[999], (Ipv4Addr::new(198, 18, 0, 124), 20_007));
        ends.dedup();
        assert_eq!(ends.len(), 1_000);
        // What the guest would answer to peer 999.
        let mut frame = [0; HEADERS];
        frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
        frame[17] = 40;
        frame[23] = 6;
        frame[30..34].copy_from_slice(&[198, 18, 0, 124]);
        frame[35] = 7;
        frame[36..38].copy_from_slice(&20_007_u16.to_be_bytes());
        frame[46..48].copy_from_slice(&[0x50, SYN]);
        let segment = parse(&frame, 1_000).unwrap();
        assert_eq!((segment.peer, segment.flags), (999, SYN));
        assert!(segment.payload.is_empty());
        assert!(parse(&frame, 999).is_none());
        assert!(parse(&frame[..50], 1_000).is_none());
    }

    #[test]
    fn memory_is_read_from_ps() {
        let used = memory_in_use("cpus: 1\nmemory: 1000 KiB free of 3000 KiB").unwrap();
        assert!((used - 2_048_000.0).abs() < 1.0);
        assert!(memory_in_use("nothing").is_err());
    }

    #[test]
    fn segments_are_what_others_read_as_such() {
        let cable = Cable::new("crowd-unit").unwrap();
        let far = std::os::unix::net::UnixDatagram::bind(match cable.link() {
            crate::machine::Link::Frames { theirs, .. } => theirs,
            other => panic!("{other:?}"),
        })
        .unwrap();
        let mut crowd = Crowd::new(&cable);
        // Nobody answers: one handshake is begun.
        crowd.peers.clear();
        crowd.peers.push(super::Peer {
            next: super::START,
            expected: 77,
            is_open: true,
            was_asked: false,
            waits: false,
        });
        crowd.say(0).unwrap();
        let mut buffer = [0; 200];
        let length = far.recv(&mut buffer).unwrap();
        let header = as_tcp(&buffer[..length]).expect("a sound segment");
        assert_eq!(
            (header.source_port, header.acknowledgment_number),
            (20_000, 77)
        );
    }
}
