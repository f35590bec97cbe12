//! Who is told by a router that a path is narrow sends nothing larger on it.
//!
//! A station need not believe what quotes nothing that is in flight (RFC 5927 section 4.1), may try
//! for more after a while (RFC 4821), and need not go below what every link takes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use stack::Instant;
use tcp::Seq;
use wire::icmp4::{Header, Message, Unreachable};
use wire::{EtherType, Protocol, ethernet, ipv4};

use super::segments::{TcpEnds, parse};

/// The smallest packets that a path of IPv4 is shrunk to.
const LEAST: u16 = 552;
/// Earlier than this nobody tries for more.
const MEMORY: Duration = Duration::from_secs(50);

/// What a station knows of one connection's path.
#[derive(Debug, Default)]
struct Path {
    /// The furthest acknowledgement of the peer.
    acknowledged: Option<Seq>,
    /// The largest packet that gets there, and when that was heard.
    told: Option<(u16, Instant)>,
}

/// The paths of one station's connections.
#[derive(Debug, Default)]
pub(super) struct Paths(BTreeMap<TcpEnds, Path>);

impl Paths {
    pub(super) fn received(&mut self, frame: &[u8], now: Instant) {
        if let Some((from, to, segment)) = parse(frame) {
            let path = self.0.entry((to, from)).or_default();
            let ack = Seq::new(segment.header.ack);
            if segment.header.flags.contains(wire::tcp::Flags::SYN) {
                *path = Path::default();
            } else if path.acknowledged.is_none_or(|known| ack.is_after(known)) {
                path.acknowledged = Some(ack);
            }
        } else if let Some((ends, seq, mtu)) = refusal(frame) {
            let path = self.0.entry(ends).or_default();
            let is_in_flight = path.acknowledged.is_some_and(|known| !seq.is_before(known));
            if is_in_flight {
                path.told = Some((mtu.max(LEAST), now));
            }
        }
    }

    /// # Errors
    /// What is wrong with the frame.
    pub(super) fn sent(&self, frame: &[u8], now: Instant) -> Result<(), String> {
        let Some((from, to, _)) = parse(frame) else {
            return Ok(());
        };
        let told = self.0.get(&(from, to)).and_then(|path| path.told);
        let len = frame.len() - ethernet::HEADER_LEN;
        match told {
            Some((mtu, at)) if len > usize::from(mtu) && now.since(at) < MEMORY => Err(format!(
                "larger than a router allows: {len} bytes, not {mtu}"
            )),
            _ => Ok(()),
        }
    }
}

/// Of a router's message: whose packet is too big, where its segment begins, and what passes.
fn refusal(frame: &[u8]) -> Option<(TcpEnds, Seq, u16)> {
    let frame = ethernet::Frame::parse(frame).ok()?;
    if frame.header.ethertype != EtherType::IPV4 {
        return None;
    }
    let packet = ipv4::Packet::parse(frame.payload).ok()?;
    if packet.header.protocol != Protocol::ICMP {
        return None;
    }
    let message = Message::parse(packet.payload).ok()?;
    let Header::Unreachable(Unreachable::FragmentationNeeded { mtu }) = message.header else {
        return None;
    };
    let quote = message.quote().ok()?;
    let [s0, s1, d0, d1, n0, n1, n2, n3] = *quote.payload.first_chunk()?;
    let from = SocketAddr::new(quote.header.source.into(), u16::from_be_bytes([s0, s1]));
    let to = SocketAddr::new(
        quote.header.destination.into(),
        u16::from_be_bytes([d0, d1]),
    );
    let seq = Seq::new(u32::from_be_bytes([n0, n1, n2, n3]));
    Some(((from, to), seq, mtu))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::checksum;
    use wire::tcp::{Flags, Options};
    use wire::{Headroom, MacAddress, Pseudo, Seal};

    const NOW: Instant = Instant::from_secs(10);
    const OURS: [u8; 4] = [10, 0, 2, 15];
    const THEIRS: [u8; 4] = [10, 0, 2, 16];

    /// A frame with a segment.
    fn frame(from: [u8; 4], to: [u8; 4], seq: u32, ack: u32, len: usize) -> Vec<u8> {
        let payload = vec![0; len];
        let mut bytes = vec![0; 54];
        let mut room = Headroom::new(&mut bytes);
        let seal = Seal::Full {
            pseudo: Pseudo::v4(from.into(), to.into()),
            payload: checksum::sum(&payload),
        };
        let header = wire::tcp::Header {
            src_port: 7,
            dst_port: 7,
            seq,
            ack,
            flags: Flags::ACK,
            window: 9_000,
            urgent: 0,
            options: Options::NONE,
        };
        header.emit(&mut room, len, seal).unwrap();
        ipv4::Header::atomic(from.into(), to.into(), Protocol::TCP, 64)
            .emit(&mut room, 20 + len)
            .unwrap();
        ethernet::Header {
            destination: MacAddress([2; 6]),
            source: MacAddress([4; 6]),
            ethertype: EtherType::IPV4,
        }
        .emit(&mut room)
        .unwrap();
        bytes.extend_from_slice(&payload);
        bytes
    }

    #[test]
    fn who_goes_on_in_spite_of_a_router_is_found() {
        let large = frame(OURS, THEIRS, 1_000, 1, 1_400);
        let word = crate::router::too_big(&large, 700).unwrap();
        let mut paths = Paths::default();
        paths.received(&frame(THEIRS, OURS, 1, 1_000, 0), NOW);
        assert_eq!(paths.sent(&large, NOW), Ok(()), "nobody has said anything");
        paths.received(&word, NOW);
        assert!(paths.sent(&large, NOW).is_err());
        let fits = frame(OURS, THEIRS, 1_000, 1, 660);
        assert_eq!(paths.sent(&fits, NOW), Ok(()));
        assert_eq!(paths.sent(&large, NOW + MEMORY), Ok(()), "a new attempt");
    }

    #[test]
    fn a_word_about_what_is_not_in_flight_need_not_be_believed() {
        let large = frame(OURS, THEIRS, 1_000, 1, 1_400);
        let mut paths = Paths::default();
        paths.received(&frame(THEIRS, OURS, 1, 2_400, 0), NOW);
        paths.received(&crate::router::too_big(&large, 700).unwrap(), NOW);
        assert_eq!(paths.sent(&large, NOW), Ok(()));
    }
}
