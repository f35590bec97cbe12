//! Sleeping and time limits.

use core::{future::Future, pin::pin, task::Poll, time::Duration};

pub use crate::reactor::Moment;
use crate::{clock, reactor};

/// The time ran out before the future was done; the future is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl core::fmt::Display for TimedOut {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("timed out")
    }
}

impl core::error::Error for TimedOut {}

/// The moment a duration from now, in nanoseconds since start.
#[must_use]
pub fn after(duration: Duration) -> u64 {
    let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    clock::now().saturating_add(nanoseconds)
}

/// Sleeps for a while.
pub async fn sleep(duration: Duration) {
    sleep_until(after(duration)).await;
}

/// Sleeps until a moment in nanoseconds since start.
pub const fn sleep_until(moment: u64) -> Moment {
    reactor::moment(moment)
}

/// Gives a future at most this long.
///
/// # Errors
///
/// [`TimedOut`].
pub async fn with_timeout<T>(
    limit: Duration,
    future: impl Future<Output = T>,
) -> Result<T, TimedOut> {
    let mut future = pin!(future);
    let mut end = pin!(sleep(limit));
    core::future::poll_fn(|context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(value));
        }
        end.as_mut().poll(context).map(|()| Err(TimedOut))
    })
    .await
}

#[cfg(test)]
mod tests {
    use core::{future, time::Duration};

    use super::{TimedOut, sleep, with_timeout};
    use crate::{block_on, clock};

    #[test]
    fn a_sleep_does_not_end_early() {
        let start = clock::now();
        block_on(sleep(Duration::from_millis(2)));
        assert!(clock::now() - start >= 2_000_000);
    }

    #[test]
    fn a_limit_ends_what_never_ends() {
        let limit = Duration::from_millis(1);
        assert_eq!(
            block_on(with_timeout(limit, future::pending::<()>())),
            Err(TimedOut)
        );
        assert_eq!(block_on(with_timeout(limit, future::ready(7))), Ok(7));
    }
}
