//! The echo program.
fn main() {}
