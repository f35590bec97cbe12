//! The kill program.
fn main() {}
