//! The split virtqueue: memory, notification arithmetic, and the queue itself.

mod event;
mod layout;
mod split;
#[cfg(test)]
mod tests;

pub use event::passed;
pub use layout::queue_bytes;
pub use split::{Direction, Plan, SplitQueue, Used};
