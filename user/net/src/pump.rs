//! The task that takes completions in and rings doorbells.

use alloc::rc::Weak;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::Poll;

use abi::Signals;

use crate::net::Shared;
use crate::session::Turn;

/// Takes completions in and rings doorbells, for as long as the session lives.
pub async fn pump(shared: Weak<Shared>) {
    let signal = shared.upgrade().map(|shared| shared.session().signal());
    let Some(signal) = signal else { return };
    let mut signal = pin!(signal);
    loop {
        let Some(alive) = shared.upgrade() else {
            return;
        };
        let turn = alive.session().turn();
        match turn {
            Turn::Broken => return,
            Turn::Taken => {
                // Those who were woken run first: what they ask for leaves with one doorbell, and
                // one sleep is announced instead of two.
                drop(alive);
                rt::executor::yield_now().await;
                continue;
            }
            Turn::Idle => {}
        }
        let more = alive.session().announce_sleep();
        drop(alive);
        if more {
            continue;
        }
        let seen = sleep(&shared, signal.as_mut()).await;
        let Some(alive) = shared.upgrade() else {
            return;
        };
        alive.session().awake(seen);
    }
}

/// Sleeps until netd rings or a task has something to tell.
async fn sleep(
    shared: &Weak<Shared>,
    mut signal: Pin<&mut impl Future<Output = Signals>>,
) -> Signals {
    let mut slept = false;
    poll_fn(|context| {
        if let Poll::Ready(seen) = signal.as_mut().poll(context) {
            return Poll::Ready(seen);
        }
        if core::mem::replace(&mut slept, true) {
            return Poll::Ready(Signals::empty());
        }
        let Some(alive) = shared.upgrade() else {
            return Poll::Ready(Signals::empty());
        };
        alive.session().pump_sleeps(context.waker());
        Poll::Pending
    })
    .await
}
