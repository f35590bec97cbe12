//! `httpd-linked`: the same web server as `httpd`, with driver and stack inside of its own process.
//!
//! It is started in netd's place when the command line says `linked=httpd`, and is given the network
//! device. Nobody else has a network then.

#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]
#![deny(unsafe_code)]

use net::{Error, Net};
use netd::linked::Network;

rt::entry!(run);

fn run(mut env: rt::Env) -> i32 {
    let network = Network::start(&mut env);
    httpd::run("httpd-linked", &env, async {
        let session = network.open(httpd::ARENA_BYTES);
        let (link, arena) = session.ok_or(Error::NoMemory)?;
        Net::join(link, arena).await
    })
}
