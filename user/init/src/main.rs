//! The first process: manifest, naming, supervision.
fn main() {}
