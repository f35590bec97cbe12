//! The machine.
//!
//! `aarch64` is the real one; on the host the same interface is a simulated machine of one CPU whose
//! RAM is an ordinary allocation, so that everything above this module is tested by plain
//! `cargo test`.

#[cfg(target_os = "none")]
mod aarch64;
#[cfg(target_os = "none")]
pub use aarch64::*;

#[cfg(not(target_os = "none"))]
mod host;
#[cfg(not(target_os = "none"))]
pub use host::*;
