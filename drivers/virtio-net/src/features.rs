//! Which of the offered features are accepted.
//!
//! *Owns* the bits, and what each [`Offload`] takes of them. *Invariant* what is accepted is offered,
//! wanted, and complete by the rules of 5.1.3.1 (features that others require).
//! *Spec* 5.1.3 (feature bits), 6 (reserved feature bits).
//!
//! | offload | bits | only with |
//! | --- | --- | --- |
//! | checksum-out | CSUM | |
//! | checksum-in | GUEST_CSUM | |
//! | segmentation | HOST_TSO4, HOST_TSO6, HOST_ECN, HOST_USO | checksum-out, gather |
//! | gather | none | VERSION_1 or ANY_LAYOUT |
//! | merged-buffers | MRG_RXBUF | VERSION_1 or ANY_LAYOUT |
//! | large-receive | GUEST_TSO4, GUEST_TSO6, GUEST_ECN | checksum-in, merged-buffers |
//! | event-index | EVENT_IDX | |
//! | indirect | INDIRECT_DESC | |
//! | mq | MQ, CTRL_VQ | both, and more than one pair wanted and stated |
//!
//! A frame that the device cuts is longer than any buffer of ours: most of it must be gathered.
//!
//! Large frames are only taken in merged buffers: without, every buffer would have to be as long as
//! the longest frame (5.1.6.3.1). Datagrams that a device joins (GUEST_USO) would have to be taken
//! apart again, and are not accepted.

use crate::config::Config;
use device::{Cuts, Offload, Offloads};
use virtio::{ANY_LAYOUT, EVENT_INDEX, INDIRECT, VERSION_1};

/// The device completes checksums of frames to send.
pub const CHECKSUM: u64 = 1 << 0;
/// The device may hand over frames whose checksum it vouches for.
pub const GUEST_CHECKSUM: u64 = 1 << 1;
/// The device says its largest MTU.
pub const MTU: u64 = 1 << 3;
/// The device says its hardware address.
pub const MAC: u64 = 1 << 5;
/// The device may hand over large TCP segments in IPv4 packets.
pub const GUEST_SEGMENTS_4: u64 = 1 << 7;
/// The device may hand over large TCP segments in IPv6 packets.
pub const GUEST_SEGMENTS_6: u64 = 1 << 8;
/// Either.
const GUEST_SEGMENTS: u64 = GUEST_SEGMENTS_4 | GUEST_SEGMENTS_6;
/// The large segments may have CWR on their first one only.
pub const GUEST_ECN: u64 = 1 << 9;
/// The device cuts large TCP segments in IPv4 packets.
pub const HOST_SEGMENTS_4: u64 = 1 << 11;
/// The device cuts large TCP segments in IPv6 packets.
pub const HOST_SEGMENTS_6: u64 = 1 << 12;
/// The large segments may have CWR, which the device leaves on the first.
pub const HOST_ECN: u64 = 1 << 13;
/// The device cuts datagrams.
pub const HOST_DATAGRAMS: u64 = 1 << 56;
const HOST_SEGMENTS: u64 = HOST_SEGMENTS_4 | HOST_SEGMENTS_6;
/// A received frame may take several buffers.
pub const MERGED_BUFFERS: u64 = 1 << 15;
/// The device says whether the link is up.
pub const STATUS: u64 = 1 << 16;
/// The device has a queue for commands.
pub const COMMANDS: u64 = 1 << 17;
/// The device has several pairs of queues, of which it uses as many as it is told to.
pub const PAIRS: u64 = 1 << 22;

/// What each offload takes.
const TAKES: [(Offload, u64); 8] = [
    (Offload::ChecksumOut, CHECKSUM),
    (Offload::ChecksumIn, GUEST_CHECKSUM),
    (
        Offload::Segmentation,
        HOST_SEGMENTS | HOST_ECN | HOST_DATAGRAMS,
    ),
    (Offload::LargeReceive, GUEST_SEGMENTS | GUEST_ECN),
    (Offload::MergedBuffers, MERGED_BUFFERS),
    (Offload::EventIndex, EVENT_INDEX),
    (Offload::Indirect, INDIRECT),
    (Offload::QueuePairs, PAIRS | COMMANDS),
];

/// What to accept of `offered`. `mtu_fits`: the device's MTU is possible and within our buffers;
/// `pairs`: so many pairs of queues are to be used.
#[must_use]
pub fn features(offered: u64, config: &Config, mtu_fits: bool, pairs: u16) -> u64 {
    let mut wanted = VERSION_1 | ANY_LAYOUT | MAC | STATUS;
    for (offload, bits) in TAKES {
        if config.offloads.has(offload) {
            wanted |= bits;
        }
    }
    // 5.1.4.2: whoever accepts an MTU supplies buffers of that size.
    if mtu_fits {
        wanted |= MTU;
    }
    if pairs <= 1 {
        wanted &= !(PAIRS | COMMANDS);
    }
    complete(offered & wanted, config.offloads)
}

/// Whether a frame to send may lie in several pieces. Without `ANY_LAYOUT` a legacy device wants its
/// header in a piece of its own, which ours is not.
pub const fn gathers(accepted: u64, wanted: Offloads) -> bool {
    wanted.has(Offload::Gather) && accepted & (VERSION_1 | ANY_LAYOUT) != 0
}

/// `accepted` without what lacks something that it needs.
fn complete(mut accepted: u64, wanted: Offloads) -> u64 {
    let has = |accepted: u64, bits| accepted & bits == bits;
    if !has(accepted, CHECKSUM) || !gathers(accepted, wanted) {
        accepted &= !(HOST_SEGMENTS | HOST_DATAGRAMS);
    }
    if accepted & HOST_SEGMENTS == 0 {
        accepted &= !HOST_ECN;
    }
    // The header of a frame would be a descriptor of its own in each of its buffers.
    if accepted & (VERSION_1 | ANY_LAYOUT) == 0 {
        accepted &= !MERGED_BUFFERS;
    }
    if !has(accepted, GUEST_CHECKSUM | MERGED_BUFFERS) {
        accepted &= !GUEST_SEGMENTS;
    }
    if accepted & GUEST_SEGMENTS == 0 {
        accepted &= !GUEST_ECN;
    }
    // 5.1.3.1, and there is no other use for commands.
    if !has(accepted, PAIRS | COMMANDS) {
        accepted &= !(PAIRS | COMMANDS);
    }
    accepted
}

/// What has been agreed on by accepting features, of what was wanted.
#[must_use]
pub fn offloads(accepted: u64, wanted: Offloads) -> Offloads {
    let mut offloads = Offloads::NONE;
    for (offload, bits) in TAKES {
        if accepted & bits != 0 {
            offloads = offloads.with(offload);
        }
    }
    // 2.7.7, 2.7.10: every device heeds the flags of the rings; there is nothing to agree on.
    if wanted.has(Offload::Quiet) {
        offloads = offloads.with(Offload::Quiet);
    }
    if gathers(accepted, wanted) {
        offloads = offloads.with(Offload::Gather);
    }
    offloads
}

/// Which frames the device cuts.
#[must_use]
pub const fn cuts(accepted: u64) -> Cuts {
    Cuts {
        tcp4: accepted & HOST_SEGMENTS_4 != 0,
        tcp6: accepted & HOST_SEGMENTS_6 != 0,
        congestion: accepted & HOST_ECN != 0,
        datagrams: accepted & HOST_DATAGRAMS != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        CHECKSUM, COMMANDS, GUEST_CHECKSUM, GUEST_ECN, GUEST_SEGMENTS, HOST_DATAGRAMS, HOST_ECN,
        HOST_SEGMENTS, MAC, MERGED_BUFFERS, MTU, PAIRS, STATUS, cuts, features, offloads,
    };
    use crate::config::Config;
    use device::{Offload, Offloads};
    use virtio::{ANY_LAYOUT, EVENT_INDEX, INDIRECT, VERSION_1};

    fn without(offload: Offload) -> Config {
        Config {
            offloads: Offloads::ALL.without(offload),
            ..Config::default()
        }
    }

    #[test]
    fn only_what_is_offered_and_known() {
        let config = Config::default();
        assert_eq!(features(0, &config, true, 2), 0);
        let all = features(u64::MAX, &config, true, 2);
        let joined_datagrams = 1 << 10 | 1 << 54 | 1 << 55;
        assert_eq!(all & joined_datagrams, 0);
        for known in [
            CHECKSUM,
            GUEST_CHECKSUM,
            GUEST_SEGMENTS,
            GUEST_ECN,
            HOST_SEGMENTS,
            HOST_ECN,
            HOST_DATAGRAMS,
            MERGED_BUFFERS,
            MAC,
            MTU,
            STATUS,
            EVENT_INDEX,
            INDIRECT,
            PAIRS,
            COMMANDS,
            VERSION_1,
        ] {
            assert_eq!(all & known, known);
        }
    }

    #[test]
    fn each_has_a_switch() {
        let large = GUEST_SEGMENTS | GUEST_ECN;
        let cut = HOST_SEGMENTS | HOST_ECN | HOST_DATAGRAMS;
        for (offload, bits) in [
            (Offload::ChecksumOut, CHECKSUM | cut),
            (Offload::Segmentation, cut),
            (Offload::Gather, cut),
            (Offload::ChecksumIn, GUEST_CHECKSUM | large),
            (Offload::MergedBuffers, MERGED_BUFFERS | large),
            (Offload::LargeReceive, large),
            (Offload::EventIndex, EVENT_INDEX),
            (Offload::Indirect, INDIRECT),
            (Offload::Quiet, 0),
            (Offload::QueuePairs, PAIRS | COMMANDS),
        ] {
            let all = features(u64::MAX, &Config::default(), true, 2);
            let accepted = features(u64::MAX, &without(offload), true, 2);
            assert_eq!(accepted, all & !bits, "{}", offload.name());
            let agreed = offloads(accepted, without(offload).offloads);
            assert!(!agreed.has(offload), "{}", offload.name());
            assert!(offloads(all, Offloads::ALL).has(offload));
        }
        assert_eq!(features(u64::MAX, &Config::default(), false, 2) & MTU, 0);
    }

    #[test]
    fn each_may_be_missing_at_the_device() {
        let large = GUEST_SEGMENTS | GUEST_ECN;
        let cut = HOST_SEGMENTS | HOST_ECN | HOST_DATAGRAMS;
        for (missing, gone) in [
            (CHECKSUM, CHECKSUM | cut),
            (HOST_SEGMENTS, HOST_SEGMENTS | HOST_ECN),
            (1 << 11, 1 << 11),
            (1 << 12, 1 << 12),
            (HOST_ECN, HOST_ECN),
            (HOST_DATAGRAMS, HOST_DATAGRAMS),
            (GUEST_CHECKSUM, GUEST_CHECKSUM | large),
            (MERGED_BUFFERS, MERGED_BUFFERS | large),
            (GUEST_SEGMENTS, large),
            (1 << 7, 1 << 7),
            (1 << 8, 1 << 8),
            (EVENT_INDEX, EVENT_INDEX),
            (INDIRECT, INDIRECT),
            (PAIRS, PAIRS | COMMANDS),
            (COMMANDS, PAIRS | COMMANDS),
            (
                VERSION_1 | ANY_LAYOUT,
                VERSION_1 | ANY_LAYOUT | MERGED_BUFFERS | large | cut,
            ),
        ] {
            let all = features(u64::MAX, &Config::default(), true, 2);
            let accepted = features(!missing, &Config::default(), true, 2);
            assert_eq!(accepted, all & !gone, "{missing:#x}");
        }
    }

    #[test]
    fn several_pairs_only_where_several_are_used() {
        let all = features(u64::MAX, &Config::default(), true, 2);
        let one = features(u64::MAX, &Config::default(), true, 1);
        assert_eq!(one, all & !(PAIRS | COMMANDS));
        assert!(!offloads(one, Offloads::ALL).has(Offload::QueuePairs));
    }

    #[test]
    fn what_the_device_cuts_is_what_was_agreed_on() {
        let all = features(u64::MAX, &Config::default(), true, 2);
        let found = cuts(all);
        assert!(found.tcp4 && found.tcp6 && found.congestion && found.datagrams);
        let found = cuts(all & !(1 << 11) & !HOST_ECN);
        assert!(!found.tcp4 && found.tcp6 && !found.congestion && found.datagrams);
        let found = cuts(all & !(1 << 12) & !HOST_DATAGRAMS);
        assert!(found.tcp4 && !found.tcp6 && found.congestion && !found.datagrams);
        // Nothing to agree on, and only where a frame may lie as it likes.
        assert!(offloads(VERSION_1, Offloads::ALL).has(Offload::Gather));
        assert!(offloads(ANY_LAYOUT, Offloads::ALL).has(Offload::Gather));
        assert!(!offloads(CHECKSUM, Offloads::ALL).has(Offload::Gather));
    }
}
