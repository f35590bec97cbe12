//! Names of clients: look-ups that wait, and what carries their questions.
//!
//! [`lookup`] takes clients' calls and tells the answers; [`transport`] does what the resolver wants
//! done: ports, datagrams, connections. *Never* reads a DNS message: that is `dns`'s.

pub(crate) mod lookup;
pub(crate) mod transport;
