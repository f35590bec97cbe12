//! Which servers have disappointed us lately.
//!
//! *Owns* a short list of them. A server that fell silent is asked last for a while, so that only
//! one lookup pays for finding out.

use crate::Instant;
use core::net::SocketAddr;
use core::time::Duration;

/// For how long a disappointment counts.
const MEMORY: Duration = Duration::from_secs(30);
/// Servers remembered; more are not configured at a time.
const PLACES: usize = 8;

/// The servers that fell silent, and until when that counts.
#[derive(Debug, Default)]
pub(super) struct Health([Option<(SocketAddr, Instant)>; PLACES]);

impl Health {
    /// Whether the server is to be asked only when no better one is left.
    pub(super) fn is_doubtful(&self, server: SocketAddr, now: Instant) -> bool {
        self.0
            .iter()
            .flatten()
            .any(|(silent, until)| *silent == server && *until > now)
    }

    /// The server did not answer.
    pub(super) fn failed(&mut self, server: SocketAddr, now: Instant) {
        let is_it = |place: &Option<(SocketAddr, Instant)>| {
            place.is_some_and(|(silent, _)| silent == server)
        };
        let at = self.0.iter().position(is_it).or_else(|| {
            let until = |place: &Option<(SocketAddr, Instant)>| {
                place.map_or(Instant::ZERO, |(_, until)| until)
            };
            // The free place, or the one whose disappointment is the oldest.
            (0..PLACES).min_by_key(|at| self.0.get(*at).map(until))
        });
        if let Some(place) = at.and_then(|at| self.0.get_mut(at)) {
            *place = Some((server, now + MEMORY));
        }
    }

    /// The server answered.
    pub(super) fn answered(&mut self, server: SocketAddr) {
        for place in &mut self.0 {
            if place.is_some_and(|(silent, _)| silent == server) {
                *place = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    fn server(last: u8) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::new(10, 0, 0, last).into(), 53)
    }

    #[test]
    fn doubts_pass() {
        let mut health = Health::default();
        let start = Instant::from_secs(1);
        health.failed(server(1), start);
        assert!(health.is_doubtful(server(1), start + Duration::from_secs(29)));
        assert!(!health.is_doubtful(server(1), start + Duration::from_secs(30)));
        assert!(!health.is_doubtful(server(2), start));
        health.answered(server(1));
        assert!(!health.is_doubtful(server(1), start));
    }

    #[test]
    fn the_oldest_doubt_makes_way() {
        let mut health = Health::default();
        let now = Instant::from_secs(1);
        for last in 0..9 {
            health.failed(server(last), now + Duration::from_millis(u64::from(last)));
            health.failed(server(last), now + Duration::from_millis(u64::from(last)));
        }
        assert!(!health.is_doubtful(server(0), now));
        assert!((1..9).all(|last| health.is_doubtful(server(last), now)));
    }
}
