//! A program that brings its own network: `httpd-linked` with the card, driver and stack in its own
//! process, and no netd.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::ethernet::is_alive;
use super::pages::{figures, stage_of, url};
use super::{Group, Stage, tests};
use crate::family::Family;
use crate::frames::{ADDRESS, Cable};
use crate::guest::Guest;
use crate::instructions::peer::Connection;
use crate::machine::{Card, Link, Machine};
use crate::malformed::KINDS;
use crate::paths;
use crate::peers::nginx::curl;

/// The word that asks for it.
const WORD: &str = "linked=httpd";
/// How long a server may take to be there again.
const LIMIT: Duration = Duration::from_secs(60);

pub fn group() -> Group {
    let mut tests = tests![Shared:
        files_are_served_without_netd,
        many_clients_at_once,
        others_are_told_that_there_is_no_network,
        it_is_started_anew,
    ];
    tests.extend(tests![Alone: hostile_frames_do_no_harm]);
    Group {
        name: "linked",
        stage,
        tests,
    }
}

/// A machine with that card, whose network belongs to the web server.
fn machine(card: Card, words: &str) -> Machine {
    Machine {
        kernel: paths::build().join("skerry.img"),
        cards: vec![card],
        append: format!("{words} {WORD}"),
        extra: vec![
            "-initrd".into(),
            paths::build().join("test.cpio").display().to_string(),
        ],
        ..Machine::default()
    }
}

fn stage() -> Result<Stage> {
    stage_of(machine(Card::new(Link::user(&[80])), ""))
}

fn files_are_served_without_netd(stage: &mut Stage) -> Result<()> {
    for name in [
        "index.html",
        "hello.html",
        "style.css",
        "live.js",
        "favicon.svg",
    ] {
        let path = paths::root().join("user/httpd/www").join(name);
        let served = curl(&["--fail", &url(stage, &format!("/{name}"))?])?;
        ensure!(served == std::fs::read(path)?, "{name} differs");
    }
    // The address was leased by the program itself.
    let figures = figures(stage)?;
    ensure!(figures["address"] == "10.0.2.15/24", "{figures}");
    let programs = stage.guest.must("ps")?;
    ensure!(
        programs.contains("httpd-linked") && !programs.contains(" netd"),
        "{programs}"
    );
    Ok(())
}

fn many_clients_at_once(stage: &mut Stage) -> Result<()> {
    let page = url(stage, "/live.js")?;
    let expected = std::fs::read(paths::root().join("user/httpd/www/live.js"))?;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..30)
            .map(|_| scope.spawn(|| curl(&["--fail", "--max-time", "30", &page])))
            .collect();
        for client in clients {
            let served = client.join().map_err(|_| anyhow::anyhow!("a client"))??;
            ensure!(served == expected, "{} bytes", served.len());
        }
        Ok(())
    })
}

fn others_are_told_that_there_is_no_network(stage: &mut Stage) -> Result<()> {
    for line in [
        "ping -c 1 10.0.2.2",
        "net",
        "http http://10.0.2.2/",
        "dns localhost",
    ] {
        let answer = stage.guest.command(line)?;
        ensure!(
            answer.code != 0 && answer.text.contains("no network server"),
            "{line}: exit code {}: {}",
            answer.code,
            answer.text
        );
    }
    // Nor can the program be started a second time, with the same card.
    let answer = stage.guest.command("httpd-linked")?;
    ensure!(answer.code != 0, "{}", answer.text);
    Ok(())
}

/// The number of the process that `ps` shows under that name.
fn number_of(guest: &mut Guest, name: &str) -> Result<u32> {
    let programs = guest.must("ps")?;
    let line = programs.lines().find(|line| line.ends_with(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    Ok(word
        .with_context(|| format!("no {name} in {programs}"))?
        .parse()?)
}

fn it_is_started_anew(stage: &mut Stage) -> Result<()> {
    let first = number_of(&mut stage.guest, "httpd-linked")?;
    stage.guest.must(&format!("kill {first}"))?;
    let deadline = Instant::now() + LIMIT;
    let page = url(stage, "/hello.html")?;
    while let Err(error) = curl(&["--fail", "--max-time", "10", &page]) {
        ensure!(Instant::now() < deadline, "it does not come back: {error}");
        std::thread::sleep(Duration::from_millis(100));
    }
    let second = number_of(&mut stage.guest, "httpd-linked")?;
    ensure!(second != first, "{first} again");
    Ok(())
}

/// Asks for a page over the cable.
pub(super) fn is_serving(cable: &Cable, port: u16) -> Result<()> {
    let mut connection = Connection::open(cable, Family::Four, port, 80)?;
    cable.send(&connection.say(b"GET /hello.html HTTP/1.1\r\nHost: x\r\n\r\n")?)?;
    let mut answer = Vec::new();
    while answer.is_empty() {
        // Acknowledgements carry nothing.
        answer = connection.hear(cable)?.payload;
    }
    cable.send(&connection.reset()?)?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{answer:02x?}");
    Ok(())
}

fn hostile_frames_do_no_harm() -> Result<()> {
    let cable = Cable::new("linked")?;
    let mut guest = Guest::boot(machine(Card::new(cable.link()), ADDRESS))?;
    cable.introduce()?;
    is_serving(&cable, 30_000)?;
    let number = number_of(&mut guest, "httpd-linked")?;
    for (name, kind) in KINDS {
        for number in 0..100_u64 {
            let frame = kind(number.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ number);
            if !frame.is_empty() {
                cable.send(&frame)?;
            }
            if number % 32 == 31 {
                cable.drain()?;
            }
        }
        let alive = is_alive(&cable);
        alive.with_context(|| format!("after {name}"))?;
    }
    is_serving(&cable, 31_000)?;
    ensure!(number_of(&mut guest, "httpd-linked")? == number);
    Ok(())
}
