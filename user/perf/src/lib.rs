//! `perf`: how much goes through the network, and how fast: round trips, throughput and connections a
//! second, over IPv4 or IPv6. The other end is who serves RFC 862, 863 and 864, as the service `echo` does.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod connections;
mod datagrams;
mod options;
mod run;
mod tally;

use alloc::{rc::Rc, vec::Vec};

use embassy_futures::select::select;
use net::{Error, Net, end_on};
use rt::{
    console, println,
    time::{after, sleep_until},
};

use crate::{
    options::{Mode, Options},
    run::Run,
    tally::Report,
};

/// Exit code: the command makes no sense.
const USAGE: i32 = 2;
/// Exit code: something has failed, or nothing was done.
const FAILED: i32 = 1;

/// Arena: for as many connections at a time as there may be.
const ARENA_BYTES: usize = 8 << 20;
/// How much longer than it was given, and than a datagram is waited for, a measurement may take before it is
/// cut off.
const GRACE: core::time::Duration = core::time::Duration::from_secs(5);

/// The program; its result is the exit code.
pub fn run(env: rt::Env) -> i32 {
    let options = match Options::parse(env.args.iter()) {
        Ok(options) => options,
        Err(reason) => {
            println!("perf: {reason}");
            println!("{}", options::USAGE);
            return USAGE;
        }
    };
    rt::block_on(async {
        match begin(options).await {
            Ok(run) => measure(&Rc::new(run)).await,
            Err(error) => {
                println!("perf: {error}");
                FAILED
            }
        }
    })
}

/// Finds the peer.
async fn begin(options: Options) -> Result<Run, Error> {
    let net = Net::connect_with_arena(ARENA_BYTES).await?;
    let addresses = net.addresses_of(&options.host, options.family).await?;
    let address = addresses.first().copied().ok_or(Error::NoSuchRecord)?;
    let peer = end_on(address, options.port, options.link);
    println!(
        "{peer}, {} bytes, {} at a time",
        options.length, options.workers
    );
    Ok(Run::new(net, options, peer))
}

/// Lets all work until they are done, time is over or Ctrl-C is typed, and tells what has come of it.
async fn measure(run: &Rc<Run>) -> i32 {
    let limit = run
        .options
        .time
        .map_or(u64::MAX, |time| after(time + run.options.patience + GRACE));
    let workers: Vec<_> = (0..run.options.workers)
        .map(|_| rt::spawn(work(Rc::clone(run))))
        .collect();
    let all = async {
        for worker in workers {
            worker.await;
        }
    };
    select(all, select(sleep_until(limit), console::interrupt())).await;
    let tally = *run.tally.borrow();
    let report = Report {
        options: &run.options,
        tally,
        asked: run.taken(),
        elapsed: run.elapsed(),
    };
    println!("{report}");
    if let Some(error) = run.error.get() {
        println!("perf: {error}");
    }
    if tally.is_good(&run.options) {
        0
    } else {
        FAILED
    }
}

async fn work(run: Rc<Run>) {
    let outcome = match (run.options.mode, run.options.is_datagram) {
        (Mode::Echo, false) => connections::echo(&run).await,
        (Mode::Echo, true) => datagrams::echo(&run).await,
        (Mode::Send, false) => connections::send(&run).await,
        (Mode::Send, true) => datagrams::send(&run).await,
        (Mode::Receive, _) => connections::receive(&run).await,
        (Mode::Connect, _) => {
            connections::open_and_close(&run).await;
            Ok(())
        }
    };
    if let Err(error) = outcome {
        run.fail(error);
    }
}
