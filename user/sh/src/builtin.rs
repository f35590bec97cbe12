//! Commands that the shell does itself.

use alloc::string::String;
use core::time::Duration;

use embassy_futures::select::{Either, select};
use rt::{clock, console, date::Date, println};

use crate::{history::History, job};

/// Commands and what they do, in the order of `help`.
const COMMANDS: &[(&str, &str)] = &[
    (
        "ping HOST",
        "ICMP echo requests: -c count, -i interval, -s size, -t ttl",
    ),
    (
        "traceroute HOST",
        "the routers on the way to a host: by datagrams, or -I echoes",
    ),
    (
        "raw PROTOCOL",
        "packets of a protocol of IP by its number: shows and sends",
    ),
    ("dns NAME", "addresses of a name: A or AAAA, @server"),
    (
        "http URL",
        "fetches a page: -I head only, -b shows the body",
    ),
    (
        "net [TABLE]",
        "addresses, routes, neighbours, sockets, figures; changes them",
    ),
    (
        "nc HOST PORT",
        "a conversation: -u by datagrams, -l PORT waits for a peer",
    ),
    (
        "perf HOST",
        "measures: -m echo, send, receive or connect, -u by datagrams",
    ),
    ("ntp SERVER", "asks for the time and sets the clock"),
    ("date", "shows what time it is"),
    ("httpd [PORT]", "web server with a page about this system"),
    ("ps", "processes and memory"),
    ("kill NUMBER", "ends a process"),
    ("reboot", "starts the machine anew"),
    ("poweroff [CODE]", "switches the machine off"),
    ("sleep SECONDS", "waits"),
    ("echo WORDS", "shows words; $? is the last exit code"),
    ("status", "shows the last exit code"),
    ("history", "shows the lines entered"),
    ("clear", "clears the screen"),
    ("help", "shows this"),
];

/// Runs a command of the shell itself. `None`: it is none.
pub async fn run(name: &str, arguments: &[String], status: i32, history: &History) -> Option<i32> {
    match name {
        "help" => help(),
        "status" => println!("{status}"),
        "date" => return Some(date()),
        "echo" => println!("{}", arguments.join(" ")),
        "history" => {
            history
                .iter()
                .enumerate()
                .for_each(|(at, line)| println!("{:>4} {line}", at + 1));
        }
        "clear" => console::write_bytes(b"\x1b[2J\x1b[H"),
        "sleep" => return Some(sleep(arguments).await),
        _ => return None,
    }
    Some(0)
}

fn help() {
    for (command, purpose) in COMMANDS {
        println!("{command:<16} {purpose}");
    }
    println!("\nSeveral commands: a; b    in the background: a &    Ctrl-C ends a command");
}

/// Shows what time it is; fails where nobody knows.
fn date() -> i32 {
    match clock::wall() {
        Some(seconds) => {
            println!("{}", Date(seconds));
            0
        }
        None => {
            println!("there is no clock, see ntp");
            1
        }
    }
}

async fn sleep(arguments: &[String]) -> i32 {
    let Some(seconds) = arguments.first().and_then(|word| seconds(word)) else {
        println!("usage: sleep SECONDS");
        return job::USAGE;
    };
    match select(rt::time::sleep(seconds), console::interrupt()).await {
        Either::First(()) => 0,
        Either::Second(_) => {
            println!("^C");
            job::INTERRUPTED
        }
    }
}

/// Seconds, at most a day, with decimals.
fn seconds(word: &str) -> Option<Duration> {
    rt::time::seconds(word).filter(|time| *time <= Duration::from_secs(86_400))
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{COMMANDS, seconds};

    #[test]
    fn help_fits_the_screen() {
        for (command, purpose) in COMMANDS {
            assert!(command.len() <= 16 && purpose.len() <= 62, "{command}");
        }
    }

    #[test]
    fn seconds_have_bounds() {
        assert_eq!(seconds("0.25"), Some(Duration::from_millis(250)));
        for word in ["", "x", "-1", "NaN", "inf", "86401"] {
            assert_eq!(seconds(word), None, "{word}");
        }
    }
}
