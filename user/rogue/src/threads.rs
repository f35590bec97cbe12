//! Threads of one program: that each has an executor and a heap to itself and they hear each other,
//! and that what one of them breaks is broken for all.

use alloc::vec::Vec;
use core::task::Waker;
use core::time::Duration;

use ring::Message;
use rt::handle::Channel;
use rt::link::Link;
use rt::{block_on, executor, println, spawn, thread, time};

const STACK_BYTES: usize = 64 * 1024;
/// Threads beside the first one, and questions to each.
const HELPERS: usize = 3;
const ROUNDS: u64 = 200;
const SLOTS: usize = 4;
/// What a thread does that is to stay until the program ends.
const LONG: Duration = Duration::from_secs(1_000);

/// Asks all helpers at once, again and again.
pub fn together() -> Result<(), &'static str> {
    let mut links = Vec::new();
    for _ in 0..HELPERS {
        let (link, peer) = Link::create(SLOTS).map_err(|_| "no channel")?;
        thread::start(STACK_BYTES, move || help(peer)).map_err(|_| "no thread")?;
        links.push(link);
    }
    for round in 0..ROUNDS {
        for link in &mut links {
            let mut question = Message::ZERO;
            question.as_bytes_mut()[..8].copy_from_slice(&round.to_le_bytes());
            link.send_blocking(&question)
                .map_err(|_| "a helper is gone")?;
        }
        for link in &mut links {
            let answer = link.receive_blocking().map_err(|_| "a helper is gone")?;
            let sum = answer
                .as_bytes()
                .first_chunk()
                .copied()
                .map(u64::from_le_bytes);
            if sum != Some(round * (round + 1)) {
                return Err("a wrong answer");
            }
        }
    }
    // Helpers end when their links do; then there is place for no more than a program may have.
    drop(links);
    let mut started = HELPERS + 1;
    while thread::start(STACK_BYTES, || {}).is_ok() {
        started += 1;
    }
    println!("{ROUNDS} rounds, {started} threads");
    Ok(())
}

/// Answers each number by twice the sum of all up to it, which two tasks work out.
fn help(peer: Channel) {
    let Ok(mut link) = Link::adopt(peer) else {
        return;
    };
    block_on(async {
        while let Ok(question) = link.receive().await {
            let number = question.as_bytes().first_chunk().copied();
            let number = number.map_or(0, u64::from_le_bytes);
            let tasks = [spawn(sum(number)), spawn(sum(number))];
            let mut total = 0;
            for task in tasks {
                total += task.await;
            }
            let mut answer = Message::ZERO;
            answer.as_bytes_mut()[..8].copy_from_slice(&total.to_le_bytes());
            if link.send_wait(&answer).await.is_err() {
                return;
            }
        }
    });
}

async fn sum(number: u64) -> u64 {
    let mut parts = Vec::new();
    for part in 0..=number {
        parts.push(part);
        if part % 64 == 0 {
            executor::yield_now().await;
        }
    }
    if number.is_multiple_of(50) {
        time::sleep(Duration::from_millis(1)).await;
    }
    parts.iter().sum()
}

/// A fault in a thread while the first one sleeps.
pub fn fault() -> Result<(), &'static str> {
    let work = || {
        let _verdict = crate::faults::fault("null");
    };
    thread::start(STACK_BYTES, work).map_err(|_| "no thread")?;
    block_on(time::sleep(LONG));
    Ok(())
}

/// Wakes a task of the first thread from another one.
pub fn wake_across() -> Result<(), &'static str> {
    let sleeping = spawn(core::future::poll_fn(move |context| {
        let other: Waker = context.waker().clone();
        let started = thread::start(STACK_BYTES, move || other.wake());
        if started.is_err() {
            println!("no thread");
        }
        core::task::Poll::<()>::Pending
    }));
    block_on(sleeping);
    Ok(())
}
