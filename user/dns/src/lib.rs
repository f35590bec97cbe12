//! `dns`: asks for a name's addresses, or for an address's name, and shows who answered, and how fast; or for
//! services of the link.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

mod options;
mod printable;

use core::net::SocketAddr;
use core::time::Duration;

use net::{Error, Instance, Net, RecordKind, within};
use rt::{print, println};

use crate::options::{Options, Wanted};
use crate::printable::Printable;

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
    let asked = async {
        let net = Net::connect().await?;
        match options.wanted {
            Wanted::Addresses(kind) => addresses(&net, &options, kind).await,
            Wanted::NameOf(address) => {
                let answer = net.name_of(address, options.server).await?;
                println!("{address} {}", answer.name);
                trail(answer.aliases, answer.server, answer.took, answer.ttl);
                Ok(0)
            }
            Wanted::Services => browse(&net, options.name).await,
        }
    };
    match rt::block_on(within(LIMIT, asked)) {
        Ok(code) => code,
        Err(error) => {
            println!("dns: {}: {error}", options.name);
            match error {
                Error::NoSuchName | Error::NoSuchRecord => NOT_FOUND,
                _ => FAILED,
            }
        }
    }
}

/// Shows the addresses of a name.
async fn addresses(net: &Net, options: &Options<'_>, kind: RecordKind) -> Result<i32, Error> {
    let answer = net.resolve(options.name, kind, options.server).await?;
    for address in &answer.addresses {
        println!("{} {address}", options.name);
    }
    trail(answer.aliases, answer.server, answer.took, answer.ttl);
    Ok(0)
}

/// Shows who answered, and how fast.
fn trail(aliases: u8, server: Option<SocketAddr>, took: Duration, ttl: Duration) {
    match aliases {
        0 => {}
        1 => println!("by 1 alias"),
        more => println!("by {more} aliases"),
    }
    match server {
        Some(server) => {
            let (whole, part) = (took.as_millis(), took.subsec_micros() % 1_000);
            println!("answered by {server} in {whole}.{part:03} ms");
        }
        None => println!("remembered"),
    }
    println!("good for {} s", ttl.as_secs());
}

/// Shows services as they are found.
async fn browse(net: &Net, kind: &str) -> Result<i32, Error> {
    let mut found = net.browse(kind).await?;
    let mut code = NOT_FOUND;
    while let Some(instance) = found.next().await? {
        show(&instance);
        code = 0;
    }
    if code == NOT_FOUND {
        println!("dns: nobody offers {kind}");
    }
    Ok(code)
}

/// A line for a service, and one for each thing that it says of itself: a stranger's words all.
fn show(instance: &Instance) {
    let [name, host] = [&instance.name, &instance.host].map(|it| Printable(it.as_bytes()));
    print!("{name} at {host} port {}", instance.port);
    for address in &instance.addresses {
        print!(" {address}");
    }
    println!();
    for (key, value) in instance.attributes() {
        match value {
            Some(value) => println!("    {key}={}", Printable(value)),
            None => println!("    {key}"),
        }
    }
}
