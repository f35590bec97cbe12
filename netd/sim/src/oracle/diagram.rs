//! The state diagram of RFC 9293 (figure 5), written down from the RFC: only its steps are legal.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use stack::{SocketId, SocketInfo};

/// The arrows that a connection can take while it stays in the tables.
const ARROWS: [(&str, &str); 13] = [
    ("SYN-SENT", "ESTABLISHED"),
    ("SYN-SENT", "SYN-RECEIVED"),
    ("SYN-RECEIVED", "ESTABLISHED"),
    ("SYN-RECEIVED", "FIN-WAIT-1"),
    ("ESTABLISHED", "FIN-WAIT-1"),
    ("ESTABLISHED", "CLOSE-WAIT"),
    ("FIN-WAIT-1", "FIN-WAIT-2"),
    ("FIN-WAIT-1", "CLOSING"),
    ("FIN-WAIT-2", "TIME-WAIT"),
    ("CLOSING", "TIME-WAIT"),
    ("CLOSE-WAIT", "LAST-ACK"),
    ("LAST-ACK", "CLOSED"),
    ("TIME-WAIT", "CLOSED"),
];

/// What a new connection may be in when it is first seen.
const EARLY: [&str; 5] = [
    "SYN-SENT",
    "SYN-RECEIVED",
    "ESTABLISHED",
    "CLOSE-WAIT",
    "FIN-WAIT-1",
];

/// The states of one host's connections, as last seen.
pub(super) struct States {
    name: String,
    seen: BTreeMap<(SocketAddr, SocketAddr), (&'static str, Option<SocketId>)>,
}

impl States {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            seen: BTreeMap::new(),
        }
    }

    /// Nothing is known of what they were.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }

    /// Looks at all connections. Between two looks a connection may have taken several steps; one
    /// that is gone may come again from the start.
    pub(super) fn note(&mut self, sockets: impl Iterator<Item = SocketInfo>) -> Result<(), String> {
        let mut seen = BTreeMap::new();
        for socket in sockets.filter(|socket| socket.protocol == "tcp") {
            let Some(remote) = socket.remote else {
                continue;
            };
            let key = (socket.local, remote);
            if let Some((before, id)) = self.seen.get(&key) {
                // From CLOSED, or after TIME-WAIT was reused, it is another connection; and so it
                // is if another socket has got the same port in the same moment. One that Fast Open
                // has begun may have been served and closed since.
                let is_new = ["CLOSED", "TIME-WAIT"].contains(before)
                    && EARLY.contains(&socket.state)
                    || socket.state == "SYN-SENT" && socket.id != *id;
                if !is_new && socket.state != "CLOSED" && !is_reachable(before, socket.state) {
                    return Err(format!(
                        "{before} -> {}: {}: {} -> {}",
                        socket.state, self.name, key.0, key.1
                    ));
                }
            }
            seen.insert(key, (socket.state, socket.id));
        }
        self.seen = seen;
        Ok(())
    }
}

fn is_reachable(from: &str, to: &str) -> bool {
    from == to
        || ARROWS
            .iter()
            .any(|(start, next)| *start == from && *start != *next && is_reachable(next, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_forward_are_legal_and_steps_back_are_not() {
        for (from, to, is_legal) in [
            ("SYN-SENT", "CLOSE-WAIT", true),
            ("ESTABLISHED", "TIME-WAIT", true),
            ("FIN-WAIT-2", "CLOSING", false),
            ("CLOSE-WAIT", "ESTABLISHED", false),
            ("CLOSE-WAIT", "TIME-WAIT", false),
            ("TIME-WAIT", "FIN-WAIT-1", false),
        ] {
            assert_eq!(is_reachable(from, to), is_legal, "{from} -> {to}");
        }
    }
}
