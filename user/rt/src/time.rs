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

/// Seconds as people write them, with up to three decimals: `0.25`. `None` for what is no such number, or too large.
#[must_use]
pub fn seconds(text: &str) -> Option<Duration> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || !(1..=3).contains(&decimals.len()) {
        return None;
    }
    let scale = 10_u64.pow(3 - u32::try_from(decimals.len()).ok()?);
    let milliseconds = whole.parse::<u64>().ok()?.checked_mul(1_000)?;
    let more = decimals.parse::<u64>().ok()? * scale;
    milliseconds.checked_add(more).map(Duration::from_millis)
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

    use super::{TimedOut, seconds, sleep, with_timeout};
    use crate::{block_on, clock};

    #[test]
    fn a_sleep_does_not_end_early() {
        let start = clock::now();
        block_on(sleep(Duration::from_millis(2)));
        assert!(clock::now() - start >= 2_000_000);
    }

    #[test]
    fn seconds_have_decimals() {
        for (text, milliseconds) in [
            ("0", 0),
            ("1", 1_000),
            ("0.2", 200),
            ("0.05", 50),
            ("1.001", 1_001),
        ] {
            let expected = Duration::from_millis(milliseconds);
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in [
            "",
            ".",
            "1.",
            "1.0000",
            "1e3",
            "-1",
            "+1",
            "inf",
            "99999999999999999999",
            "18446744073709551.616",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
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
