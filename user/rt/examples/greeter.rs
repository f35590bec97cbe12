//! `greeter serve` answers, `greeter NAME` asks: a service and its client.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

use ring::Message;
use rt::{
    Env, block_on,
    link::{Broken, Link},
    println, spawn,
    system::{self, Refused},
};

rt::entry!(run);

/// The service's name.
const NAME: &str = "GREETER:";
/// Messages that may be under way in each direction.
const SLOTS: usize = 8;

fn run(env: Env) -> i32 {
    let outcome = match env.args.get(0) {
        Some("serve") => block_on(serve()),
        Some(name) => block_on(ask(name)),
        None => {
            println!("usage: greeter serve | NAME");
            return 2;
        }
    };
    match outcome {
        Ok(()) => 0,
        Err(refused) => {
            println!("greeter: {refused}");
            1
        }
    }
}

/// Takes clients, each into a task of its own.
async fn serve() -> Result<(), Refused> {
    system::register(NAME)?;
    loop {
        let client = system::accept_client().await?;
        let link = Link::adopt(client.channel)?;
        // A client that goes, or breaks the rules of the ring, ends its own task only.
        spawn(async move { greet(link).await.ok() }).detach();
    }
}

/// Answers each message by the same with a greeting in front.
async fn greet(mut link: Link) -> Result<(), Broken> {
    loop {
        let question = link.receive().await?;
        let mut answer = Message::ZERO;
        let text = b"hello, ".iter().chain(question.as_bytes());
        for (place, byte) in answer.as_bytes_mut().iter_mut().zip(text) {
            *place = *byte;
        }
        link.send_wait(&answer).await?;
    }
}

/// Asks once.
async fn ask(name: &str) -> Result<(), Refused> {
    let mut link = system::connect(NAME, SLOTS, false).await?;
    let mut question = Message::ZERO;
    for (place, byte) in question.as_bytes_mut().iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    link.send_wait(&question).await.map_err(|_| Refused::Gone)?;
    let answer = link.receive().await.map_err(|_| Refused::Gone)?;
    let text = answer.as_bytes().split(|byte| *byte == 0).next();
    println!(
        "{}",
        str::from_utf8(text.unwrap_or_default()).unwrap_or("?")
    );
    Ok(())
}
