//! What the user may choose for a connection, beyond what TCP does by itself.
//!
//! *Owns* [`Tuning`]. Nearly all connections have the default, so an open one keeps only three bits
//! and the window limit, and borrows a part ([`crate::watch`]) for the rest. *Never* acts: whoever
//! is concerned looks here.
//! *Spec*: RFC 9293 sections 3.7.4 (Nagle), 3.8.3 (R2), 3.8.4 (keep-alive); RFC 5482 (user timeout
//! option).

use core::num::{NonZeroU8, NonZeroU16};
use core::time::Duration;

use wire::tcp::UserTimeout;

/// The choices of one connection. The default is what RFC 9293 has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// Small segments are sent at once: no Nagle algorithm (RFC 9293 section 3.7.4).
    pub is_nodelay: bool,
    /// Small segments are held back until they are full, the user lets go, or the peer's window
    /// would be probed.
    pub is_corked: bool,
    /// No acknowledgement is delayed.
    pub is_quick_ack: bool,
    /// The peer is told of our user timeout, and, unless `user_timeout` is set, may lengthen it
    /// (RFC 5482).
    pub tells_user_timeout: bool,
    /// How long bytes may stay unacknowledged, in seconds, and a SYN unanswered; zero:
    /// [`crate::Limits::user_timeout`], [`crate::Limits::connect_timeout`].
    pub user_timeout: u16,
    /// The most that is ever offered as a window, in KiB; zero: all the room that the user gives.
    pub window_limit: u16,
    /// Whether and how an idle peer is asked if it is still there. Off by default (RFC 9293 section
    /// 3.8.4, MUST-25).
    pub keep_alive: Option<KeepAlive>,
}

/// How an idle connection is kept alive. In seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// After how long without a word of the peer it is asked.
    pub idle: NonZeroU16,
    /// How long an answer is waited for before it is asked again.
    pub interval: NonZeroU16,
    /// After how many questions without an answer the connection is given up.
    pub count: NonZeroU8,
}

impl Tuning {
    /// The least and the most that a peer can make of our user timeout, in seconds (RFC 5482
    /// section 3.1, L_LIMIT and U_LIMIT).
    const PEER_LIMITS: (u32, u32) = (100, 3_600);
    /// What the peer is told where the user has set nothing, in seconds (RFC 5482 section 3.1).
    const ADVERTISED: u32 = 300;

    /// Whether it takes a part of its own to follow.
    pub(crate) const fn needs_watch(&self) -> bool {
        self.tells_user_timeout || self.user_timeout != 0 || self.keep_alive.is_some()
    }

    /// The window limit in bytes.
    pub(crate) const fn window_limit_bytes(&self) -> u32 {
        match self.window_limit {
            0 => u32::MAX,
            kibibytes => (kibibytes as u32) << 10,
        }
    }

    /// How long bytes may stay unacknowledged. `peer` is what the peer has said of its own user
    /// timeout, if anything.
    pub(crate) fn user_timeout(&self, peer: Option<UserTimeout>, default: Duration) -> Duration {
        match (self.user_timeout, peer) {
            // RFC 5482 section 3.1: a value that the application has set is not changed.
            (seconds @ 1.., _) => Duration::from_secs(seconds.into()),
            (0, Some(peer)) if self.tells_user_timeout => {
                // USER_TIMEOUT = min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT))
                let (least, most) = Self::PEER_LIMITS;
                let longest = peer.seconds().max(Self::ADVERTISED).max(least);
                Duration::from_secs(longest.min(most).into())
            }
            (0, _) => default,
        }
    }

    /// The option that tells the peer of it, if it is to be told.
    pub(crate) fn user_timeout_option(&self) -> Option<UserTimeout> {
        self.tells_user_timeout
            .then(|| match u32::from(self.user_timeout) {
                0 => UserTimeout::from_seconds(Self::ADVERTISED),
                seconds => UserTimeout::from_seconds(seconds),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Duration = Duration::from_secs(120);

    /// RFC 5482 section 3.1.
    #[test]
    fn a_peer_lengthens_the_timeout_within_limits() {
        let tuning = Tuning {
            tells_user_timeout: true,
            ..Tuning::default()
        };
        for (peer, wanted) in [(0, 300), (5, 300), (600, 600), (1_000_000, 3_600)] {
            let peer = Some(UserTimeout::from_seconds(peer));
            let timeout = tuning.user_timeout(peer, DEFAULT);
            assert_eq!(timeout, Duration::from_secs(wanted), "{peer:?}");
            assert_eq!(Tuning::default().user_timeout(peer, DEFAULT), DEFAULT);
        }
        let set = Tuning {
            user_timeout: 5,
            ..tuning
        };
        let peer = Some(UserTimeout::from_seconds(600));
        assert_eq!(set.user_timeout(peer, DEFAULT), Duration::from_secs(5));
        let told = |tuning: Tuning| tuning.user_timeout_option().map(UserTimeout::seconds);
        assert_eq!((told(set), told(tuning)), (Some(5), Some(300)));
        assert_eq!(told(Tuning::default()), None);
    }
}
