//! `dns`: asks for a name's addresses and shows who answered, and how fast; or for services of the link.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

mod options;

use core::time::Duration;

use net::{Answer, Error, Net, within};
use rt::{print, println};

use crate::options::Options;

/// Exit code: the command makes no sense.
const USAGE: i32 = 2;
/// Exit code: there is no such name or record.
const NOT_FOUND: i32 = 1;
/// Exit code: nobody knows, because no server answered as it should.
const FAILED: i32 = 3;

/// When even retries with every server have taken too long.
const LIMIT: Duration = Duration::from_secs(30);

/// The program; its result is the exit code.
pub fn run(env: rt::Env) -> i32 {
    let options = match Options::parse(env.args.iter()) {
        Ok(options) => options,
        Err(reason) => {
            println!("dns: {reason}");
            println!("{}", options::USAGE);
            return USAGE;
        }
    };
    if options.is_service {
        return browse(options.name);
    }
    let question = async {
        let net = Net::connect().await?;
        net.resolve(options.name, options.kind, options.server)
            .await
    };
    match rt::block_on(within(LIMIT, question)) {
        Ok(answer) => {
            show(&options, &answer);
            0
        }
        Err(error) => {
            println!("dns: {}: {error}", options.name);
            match error {
                Error::NoSuchName | Error::NoSuchRecord => NOT_FOUND,
                _ => FAILED,
            }
        }
    }
}

/// Shows services as they are found.
fn browse(kind: &str) -> i32 {
    let looking = async {
        let net = Net::connect().await?;
        let mut found = net.browse(kind).await?;
        let mut count = 0;
        while let Some(instance) = found.next().await? {
            print!(
                "{} at {} port {}",
                instance.name, instance.host, instance.port
            );
            for address in &instance.addresses {
                print!(" {address}");
            }
            println!();
            count += 1;
        }
        Ok(count)
    };
    match rt::block_on(within(LIMIT, looking)) {
        Ok(0) => {
            println!("dns: nobody offers {kind}");
            NOT_FOUND
        }
        Ok(_) => 0,
        Err(error) => {
            println!("dns: {kind}: {error}");
            FAILED
        }
    }
}

fn show(options: &Options<'_>, answer: &Answer) {
    for address in &answer.addresses {
        println!("{} {address}", options.name);
    }
    match answer.aliases {
        0 => {}
        1 => println!("by 1 alias"),
        more => println!("by {more} aliases"),
    }
    let milliseconds = answer.took.as_micros() as f64 / 1000.0;
    match answer.server {
        Some(server) => println!("answered by {server} in {milliseconds:.3} ms"),
        None => println!("remembered"),
    }
    println!("good for {} s", answer.ttl.as_secs());
}
