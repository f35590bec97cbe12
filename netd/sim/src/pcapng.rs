//! Captures: pcapng files of everything that passed, for any dissector.
//!
//! *Owns* the few blocks that are needed. *Never* writes anything but what happened: no host name,
//! no date, so that the same seed gives the same bytes.
//! *Spec*: draft-ietf-opsawg-pcapng, sections 4.1 to 4.3. Little endian.

use stack::Instant;

/// Which way a frame went, seen from the station that captured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It arrived.
    In,
    /// It was sent.
    Out,
}

/// A capture in the making.
#[derive(Clone, Debug)]
pub struct Capture {
    bytes: Vec<u8>,
    interfaces: u32,
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const MAGIC: u32 = 0x1a2b_3c4d;
const LINK_TYPE_ETHERNET: u16 = 1;

impl Default for Capture {
    fn default() -> Self {
        Self::new()
    }
}

impl Capture {
    /// A capture without interfaces.
    #[must_use]
    pub fn new() -> Self {
        let mut capture = Self {
            bytes: Vec::new(),
            interfaces: 0,
        };
        let mut body = Vec::new();
        body.extend(MAGIC.to_le_bytes());
        // Version 1.0, section length unknown.
        body.extend([1, 0, 0, 0]);
        body.extend(u64::MAX.to_le_bytes());
        capture.block(SECTION_HEADER, &body);
        capture
    }

    /// Adds an interface and returns its number.
    pub fn interface(&mut self, name: &str) -> u32 {
        let mut body = Vec::new();
        body.extend(LINK_TYPE_ETHERNET.to_le_bytes());
        body.extend([0; 2]);
        // No limit on the length of what is captured.
        body.extend(0_u32.to_le_bytes());
        option(&mut body, 2, name.as_bytes());
        // if_tsresol: nanoseconds.
        option(&mut body, 9, &[9]);
        option(&mut body, 0, &[]);
        self.block(INTERFACE_DESCRIPTION, &body);
        self.interfaces += 1;
        self.interfaces - 1
    }

    /// Adds a frame.
    pub fn frame(&mut self, interface: u32, now: Instant, way: Way, frame: &[u8]) {
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let nanoseconds = now.as_nanos();
        let mut body = Vec::new();
        body.extend(interface.to_le_bytes());
        body.extend(
            u32::try_from(nanoseconds >> 32)
                .unwrap_or(u32::MAX)
                .to_le_bytes(),
        );
        let low = nanoseconds & u64::from(u32::MAX);
        body.extend(u32::try_from(low).unwrap_or(u32::MAX).to_le_bytes());
        body.extend(len.to_le_bytes());
        body.extend(len.to_le_bytes());
        body.extend(frame);
        pad(&mut body);
        let direction: u32 = match way {
            Way::In => 1,
            Way::Out => 2,
        };
        option(&mut body, 2, &direction.to_le_bytes());
        option(&mut body, 0, &[]);
        self.block(ENHANCED_PACKET, &body);
    }

    /// The file.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let total = u32::try_from(body.len() + 12)
            .unwrap_or(u32::MAX)
            .to_le_bytes();
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(total);
        self.bytes.extend(body);
        self.bytes.extend(total);
    }
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    while !body.len().is_multiple_of(4) {
        body.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap_file::pcapng::{Block, PcapNgReader};

    #[test]
    fn another_reader_finds_the_frames() {
        let mut capture = Capture::new();
        assert_eq!((capture.interface("a"), capture.interface("bc")), (0, 1));
        let frames = [
            (0, 5, vec![1; 60]),
            (1, 1 << 40, vec![2; 61]),
            (0, 7, vec![3; 1_514]),
        ];
        for (interface, nanoseconds, bytes) in &frames {
            capture.frame(
                *interface,
                Instant::from_nanos(*nanoseconds),
                Way::Out,
                bytes,
            );
        }
        let mut reader = PcapNgReader::new(capture.as_bytes()).unwrap();
        let mut found = Vec::new();
        while let Some(block) = reader.next_block() {
            if let Block::EnhancedPacket(packet) = block.unwrap() {
                let nanoseconds = packet.timestamp.as_nanos();
                found.push((
                    packet.interface_id,
                    u64::try_from(nanoseconds).unwrap(),
                    packet.data.to_vec(),
                ));
            }
        }
        assert_eq!(found.len(), frames.len());
        for (found, sent) in found.iter().zip(&frames) {
            assert_eq!((found.0, &found.2), (sent.0, &sent.2));
        }
        assert_eq!(reader.interfaces().len(), 2);
    }
}
