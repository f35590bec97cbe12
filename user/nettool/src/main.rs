//! The net program: addresses, routes, neighbours, sockets, statistics.
fn main() {}
