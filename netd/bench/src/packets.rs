//! What one small packet costs: from the write to the frame, and from the frame to readable bytes.

use stack::{Data, EventKind, Kind, Range, SocketId, SocketOption, Token};
use std::net::SocketAddr;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::udp;

use crate::burst::Burst;
use crate::clock::wall;
use crate::ours::{self, Family, address};
use crate::theirs::{self, tcp_socket};
use crate::wire_setup::WireSetup;

/// Packets that one reading of the clock is for.
const BATCH: u32 = 128;
/// Bytes of one packet.
const SIZE: u32 = 64;
const LEN: usize = 64;
/// A room that many packets fit into.
const ROOM: u32 = 1 << 16;
const SLOTS: usize = 256;
const PORT: u16 = 80;

/// Frames pass both ways once.
fn exchange(hosts: &mut [ours::Host; 2], bursts: &mut [Burst; 2]) {
    let [a, b] = hosts;
    let [there, back] = bursts;
    a.fire();
    a.send(there);
    b.receive(there);
    b.fire();
    b.send(back);
    a.receive(back);
    a.now = a.now + std::time::Duration::from_micros(20);
    b.now = a.now;
}

/// Our two ends, with a TCP connection or a pair of UDP sockets.
pub struct Ours {
    kind: Kind,
    hosts: [ours::Host; 2],
    bursts: [Burst; 2],
    sockets: [SocketId; 2],
    message: [u8; LEN],
    sink: [u8; LEN],
    /// Packets sent.
    count: u64,
    /// Where the second end is.
    to: SocketAddr,
    /// Rooms that were given and have not been used up.
    rooms: usize,
}

impl Ours {
    /// A connection.
    pub fn tcp(family: Family) -> Self {
        let (mut hosts, mut bursts) = Self::hosts(family);
        let listener = hosts[1].listen_at(family.any(PORT), 1);
        hosts[1].accept(listener, Some(Range::new(0, ROOM)));
        let to = family.at(2, PORT);
        let client = hosts[0].connect(to);
        let now = hosts[0].now;
        hosts[0]
            .stack
            .set_option(hosts[0].client, client, SocketOption::NoDelay(true), now)
            .expect("an option of streams");
        let mut server = None;
        for _ in 0..4 {
            exchange(&mut hosts, &mut bursts);
            hosts[0].publish();
            hosts[1].publish();
            server = server.or(hosts[1].accepted());
        }
        let sockets = [client, server.expect("a connection")];
        Self::warm(Kind::Stream, hosts, bursts, sockets, to)
    }

    /// Datagram sockets.
    pub fn udp(family: Family) -> Self {
        let (mut hosts, bursts) = Self::hosts(family);
        let sockets = [(0, 5_000), (1, 6_000)]
            .map(|(place, port): (usize, u16)| hosts[place].datagrams_at(family.any(port)));
        let mut this = Self::warm(Kind::Datagram, hosts, bursts, sockets, family.at(2, 6_000));
        this.give_room();
        this
    }

    fn hosts(family: Family) -> ([ours::Host; 2], [Burst; 2]) {
        let setup = WireSetup::PLAIN;
        let host = |number| {
            let host = ours::Host::new(number, setup, stack::Config::default(), 1 << 17);
            match family {
                Family::Four => host,
                Family::Six => host.over_both(number, setup),
            }
        };
        let burst = || Burst::new(SLOTS, setup.stride());
        ([host(1), host(2)], [burst(), burst()])
    }

    fn warm(
        kind: Kind,
        hosts: [ours::Host; 2],
        bursts: [Burst; 2],
        sockets: [SocketId; 2],
        to: SocketAddr,
    ) -> Self {
        Self {
            kind,
            hosts,
            bursts,
            sockets,
            message: [7; LEN],
            sink: [0; LEN],
            count: 0,
            to,
            rooms: 1,
        }
    }

    fn give_room(&mut self) {
        let host = &mut self.hosts[1];
        let range = Range::new(0, ROOM);
        host.stack
            .receive(host.client, self.sockets[1], range, Token(9), host.now)
            .expect("a place for one more room");
        self.rooms += 1;
    }

    /// Writes a message and takes the frame.
    #[inline]
    fn write(&mut self) {
        let offset = self.count % u64::from(BATCH) * u64::from(SIZE);
        let start = usize::try_from(offset).expect("in memory");
        let host = &mut self.hosts[0];
        host.memory.0[start..start + LEN].copy_from_slice(&self.message);
        let data = Data::Arena(Range::new(offset, SIZE));
        let to = match self.kind {
            Kind::Stream => None,
            Kind::Datagram => Some(self.to),
        };
        host.stack
            .send(
                host.client,
                self.sockets[0],
                data,
                to,
                Token(self.count),
                host.now,
            )
            .expect("a place for one more send");
        assert!(host.send_one(&mut self.bursts[0]), "a frame for each write");
        self.count += 1;
    }

    /// Takes a frame in and reads what is in it.
    #[inline]
    fn read(&mut self) {
        let host = &mut self.hosts[1];
        let frame = self.bursts[0].take().expect("a frame for each write");
        host.input(frame);
        let mut news = None;
        host.hear(|event| {
            if let EventKind::Received {
                offset,
                length: SIZE,
                more,
                ..
            } = event.kind
            {
                news = Some((offset, more));
            }
        });
        let (offset, more) = news.expect("bytes to read");
        let bytes = host.memory.part(offset, LEN).expect("in the arena");
        self.sink.copy_from_slice(bytes);
        self.rooms -= usize::from(!more);
    }

    #[inline(never)]
    fn write_all(&mut self) {
        (0..BATCH).for_each(|_| self.write());
    }

    #[inline(never)]
    fn read_all(&mut self) {
        (0..BATCH).for_each(|_| self.read());
    }

    /// Nanoseconds for a write to become a frame, and for a frame to become readable.
    pub fn round(&mut self) -> [f64; 2] {
        let sent = wall(BATCH, || self.write_all());
        let received = wall(BATCH, || self.read_all());
        std::hint::black_box(&self.sink);
        // A room may end within a round, but not two.
        if self.rooms < 2 {
            self.give_room();
        }
        // Acknowledgements and completions.
        for _ in 0..2 {
            exchange(&mut self.hosts, &mut self.bursts);
            self.hosts[0].publish();
            self.hosts[1].publish();
        }
        [sent, received]
    }
}

/// What smoltcp's two ends talk with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Udp,
}

/// smoltcp's two ends.
pub struct Theirs {
    protocol: Protocol,
    a: theirs::Host,
    b: theirs::Host,
    sockets: [SocketHandle; 2],
    message: [u8; LEN],
    sink: [u8; LEN],
}

impl Theirs {
    /// A connection.
    pub fn tcp() -> Self {
        let [mut a, mut b] =
            [1, 2].map(|number| theirs::Host::new(number, WireSetup::PLAIN, SLOTS));
        let from = a.sockets.add(tcp_socket(4_096, 1 << 18));
        let to = b.sockets.add(tcp_socket(1 << 18, 4_096));
        theirs::connect(&mut a, &mut b, [from, to], [40_000, PORT]);
        Self::warm(Protocol::Tcp, a, b, [from, to])
    }

    /// Datagram sockets.
    pub fn udp() -> Self {
        let [mut a, mut b] =
            [1, 2].map(|number| theirs::Host::new(number, WireSetup::PLAIN, SLOTS));
        let socket = |port| {
            let buffer = || {
                udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; SLOTS], vec![0; 1 << 18])
            };
            let mut socket = udp::Socket::new(buffer(), buffer());
            socket.bind(port).expect("a free port");
            socket
        };
        let sockets = [a.sockets.add(socket(5_000)), b.sockets.add(socket(6_000))];
        let mut this = Self::warm(Protocol::Udp, a, b, sockets);
        // The first waits for the neighbour.
        this.write();
        for _ in 0..4 {
            this.a.poll();
            theirs::pass(&mut this.a, &mut this.b);
            this.b.poll();
            theirs::pass(&mut this.b, &mut this.a);
            this.a.now += smoltcp::time::Duration::from_secs(2);
            this.b.now = this.a.now;
        }
        while this.b.udp(sockets[1]).recv().is_ok() {}
        this
    }

    fn warm(
        protocol: Protocol,
        a: theirs::Host,
        b: theirs::Host,
        sockets: [SocketHandle; 2],
    ) -> Self {
        Self {
            protocol,
            a,
            b,
            sockets,
            message: [7; LEN],
            sink: [0; LEN],
        }
    }

    #[inline]
    fn write(&mut self) {
        let socket = self.sockets[0];
        match self.protocol {
            Protocol::Tcp => {
                let sent = self.a.tcp(socket).send_slice(&self.message);
                assert_eq!(sent, Ok(LEN));
            }
            Protocol::Udp => {
                let to = (address(2), 6_000);
                let sent = self.a.udp(socket).send_slice(&self.message, to);
                assert_eq!(sent, Ok(()));
            }
        }
        self.a.send_one();
    }

    #[inline]
    fn read(&mut self) {
        self.b.receive_one();
        let socket = self.sockets[1];
        match self.protocol {
            Protocol::Tcp => {
                assert_eq!(self.b.tcp(socket).recv_slice(&mut self.sink), Ok(LEN));
            }
            Protocol::Udp => {
                let received = self.b.udp(socket).recv_slice(&mut self.sink);
                assert!(received.is_ok_and(|(len, _)| len == LEN));
            }
        }
    }

    #[inline(never)]
    fn write_all(&mut self) {
        (0..BATCH).for_each(|_| self.write());
    }

    #[inline(never)]
    fn read_all(&mut self) {
        (0..BATCH).for_each(|_| self.read());
    }

    /// As [`Ours::round`].
    pub fn round(&mut self) -> [f64; 2] {
        let sent = wall(BATCH, || self.write_all());
        theirs::pass(&mut self.a, &mut self.b);
        let received = wall(BATCH, || self.read_all());
        std::hint::black_box(&self.sink);
        // Takes the empty wire back, then acknowledgements.
        self.b.device.received.clear();
        theirs::pass(&mut self.a, &mut self.b);
        self.b.device.received.clear();
        self.b.send();
        theirs::pass(&mut self.b, &mut self.a);
        self.a.receive();
        theirs::tick(&mut self.a, &mut self.b);
        [sent, received]
    }
}

#[cfg(test)]
mod tests {
    use super::{BATCH, Family, Ours};

    #[test]
    fn what_is_timed_is_sent_and_read_whole() {
        for family in [Family::Four, Family::Six] {
            for mut ours in [Ours::tcp(family), Ours::udp(family)] {
                let before = ours.count;
                for _ in 0..3 {
                    assert!(ours.round().iter().all(|nanoseconds| *nanoseconds > 0.0));
                }
                assert_eq!(ours.count - before, 3 * u64::from(BATCH));
                assert_eq!(ours.sink, ours.message);
            }
        }
    }

    /// As many rooms as are used up, however many rounds there are.
    #[test]
    fn rooms_do_not_pile_up() {
        for mut ours in [Ours::tcp(Family::Four), Ours::udp(Family::Four)] {
            for _ in 0..40 {
                ours.round();
                assert_eq!(ours.rooms, 2);
            }
        }
    }
}
