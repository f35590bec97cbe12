//! A peer that sends a stream, and what it may do next.

use super::{ISN, bytes};
use crate::world::craft::{Peer, Seen, plain};
use proptest::prelude::*;
use wire::tcp::{Flags, Header, Options, Timestamps};

/// A peer that sends a stream, and what it has heard.
pub struct Writer {
    pub flow: usize,
    pub peer: Peer,
    /// SND.UNA and SND.NXT, in positions of its stream.
    pub una: u32,
    pub nxt: u32,
    pub host_seq: u32,
    pub stamp: u32,
    pub window: u16,
    pub is_congested: bool,
}

impl Writer {
    pub fn header(&self, flags: Flags, position: u32) -> Header {
        Header {
            window: self.window,
            options: Options {
                timestamps: Some(Timestamps {
                    value: self.stamp,
                    echo: 0,
                }),
                ..Options::NONE
            },
            ..plain(
                flags,
                ISN.wrapping_add(1).wrapping_add(position),
                self.host_seq,
            )
        }
    }

    pub fn frame(&self, flags: Flags, position: u32, len: u32) -> Vec<u8> {
        let payload = bytes(self.flow, position, len);
        let mut frame = self.peer.frame(self.header(flags, position), &payload);
        if self.is_congested {
            frame[15] |= 0b11;
            mend(&mut frame);
        }
        frame
    }

    pub fn hear(&mut self, frames: &[Seen]) {
        for seen in frames {
            if seen.header.dst_port == self.peer.own.port() {
                let una = seen.header.ack.wrapping_sub(ISN).wrapping_sub(1);
                self.una = self.una.max(una);
                self.nxt = self.nxt.max(una);
            }
        }
    }
}

/// Makes the checksum of a frame's IPv4 header right.
fn mend(frame: &mut [u8]) {
    frame[24..26].fill(0);
    let checksum = wire::sum(&frame[14..34]).finish();
    frame[24..26].copy_from_slice(&checksum);
}

/// What a peer does next.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The next bytes, pushed or not.
    Next(u32, bool),
    /// The next bytes are lost.
    Lose(u32),
    /// Bytes from SND.UNA on, again.
    Again(u32),
    /// All from SND.UNA on comes again, and more behind it.
    Back,
    /// Some of the last bytes and some new ones.
    Overlap(u32, u32),
    /// The next bytes, with a bit of the frame wrong; they come again later.
    Wrong(u32, usize),
    /// Time passes at the peer; or seems to go back.
    Tick(i8),
    /// Its own window is another one.
    Window(u16),
    /// Routers mark its packets, or not.
    Mark(bool),
    /// The next frame is the last one once more.
    Twice,
}

pub fn step() -> impl Strategy<Value = Step> {
    let len = || prop_oneof![1..40_u32, Just(536), 1_000..1_449_u32, Just(1_448)];
    prop_oneof![
        20 => (len(), any::<bool>()).prop_map(|(len, push)| Step::Next(len, push)),
        1 => len().prop_map(Step::Lose),
        2 => len().prop_map(Step::Again),
        2 => Just(Step::Back),
        1 => (1..200_u32, len()).prop_map(|(old, new)| Step::Overlap(old, new)),
        2 => (len(), any::<usize>()).prop_map(|(len, bit)| Step::Wrong(len, bit)),
        1 => (-3..3_i8).prop_map(Step::Tick),
        1 => any::<u16>().prop_map(Step::Window),
        1 => any::<bool>().prop_map(Step::Mark),
        1 => Just(Step::Twice),
    ]
}

/// The frame of a step, if it has one.
pub fn play(writer: &mut Writer, step: Step, last: Option<&Vec<u8>>) -> Option<Vec<u8>> {
    let (una, nxt) = (writer.una, writer.nxt);
    match step {
        Step::Next(len, push) => {
            let flags = if push {
                Flags::ACK | Flags::PSH
            } else {
                Flags::ACK
            };
            writer.nxt += len;
            Some(writer.frame(flags, nxt, len))
        }
        Step::Lose(len) => {
            writer.nxt += len;
            None
        }
        Step::Again(len) => Some(writer.frame(Flags::ACK, una, len.min(nxt - una))),
        Step::Back => {
            writer.nxt = una;
            None
        }
        Step::Overlap(old, new) => {
            let old = old.min(nxt);
            writer.nxt += new;
            Some(writer.frame(Flags::ACK, nxt - old, (old + new).min(1_448)))
        }
        Step::Wrong(len, bit) => {
            let mut frame = writer.frame(Flags::ACK, nxt, len);
            // Not in the Ethernet header, which has no checksum.
            let place = 14 + bit / 8 % (frame.len() - 14);
            frame[place] ^= 1 << (bit % 8);
            Some(frame)
        }
        Step::Tick(ticks) => {
            writer.stamp = writer.stamp.wrapping_add_signed(ticks.into());
            None
        }
        Step::Window(window) => {
            writer.window = window;
            None
        }
        Step::Mark(is_congested) => {
            writer.is_congested = is_congested;
            None
        }
        Step::Twice => last.cloned(),
    }
}
