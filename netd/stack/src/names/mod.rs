//! Names of clients: look-ups that wait, and what carries their questions.
//!
//! [`lookup`] takes clients' calls and tells the answers; `search` looks for short names, `back` for the names of addresses; [`transport`]
//! does what the resolver wants done: ports, datagrams, connections. *Never* reads a DNS message: that is `dns`'s.

mod back;
pub(crate) mod lookup;
mod search;
pub(crate) mod transport;
