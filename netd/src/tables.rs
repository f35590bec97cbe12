//! How large the tables are: as the machine's memory allows.
//!
//! *Owns* the shares. All tables are made, and their memory cleared, when the server starts: what a
//! small machine would never use would cost it memory and time.

use stack::Config;

/// The part of all memory for connections that send, and for those that hold bytes out of order.
const SENDING_SHARE: u64 = 64;
const DISORDERED_SHARE: u64 = 128;
/// So many of each there are in any machine.
const LEAST: u32 = 32;

/// The sizes for a machine with `memory` bytes; beyond a gigabyte they grow no more.
#[must_use]
pub fn tables(memory: u64, clients: u32) -> Config {
    let most = Config::default();
    let share = |share: u64, bytes: usize, most: u32| {
        let count = memory / share / (bytes as u64).max(1);
        u32::try_from(count).unwrap_or(most).clamp(LEAST, most)
    };
    Config {
        clients,
        sending: share(SENDING_SHARE, Config::SENDING_BYTES, most.sending),
        disordered: share(DISORDERED_SHARE, Config::DISORDERED_BYTES, most.disordered),
        ..most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(config: &Config) -> u64 {
        u64::from(config.sending) * Config::SENDING_BYTES as u64
            + u64::from(config.disordered) * Config::DISORDERED_BYTES as u64
    }

    #[test]
    fn a_small_machine_keeps_its_memory_and_a_large_one_has_all() {
        let small = tables(64 << 20, 8);
        assert!(bytes(&small) <= 2 << 20, "{small:?}");
        assert!(small.sending >= 64 && small.disordered >= 60, "{small:?}");
        let large = tables(2 << 30, 8);
        let most = Config::default();
        assert_eq!(
            (large.sending, large.disordered),
            (most.sending, most.disordered)
        );
        let tiny = tables(0, 8);
        assert_eq!((tiny.sending, tiny.disordered), (LEAST, LEAST));
        let endless = tables(u64::MAX, 8);
        assert_eq!(endless.sending, most.sending);
    }
}
