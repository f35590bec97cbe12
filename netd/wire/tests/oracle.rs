//! Whole frames against `etherparse`, which shares no line with this crate: what one builds, the
//! other builds byte for byte alike, and reads.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{
    ArpEthIpv4Packet, ArpOperation, ArpPacket, Icmpv4Type, Icmpv6Type, IpNumber, Ipv4Header,
    Ipv4Options, PacketBuilder, TcpHeader, TcpOptionElement, UdpHeader, icmpv4, icmpv6,
};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};
use wire::{
    Check, EtherType, Headroom, MacAddress, NoRoom, Protocol, Pseudo, Seal, arp, ethernet, icmp4,
    icmp6, ipv4, ipv6, sum, tcp, udp,
};

const ALICE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
const BOB_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xb];
const TTL: u8 = 64;

/// An IPv4 packet in a frame from Alice to Bob. `write` puts the transport header in front of the
/// payload.
fn frame(
    (source, destination): ([u8; 4], [u8; 4]),
    protocol: Protocol,
    payload: &[u8],
    write: impl FnOnce(&mut Headroom<'_>) -> Result<(), NoRoom>,
) -> Vec<u8> {
    const ROOM: usize = 128;
    let mut bytes = vec![0; ROOM];
    bytes.extend_from_slice(payload);
    let mut room = Headroom::new(&mut bytes[..ROOM]);
    write(&mut room).expect("room");
    let transport_len = ROOM - room.left() + payload.len();
    ipv4::Header::atomic(source.into(), destination.into(), protocol, TTL)
        .emit(&mut room, transport_len)
        .expect("room");
    ethernet::Header {
        destination: MacAddress(BOB_MAC),
        source: MacAddress(ALICE_MAC),
        ethertype: EtherType::IPV4,
    }
    .emit(&mut room)
    .expect("room");
    let start = room.left();
    bytes.split_off(start)
}

fn builder(
    (source, destination): ([u8; 4], [u8; 4]),
) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    PacketBuilder::ethernet2(ALICE_MAC, BOB_MAC).ipv4(source, destination, TTL)
}

fn host() -> impl prop::strategy::Strategy<Value = [u8; 4]> {
    use prop::strategy::Strategy;
    any::<[u8; 4]>().prop_map(|[a, b, c, d]| [a & 0x7f, b, c, d])
}

fn pseudo((source, destination): ([u8; 4], [u8; 4])) -> Pseudo {
    Pseudo::v4(Ipv4Addr::from(source), Ipv4Addr::from(destination))
}

/// The IPv4 packet in a frame, as this crate reads it.
fn ipv4(frame: &[u8]) -> ipv4::Packet<'_> {
    let frame = ethernet::Frame::parse(frame).expect("a frame");
    assert_eq!(frame.header.ethertype, EtherType::IPV4);
    ipv4::Packet::parse(frame.payload).expect("a packet")
}

/// Theirs have a no-operation where ours do, so that the layouts are the same.
fn elements(options: &tcp::Options) -> Vec<TcpOptionElement> {
    use TcpOptionElement as E;
    let mut elements = Vec::new();
    elements.extend(options.mss.map(E::MaximumSegmentSize));
    match (options.sack_permitted, options.timestamps) {
        (true, None) => elements.extend([E::Noop, E::Noop, E::SelectiveAcknowledgementPermitted]),
        (true, Some(_)) => elements.push(E::SelectiveAcknowledgementPermitted),
        (false, Some(_)) => elements.extend([E::Noop, E::Noop]),
        (false, None) => {}
    }
    elements.extend(options.timestamps.map(|it| E::Timestamp(it.value, it.echo)));
    if let Some(shift) = options.window_scale {
        elements.extend([E::Noop, E::WindowScale(shift)]);
    }
    let mut blocks = options
        .sack
        .as_slice()
        .iter()
        .map(|block| (block.left, block.right));
    if let Some(first) = blocks.next() {
        let others = [(); 3].map(|()| blocks.next());
        elements.extend([E::Noop, E::Noop, E::SelectiveAcknowledgement(first, others)]);
    }
    elements
}

proptest! {
    #[test]
    fn udp_frames(ends in (host(), host()), src_port: u16, dst_port in 1_u16.., payload: Vec<u8>) {
        let header = udp::Header { src_port, dst_port };
        let seal = Seal::Full { pseudo: pseudo(ends), payload: sum(&payload) };
        let ours = frame(ends, Protocol::UDP, &payload, |room| {
            header.emit(room, payload.len(), seal)
        });
        let mut theirs = Vec::new();
        builder(ends).udp(src_port, dst_port).write(&mut theirs, &payload).expect("written");
        prop_assert_eq!(&ours, &theirs);

        let packet = ipv4(&theirs);
        let check = Check::Verify(pseudo(ends));
        let datagram = udp::Datagram::parse(packet.payload, check, udp::NoChecksum::Refuse);
        prop_assert_eq!(datagram, Ok(udp::Datagram { header, payload: &payload }));
    }

    // RFC 9293: MUST-2, MUST-3
    #[test]
    fn tcp_frames(
        ends in (host(), host()),
        (src_port, dst_port) in (1_u16.., 1_u16..),
        (seq, ack, window, urgent) in any::<(u32, u32, u16, u16)>(),
        bits in 0_u16..0x200,
        (mss, window_scale, sack_permitted) in any::<(Option<u16>, Option<u8>, bool)>(),
        timestamps: Option<(u32, u32)>,
        blocks in prop::collection::vec(any::<(u32, u32)>(), 0..2),
        payload: Vec<u8>,
    ) {
        let flags = tcp::Flags::from_bits(bits);
        let options = tcp::Options {
            mss,
            window_scale,
            sack_permitted,
            timestamps: timestamps.map(|(value, echo)| tcp::Timestamps { value, echo }),
            sack: blocks
                .into_iter()
                .map(|(left, right)| tcp::SackBlock { left, right })
                .collect(),
            ..tcp::Options::NONE
        };
        let header = tcp::Header { src_port, dst_port, seq, ack, flags, window, urgent, options };
        let seal = Seal::Full { pseudo: pseudo(ends), payload: sum(&payload) };
        let ours = frame(ends, Protocol::TCP, &payload, |room| {
            header.emit(room, payload.len(), seal)
        });

        let mut their_header = TcpHeader::new(src_port, dst_port, seq, window);
        their_header.acknowledgment_number = ack;
        their_header.urgent_pointer = urgent;
        their_header.fin = flags.contains(tcp::Flags::FIN);
        their_header.syn = flags.contains(tcp::Flags::SYN);
        their_header.rst = flags.contains(tcp::Flags::RST);
        their_header.psh = flags.contains(tcp::Flags::PSH);
        their_header.ack = flags.contains(tcp::Flags::ACK);
        their_header.urg = flags.contains(tcp::Flags::URG);
        their_header.ece = flags.contains(tcp::Flags::ECE);
        their_header.cwr = flags.contains(tcp::Flags::CWR);
        their_header.ns = flags.contains(tcp::Flags::AE);
        their_header.set_options(&elements(&options)).expect("they fit");
        let mut theirs = Vec::new();
        builder(ends).tcp_header(their_header).write(&mut theirs, &payload).expect("written");
        prop_assert_eq!(&ours, &theirs);

        let packet = ipv4(&theirs);
        let segment = tcp::Segment::parse(packet.payload, Check::Verify(pseudo(ends)));
        prop_assert_eq!(segment, Ok(tcp::Segment {
            header,
            payload: &payload,
            rest: wire::Rest::NONE,
        }));
    }

    #[test]
    fn icmp4_frames(
        ends in (host(), host()),
        (identifier, sequence, mtu) in any::<(u16, u16, u16)>(),
        which in 0..7,
        body: Vec<u8>,
    ) {
        use icmpv4::DestUnreachableHeader as D;
        use icmp4::{Header as H, Unreachable as U};
        let echo = etherparse::IcmpEchoHeader { id: identifier, seq: sequence };
        let (header, kind) = match which {
            0 => (H::EchoRequest { identifier, sequence }, Icmpv4Type::EchoRequest(echo)),
            1 => (H::EchoReply { identifier, sequence }, Icmpv4Type::EchoReply(echo)),
            2 => (H::Unreachable(U::Port), Icmpv4Type::DestinationUnreachable(D::Port)),
            3 => (
                H::Unreachable(U::FragmentationNeeded { mtu }),
                Icmpv4Type::DestinationUnreachable(D::FragmentationNeeded { next_hop_mtu: mtu }),
            ),
            4 => (
                H::Unreachable(U::Prohibited { code: 13 }),
                Icmpv4Type::DestinationUnreachable(D::FilterProhibited),
            ),
            5 => (
                H::TimeExceeded(icmp4::TimeExceeded::Reassembly),
                Icmpv4Type::TimeExceeded(
                    icmpv4::TimeExceededCode::FragmentReassemblyTimeExceeded,
                ),
            ),
            _ => (
                H::ParameterProblem(icmp4::ParameterProblem::Pointer(9)),
                Icmpv4Type::ParameterProblem(
                    icmpv4::ParameterProblemHeader::PointerIndicatesError(9),
                ),
            ),
        };
        let ours = frame(ends, Protocol::ICMP, &body, |room| header.emit(room, sum(&body)));
        let mut theirs = Vec::new();
        builder(ends).icmpv4(kind).write(&mut theirs, &body).expect("written");
        prop_assert_eq!(&ours, &theirs);
        let message = icmp4::Message::parse(ipv4(&theirs).payload);
        prop_assert_eq!(message, Ok(icmp4::Message { header, body: &body }));
    }

    #[test]
    fn ipv4_headers(
        ends in (host(), host()),
        (identification, dont_fragment, more_fragments, ttl, protocol)
            in any::<(u16, bool, bool, u8, u8)>(),
        offset in 0_u16..0x2000,
        (dscp, ecn) in (0_u8..64, 0_u8..4),
        // "No operation" as often as wanted: any number of words of valid options.
        words in 0_usize..=10,
        payload: Vec<u8>,
    ) {
        let mut theirs = Ipv4Header::new(
            u16::try_from(payload.len()).expect("short"),
            ttl,
            IpNumber(protocol),
            ends.0,
            ends.1,
        )
        .expect("short");
        theirs.identification = identification;
        theirs.dont_fragment = dont_fragment;
        theirs.more_fragments = more_fragments;
        theirs.fragment_offset = offset.try_into().expect("13 bits");
        theirs.dscp = dscp.try_into().expect("6 bits");
        theirs.ecn = ecn.try_into().expect("2 bits");
        theirs.options = Ipv4Options::try_from(&[1; 40][..words * 4]).expect("short");
        theirs.header_checksum = theirs.calc_header_checksum();
        theirs.total_len = u16::try_from(theirs.header_len() + payload.len()).expect("short");
        theirs.header_checksum = theirs.calc_header_checksum();
        let bytes = [&theirs.to_bytes()[..], &payload].concat();

        let packet = ipv4::Packet::parse(&bytes).expect("a packet");
        let expected = ipv4::Header {
            dscp,
            ecn: wire::Ecn::from_bits(ecn),
            identification,
            dont_fragment,
            more_fragments,
            fragment_offset: offset,
            ttl,
            protocol: Protocol(protocol),
            source: ends.0.into(),
            destination: ends.1.into(),
        };
        prop_assert_eq!(packet.header, expected);
        prop_assert_eq!(packet.options.len(), words * 4);
        prop_assert_eq!(packet.payload, &payload);
        prop_assert_eq!(packet.header.is_fragment(), theirs.is_fragmenting_payload());
    }

    #[test]
    fn arp_packets(ends in (host(), host()), is_reply: bool, target_mac: [u8; 6]) {
        let ours = arp::Packet {
            operation: if is_reply { arp::Operation::Reply } else { arp::Operation::Request },
            sender_mac: MacAddress(ALICE_MAC),
            sender_ip: ends.0.into(),
            target_mac: MacAddress(target_mac),
            target_ip: ends.1.into(),
        };
        let theirs = ArpPacket::from(ArpEthIpv4Packet {
            operation: if is_reply { ArpOperation::REPLY } else { ArpOperation::REQUEST },
            sender_mac: ALICE_MAC,
            sender_ipv4: ends.0,
            target_mac,
            target_ipv4: ends.1,
        });
        let mut bytes = [0; arp::LEN];
        ours.emit(&mut Headroom::new(&mut bytes)).expect("room");
        prop_assert_eq!(&bytes[..], &theirs.to_bytes()[..]);
        prop_assert_eq!(arp::Packet::parse(&theirs.to_bytes()), Ok(ours));
    }

    #[test]
    fn icmp6_packets(
        (source, destination) in any::<([u8; 15], [u8; 16])>(),
        (identifier, sequence, number) in any::<(u16, u16, u32)>(),
        which in 0..7,
        body: Vec<u8>,
    ) {
        use icmp6::{Cause, Header as H, ParameterProblem, Unreachable as U};
        use icmpv6::{DestUnreachableCode as D, ParameterProblemCode as P};
        let mut octets = [0x20; 16];
        octets[1..].copy_from_slice(&source);
        let (source, destination) = (Ipv6Addr::from(octets), Ipv6Addr::from(destination));
        let echo = etherparse::IcmpEchoHeader { id: identifier, seq: sequence };
        let problem = |cause| H::ParameterProblem(ParameterProblem { cause, pointer: number });
        let theirs = |code| Icmpv6Type::ParameterProblem(
            icmpv6::ParameterProblemHeader { code, pointer: number },
        );
        let (header, kind) = match which {
            0 => (H::EchoRequest { identifier, sequence }, Icmpv6Type::EchoRequest(echo)),
            1 => (H::EchoReply { identifier, sequence }, Icmpv6Type::EchoReply(echo)),
            2 => (H::Unreachable(U::Port), Icmpv6Type::DestinationUnreachable(D::Port)),
            3 => (H::PacketTooBig { mtu: number }, Icmpv6Type::PacketTooBig { mtu: number }),
            4 => (
                H::TimeExceeded(icmp6::TimeExceeded::Reassembly),
                Icmpv6Type::TimeExceeded(
                    icmpv6::TimeExceededCode::FragmentReassemblyTimeExceeded,
                ),
            ),
            5 => (problem(Cause::NextHeader), theirs(P::UnrecognizedNextHeader)),
            _ => (problem(Cause::FirstFragment), theirs(P::Ipv6FirstFragmentIncompleteHeaderChain)),
        };
        let pseudo = Pseudo::v6(source, destination);
        let seal = Seal::Full { pseudo, payload: sum(&body) };
        let len = body.len() + icmp6::HEADER_LEN;
        let mut ours = vec![0; 64];
        ours.extend(&body);
        let mut room = Headroom::new(&mut ours[..64]);
        header.emit(&mut room, body.len(), seal).expect("room");
        ipv6::Header::new(source, destination, Protocol::ICMPV6, TTL)
            .emit(&mut room, len)
            .expect("room");
        let start = room.left();
        let ours = ours.split_off(start);
        let mut theirs = Vec::new();
        PacketBuilder::ipv6(source.octets(), destination.octets(), TTL)
            .icmpv6(kind)
            .write(&mut theirs, &body)
            .expect("written");
        prop_assert_eq!(&ours, &theirs);
        let packet = ipv6::Packet::parse(&theirs).expect("a packet");
        let envelope = icmp6::Envelope::parse(packet.payload, Check::Verify(pseudo));
        let message = icmp6::Message::parse(&envelope.expect("sound"));
        prop_assert_eq!(message, Ok(icmp6::Message { header, body: &body }));
    }

    #[test]
    fn checksums_over_ipv6(
        (source, destination) in any::<([u8; 16], [u8; 16])>(),
        (src_port, dst_port) in (1_u16.., 1_u16..),
        payload: Vec<u8>,
    ) {
        let pseudo = Pseudo::v6(Ipv6Addr::from(source), Ipv6Addr::from(destination));
        let seal = Seal::Full { pseudo, payload: sum(&payload) };
        let mut ours = [0; udp::HEADER_LEN];
        udp::Header { src_port, dst_port }
            .emit(&mut Headroom::new(&mut ours), payload.len(), seal)
            .expect("room");
        let length = u16::try_from(payload.len() + udp::HEADER_LEN).expect("short");
        let mut theirs =
            UdpHeader { source_port: src_port, destination_port: dst_port, length, checksum: 0 };
        theirs.checksum =
            theirs.calc_checksum_ipv6_raw(source, destination, &payload).expect("short");
        prop_assert_eq!(ours, theirs.to_bytes());
        let bytes = [&theirs.to_bytes()[..], &payload].concat();
        let read = udp::Datagram::parse(&bytes, Check::Verify(pseudo), udp::NoChecksum::Refuse);
        prop_assert_eq!(read.map(|it| it.payload), Ok(&payload[..]));
    }
}
