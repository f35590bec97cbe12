//! What happens inside of connections and nobody outside would notice.
//!
//! *Owns* the counters of all connections of one owner, with their names. *Never* is input to
//! anything.

macro_rules! counts {
    ($($(#[doc = $doc:literal])+ $count:ident = $name:literal,)+) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Count {
            $($(#[doc = $doc])+ $count,)+
        }

        /// The names, in the order of the counters.
        const NAMES: &[&str] = &[$($name,)+];
    };
}

counts! {
    /// Challenge acknowledgements (RFC 5961).
    ChallengeAcks = "tcp.challenge_acks",
    /// Challenge acknowledgements that a limit held back.
    ChallengeAcksHeld = "tcp.challenge_acks_held_back",
    /// Questions to idle peers.
    KeepAliveProbes = "tcp.keep_alive_probes",
    /// Segment sizes lowered because full segments went unanswered.
    PathBlackHoles = "tcp.path_black_holes",
    /// Larger segments tried.
    PathProbes = "tcp.path_probes",
    /// Larger segments that arrived: the size was raised.
    PathRaised = "tcp.path_raised",
    /// Connections given up because an idle peer did not answer.
    KeepAliveTimeouts = "tcp.keep_alive_timeouts",
    /// Segments whose last bytes had no room and were not taken.
    CutByRoom = "tcp.cut_by_room",
}

/// All counters.
#[derive(Clone, Debug)]
pub struct Counts([u64; NAMES.len()]);

impl Counts {
    pub(crate) const fn new() -> Self {
        Self([0; NAMES.len()])
    }

    pub(crate) fn count(&mut self, what: Count) {
        if let Some(value) = self.0.get_mut(what as usize) {
            *value = value.wrapping_add(1);
        }
    }

    /// All counters with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        NAMES.iter().copied().zip(self.0.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_names_and_places_of_their_own() {
        let mut counts = Counts::new();
        counts.count(Count::KeepAliveProbes);
        let counted: std::vec::Vec<_> = counts.iter().filter(|(_, value)| *value > 0).collect();
        assert_eq!(counted, [("tcp.keep_alive_probes", 1)]);
        let names: std::collections::HashSet<_> = counts.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), NAMES.len());
    }
}
