//! How long a client may keep its server waiting.
//!
//! *Owns* the limit of the present step and one sleep for all steps of a connection: it ends at the
//! latest with the limit, and one that ends earlier is renewed. So a limit that is not met, which is
//! nearly every one, costs no timer.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;

use net::Error;
use rt::time::{Moment, after, sleep_until};

/// The patience with one client.
pub struct Patience {
    /// The limit of the present step, if it has not been waited for yet: the time is asked for only then.
    limit: Option<Duration>,
    /// When it is met, in nanoseconds since start.
    until: u64,
    /// When the sleep ends.
    end: u64,
    sleep: Moment,
}

impl Patience {
    /// For a client that has asked for nothing yet.
    pub fn new() -> Self {
        Self {
            limit: None,
            until: 0,
            end: u64::MAX,
            sleep: sleep_until(u64::MAX),
        }
    }

    /// From now on, or from when it is first waited for, the client has so long.
    pub fn allow(&mut self, limit: Duration) {
        self.limit = Some(limit);
    }

    /// Takes a step; when the client's time is up, it is given up.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`], or the step's own.
    pub async fn during<T>(
        &mut self,
        step: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut step = pin!(step);
        poll_fn(|context| match step.as_mut().poll(context) {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending => self.poll(context).map(|()| Err(Error::TimedOut)),
        })
        .await
    }

    /// Ready when the limit has come.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(limit) = self.limit.take() {
            self.until = after(limit);
        }
        loop {
            if self.end > self.until {
                self.sleep_until(self.until);
            }
            match Pin::new(&mut self.sleep).poll(context) {
                Poll::Ready(()) if self.end < self.until => self.sleep_until(self.until),
                outcome => return outcome,
            }
        }
    }

    fn sleep_until(&mut self, end: u64) {
        self.end = end;
        self.sleep = sleep_until(end);
    }
}

#[cfg(test)]
mod tests {
    use core::future::{pending, ready};
    use core::time::Duration;

    use net::Error;
    use rt::block_on;
    use rt::time::sleep;

    use super::Patience;

    const SHORT: Duration = Duration::from_millis(2);
    const LONG: Duration = Duration::from_secs(3600);

    async fn never(patience: &mut Patience) -> Result<(), Error> {
        patience.during(pending()).await
    }

    #[test]
    fn limits_move_both_ways() {
        block_on(async {
            let mut patience = Patience::new();
            let start = rt::clock::now();
            patience.allow(SHORT);
            assert_eq!(never(&mut patience).await, Err(Error::TimedOut));
            assert!(rt::clock::now() - start >= 2_000_000);
            // One that is longer, and is not met.
            patience.allow(LONG);
            let soon = async {
                sleep(SHORT).await;
                Ok(7)
            };
            assert_eq!(patience.during(soon).await, Ok(7));
            // A shorter one than the sleep that is under way.
            patience.allow(SHORT);
            assert_eq!(never(&mut patience).await, Err(Error::TimedOut));
            assert_eq!(patience.during(ready(Ok(8))).await, Ok(8));
            // A sleep that ends before its time has come: the limit holds.
            let start = rt::clock::now();
            patience.allow(SHORT * 5);
            assert_eq!(never(&mut patience).await, Err(Error::TimedOut));
            assert!(rt::clock::now() - start >= 10_000_000);
        });
    }

    #[test]
    fn a_limit_is_for_all_steps_together() {
        block_on(async {
            let mut patience = Patience::new();
            patience.allow(SHORT * 5);
            let mut steps = 0;
            let step = || async {
                sleep(SHORT).await;
                Ok(())
            };
            while patience.during(step()).await.is_ok() {
                steps += 1;
            }
            assert!(steps <= 5, "{steps} steps");
        });
    }
}
