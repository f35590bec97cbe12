//! The sh program.
fn main() {}
