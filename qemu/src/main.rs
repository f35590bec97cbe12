//! Host tool: build images, run, debug, benchmark and test the guest under QEMU.
fn main() {}
