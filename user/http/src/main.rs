//! The http program.
fn main() {}
