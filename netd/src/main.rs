//! The network server process.
fn main() {}
