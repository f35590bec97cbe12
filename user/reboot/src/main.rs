//! The reboot program.
fn main() {}
