//! The httpd program.
fn main() {}
