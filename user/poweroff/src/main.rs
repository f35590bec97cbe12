//! The poweroff program.
fn main() {}
