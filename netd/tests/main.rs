//! netd as its programs see it, each file about one promise.
#![allow(
    clippy::cast_possible_truncation,
    reason = "numbers in tests are small"
)]

mod common;

mod accepting;
mod buffers;
mod cancellation;
mod fairness;
mod hostile;
mod lending;
mod long_path;
mod options;
mod policies;
mod quiet;
mod raw;
mod readiness;
mod streams;
