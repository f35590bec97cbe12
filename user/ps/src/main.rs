//! The ps program.
fn main() {}
