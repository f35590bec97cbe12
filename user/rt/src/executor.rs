//! Runs futures.
//!
//! *Owns* the queue of tasks that can run, one for each thread: tasks stay with theirs and need not be
//! `Send`. When nothing can run, [attendants](crate::attend) are asked, and the reactor sleeps. Tasks are
//! detached with [`Task::detach`] or cancelled by dropping.

use alloc::collections::VecDeque;
use core::{
    future::Future,
    pin::pin,
    ptr,
    task::{Context, Poll, RawWaker, RawWakerVTable, Waker},
};

use async_task::Runnable;
pub use async_task::Task;

use crate::{
    attend,
    local::{block, local},
    reactor,
};

/// Tasks that run before the reactor is asked for news, so that busy tasks do not keep the others
/// from being woken.
const TASKS_PER_TURN: usize = 64;

/// What a thread has to run.
struct Work {
    /// Tasks that can run, oldest first.
    runnable: VecDeque<Runnable>,
    /// How many `block_on` are running within each other.
    depth: usize,
    /// The future of a `block_on` was woken. One for all of them: being woken for nothing does no
    /// harm, and so a call needs no memory of its own.
    woken: bool,
}

local! {
    /// The thread's.
    static WORK: Work = Work {
        runnable: VecDeque::new(),
        depth: 0,
        woken: false,
    };
}

/// Starts a task. It runs whenever a [`block_on`] runs.
pub fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> Task<T> {
    let owner = block::distance();
    let schedule = move |task| {
        // A waker may be taken anywhere; the task may not.
        assert!(block::distance() == owner, "a task of another thread");
        // What a thread that ends leaves behind may still wake tasks: they end with it.
        WORK.try_with(|work| work.runnable.push_back(task));
    };
    // SAFETY: the future lives as long as it likes (`'static`), and so does the closure, which
    // borrows nothing. Neither the future nor the runnable leaves its thread: the queue belongs to
    // the thread, and the closure refuses others, whereby the program ends. (On the host, where tests
    // run, the standard library's threads are not told apart, and none is woken by another.)
    let (runnable, task) = unsafe { async_task::spawn_unchecked(future, schedule) };
    runnable.schedule();
    task
}

/// Runs a future to its end, and meanwhile all tasks.
///
/// Called from within a task it runs that future alone, and all else waits: right for a line of
/// output, wrong for anything that may take long.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut value = None;
    loop {
        if let Some(value) = value.take() {
            return value;
        }
        run_until(&mut |context| match future.as_mut().poll(context) {
            Poll::Ready(done) => {
                value = Some(done);
                true
            }
            Poll::Pending => false,
        });
    }
}

/// Runs until the future is done whose poll this is. Not generic: an executable of many programs has it once.
fn run_until(is_done: &mut dyn FnMut(&mut Context<'_>) -> bool) {
    let waker = flag_waker();
    let mut context = Context::from_waker(&waker);
    let depth = Depth::enter();
    let mut budget = TASKS_PER_TURN;
    loop {
        if WORK.with(|work| core::mem::take(&mut work.woken)) && is_done(&mut context) {
            return;
        }
        while depth.is_outermost()
            && budget > 0
            && let Some(task) = WORK.with(|work| work.runnable.pop_front())
        {
            task.run();
            budget -= 1;
        }
        let can_run = WORK.with(|work| {
            let is_task_left = depth.is_outermost() && !work.runnable.is_empty();
            is_task_left || work.woken
        });
        if can_run && budget > 0 {
            // A future that wakes itself uses the budget up as well.
            budget -= 1;
            continue;
        }
        let is_again = depth.is_outermost() && attend::ask(!can_run);
        if is_again && budget > 0 {
            budget -= 1;
            continue;
        }
        reactor::turn(!can_run && !is_again);
        budget = TASKS_PER_TURN;
    }
}

/// Lets the other tasks run once.
pub async fn yield_now() {
    let mut yielded = false;
    core::future::poll_fn(|context| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Counts nested calls.
struct Depth(usize);

impl Depth {
    fn enter() -> Self {
        WORK.with(|work| {
            work.depth += 1;
            work.woken = true;
            Self(work.depth)
        })
    }

    const fn is_outermost(&self) -> bool {
        self.0 == 1
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        WORK.with(|work| {
            work.depth -= 1;
            // What was woken meanwhile may have been the future around this call.
            work.woken = true;
        });
        // The program may be busy with other things from now on: what was asked for is not to wait for that.
        if self.is_outermost() {
            attend::ask(false);
        }
        reactor::ring_now();
    }
}

/// A waker that tells the thread that the future of a `block_on` was woken.
fn flag_waker() -> Waker {
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |_| RawWaker::new(ptr::null(), &TABLE),
        |_| WORK.try_with(|work| work.woken = true),
        |_| WORK.try_with(|work| work.woken = true),
        |_| {},
    );
    // SAFETY: the functions ignore their argument and only set a flag of the thread; there is
    // nothing to own or to free.
    unsafe { Waker::new(ptr::null(), &TABLE) }
}

#[cfg(test)]
mod tests {
    use alloc::rc::Rc;
    use core::cell::Cell;

    use super::{block_on, spawn, yield_now};

    #[test]
    fn tasks_take_turns() {
        let log = Rc::new(core::cell::RefCell::new(alloc::vec::Vec::new()));
        let task = |name: &'static str| {
            let log = Rc::clone(&log);
            async move {
                for round in 0..2 {
                    log.borrow_mut().push((name, round));
                    yield_now().await;
                }
            }
        };
        let (a, b) = (spawn(task("a")), spawn(task("b")));
        block_on(async {
            a.await;
            b.await;
        });
        assert_eq!(*log.borrow(), [("a", 0), ("b", 0), ("a", 1), ("b", 1)]);
    }

    #[test]
    fn a_dropped_task_is_cancelled_and_a_detached_one_is_not() {
        let count = Rc::new(Cell::new(0));
        let bump = |by: u32| {
            let count = Rc::clone(&count);
            async move { count.set(count.get() + by) }
        };
        drop(spawn(bump(1)));
        spawn(bump(10)).detach();
        block_on(yield_now());
        assert_eq!(count.get(), 10);
    }

    #[test]
    fn a_nested_call_runs_only_its_own_future() {
        let ran = Rc::new(Cell::new(false));
        let outer = Rc::clone(&ran);
        let seen = block_on(async move {
            let mark = Rc::clone(&outer);
            spawn(async move { mark.set(true) }).detach();
            block_on(yield_now());
            outer.get()
        });
        assert!(!seen);
        block_on(yield_now());
        assert!(ran.get());
    }
}
