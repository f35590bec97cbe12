//! Every parser against bytes that were made to hurt it: valid packets with some bytes changed,
//! cut or repeated, and plain noise. Whatever comes, a parser gives a value or a reason; a value
//! can be used and written again, and what is written is read as the same value.
//!
//! The inputs depend on nothing but the constants here: a failure names the round to repeat.

use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use wire::{
    Check, EtherType, Headroom, List, MacAddress, NoRoom, Protocol, Pseudo, Seal, arp, dhcp4, dns,
    ethernet, icmp4, ipv4, sum, tcp, udp,
};

const ROUNDS: u32 = 100_000;

const ALICE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const BOB: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

/// Marsaglia's xorshift: small, and the same everywhere.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).expect("64 bits")).expect("small")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }

    /// One of the examples with a few things done to it; now and then, noise.
    fn bytes(&mut self, examples: &[Vec<u8>]) -> Vec<u8> {
        if self.below(16) == 0 {
            return (0..self.below(700)).map(|_| self.byte()).collect();
        }
        let mut bytes = examples[self.below(examples.len())].clone();
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len());
            match self.below(8) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.byte()),
                2 => bytes.extend_from_within(at..),
                3 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xc0, 0xff][self.below(6)],
                4 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                _ if !bytes.is_empty() => bytes[at] = self.byte(),
                _ => {}
            }
        }
        bytes
    }
}

/// Feeds `parse` with the examples, changed in many ways; it says whether it accepted the bytes.
fn feed(examples: &[Vec<u8>], mut parse: impl FnMut(&[u8]) -> bool) {
    let mut noise = Noise(0x5eed_0123_4567_89ab);
    let mut accepted = 0;
    for example in examples {
        assert!(parse(example), "refused unchanged: {example:02x?}");
    }
    for round in 0..ROUNDS {
        let bytes = noise.bytes(examples);
        match catch_unwind(AssertUnwindSafe(|| parse(&bytes))) {
            Ok(is_accepted) => accepted += u32::from(is_accepted),
            Err(_) => panic!("round {round}: {bytes:02x?}"),
        }
    }
    // Else the test only ever sees the first check of each parser.
    assert!(
        (ROUNDS / 50..ROUNDS).contains(&accepted),
        "{accepted} accepted"
    );
}

/// For results that need only come without a panic.
fn look<T>(_: T) {}

fn packet(payload: &[u8], write: impl FnOnce(&mut Headroom<'_>) -> Result<(), NoRoom>) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend_from_slice(payload);
    let mut room = Headroom::new(&mut bytes[..128]);
    write(&mut room).expect("room");
    let start = room.left();
    bytes.split_off(start)
}

#[test]
fn ethernet_frames() {
    let header = ethernet::Header {
        destination: MacAddress::BROADCAST,
        source: MacAddress([2, 0, 0, 0, 0, 1]),
        ethertype: EtherType::IPV4,
    };
    feed(&[packet(b"payload", |room| header.emit(room))], |bytes| {
        ethernet::Frame::parse(bytes).is_ok_and(|frame| {
            assert_eq!(packet(frame.payload, |room| frame.header.emit(room)), bytes);
            true
        })
    });
}

#[test]
fn arp_packets() {
    let request = arp::Packet::request(MacAddress([2, 0, 0, 0, 0, 1]), ALICE, BOB);
    let reply = request.reply(MacAddress([2, 0, 0, 0, 0, 2]));
    let examples = [request, reply].map(|it| packet(&[], |room| it.emit(room)));
    feed(&examples, |bytes| {
        arp::Packet::parse(bytes).is_ok_and(|it| {
            look((it.is_probe(), it.is_announcement()));
            assert_eq!(packet(&[], |room| it.emit(room)), bytes[..arp::LEN]);
            true
        })
    });
}

#[test]
fn ipv4_packets() {
    let header = ipv4::Header::atomic(ALICE, BOB, Protocol::UDP, 64);
    let plain = packet(b"payload", |room| header.emit(room, 7));
    let mut with_options = plain.clone();
    with_options[0] = 0x48;
    with_options[3] += 12;
    with_options.splice(20..20, [7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0, 0]);
    // A parser that stops at the checksum would hardly ever be tested behind it.
    let mend = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let len = usize::from(bytes.first().copied().unwrap_or(0) & 0x0f) * 4;
        if len >= 20 && bytes.len() >= len {
            bytes[10..12].fill(0);
            let field = sum(&bytes[..len]).finish();
            bytes[10..12].copy_from_slice(&field);
        }
        bytes
    };
    feed(&[plain, with_options], |bytes| {
        let bytes = mend(bytes);
        look(ipv4::Quote::parse(&bytes).map(|it| (it.ports(), it.tcp_sequence(), it.echo())));
        ipv4::Packet::parse(&bytes).is_ok_and(|it| {
            let again = packet(it.payload, |room| it.header.emit(room, it.payload.len()));
            let again = ipv4::Packet::parse(&again).expect("own bytes");
            assert_eq!((again.header, again.payload), (it.header, it.payload));
            assert!(it.options.len() <= 40 && it.bytes.len() <= bytes.len());
            true
        })
    });
}

#[test]
fn icmp4_messages() {
    let quoted = packet(&[0; 20], |room| {
        ipv4::Header::atomic(ALICE, BOB, Protocol::TCP, 1).emit(room, 20)
    });
    let examples = [
        icmp4::Header::EchoRequest {
            identifier: 1,
            sequence: 2,
        },
        icmp4::Header::Unreachable(icmp4::Unreachable::FragmentationNeeded { mtu: 1280 }),
        icmp4::Header::TimeExceeded(icmp4::TimeExceeded::Transit),
        icmp4::Header::ParameterProblem(icmp4::ParameterProblem::Pointer(9)),
    ]
    .map(|header| packet(&quoted, |room| header.emit(room, sum(&quoted))));
    feed(&examples, |bytes| {
        let mut bytes = bytes.to_vec();
        if bytes.len() >= 4 {
            bytes[2..4].fill(0);
            let field = sum(&bytes).finish();
            bytes[2..4].copy_from_slice(&field);
        }
        icmp4::Message::parse(&bytes).is_ok_and(|it| {
            look(
                it.quote()
                    .map(|quote| (quote.ports(), quote.echo(), quote.tcp_sequence())),
            );
            let again = packet(it.body, |room| it.header.emit(room, sum(it.body)));
            assert_eq!(icmp4::Message::parse(&again), Ok(it));
            true
        })
    });
}

#[test]
fn udp_datagrams() {
    let pseudo = Pseudo::v4(ALICE, BOB);
    let header = udp::Header {
        src_port: 68,
        dst_port: 67,
    };
    let seal = Seal::Full {
        pseudo,
        payload: sum(b"payload"),
    };
    feed(
        &[packet(b"payload", |room| header.emit(room, 7, seal))],
        |bytes| {
            look(udp::Datagram::parse(
                bytes,
                Check::Verify(pseudo),
                udp::NoChecksum::Refuse,
            ));
            udp::Datagram::parse(bytes, Check::Trusted, udp::NoChecksum::Accept).is_ok_and(|it| {
                let seal = Seal::Full {
                    pseudo,
                    payload: sum(it.payload),
                };
                let again = packet(it.payload, |room| {
                    it.header.emit(room, it.payload.len(), seal)
                });
                let check = Check::Verify(pseudo);
                let again = udp::Datagram::parse(&again, check, udp::NoChecksum::Refuse);
                assert_eq!(again, Ok(it));
                true
            })
        },
    );
}

#[test]
fn tcp_segments() {
    let pseudo = Pseudo::v4(ALICE, BOB);
    let full = |payload: &[u8]| Seal::Full {
        pseudo,
        payload: sum(payload),
    };
    let clock = tcp::Timestamps { value: 1, echo: 2 };
    let block = tcp::SackBlock { left: 1, right: 2 };
    let options = [
        tcp::Options {
            timestamps: Some(clock),
            ..tcp::Options::NONE
        },
        tcp::Options {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(clock),
            ..tcp::Options::NONE
        },
        tcp::Options {
            sack: [block; 4].into_iter().collect(),
            ..tcp::Options::NONE
        },
    ];
    let examples = options.map(|options| {
        let header = tcp::Header {
            src_port: 1,
            dst_port: 2,
            seq: 3,
            ack: 4,
            flags: tcp::Flags::ACK,
            window: 5,
            urgent: 0,
            options,
        };
        packet(b"payload", |room| header.emit(room, 7, full(b"payload")))
    });
    feed(&examples, |bytes| {
        look(tcp::Segment::parse(bytes, Check::Verify(pseudo)));
        tcp::Segment::parse(bytes, Check::Trusted).is_ok_and(|it| {
            let (len, seal) = (it.payload.len(), full(it.payload));
            let again = packet(it.payload, |room| it.header.emit(room, len, seal));
            let again = tcp::Segment::parse(&again, Check::Verify(pseudo)).expect("own bytes");
            assert_eq!(again.sequence_len(), it.sequence_len());
            // A header has room for fewer blocks in the customary layout than in the tightest.
            let kept = again.header.options.sack.len();
            let sack = it.header.options.sack.truncated(kept);
            let options = tcp::Options {
                sack,
                ..it.header.options
            };
            assert_eq!(
                again.header,
                tcp::Header {
                    options,
                    ..it.header
                }
            );
            true
        })
    });
}

#[test]
fn dhcp4_messages() {
    let mac = MacAddress([2, 0, 0, 0, 0, 1]);
    let mut message = dhcp4::Message::from_client(dhcp4::MessageType::Request, 7, mac);
    message.options.client_id = List::from_slice(&[1, 2, 3]).expect("short");
    message.options.host_name = dhcp4::Text::new(b"skerry").expect("short");
    message.options.routers = [ALICE, BOB].into_iter().collect();
    message.options.lease_time = Some(3600);
    let route = dhcp4::Route {
        destination: wire::Cidr4::ALL,
        router: ALICE,
    };
    message.options.classless_routes = [route; 3].into_iter().collect();
    let mut plain = vec![0; 576];
    let len = message.emit(&mut plain).expect("room");
    plain.truncate(len);
    let mut overloaded = plain.clone();
    overloaded.splice(243..243, [52, 1, 3]);
    overloaded[44..47].copy_from_slice(&[12, 1, b'x']);
    overloaded[108..111].copy_from_slice(&[15, 1, b'y']);
    feed(&[plain, overloaded], |bytes| {
        dhcp4::Message::parse(bytes).is_ok_and(|it| {
            let mut again = vec![0; 3000];
            let len = it.emit(&mut again).expect("room");
            assert_eq!(dhcp4::Message::parse(&again[..len]), Ok(it));
            true
        })
    });
}

#[test]
fn dns_messages() {
    let mut response = vec![0xbe, 0xef, 0x81, 0x80, 0, 1, 0, 2, 0, 1, 0, 1];
    response.extend(b"\x03www\x07example\x03com\0\0\x01\0\x01");
    response.extend(b"\xc0\x0c\0\x05\0\x01\0\0\x0e\x10\0\x06\x03web\xc0\x10");
    response.extend(b"\xc0\x2d\0\x01\0\x01\0\0\0\x3c\0\x04\xc6\x33\x64\x07");
    response.extend(b"\xc0\x10\0\x06\0\x01\0\0\0\x3c\0\x1a\x01a\xc0\x10\xc0\x10");
    response.extend([0; 20]);
    response.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
    feed(&[response], |bytes| {
        dns::Message::parse(bytes).is_ok_and(|message| {
            let mut again = vec![0; 65_535];
            let mut builder = dns::Builder::new(&mut again, message.header).expect("room");
            let mut questions = Vec::new();
            let mut records = Vec::new();
            for question in message.questions() {
                builder.question(&question).expect("room");
                questions.push(question);
            }
            for (section, record) in message.records().filter_map(Result::ok) {
                builder.record(section, &record).expect("room");
                records.push((section, record));
            }
            let len = builder.finish();
            let again = dns::Message::parse(&again[..len]).expect("own bytes");
            assert_eq!(again.header, message.header);
            assert!(again.questions().eq(questions));
            assert!(
                again
                    .records()
                    .map(|record| record.expect("own bytes"))
                    .eq(records)
            );
            true
        })
    });
}
