//! Futures that are given turns of the executor instead of time.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Polls a future up to `polls` times, with a turn for everybody in between; then drops it.
pub async fn polled<T>(polls: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..polls {
        let once = poll_fn(|context| {
            Poll::Ready(match future.as_mut().poll(context) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            })
        });
        if let Some(value) = once.await {
            return Some(value);
        }
        rt::executor::yield_now().await;
    }
    None
}

/// A bound in turns instead of time.
pub async fn within_turns<T>(future: impl Future<Output = T>) -> Option<T> {
    polled(10_000, future).await
}

/// Lets everybody run until nothing moves any more.
pub async fn settle() {
    for _ in 0..400 {
        rt::executor::yield_now().await;
    }
}
