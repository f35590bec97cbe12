//! The guest's web server, looked at with curl and with a browser.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{Group, Stage, tests};
use crate::guest::Guest;
use crate::machine::{Card, Link, Machine};
use crate::peers::nginx::curl;
use crate::peers::{Scratch, find, traffic};

pub fn group() -> Group {
    Group {
        name: "pages",
        stage,
        tests: tests![Shared:
            the_page_has_live_figures,
            open_connections_are_counted,
            files_are_served,
            missing_pages_are_404,
            head_has_no_body,
            one_connection_many_requests,
            a_hundred_in_a_row,
            fifty_at_once,
            slow_clients_do_not_stop_others,
            rubbish_is_a_bad_request,
            a_browser_shows_the_page,
        ],
    }
}

fn stage() -> Result<Stage> {
    stage_of(Machine {
        cards: vec![Card::new(Link::user(&[80]))],
        ..Machine::default()
    })
}

/// Boots a machine and waits until its web server is there.
pub fn stage_of(machine: Machine) -> Result<Stage> {
    let guest = Guest::boot(machine)?;
    let page = format!("http://127.0.0.1:{}/", guest.port(80)?);
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = curl(&["--max-time", "10", &page]) {
        ensure!(
            Instant::now() < deadline,
            "the web server does not start: {error}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(Stage::new(guest))
}

pub fn url(stage: &Stage, page: &str) -> Result<String> {
    Ok(format!("http://127.0.0.1:{}{page}", stage.guest.port(80)?))
}

/// The figures as the page's script gets them.
pub fn figures(stage: &Stage) -> Result<serde_json::Value> {
    Ok(serde_json::from_slice(&curl(&[
        "--fail",
        &url(stage, "/info.json")?,
    ])?)?)
}

fn the_page_has_live_figures(stage: &mut Stage) -> Result<()> {
    let page = String::from_utf8(curl(&["--fail", &url(stage, "/")?])?)?;
    ensure!(page.contains("<html") && page.contains("Skerry"), "{page}");
    let first = figures(stage)?;
    let second = figures(stage)?;
    for key in [
        "uptime_ms",
        "received_frames",
        "sent_frames",
        "requests",
        "syscalls",
    ] {
        let numbers = (first[key].as_u64(), second[key].as_u64());
        let rises = matches!(numbers, (Some(first), Some(second)) if second > first);
        ensure!(rises, "{key} stands still: {numbers:?}");
    }
    ensure!(
        first["address"] == "10.0.2.15/24" && first["mac"] == "52:54:00:12:34:56",
        "{first}"
    );
    Ok(())
}

/// The number of connections, once it is the same for a while: those of other tests are gone then.
fn connections(stage: &Stage) -> Result<u64> {
    let count = || {
        let figure = figures(stage)?["tcp_sockets"].as_u64();
        figure.context("no figure")
    };
    let mut last = count()?;
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(100));
        let now = count()?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
    bail!("the number of connections changes all the time")
}

/// Five connections that are held open show as five more.
fn open_connections_are_counted(stage: &mut Stage) -> Result<()> {
    let before = connections(stage)?;
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut stream = traffic::connect(
            traffic::forward(stage.guest.port(80)?),
            Duration::from_secs(10),
        )?;
        std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")?;
        std::io::Read::read_exact(&mut stream, &mut [0])?;
        held.push(stream);
    }
    let now = connections(stage)?;
    // That which asks for the figure may be among them or not.
    ensure!(
        now >= before + 4 && now <= before + 6,
        "{before}, then {now} with five more"
    );
    Ok(())
}

fn files_are_served(stage: &mut Stage) -> Result<()> {
    for name in [
        "index.html",
        "hello.html",
        "style.css",
        "live.js",
        "favicon.svg",
    ] {
        let path = crate::paths::root().join("user/httpd/www").join(name);
        let served = curl(&["--fail", &url(stage, &format!("/{name}"))?])?;
        ensure!(served == std::fs::read(&path)?, "{name} was changed");
    }
    Ok(())
}

fn status(stage: &Stage, arguments: &[&str], page: &str) -> Result<String> {
    let url = url(stage, page)?;
    let mut words = vec!["--output", "/dev/null", "--write-out", "%{http_code}"];
    words.extend(arguments);
    words.push(&url);
    Ok(String::from_utf8(curl(&words)?)?)
}

fn missing_pages_are_404(stage: &mut Stage) -> Result<()> {
    ensure!(status(stage, &[], "/no-such-page")? == "404");
    ensure!(status(stage, &["--path-as-is"], "/../init")? != "200");
    ensure!(status(stage, &[], "/")? == "200");
    Ok(())
}

fn head_has_no_body(stage: &mut Stage) -> Result<()> {
    let head = String::from_utf8(curl(&["--head", &url(stage, "/")?])?)?.to_lowercase();
    ensure!(
        head.starts_with("http/1.1 200") && head.contains("content-length: "),
        "{head}"
    );
    Ok(())
}

fn one_connection_many_requests(stage: &mut Stage) -> Result<()> {
    let page = url(stage, "/")?;
    let connects = curl(&[
        "--output",
        "/dev/null",
        "--output",
        "/dev/null",
        "--output",
        "/dev/null",
        "--write-out",
        "%{num_connects}",
        &page,
        &page,
        &page,
    ])?;
    ensure!(
        connects == b"100",
        "new connections: {}",
        String::from_utf8_lossy(&connects)
    );
    Ok(())
}

fn a_hundred_in_a_row(stage: &mut Stage) -> Result<()> {
    for number in 0..100 {
        let code = status(stage, &[], "/").with_context(|| format!("request {number}"))?;
        ensure!(code == "200", "request {number}: {code}");
    }
    Ok(())
}

fn fifty_at_once(stage: &mut Stage) -> Result<()> {
    let page = url(stage, "/")?;
    std::thread::scope(|scope| {
        let requests: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| curl(&["--fail", "--output", "/dev/null", &page])))
            .collect();
        for (number, request) in requests.into_iter().enumerate() {
            request
                .join()
                .map_err(|_| anyhow::anyhow!("a request fell over"))?
                .with_context(|| format!("request {number}"))?;
        }
        Ok(())
    })
}

/// Twenty clients that send half a request and then nothing.
fn slow_clients_do_not_stop_others(stage: &mut Stage) -> Result<()> {
    use std::io::Write;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut stream = traffic::connect(
            traffic::forward(stage.guest.port(80)?),
            Duration::from_secs(30),
        )?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: slow")?;
        slow.push(stream);
    }
    ensure!(status(stage, &[], "/")? == "200");
    Ok(())
}

fn rubbish_is_a_bad_request(stage: &mut Stage) -> Result<()> {
    use std::io::{Read, Write};
    for request in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not a request\r\n\r\n".as_slice(),
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon here\r\n\r\n",
    ] {
        let mut stream = traffic::connect(
            traffic::forward(stage.guest.port(80)?),
            Duration::from_secs(30),
        )?;
        stream.write_all(request)?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = Vec::new();
        // A reset in place of an answer would be an error here.
        stream.read_to_end(&mut answer)?;
        let text = String::from_utf8_lossy(&answer);
        ensure!(
            text.is_empty() || text.starts_with("HTTP/1.1 4") || text.starts_with("HTTP/1.1 5"),
            "{text}"
        );
    }
    ensure!(status(stage, &[], "/")? == "200");
    Ok(())
}

fn a_browser_shows_the_page(stage: &mut Stage) -> Result<()> {
    let browser = find("chromium").or_else(|_| find("chromium-browser"))?;
    let scratch = Scratch::new("browser")?;
    let picture = scratch.path().join("page.png");
    let run = |what: &[&str]| -> Result<Vec<u8>> {
        let output = Command::new("timeout")
            .arg("90")
            .arg(&browser)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--window-size=900,1200",
            ])
            .arg(format!("--user-data-dir={}", scratch.path().display()))
            .arg("--virtual-time-budget=3000")
            .args(what)
            .arg(url(stage, "/")?)
            .stdin(Stdio::null())
            .output()
            .context("the browser does not start")?;
        ensure!(
            output.status.success(),
            "the browser: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(output.stdout)
    };
    let document = String::from_utf8_lossy(&run(&["--dump-dom"])?).into_owned();
    // The page's script has fetched the figures and shown them.
    ensure!(
        document.contains("data-live=\"yes\""),
        "the script did not run: {document}"
    );
    ensure!(
        document.contains("10.0.2.15"),
        "the address is not shown: {document}"
    );
    run(&[&format!("--screenshot={}", picture.display())])?;
    let size = std::fs::metadata(&picture).context("no picture")?.len();
    ensure!(size > 5000, "an empty picture of {size} bytes");
    Ok(())
}
