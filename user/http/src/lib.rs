//! `http`: fetches a URL, shows the server's answer and the SHA-256 of the body.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod body;
mod buffered;
mod fetch;
mod head;
mod options;
#[cfg(test)]
mod pieces;
mod redirect;
mod report;
mod url;

use net::Net;
use rt::{println, time::with_timeout};

use crate::{
    fetch::{FetchError, fetch},
    options::Options,
    report::Report,
    url::Url,
};

/// Exit code: the command makes no sense.
const USAGE: i32 = 2;
/// Exit code: there is no complete answer.
const FAILED: i32 = 1;
/// Exit code: the server answered with a status of 400 or more.
const REFUSED: i32 = 22;

/// The program; its result is the exit code.
pub fn run(env: rt::Env) -> i32 {
    let options = match Options::parse(env.args.iter()) {
        Ok(options) => options,
        Err(reason) => {
            println!("http: {reason}");
            println!("{}", options::USAGE);
            return USAGE;
        }
    };
    let url = match Url::parse(options.url) {
        Ok(url) => url,
        Err(error) => {
            println!("http: {error}");
            return USAGE;
        }
    };
    let mut report = Report::new(options.shows_body, options.is_quiet);
    let whole = async {
        let net = Net::connect().await?;
        fetch(&net, options.method, url, options.redirects, &mut report).await
    };
    let outcome = rt::block_on(with_timeout(options.limit, whole));
    let outcome = outcome.unwrap_or(Err(FetchError::Net(net::Error::TimedOut)));
    report.finish();
    match outcome {
        Ok(status) if status < 400 => 0,
        Ok(_) => REFUSED,
        Err(error) => {
            println!("http: {error}");
            FAILED
        }
    }
}
