//! Which of the offered features are accepted.
//!
//! *Spec* 5.1.3 (feature bits), 6 (reserved feature bits).

use crate::config::Config;
use virtio::{ANY_LAYOUT, EVENT_INDEX, VERSION_1};

/// The device completes checksums of frames to send.
pub const CHECKSUM: u64 = 1 << 0;
/// The device may hand over frames whose checksum it vouches for.
pub const GUEST_CHECKSUM: u64 = 1 << 1;
/// The device says its largest MTU.
pub const MTU: u64 = 1 << 3;
/// The device says its hardware address.
pub const MAC: u64 = 1 << 5;
/// The device says whether the link is up.
pub const STATUS: u64 = 1 << 16;

/// What to accept of `offered`. `mtu_fits`: the device's MTU is possible and within our buffers.
#[must_use]
pub fn features(offered: u64, config: &Config, mtu_fits: bool) -> u64 {
    let mut wanted = VERSION_1 | ANY_LAYOUT | MAC | STATUS;
    if config.checksum {
        wanted |= CHECKSUM | GUEST_CHECKSUM;
    }
    if config.event_index {
        wanted |= EVENT_INDEX;
    }
    // 5.1.4.2: whoever accepts an MTU supplies buffers of that size.
    if mtu_fits {
        wanted |= MTU;
    }
    offered & wanted
}

#[cfg(test)]
mod tests {
    use super::{CHECKSUM, GUEST_CHECKSUM, MAC, MTU, STATUS, features};
    use crate::config::Config;
    use virtio::{EVENT_INDEX, VERSION_1};

    #[test]
    fn only_what_is_offered_and_known() {
        let config = Config::default();
        assert_eq!(features(0, &config, true), 0);
        let all = features(u64::MAX, &config, true);
        assert_eq!(all & (1 << 15), 0, "merged buffers are not handled");
        assert_eq!(
            all & (1 << 7 | 1 << 11 | 1 << 17),
            0,
            "nor TSO, nor a control queue"
        );
        for known in [
            CHECKSUM,
            GUEST_CHECKSUM,
            MAC,
            MTU,
            STATUS,
            EVENT_INDEX,
            VERSION_1,
        ] {
            assert_ne!(all & known, 0);
        }
    }

    #[test]
    fn switches() {
        let config = Config {
            checksum: false,
            event_index: false,
            ..Config::default()
        };
        let accepted = features(u64::MAX, &config, false);
        assert_eq!(
            accepted & (CHECKSUM | GUEST_CHECKSUM | EVENT_INDEX | MTU),
            0
        );
    }
}
