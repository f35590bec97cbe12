//! Owner of the serial line.
fn main() {}
