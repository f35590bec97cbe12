//! Frames that were right, of every protocol of both families, and then changed, from a seed.
//!
//! *Owns* what is changed: bits, bytes, lengths, the end. Half of the checksums are made right again,
//! so that the damage gets past them. *Never* sends anything.
#![expect(
    clippy::cast_possible_truncation,
    reason = "any bits of the seed do where noise is wanted"
)]

use etherparse::PacketBuilder;

use crate::family::{GUEST6, US6};
use crate::frames::{
    GUEST, GUEST_MAC, OUR_MAC, US, arp_request, echo_request, fix_ipv4_checksum, tcp_syn, udp,
};
use crate::peers::noise;

/// Types of messages about neighbours, routers and groups, with what follows the checksum.
const NEIGHBOURLY: [(u8, usize); 8] = [
    (130, 24),
    (133, 12),
    (134, 52),
    (135, 28),
    (136, 28),
    (137, 44),
    (143, 24),
    (1, 60),
];

/// A small generator, so that a failure's seed is the whole story.
pub struct Dice(pub u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        self.roll() as usize % limit.max(1)
    }

    /// The next frame.
    pub fn frame(&mut self) -> Vec<u8> {
        let mut frame = self.sound();
        for _ in 0..=self.below(3) {
            let headers = if self.below(3) == 0 { 1_514 } else { 78 };
            let place = self.below(frame.len().min(headers));
            match self.below(5) {
                0 => frame[place] ^= 1 << self.below(8),
                1 => frame[place] = self.roll() as u8,
                2 => frame[place] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                3 => frame.truncate(place.max(14)),
                _ => frame[place] = frame[self.below(frame.len())],
            }
        }
        if self.below(2) == 0 {
            mend(&mut frame);
        }
        frame
    }

    /// One that is right.
    fn sound(&mut self) -> Vec<u8> {
        let payload = noise(self.roll(), 8 + self.below(200));
        match self.below(10) {
            0 => arp_request(OUR_MAC, US, GUEST),
            1 => echo_request(self.roll() as u16, 1, &payload),
            2 => udp(self.roll() as u16, 7, &payload),
            3 => tcp_syn(1_024 | self.roll() as u16, 80, self.roll() as u32),
            4 => part4(self, &payload),
            5 => six(17, &payload_of(7, self, &payload)),
            6 => six(6, &noise(self.roll(), 20 + self.below(40))),
            7 => six(44, &part6(self, &payload)),
            8 => six(58, &message(128, &payload)),
            _ => {
                let (kind, length) = NEIGHBOURLY[self.below(NEIGHBOURLY.len())];
                six(58, &message(kind, &noise(self.roll(), length)))
            }
        }
    }
}

/// A packet of IPv6 to the guest.
fn six(next: u8, payload: &[u8]) -> Vec<u8> {
    // Neighbours speak with the greatest number of hops.
    let packet = PacketBuilder::ethernet2(OUR_MAC, GUEST_MAC).ipv6(
        US6.octets(),
        GUEST6.octets(),
        if next == 58 { 255 } else { 64 },
    );
    let mut frame = Vec::new();
    packet.write(&mut frame, next.into(), payload).ok();
    mend(&mut frame);
    frame
}

fn payload_of(port: u16, dice: &mut Dice, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u16 + 8;
    let mut bytes = [dice.roll() as u16, port, length, 0]
        .map(u16::to_be_bytes)
        .concat();
    bytes.extend(payload);
    bytes
}

fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, 0, 0, 0];
    bytes.extend(payload);
    bytes
}

/// A part of one of a few packets.
fn part6(dice: &mut Dice, payload: &[u8]) -> Vec<u8> {
    let field = (dice.below(8) * 64) as u16 | u16::from(dice.below(4) > 0);
    let mut bytes = vec![[58, 17, 6][dice.below(3)], 0];
    bytes.extend(field.to_be_bytes());
    bytes.extend((dice.below(8) as u32).to_be_bytes());
    bytes.extend(&payload[..payload.len() & !7]);
    bytes
}

fn part4(dice: &mut Dice, payload: &[u8]) -> Vec<u8> {
    let mut frame = udp(9, 7, &payload[..payload.len() & !7]);
    let field = (dice.below(8) * 8) as u16 | u16::from(dice.below(4) > 0) << 13;
    frame[18..20].copy_from_slice(&(dice.below(8) as u16).to_be_bytes());
    frame[20..22].copy_from_slice(&field.to_be_bytes());
    fix_ipv4_checksum(&mut frame);
    frame
}

/// Makes the checksums right for what the frame says now, if it can be read.
fn mend(frame: &mut [u8]) {
    if frame.len() >= 34 && frame[12..14] == [8, 0] {
        fix_ipv4_checksum(frame);
    }
    // Nothing of IPv6 here has a header before its transport's, parts excepted.
    if frame.len() < 54 || frame[12..14] != [0x86, 0xdd] {
        return;
    }
    let place = match frame[20] {
        6 => 16,
        17 => 6,
        58 => 2,
        _ => return,
    };
    let length = usize::from(u16::from_be_bytes([frame[18], frame[19]]));
    if length < place + 2 || 54 + length > frame.len() {
        return;
    }
    let at = 54 + place;
    frame[at..at + 2].fill(0);
    let mut summed = frame[22..54 + length].to_vec();
    summed.extend([0, 0, frame[18], frame[19], 0, 0, 0, frame[20]]);
    if length % 2 == 1 {
        // The pseudo-header stands behind here, at an even place.
        summed.insert(32 + length, 0);
    }
    let sum = !crate::frames::ones_complement(&summed);
    frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}
