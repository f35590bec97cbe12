//! `ping`: sends ICMP echo requests and shows what comes back.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

mod options;
mod statistics;

use core::net::IpAddr;

use embassy_futures::select::select;
use net::{Error, Net, PingOptions, PingOutcome, PingReply};
use rt::{
    println,
    time::{after, sleep_until},
};

use crate::{
    options::Options,
    statistics::{Milliseconds, Statistics},
};

/// Exit code: the command makes no sense, or there is no such host.
const USAGE: i32 = 2;
/// Exit code: nothing came back.
const SILENCE: i32 = 1;

/// The program; its result is the exit code.
pub fn run(env: rt::Env) -> i32 {
    let options = match Options::parse(env.args.iter()) {
        Ok(options) => options,
        Err(reason) => {
            println!("ping: {reason}");
            println!("{}", options::USAGE);
            return USAGE;
        }
    };
    match rt::block_on(ping(&options)) {
        Ok(statistics) if statistics.received > 0 => 0,
        Ok(_) => SILENCE,
        Err(error) => {
            println!("ping: {}: {error}", options.host);
            USAGE
        }
    }
}

/// Pings until the count is reached or Ctrl-C is typed.
async fn ping(options: &Options<'_>) -> Result<Statistics, Error> {
    let net = Net::connect().await?;
    let address = net
        .addresses_of(options.host, options.family)
        .await?
        .first()
        .copied()
        .ok_or(Error::NoSuchRecord)?;
    println!(
        "PING {} ({address}) {} bytes of data",
        options.host, options.size
    );
    let mut statistics = Statistics::default();
    let rounds = rounds(&net, address, options, &mut statistics);
    // After Ctrl-C the sum is told all the same.
    select(rounds, rt::console::interrupt()).await;
    println!("--- {} ping statistics ---", options.host);
    println!("{statistics}");
    Ok(statistics)
}

/// One request after the other, at the interval given.
async fn rounds(net: &Net, to: IpAddr, options: &Options<'_>, statistics: &mut Statistics) {
    let mut sequence = 0_u16;
    loop {
        let next = after(options.interval);
        statistics.count_sent();
        sequence = sequence.wrapping_add(1);
        let how = PingOptions {
            sequence,
            size: options.size,
            ttl: Some(options.ttl),
            link: options.link,
            timeout: options.limit,
        };
        match net.ping(to, how).await {
            Ok(reply) => show(&reply, sequence, statistics),
            Err(error) => println!("icmp_seq={sequence}: {error}"),
        }
        if statistics.sent == options.count {
            return;
        }
        sleep_until(next).await;
    }
}

/// A line for what came back.
fn show(reply: &PingReply, sequence: u16, statistics: &mut Statistics) {
    let from = reply.from;
    match reply.outcome {
        PingOutcome::Echo => {
            let nanoseconds = u64::try_from(reply.round_trip.as_nanos()).unwrap_or(u64::MAX);
            statistics.count_reply(nanoseconds);
            println!(
                "{} bytes from {from}: icmp_seq={sequence} ttl={} time={} ms",
                reply.size,
                reply.ttl,
                Milliseconds(nanoseconds),
            );
        }
        PingOutcome::Unreachable => println!("from {from}: icmp_seq={sequence} host unreachable"),
        PingOutcome::NoRoute => println!("from {from}: icmp_seq={sequence} network unreachable"),
        PingOutcome::Prohibited => println!("from {from}: icmp_seq={sequence} prohibited"),
        PingOutcome::TooBig => println!("from {from}: icmp_seq={sequence} packet too big"),
        PingOutcome::TimeExceeded => {
            println!("from {from}: icmp_seq={sequence} time to live exceeded");
        }
    }
}
