//! The dns program.
fn main() {}
