//! A TCP peer on the raw cable that does exactly one thing at a time, so that what the guest does
//! for it can be counted: the options of every system of today, no timers, and nothing in common
//! with the guest's stack.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use etherparse::TcpOptionElement::{
    MaximumSegmentSize, Noop, SelectiveAcknowledgement, SelectiveAcknowledgementPermitted,
    Timestamp, WindowScale,
};
use etherparse::{SlicedPacket, TransportSlice};

use crate::family::Family;
use crate::frames::{Cable, pad};

/// How long an answer may take.
pub const ANSWER: Duration = Duration::from_secs(10);
/// A guest that has said nothing for so long has said all.
pub const QUIET: Duration = Duration::from_millis(20);
/// What the guest is to take for the way there and back: more than the beat with which frames are let
/// go. Else it depends on chance how much room it offers.
const ROUND_TRIP: Duration = Duration::from_millis(100);
/// RFC 7323 section 2: our windows are told in units of 128 bytes.
const SHIFT: u8 = 7;
/// Our initial sequence number.
const FIRST: u32 = 1000;
/// Services may be starting still when the first connection is asked for. Each attempt takes a port.
pub const ATTEMPTS: u16 = 50;

/// A TCP segment from the guest.
pub struct Segment {
    /// Our port.
    pub port: u16,
    sequence: u32,
    acknowledgment: u32,
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
    window: u16,
    /// Window scale of a SYN, if it has one.
    scale: u8,
    timestamp: u32,
    pub payload: Vec<u8>,
}

impl Segment {
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let sliced = SlicedPacket::from_ethernet(frame).ok()?;
        let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else {
            return None;
        };
        let (mut scale, mut timestamp) = (0, 0);
        for option in tcp.options_iterator() {
            match option.ok()? {
                WindowScale(shift) => scale = shift,
                Timestamp(value, _) => timestamp = value,
                _ => {}
            }
        }
        Some(Self {
            port: tcp.destination_port(),
            sequence: tcp.sequence_number(),
            acknowledgment: tcp.acknowledgment_number(),
            syn: tcp.syn(),
            fin: tcp.fin(),
            rst: tcp.rst(),
            window: tcp.window_size(),
            scale,
            timestamp,
            payload: tcp.payload().to_vec(),
        })
    }
}

/// Our end of a connection to the guest.
pub struct Connection {
    family: Family,
    port: u16,
    guest_port: u16,
    /// SND.NXT, SND.UNA and RCV.NXT of RFC 9293 section 3.3.1.
    pub next: u32,
    pub acknowledged: u32,
    pub expected: u32,
    /// Bytes that came and have not been acknowledged.
    owed: usize,
    /// What the guest offers, in bytes.
    pub window: usize,
    scale: u8,
    /// What we offer, in bytes.
    pub room: usize,
    /// Segments that one frame of ours may be.
    pub in_frame: usize,
    /// The guest's last timestamp.
    heard: u32,
    /// Ours: one more with each burst.
    time: u32,
    /// What came twice and has not been told yet.
    duplicate: Option<(u32, u32)>,
}

impl Connection {
    /// One that has not been asked for yet.
    pub const fn new(family: Family, port: u16, guest_port: u16) -> Self {
        Self {
            family,
            port,
            guest_port,
            next: FIRST,
            acknowledged: FIRST,
            expected: 0,
            owed: 0,
            window: 0,
            scale: 0,
            room: 64 * family.segment(),
            in_frame: 1,
            heard: 0,
            time: 1,
            duplicate: None,
        }
    }

    /// Opens a connection; tries again while the guest refuses.
    pub fn open(cable: &Cable, family: Family, port: u16, guest_port: u16) -> Result<Self> {
        for attempt in 0..ATTEMPTS {
            let mut connection = Self::new(family, port + attempt, guest_port);
            cable.send(&connection.syn()?)?;
            let answer = connection.hear(cable)?;
            if answer.syn {
                std::thread::sleep(ROUND_TRIP);
                cable.send(&connection.acknowledgment()?)?;
                // There is room when somebody has accepted.
                connection.await_room(cable, 1)?;
                return Ok(connection);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("port {guest_port} stays closed")
    }

    /// Payload of a full segment.
    pub const fn segment_size(&self) -> usize {
        self.family.segment()
    }

    /// The segment that asks for the connection.
    pub fn syn(&mut self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let window = u16::MAX;
        // RFC 9293 section 3.7.1: options are not counted, and timestamps take 12 bytes.
        let most = u16::try_from(self.segment_size() + 12)?;
        self.family
            .packet()
            .tcp(self.port, self.guest_port, self.next, window)
            .syn()
            .options(&[
                MaximumSegmentSize(most),
                SelectiveAcknowledgementPermitted,
                Timestamp(self.time, 0),
                Noop,
                WindowScale(SHIFT),
            ])?
            .write(&mut out, &[])?;
        self.next = self.next.wrapping_add(1);
        Ok(out)
    }

    /// A segment; `fin` ends our direction.
    fn segment(&mut self, payload: &[u8], push: bool, fin: bool) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(70 + payload.len());
        let window = u16::try_from(self.room >> SHIFT)?;
        let mut options = vec![Noop, Noop, Timestamp(self.time, self.heard)];
        if let Some(twice) = self.duplicate.take() {
            // RFC 2883: else the guest takes it for lost and slows down.
            options.extend([Noop, Noop, SelectiveAcknowledgement(twice, [None; 3])]);
        }
        let mut step = self
            .family
            .packet()
            .tcp(self.port, self.guest_port, self.next, window)
            .ack(self.expected)
            .options(&options)?;
        if push {
            step = step.psh();
        }
        if fin {
            step = step.fin();
        }
        step.write(&mut out, payload)?;
        let length = u32::try_from(payload.len())? + u32::from(fin);
        self.next = self.next.wrapping_add(length);
        self.owed = 0;
        Ok(pad(out))
    }

    /// A segment with these bytes.
    pub fn say(&mut self, payload: &[u8]) -> Result<Vec<u8>> {
        self.time += 1;
        self.segment(payload, true, false)
    }

    /// So many full segments, in as few frames as they may be.
    pub fn burst(&mut self, segments: usize) -> Result<Vec<Vec<u8>>> {
        self.time += 1;
        let bytes = vec![0x5a; segments * self.segment_size()];
        let frames = bytes.chunks(self.in_frame * self.segment_size());
        let last = frames.len().saturating_sub(1);
        frames
            .enumerate()
            .map(|(number, payload)| self.segment(payload, number == last, false))
            .collect()
    }

    /// Acknowledges all that came.
    pub fn acknowledgment(&mut self) -> Result<Vec<u8>> {
        self.segment(&[], false, false)
    }

    /// Acknowledges what came but for the last `without` bytes.
    pub fn acknowledgment_without(&mut self, without: usize) -> Result<Vec<u8>> {
        let all = self.expected;
        self.expected = all.wrapping_sub(u32::try_from(without)?);
        let segment = self.acknowledgment();
        self.expected = all;
        segment
    }

    /// Acknowledges as receivers do: when more than one full segment is owed an answer.
    pub fn delayed_acknowledgment(&mut self) -> Result<Option<Vec<u8>>> {
        (self.owed > self.segment_size())
            .then(|| self.acknowledgment())
            .transpose()
    }

    /// Ends our direction.
    pub fn fin(&mut self) -> Result<Vec<u8>> {
        self.time += 1;
        self.segment(&[], false, true)
    }

    /// Ends both directions.
    pub fn close(&mut self, cable: &Cable) -> Result<()> {
        cable.send(&self.fin()?)?;
        while !self.hear(cable)?.fin {}
        cable.send(&self.acknowledgment()?)
    }

    /// Ends the connection at once.
    pub fn reset(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.family
            .packet()
            .tcp(self.port, self.guest_port, self.next, 0)
            .ack(self.expected)
            .rst()
            .write(&mut out, &[])?;
        Ok(pad(out))
    }

    /// Whether nothing but the request for the connection has been sent.
    pub const fn has_said_nothing(&self) -> bool {
        self.next == FIRST.wrapping_add(1)
    }

    /// Whether a segment is of this connection.
    pub const fn owns(&self, segment: &Segment) -> bool {
        segment.port == self.port
    }

    /// Takes in what the guest sent. Returns how many bytes are new, FIN and SYN counted, or nothing
    /// if the segment was sent again, as happens when this host is slow to acknowledge.
    pub fn take(&mut self, segment: &Segment) -> Result<Option<usize>> {
        self.acknowledged = segment.acknowledgment;
        self.heard = segment.timestamp;
        let scale = if segment.syn { 0 } else { self.scale };
        self.window = usize::from(segment.window) << scale;
        if segment.syn {
            self.expected = segment.sequence.wrapping_add(1);
            self.scale = segment.scale;
            return Ok(Some(1));
        }
        let missing = segment.sequence.wrapping_sub(self.expected).cast_signed();
        ensure!(
            missing <= 0 || segment.rst,
            "{missing} bytes are missing before a segment"
        );
        if missing != 0 {
            let end = segment
                .sequence
                .wrapping_add(u32::try_from(segment.payload.len())?);
            self.duplicate = Some((segment.sequence, end));
            return Ok(None);
        }
        let length = segment.payload.len() + usize::from(segment.fin);
        self.expected = self.expected.wrapping_add(u32::try_from(length)?);
        self.owed += segment.payload.len();
        Ok(Some(length))
    }

    /// The next segment of this connection that is new.
    pub fn hear(&mut self, cable: &Cable) -> Result<Segment> {
        loop {
            let segment = cable.expect("answer", ANSWER, |frame| {
                Segment::parse(frame).filter(|segment| self.owns(segment))
            })?;
            if self.take(&segment)?.is_some() {
                return Ok(segment);
            }
        }
    }

    /// Waits until the guest has all that was sent.
    pub fn await_acknowledgment(&mut self, cable: &Cable) -> Result<()> {
        while self.acknowledged != self.next {
            self.hear(cable).context("acknowledgement")?;
        }
        Ok(())
    }

    /// For how many segments the guest offers room: at least for one, and at most so many.
    pub fn await_room(&mut self, cable: &Cable, most: usize) -> Result<usize> {
        while self.window < self.segment_size() {
            self.hear(cable).context("a window")?;
        }
        Ok(most.min(self.window / self.segment_size()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Connection, Family, Segment};

    /// What a guest would answer, made by a second peer.
    fn guest() -> Connection {
        Connection::new(Family::Four, 7, 20_000)
    }

    #[test]
    fn what_is_built_can_be_read_back() {
        let mut connection = Connection::new(Family::Four, 20_000, 7);
        let syn = Segment::parse(&connection.syn().unwrap()).unwrap();
        assert!(syn.syn && !syn.fin);
        assert_eq!((syn.port, syn.scale), (7, 7));
        let burst = connection.burst(2).unwrap();
        assert!(burst.iter().all(|frame| frame.len() == 1514));
        let second = Segment::parse(&burst[1]).unwrap();
        assert_eq!(second.payload.len(), 1_448);
        assert_eq!(second.sequence, 1001 + 1448);
        connection.in_frame = 40;
        let lengths = |frames: Vec<Vec<u8>>| -> Vec<_> { frames.iter().map(Vec::len).collect() };
        let long = lengths(connection.burst(50).unwrap());
        assert_eq!(long, [66 + 40 * 1_448, 66 + 10 * 1_448]);
        assert!(Segment::parse(&connection.fin().unwrap()).unwrap().fin);
    }

    #[test]
    fn what_comes_twice_is_told_once_and_counted_once() {
        let mut connection = Connection::new(Family::Four, 20_000, 7);
        let mut other = guest();
        let syn = Segment::parse(&other.syn().unwrap()).unwrap();
        connection.take(&syn).unwrap();
        let data = Segment::parse(&other.say(b"hello").unwrap()).unwrap();
        assert_eq!(connection.take(&data).unwrap(), Some(5));
        assert_eq!(connection.take(&data).unwrap(), None);
        let plain = connection.acknowledgment().unwrap();
        let again = connection.acknowledgment().unwrap();
        assert_eq!(plain.len() - again.len(), 12, "RFC 2883, once");
        let lost = other.say(b"a hole").and_then(|_| other.say(b"later"));
        let later = Segment::parse(&lost.unwrap()).unwrap();
        assert!(connection.take(&later).is_err());
    }

    #[test]
    fn every_second_segment_is_acknowledged() {
        let mut connection = Connection::new(Family::Four, 20_000, 7);
        let mut other = guest();
        connection
            .take(&Segment::parse(&other.syn().unwrap()).unwrap())
            .unwrap();
        let mut answers = Vec::new();
        for frame in other.burst(4).unwrap() {
            connection.take(&Segment::parse(&frame).unwrap()).unwrap();
            answers.push(connection.delayed_acknowledgment().unwrap().is_some());
        }
        assert_eq!(answers, [false, true, false, true]);
    }
}
