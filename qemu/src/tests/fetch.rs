//! The http program against nginx, and against servers that break the rules.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Group, Stage, no_stage, tests};
use crate::guest::Guest;
use crate::machine::{Card, Link, Machine, free_port};
use crate::peers::canned::{Canned, Reply};
use crate::peers::nginx::{LARGE, Nginx, chunked_page};
use crate::peers::{digest, noise};

const LIMIT: Duration = Duration::from_secs(180);

pub fn groups() -> [Group; 2] {
    [
        Group {
            name: "fetch",
            stage: no_stage,
            tests: tests![Alone: a_real_server],
        },
        Group {
            name: "fetch",
            stage: || boot().map(Stage::new),
            tests: tests![Shared:
                a_refused_port_is_an_error,
                an_unknown_name_is_an_error,
                a_silent_server_times_out,
                odd_but_right_answers,
                answers_that_end_early,
                answers_that_make_no_sense,
            ],
        },
    ]
}

fn boot() -> Result<Guest> {
    Guest::boot_online(Machine {
        cards: vec![Card::new(Link::user(&[]))],
        ..Machine::default()
    })
}

fn has_digest(text: &str, body: &[u8]) -> Result<()> {
    let line = format!("sha256 {}", digest(body));
    ensure!(
        text.lines().any(|found| found == line),
        "not the right body:\n{text}"
    );
    Ok(())
}

/// One guest and one nginx for everything that a proper server answers.
fn a_real_server() -> Result<()> {
    let nginx = Nginx::start()?;
    let mut guest = boot()?;
    let small = nginx.file("small.txt")?;

    let text = guest.must(&format!("http {}", nginx.url("small.txt")))?;
    ensure!(
        text.contains("HTTP/1.1 200 OK") && text.contains("Content-Length: 20"),
        "{text}"
    );
    has_digest(&text, &small)?;
    let text = guest.must(&format!("http -b -q {}", nginx.url("small.txt")))?;
    ensure!(text.contains("hello from the host"), "{text}");
    let text = guest.must(&format!("http -I {}", nginx.url("small.txt")))?;
    ensure!(
        text.contains("HTTP/1.1 200 OK") && text.contains("0 bytes"),
        "{text}"
    );

    let text = guest.must(&format!("http {}", nginx.url("chunked.shtml")))?;
    ensure!(
        text.to_lowercase().contains("transfer-encoding: chunked"),
        "{text}"
    );
    has_digest(&text, &chunked_page())?;

    for status in [301, 302, 303, 307, 308] {
        let text = guest.must(&format!(
            "http {}",
            nginx.url(&format!("redirect/{status}"))
        ))?;
        ensure!(text.contains(&format!("HTTP/1.1 {status}")), "{text}");
        has_digest(&text, &small)?;
    }
    let answer = guest.command(&format!("http {}", nginx.url("loop")))?;
    ensure!(
        answer.code == 1 && answer.text.contains("circle"),
        "{}",
        answer.text
    );
    let answer = guest.command(&format!("http -r 1 {}", nginx.url("redirect/301")))?;
    ensure!(
        answer.code == 1 && answer.text.contains("too many redirects"),
        "{}",
        answer.text
    );
    let answer = guest.command(&format!("http {}", nginx.url("nothing-here")))?;
    ensure!(
        answer.code == 22 && answer.text.contains("HTTP/1.1 404"),
        "{}",
        answer.text
    );

    let line = format!("http {}", nginx.url("large.bin"));
    let text = guest.command_within(&line, LIMIT)?.success()?;
    ensure!(
        text.contains(&format!("{LARGE} bytes")) && text.contains("of 50 MiB"),
        "{text}"
    );
    has_digest(&text, &nginx.file("large.bin")?)
}

fn a_refused_port_is_an_error(stage: &mut Stage) -> Result<()> {
    let line = format!("http http://10.0.2.2:{}/", free_port());
    let text = stage.guest.command(&line)?.failure()?;
    ensure!(text.contains("refused") || text.contains("reset"), "{text}");
    Ok(())
}

fn an_unknown_name_is_an_error(stage: &mut Stage) -> Result<()> {
    let answer = stage
        .guest
        .command_within("http http://no-such-host.invalid/", LIMIT)?;
    let text = answer.failure()?;
    ensure!(text.contains("http: "), "{text}");
    Ok(())
}

fn a_silent_server_times_out(stage: &mut Stage) -> Result<()> {
    let server = Canned::start(vec![("/", Reply::Silence)])?;
    let started = Instant::now();
    let line = format!("http -t 3 {}", server.url("/"));
    let text = stage.guest.command_within(&line, LIMIT)?.failure()?;
    let time = started.elapsed().as_secs_f64();
    ensure!(text.contains("timed out"), "{text}");
    // Without that option it would be a minute.
    ensure!(
        (2.5..30.0).contains(&time),
        "after {time:.1} s instead of 3"
    );
    Ok(())
}

fn ok(head: &str, body: &[u8]) -> Reply {
    let mut bytes = format!("HTTP/1.1 200 OK\r\n{head}\r\n").into_bytes();
    bytes.extend(body);
    Reply::Bytes(bytes)
}

fn odd_but_right_answers(stage: &mut Stage) -> Result<()> {
    let body = noise(3, 5000);
    let mut chunked =
        b"1;extension=1\r\nA\r\n0005\r\nBCDEF\r\n0\r\nTrailer-Field: seen\r\n\r\n".to_vec();
    let many: String = (0..60)
        .map(|number| format!("X-Field-{number}: {number}\r\n"))
        .collect();
    let server = Canned::start(vec![
        ("/until-close", ok("", &body)),
        (
            "/old",
            Reply::Bytes([b"HTTP/1.0 200 OK\r\n\r\n".as_slice(), &body].concat()),
        ),
        ("/odd-case", ok("cOnTeNt-LeNgTh: 5000\r\n", &body)),
        (
            "/many-fields",
            ok(&format!("{many}Content-Length: 5000\r\n"), &body),
        ),
        (
            "/trailers",
            ok(
                "Transfer-Encoding: chunked\r\n",
                &std::mem::take(&mut chunked),
            ),
        ),
        ("/empty", ok("Content-Length: 0\r\n", &[])),
    ])?;
    for page in ["/until-close", "/old", "/odd-case", "/many-fields"] {
        let text = stage
            .guest
            .must(&format!("http {}", server.url(page)))
            .context(page)?;
        has_digest(&text, &body).context(page)?;
    }
    let text = stage
        .guest
        .must(&format!("http {}", server.url("/trailers")))?;
    has_digest(&text, b"ABCDEF")?;
    ensure!(text.contains("Trailer-Field: seen"), "{text}");
    let text = stage
        .guest
        .must(&format!("http {}", server.url("/empty")))?;
    has_digest(&text, b"")
}

fn answers_that_end_early(stage: &mut Stage) -> Result<()> {
    let server = Canned::start(vec![
        ("/short", ok("Content-Length: 100\r\n", b"only this")),
        (
            "/half-a-chunk",
            ok("Transfer-Encoding: chunked\r\n", b"10\r\nhalf"),
        ),
        (
            "/no-last-chunk",
            ok("Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n"),
        ),
        (
            "/half-a-head",
            Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()),
        ),
        ("/nothing", Reply::Bytes(Vec::new())),
        (
            "/reset",
            Reply::Reset(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec()),
        ),
    ])?;
    for page in [
        "/short",
        "/half-a-chunk",
        "/no-last-chunk",
        "/half-a-head",
        "/nothing",
        "/reset",
    ] {
        let answer = stage.guest.command(&format!("http {}", server.url(page)))?;
        ensure!(
            answer.code == 1 && answer.text.contains("http: "),
            "{page}: {}",
            answer.text
        );
    }
    Ok(())
}

fn answers_that_make_no_sense(stage: &mut Stage) -> Result<()> {
    let endless = format!("X: {}\r\n", "y".repeat(1 << 20));
    let server = Canned::start(vec![
        ("/noise", Reply::Bytes(noise(9, 3000))),
        (
            "/mail",
            Reply::Bytes(b"220 mail.example ESMTP\r\n\r\n".to_vec()),
        ),
        (
            "/lengths",
            ok("Content-Length: 5\r\nContent-Length: 6\r\n", b"which?"),
        ),
        ("/bad-length", ok("Content-Length: -5\r\n", b"which?")),
        (
            "/bad-chunk",
            ok("Transfer-Encoding: chunked\r\n", b"zz\r\nabc\r\n0\r\n\r\n"),
        ),
        (
            "/huge-chunk",
            ok("Transfer-Encoding: chunked\r\n", b"fffffffffffffffff\r\n"),
        ),
        ("/endless-head", ok(&endless, b"")),
    ])?;
    for page in [
        "/noise",
        "/mail",
        "/lengths",
        "/bad-length",
        "/bad-chunk",
        "/huge-chunk",
        "/endless-head",
    ] {
        let answer = stage.guest.command(&format!("http {}", server.url(page)))?;
        ensure!(
            answer.code == 1 && answer.text.contains("http: "),
            "{page}: {}",
            answer.text
        );
    }
    stage.guest.must("ping -c 1 127.0.0.1")?;
    Ok(())
}
