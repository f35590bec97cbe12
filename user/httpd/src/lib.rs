//! A web server with a page about the system it runs on, over whichever network its program has:
//! netd's (`httpd`), or one of its own (`httpd-linked`).

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod answers;
mod connection;
mod figures;
mod known;
mod patience;
mod request;
mod response;
mod server;
mod site;

use net::{Error, Net};
use rt::println;

use crate::server::Server;

/// Port of HTTP.
const PORT: u16 = 80;
/// Bytes of an arena with room for the largest number of clients at once.
pub const ARENA_BYTES: usize = 8 << 20;

/// Serves until it cannot any more, and says why. The exit code.
pub fn run(name: &str, env: &rt::Env, net: impl Future<Output = Result<Net, Error>>) -> i32 {
    let Some(port) = env.args.get(0).map_or(Some(PORT), |word| word.parse().ok()) else {
        println!("usage: {name} [PORT]");
        return 2;
    };
    let outcome = rt::block_on(async { Server::run(net.await?, port).await });
    if let Err(error) = outcome {
        println!("{name}: {error}");
    }
    1
}
