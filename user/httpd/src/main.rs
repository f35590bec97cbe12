//! `httpd`: a web server with a page about the system it runs on.

#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]
#![deny(unsafe_code)]

extern crate alloc;

mod connection;
mod figures;
mod request;
mod response;
mod server;
mod site;

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use net::Net;
use rt::println;

use crate::server::Server;

rt::entry!(run);

/// Port of HTTP.
const PORT: u16 = 80;
/// Arena: room for the largest number of clients at once.
const ARENA_BYTES: usize = 8 << 20;

fn run(env: rt::Env) -> i32 {
    let Some(port) = env.args.get(0).map_or(Some(PORT), |word| word.parse().ok()) else {
        println!("usage: httpd [PORT]");
        return 2;
    };
    let outcome = rt::block_on(async {
        let net = Net::connect_with_arena(ARENA_BYTES).await?;
        Server::run(
            net,
            SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
        )
        .await
    });
    if let Err(error) = outcome {
        println!("httpd: {error}");
    }
    1
}
