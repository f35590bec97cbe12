//! The ping program.
fn main() {}
