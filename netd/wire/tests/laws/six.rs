//! The laws of IPv6's formats.

use std::net::Ipv6Addr;

use wire::ipv6::{Content, FRAGMENT_LEN, Header, Packet, Quote, Refusal, solicited_node};
use wire::{Check, Protocol, Pseudo, Seal, icmp6 as icmp6_format, ndp as ndp_format, sum};

use super::{ALICE6, BOB6, look, packet};

/// IPv6 packets: the fixed header, and whatever stands behind it.
pub fn ipv6(bytes: &[u8]) -> bool {
    look(Quote::parse(bytes).map(|it| (it.ports(), it.tcp_sequence(), it.echo())));
    let Ok(it) = Packet::parse(bytes) else {
        return false;
    };
    let again = packet(it.payload, |room| it.header.emit(room, it.payload.len()));
    assert_eq!(again, it.bytes);
    match it.content() {
        Ok(Content::Whole(whole)) => {
            assert!(it.bytes.ends_with(whole.payload));
            assert_eq!(Protocol(it.bytes[whole.named_at]), whole.protocol);
        }
        Ok(Content::Part(part)) => {
            assert!(it.bytes.starts_with(part.before) && it.bytes.ends_with(part.payload));
            let header = packet(part.payload, |room| part.fragment.emit(room, part.next));
            let len = part.before.len() + FRAGMENT_LEN + part.payload.len();
            assert_eq!(len, it.bytes.len());
            // Beside what is reserved.
            assert_eq!(header[4..], it.bytes[part.before.len() + 4..]);
        }
        Err(Refusal { answer, .. }) => {
            let at = answer.map_or(0, |answer| answer.problem.pointer);
            assert!(usize::try_from(at).is_ok_and(|at| at < it.bytes.len()));
            return false;
        }
    }
    true
}

/// A message between Alice and Bob, its checksum mended.
fn mended(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.len() >= 4 {
        bytes[2..4].fill(0);
        let len = u32::try_from(bytes.len()).expect("short");
        let sum = Pseudo::v6(ALICE6, BOB6)
            .with(Protocol::ICMPV6, len)
            .plus(sum(&bytes));
        bytes[2..4].copy_from_slice(&sum.finish());
    }
    bytes
}

/// ICMPv6 errors and echoes.
pub fn icmp6(bytes: &[u8]) -> bool {
    use icmp6_format::{Envelope, Message};
    let bytes = mended(bytes);
    let pseudo = Pseudo::v6(ALICE6, BOB6);
    let check = Check::Verify(pseudo);
    let parsed = Envelope::parse(&bytes, check).and_then(|it| Message::parse(&it));
    parsed.is_ok_and(|it| {
        look(
            it.quote()
                .map(|it| (it.ports(), it.echo(), it.tcp_sequence())),
        );
        let payload = sum(it.body);
        let seal = Seal::Full { pseudo, payload };
        let again = packet(it.body, |room| it.header.emit(room, it.body.len(), seal));
        let again = Envelope::parse(&again, check).expect("own bytes");
        assert_eq!(Message::parse(&again), Ok(it));
        true
    })
}

/// Messages of neighbour discovery, whoever sent them.
pub fn ndp(bytes: &[u8]) -> bool {
    use ndp_format::{HOP_LIMIT, Message};
    let bytes = mended(bytes);
    let pseudo = Pseudo::v6(ALICE6, BOB6);
    let check = Check::Verify(pseudo);
    let Ok(envelope) = icmp6_format::Envelope::parse(&bytes, check) else {
        return false;
    };
    let mut accepted = false;
    let about = bytes
        .get(8..24)
        .and_then(|it| <[u8; 16]>::try_from(it).ok());
    let group = about.map_or(BOB6, |target| solicited_node(target.into()));
    for ends in [(ALICE6, BOB6), (Ipv6Addr::UNSPECIFIED, group)] {
        let header = Header::new(ends.0, ends.1, Protocol::ICMPV6, HOP_LIMIT);
        let Ok(it) = Message::parse(&envelope, &header, false) else {
            continue;
        };
        look((
            it.items.source_link(),
            it.items.target_link(),
            it.items.nonce(),
        ));
        let items: Vec<_> = it.items.iter().collect();
        // More than there is room for may have come.
        if bytes.len() <= 1500 {
            let again = packet(&[], |room| it.header.emit(room, &items, pseudo));
            let again = icmp6_format::Envelope::parse(&again, check).expect("own bytes");
            let again = Message::parse(&again, &header, false).expect("own bytes");
            assert_eq!(again.header, it.header);
            assert!(again.items.iter().eq(items));
        }
        accepted = true;
    }
    accepted
}
