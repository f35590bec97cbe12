//! A host that sends to a peer made by hand, through a device of any kind.

use super::craft::{Peer, Seen, plain, seen};
use super::{ARENA, Arenas, Host, at, config, facts, ip, mac, plan};
use stack::{
    AddressPlan, ClientId, Data, Instant, Loan, Pieces, Range, SocketId, Stack, Token, TransmitMeta,
};
use std::time::Duration;
use wire::ipv4::Packet;
use wire::tcp::{Flags, Header, Options, Segment, Timestamps};
use wire::{Check, Ecn};

/// What a client sends: no two places near each other are alike.
pub fn pattern(from: usize, len: usize) -> Vec<u8> {
    (from..from + len)
        .map(|n| (n * 7 + n / 251) as u8)
        .collect()
}

/// What a sender's device does.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// It completes checksums.
    pub sums: bool,
    /// It cuts long segments.
    pub cuts: bool,
    /// It gathers a frame from so many places in clients' memory; `None`: frames are one piece.
    pub gathers: Option<usize>,
}

/// A host with a connection to a peer made by hand.
pub struct Sender {
    pub host: Host,
    pub client: ClientId,
    pub socket: SocketId,
    pub peer: Peer,
    pub isn: u32,
    /// Bytes queued.
    pub queued: usize,
    pub now: Instant,
    device: Device,
    /// Where the next bytes lie in the client's memory.
    place: u64,
    /// Pieces of all frames, and the bytes in them.
    pub pieces: (usize, usize),
    /// Frames are written in a row ([`stack::OutputBurst`]), not one by one.
    pub in_rows: bool,
    /// The device keeps frames that refer to the client's memory: these.
    pub keeps_loans: bool,
    pub loans: Vec<Loan>,
}

/// Bytes between what was sent in turn, so that pieces do not touch.
const GAP: u64 = 3;

impl Sender {
    /// A connection through a device, to a peer that takes segments of `mss` bytes.
    pub fn new(device: Device, mss: u16, has_stamps: bool) -> Self {
        let mut now = Instant::from_secs(1);
        let mut stack = Stack::new(config(), [3; 32], now);
        let facts = stack::LinkFacts {
            checksum_transmit: device.sums,
            ..facts(3)
        };
        let plan = AddressPlan::Static(plan(3));
        let link = stack.add_interface(facts, plan, now).expect("interface");
        if device.cuts {
            stack.offload_segments(link, u32::MAX);
        }
        stack
            .add_neighbour(link, ip(9).into(), mac(9), now)
            .expect("neighbour");
        let mut host = Host {
            stack,
            memory: Arenas::default(),
            link,
            events: Vec::new(),
            deaf: false,
        };
        host.memory.lends = device.gathers.is_some();
        let client = host.client();
        let socket = host.stream(client);
        host.stack
            .connect(client, socket, at(9, 80), Token(1), now)
            .expect("connect");
        let mut this = Self {
            host,
            client,
            socket,
            peer: Peer::neighbour(9, 80, 3, 0),
            isn: 0,
            queued: 0,
            now,
            device,
            place: 0,
            pieces: (0, 0),
            in_rows: false,
            keeps_loans: false,
            loans: Vec::new(),
        };
        // The claim of the address takes a while.
        let syn = loop {
            if let Some((syn, _)) = this.frame() {
                break syn;
            }
            now = now + Duration::from_secs(1);
            this.now = now;
            this.host.stack.fire(&mut this.host.memory, now);
        };
        let (_, syn) = unverified(&syn);
        this.peer.host.set_port(syn.header.src_port);
        this.isn = syn.header.seq;
        let options = Options {
            mss: Some(mss),
            timestamps: has_stamps.then_some(Timestamps { value: 5, echo: 0 }),
            ..Options::NONE
        };
        let answer = Header {
            options,
            ..plain(
                Flags::SYN | Flags::ACK | Flags::ECE,
                99,
                this.isn.wrapping_add(1),
            )
        };
        this.input(answer);
        while this.frame().is_some() {}
        this
    }

    pub fn input(&mut self, header: Header) {
        let frame = self.peer.frame(header, &[]);
        self.host.input(&frame, self.now);
    }

    /// The peer acknowledges so many bytes.
    pub fn ack(&mut self, bytes: u32, window: u16, flags: Flags) {
        self.input(self.acknowledgement(bytes, window, flags));
    }

    /// The header with which it does.
    pub fn acknowledgement(&self, bytes: u32, window: u16, flags: Flags) -> Header {
        let ack = self.isn.wrapping_add(1).wrapping_add(bytes);
        let stamps = Timestamps { value: 6, echo: 0 };
        Header {
            window,
            options: Options {
                timestamps: Some(stamps),
                ..Options::NONE
            },
            ..plain(Flags::ACK | flags, 100, ack)
        }
    }

    /// Frames that come together.
    pub fn burst(&mut self, frames: &[Vec<u8>]) {
        let Host {
            stack,
            memory,
            link,
            ..
        } = &mut self.host;
        let mut burst = stack.burst(*link, memory, self.now);
        for frame in frames {
            burst.input(frame, stack::ReceiveMeta::default());
        }
    }

    /// The client sends bytes: short ones inline.
    pub fn send(&mut self, len: usize) {
        let bytes = pattern(self.queued, len);
        let token = Token(9);
        let (client, socket) = (self.client, self.socket);
        let end = self.place + len as u64;
        let place = if end > ARENA as u64 { 0 } else { self.place };
        let data = if len < 100 {
            Data::Inline(&bytes)
        } else {
            self.host.memory.put(client, place, &bytes);
            Data::Arena(Range::new(place, len as u32))
        };
        let sent = self
            .host
            .stack
            .send(client, socket, data, None, token, self.now);
        if sent.is_ok() {
            self.queued += len;
            self.place = place + len as u64 + GAP;
        }
    }

    /// The next frame with a segment, as the device puts it together, and what it is to cut it into.
    pub fn frame(&mut self) -> Option<(Vec<u8>, u16)> {
        loop {
            let (frame, meta) = self.any_frame()?;
            if is_segment(&frame) {
                return Some((frame, meta.segment));
            }
        }
    }

    fn any_frame(&mut self) -> Option<(Vec<u8>, TransmitMeta)> {
        let Some(limit) = self.device.gathers else {
            let mut frame = vec![0xaa; 70_000];
            let (len, meta) = self.host.output(&mut frame, self.now)?;
            frame.truncate(len);
            return Some((frame, meta));
        };
        self.gathered(limit)
    }

    /// All frames there are now, whatever is in them, and what the device is to cut each into.
    pub fn frames(&mut self) -> Vec<(Vec<u8>, u16)> {
        if self.in_rows {
            return self.row();
        }
        let mut frames = Vec::new();
        while let Some((frame, meta)) = self.any_frame() {
            frames.push((frame, meta.segment));
        }
        frames
    }

    fn row(&mut self) -> Vec<(Vec<u8>, u16)> {
        let (limit, keeps_loans) = (self.device.gathers, self.keeps_loans);
        let (mut frames, mut loans) = (Vec::new(), Vec::new());
        let host = &mut self.host;
        let mut output = host
            .stack
            .output_burst(host.link, &mut host.memory, self.now);
        let Some(limit) = limit else {
            let mut frame = vec![0xaa; 70_000];
            while output.has_output()
                && let Some((len, meta)) = output.output(&mut frame)
            {
                frames.push((frame[..len].to_vec(), meta.segment));
            }
            return frames;
        };
        let mut buffer = [0xaa; 1_514];
        let mut pieces = Pieces::new(limit);
        while output.has_output()
            && let Some(written) = output.output_gathered(&mut buffer, &mut pieces)
        {
            let mut frame = vec![0xaa; 70_000];
            let memory = output.memory();
            let len = memory.assemble(&written, &buffer, &pieces, &mut frame);
            frame.truncate(len);
            frames.push((frame, written.meta.segment));
            match written.loan {
                Some(loan) if keeps_loans => loans.push(loan),
                Some(loan) => output.end_loan(loan),
                None => assert!(pieces.ranges().is_empty(), "pieces that nobody has lent"),
            }
        }
        drop(output);
        self.loans.extend(loans);
        frames
    }

    /// The next frame, from a buffer of the least size and pieces.
    fn gathered(&mut self, limit: usize) -> Option<(Vec<u8>, TransmitMeta)> {
        let mut buffer = [0xaa; 1_514];
        let mut pieces = Pieces::new(limit);
        let host = &mut self.host;
        let stack = &mut host.stack;
        let memory = &mut host.memory;
        let written =
            stack.output_gathered(host.link, &mut buffer, &mut pieces, memory, self.now)?;
        let ranges = pieces.ranges();
        assert!(ranges.len() <= limit);
        self.pieces.0 += ranges.len();
        self.pieces.1 += ranges.iter().map(|it| it.length as usize).sum::<usize>();
        let mut frame = vec![0xaa; 70_000];
        let len = memory.assemble(&written, &buffer, &pieces, &mut frame);
        frame.truncate(len);
        match written.loan {
            Some(loan) if self.keeps_loans => self.loans.push(loan),
            Some(loan) => self.host.stack.end_loan(loan),
            None => assert!(pieces.ranges().is_empty(), "pieces that nobody has lent"),
        }
        Some((frame, written.meta))
    }

    pub fn segment(&mut self) -> Option<Seen> {
        let (frame, cut) = self.frame()?;
        assert_eq!(cut, 0, "software cuts");
        assert!(frame.len() >= 60, "a short frame was not padded");
        let segment = seen(&frame).expect("a segment");
        self.check(&segment);
        Some(segment)
    }

    /// The payload is what was queued, in its place.
    pub fn check(&self, segment: &Seen) {
        let place = segment.header.seq.wrapping_sub(self.isn.wrapping_add(1)) as usize;
        let len = segment.payload.len();
        assert!(place + len <= self.queued || len == 0);
        assert!(segment.payload == pattern(place, len), "wrong bytes");
    }

    pub fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.host.stack.fire(&mut self.host.memory, self.now);
        self.host.publish(self.now);
    }

    pub fn place(&self, segment: &Seen) -> u32 {
        segment.header.seq.wrapping_sub(self.isn.wrapping_add(1))
    }
}

/// Whether a frame carries a segment over IPv4.
pub fn is_segment(frame: &[u8]) -> bool {
    frame[12..14] == [8, 0] && frame[23] == 6
}

/// A segment whose checksum may be left to a device.
pub fn unverified(frame: &[u8]) -> (Packet<'_>, Segment<'_>) {
    let packet = Packet::parse(&frame[14..]).expect("sound");
    let segment = Segment::parse(packet.payload, Check::Trusted).expect("sound");
    (packet, segment)
}

/// What TCP asks a device to do with a long segment.
pub fn cut_by_device(frame: &[u8], size: u16) -> Vec<(Header, Ecn, Vec<u8>)> {
    let (packet, whole) = unverified(frame);
    let size = if size == 0 { 70_000 } else { usize::from(size) };
    let count = whole.payload.len().div_ceil(size).max(1);
    let pieces = (0..count).map(|number| {
        let start = number * size;
        let end = (start + size).min(whole.payload.len());
        let mut header = whole.header;
        header.seq = header.seq.wrapping_add(start as u32);
        if number > 0 {
            header.flags = header.flags.without(Flags::CWR);
        }
        if number + 1 < count {
            header.flags = header.flags.without(Flags::PSH | Flags::FIN);
        }
        let payload = whole.payload[start..end].to_vec();
        (header, packet.header.ecn, payload)
    });
    pieces.collect()
}
