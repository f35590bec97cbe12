//! Paths for tests of the algorithms.

mod line;
mod path;

pub(super) use line::{Flow, Line, MSS};
pub(super) use path::Path;
