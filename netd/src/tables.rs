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
/// What one connection takes in all tables, with its socket, a receive that waits, its timer and the
/// watch over its peer (keep-alive); and the most of all memory that connections may have.
const CONNECTION_BYTES: u64 = 448;
const CONNECTIONS_SHARE: (u64, u64) = (7, 16);
/// Names of sockets tell no more apart.
const MOST_CONNECTIONS: u32 = 10_000_000;

/// The sizes for a machine with `memory` bytes; beyond a gigabyte those that nobody asks for grow no
/// more. `connections`: as many as are wished for, if memory allows.
#[must_use]
pub fn tables(memory: u64, clients: u32, connections: Option<u32>) -> Config {
    let (part, of) = CONNECTIONS_SHARE;
    let room = memory / of * part / CONNECTION_BYTES;
    let room = u32::try_from(room)
        .unwrap_or(u32::MAX)
        .min(MOST_CONNECTIONS);
    let usual = Config::default();
    let more = connections.map_or(0, |wish| wish.min(room).saturating_sub(usual.connections));
    let most = Config {
        connections: usual.connections + more,
        sockets: usual.sockets + more,
        // One client may have all connections, and its listeners.
        sockets_per_client: usual.sockets_per_client + more + usual.listeners,
        watched: usual.watched + more,
        requests: usual.requests + more,
        requests_per_client: usual.requests_per_client + more,
        ..usual
    };
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
        let small = tables(64 << 20, 8, None);
        assert!(bytes(&small) <= 2 << 20, "{small:?}");
        assert!(small.sending >= 64 && small.disordered >= 60, "{small:?}");
        let large = tables(2 << 30, 8, None);
        let most = Config::default();
        assert_eq!(
            (large.sending, large.disordered),
            (most.sending, most.disordered)
        );
        let tiny = tables(0, 8, None);
        assert_eq!((tiny.sending, tiny.disordered), (LEAST, LEAST));
        let crowd = tables(1 << 30, 8, Some(1_000_000));
        assert_eq!(
            (crowd.connections, crowd.watched, crowd.time_waits),
            (1_000_000, 1_000_000, most.time_waits)
        );
        assert!(crowd.sockets_per_client > 1_000_000 && crowd.requests_per_client > 1_000_000);
        // Half of a quarter of a gigabyte is the most that netd gets there.
        let crowded = tables(256 << 20, 8, Some(u32::MAX));
        let bytes = u64::from(crowded.connections) * CONNECTION_BYTES;
        assert!((96 << 20..128 << 20).contains(&bytes), "{crowded:?}");
        let few = tables(256 << 20, 8, Some(7));
        assert_eq!(few.connections, most.connections);
        let endless = tables(u64::MAX, 8, None);
        assert_eq!(endless.sending, most.sending);
    }
}
