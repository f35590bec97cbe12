//! The split virtqueue: memory, notification arithmetic, and the queue itself.

mod chains;
#[cfg(test)]
mod chains_tests;
mod event;
mod layout;
mod split;
#[cfg(test)]
mod tests;

pub use event::passed;
pub use layout::{queue_bytes, table_bytes};
pub use split::{Direction, Piece, Plan, Returned, Sign, SplitQueue, Used};
