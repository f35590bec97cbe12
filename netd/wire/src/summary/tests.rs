use std::net::Ipv4Addr;
use std::string::ToString as _;
use std::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::proptest;

use super::Summary;
use crate::icmp4::Unreachable;
use crate::tcp::{Flags, Options, Timestamps};
use crate::testing::{ALICE6, BOB6, packet};
use crate::{
    EtherType, Headroom, MacAddress, NoRoom, Protocol, Pseudo, Seal, Sum, arp, ethernet, icmp4,
    icmp6, ipv4, ipv6, ndp, tcp, udp,
};

const A: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

fn frame(
    ethertype: EtherType,
    payload: &[u8],
    write: impl FnOnce(&mut Headroom<'_>) -> Result<(), NoRoom>,
) -> Vec<u8> {
    packet(payload, |room| {
        write(room)?;
        let header = ethernet::Header {
            destination: MacAddress([2, 0, 0, 0, 0, 2]),
            source: MacAddress([2, 0, 0, 0, 0, 1]),
            ethertype,
        };
        header.emit(room)
    })
}

fn in_ipv4(
    protocol: Protocol,
    transport_len: usize,
    payload: &[u8],
    write: impl FnOnce(&mut Headroom<'_>) -> Result<(), NoRoom>,
) -> Vec<u8> {
    frame(EtherType::IPV4, payload, |room| {
        write(room)?;
        ipv4::Header::atomic(A, B, protocol, 64).emit(room, transport_len)
    })
}

fn seal() -> Seal {
    Seal::Full {
        pseudo: Pseudo::v4(A, B),
        payload: Sum::ZERO,
    }
}

#[test]
fn a_segment_is_shown_with_numbers_window_and_options() {
    let header = tcp::Header {
        src_port: 4_000,
        dst_port: 7,
        seq: u32::MAX,
        ack: 200,
        flags: Flags::PSH | Flags::ACK | Flags::ECE,
        window: 500,
        urgent: 0,
        options: Options {
            timestamps: Some(Timestamps { value: 1, echo: 2 }),
            ..Options::NONE
        },
    };
    let len = header.header_len() + 3;
    let frame = in_ipv4(Protocol::TCP, len, b"abc", |room| {
        header.emit(room, 3, seal())
    });
    assert_eq!(
        Summary(&frame).to_string(),
        "IP 198.18.0.1.4000 > 198.18.0.2.7: Flags [P.E], seq 4294967295:2, ack 200, win 500, \
         options [nop,nop,TS val 1 ecr 2], length 3"
    );
}

#[test]
fn arp_udp_and_icmp_have_their_words() {
    let question = arp::Packet::request(MacAddress([2, 0, 0, 0, 0, 1]), A, B);
    let shown = frame(EtherType::ARP, &[], |room| question.emit(room));
    let words = "ARP, Request who-has 198.18.0.2 tell 198.18.0.1, length 28";
    assert_eq!(Summary(&shown).to_string(), words);

    let header = udp::Header {
        src_port: 4_000,
        dst_port: 5_000,
    };
    let datagram = packet(b"abcde", |room| header.emit(room, 5, seal()));
    let shown = in_ipv4(Protocol::UDP, datagram.len(), &datagram, |_| Ok(()));
    let words = "IP 198.18.0.1.4000 > 198.18.0.2.5000: UDP, length 5";
    assert_eq!(Summary(&shown).to_string(), words);

    let original = packet(&datagram, |room| {
        ipv4::Header::atomic(A, B, Protocol::UDP, 64).emit(room, datagram.len())
    });
    let error = icmp4::Header::Unreachable(Unreachable::Port);
    let shown = in_ipv4(Protocol::ICMP, original.len() + 8, &original, |room| {
        error.emit(room, crate::sum(&original))
    });
    let words = "IP 198.18.0.1 > 198.18.0.2: ICMP 198.18.0.2 udp port 5000 unreachable, length 41";
    assert_eq!(Summary(&shown).to_string(), words);
}

#[test]
fn ipv6_has_its_words() {
    let show = |destination, payload: &[u8]| {
        let header = ipv6::Header::new(ALICE6, destination, Protocol::ICMPV6, 255);
        let frame = frame(EtherType::IPV6, payload, |room| {
            header.emit(room, payload.len())
        });
        Summary(&frame).to_string()
    };
    let pseudo = Pseudo::v6(ALICE6, BOB6);
    let question = ndp::Header::NeighborSolicitation { target: BOB6 };
    let question = packet(&[], |room| question.emit(room, &[], pseudo));
    let words = "IP6 fe80::a > ff02::1:ff00:b: ICMP6, neighbor solicitation, who has 2001:db8::b, length 24";
    assert_eq!(show(ipv6::solicited_node(BOB6), &question), words);

    let header = udp::Header {
        src_port: 4_000,
        dst_port: 53,
    };
    let quoted = packet(&[], |room| {
        header.emit(room, 0, seal())?;
        ipv6::Header::new(BOB6, ALICE6, Protocol::UDP, 64).emit(room, 8)
    });
    let error = icmp6::Header::Unreachable(icmp6::Unreachable::Port);
    let payload = crate::sum(&quoted);
    let error = packet(&quoted, |room| {
        error.emit(room, quoted.len(), Seal::Full { pseudo, payload })
    });
    let words = "IP6 fe80::a > 2001:db8::b: ICMP6, destination unreachable, unreachable port, \
                 fe80::a udp port 53, length 56";
    assert_eq!(show(BOB6, &error), words);

    let part = ipv6::Fragment {
        offset: 181,
        more: true,
        identification: 0x1234,
    };
    let part = packet(&[0; 16], |room| {
        part.emit(room, Protocol::ICMPV6)?;
        ipv6::Header::new(ALICE6, BOB6, Protocol::FRAGMENT, 64).emit(room, 24)
    });
    let shown = frame(EtherType::IPV6, &part, |_| Ok(()));
    let words = "IP6 fe80::a > 2001:db8::b: frag (0x00001234:1448|16) icmp6";
    assert_eq!(Summary(&shown).to_string(), words);

    let segment = packet(&[], |room| {
        header.emit(room, 0, seal())?;
        ipv6::Header::new(ALICE6, BOB6, Protocol::UDP, 64).emit(room, 8)
    });
    let shown = frame(EtherType::IPV6, &segment, |_| Ok(()));
    let words = "IP6 fe80::a.4000 > 2001:db8::b.53: UDP, length 0";
    assert_eq!(Summary(&shown).to_string(), words);
}

#[test]
fn what_is_refused_is_shown_with_the_reason() {
    assert!(
        Summary(&[0; 5])
            .to_string()
            .starts_with("Ethernet, refused: ")
    );
    let mut shown = in_ipv4(Protocol::TCP, 20, &[0; 20], |_| Ok(()));
    assert!(Summary(&shown).to_string().starts_with("TCP, refused: "));
    shown[ethernet::HEADER_LEN + 9] ^= 1;
    assert!(Summary(&shown).to_string().starts_with("IP, refused: "));
}

proptest! {
    #[test]
    fn any_bytes_have_a_line(bytes in vec(any::<u8>(), 0..100), kind in 0..3_usize) {
        let line = |bytes: &[u8]| Summary(bytes).to_string();
        assert_eq!(line(&bytes).lines().count(), 1);
        // And what lies within frames that are sound.
        let ethertype = [EtherType::ARP, EtherType::IPV4, EtherType::IPV6][kind];
        let shown = frame(ethertype, &bytes, |_| Ok(()));
        assert_eq!(line(&shown).lines().count(), 1);
        let protocol = [Protocol::TCP, Protocol::UDP, Protocol::ICMP][kind];
        let shown = in_ipv4(protocol, bytes.len(), &bytes, |_| Ok(()));
        assert_eq!(line(&shown).lines().count(), 1);
        let next = [Protocol::HOP_BY_HOP, Protocol::FRAGMENT, Protocol::ICMPV6][kind];
        let header = ipv6::Header::new(ALICE6, BOB6, next, 255);
        let shown = frame(EtherType::IPV6, &bytes, |room| header.emit(room, bytes.len()));
        assert_eq!(line(&shown).lines().count(), 1);
    }
}
