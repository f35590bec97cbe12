//! `httpd`: a web server with a page about the system it runs on.

#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]
#![deny(unsafe_code)]

use net::Net;

rt::entry!(run);

fn run(env: rt::Env) -> i32 {
    httpd::run("httpd", &env, Net::connect_with_arena(httpd::ARENA_BYTES))
}
