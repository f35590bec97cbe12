//! The Skerry kernel.
fn main() {}
