//! Routers and DHCP servers as they come from the distribution, on a network that carries only one family:
//! behind a TAP interface in a namespace.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use regex::Regex;

use super::capture::nothing_is_wrong;
use super::{Group, no_stage, tests};
use crate::guest::Guest;
use crate::machine::{Card, Link, Machine, free_port, mortal};
use crate::namespace::{self, TAP};
use crate::peers::{Running, Scratch, find};

/// Until a router's word has come and its address is proven, at worst after one lost question.
const SOON: Duration = Duration::from_secs(30);
/// Our address, which is the router's too.
const US: &str = "fd00:77::1";
/// What the guest makes of its hardware address.
const OF_HARDWARE: &str = "fd00:77::5054:ff:fe12:3456";

pub fn group() -> Group {
    Group {
        name: "routers",
        stage: no_stage,
        tests: tests![Alone:
            an_address_is_leased_over_four,
            an_address_is_leased_over_six,
            a_prefix_is_deprecated_and_a_router_vanishes,
            an_address_of_somebody_else_is_not_used,
        ],
    }
}

fn an_address_is_leased_over_four() -> Result<()> {
    inside_of_namespace("dnsmasq", "leased-over-four")
}

fn an_address_is_leased_over_six() -> Result<()> {
    inside_of_namespace("dnsmasq", "leased-over-six")
}

fn a_prefix_is_deprecated_and_a_router_vanishes() -> Result<()> {
    inside_of_namespace("radvd", "renumbered")
}

fn an_address_of_somebody_else_is_not_used() -> Result<()> {
    inside_of_namespace("radvd", "duplicate")
}

/// Runs a test where it may make interfaces, if what it needs is there.
fn inside_of_namespace(peer: &str, name: &str) -> Result<()> {
    find(peer)?;
    find("tshark")?;
    find("dumpcap")?;
    namespace::run_inside(&["inside", name]).map(drop)
}

/// One of the tests, by its name, inside of a namespace; `None`: none of these.
pub(super) fn inside(name: &str) -> Option<Result<()>> {
    Some(match name {
        "leased-over-four" => leased_over_four(),
        "leased-over-six" => leased_over_six(),
        "renumbered" => renumbered(),
        "duplicate" => duplicate(),
        _ => return None,
    })
}

/// A TAP interface with these addresses, of which the kernel asks nobody.
pub(super) fn make_tap(addresses: &[&str]) -> Result<()> {
    namespace::make_tap("192.0.2.1/24")?;
    for address in addresses {
        let words = ["-6", "addr", "add", address, "dev", TAP, "nodad"];
        let status = Command::new("ip").args(words).status()?;
        ensure!(status.success(), "no address {address}");
    }
    Ok(())
}

/// A program that writes down what crosses the interface.
pub(super) struct Recording {
    dumpcap: Running,
    file: PathBuf,
    /// Frames that had crossed when it began.
    before: usize,
}

/// Writes down what crosses the interface from now on, of which all is there after [`end_capture`]. (QEMU writes the
/// card's headers too, which no dissector expects.)
pub(super) fn capture(into: &Path) -> Result<Recording> {
    let dumpcap = Running::start(
        mortal(&find("dumpcap")?.to_string_lossy())
            .args(["-q", "-P", "-i", TAP, "-w"])
            .arg(into)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )?;
    let mut recording = Recording {
        dumpcap,
        file: into.into(),
        before: 0,
    };
    // It listens before it writes the head of its file.
    recording.wait("does not begin", |held| held.is_some())?;
    recording.before = crossed()?;
    Ok(recording)
}

/// Ends it when as many frames are written as have crossed: dumpcap takes them up some times a second, and forgets the
/// rest when it ends.
pub(super) fn end_capture(mut recording: Recording) -> Result<()> {
    let due = crossed()? - recording.before;
    recording.wait("has not taken up all", |held| held >= Some(due))?;
    recording.dumpcap.finish()
}

impl Recording {
    /// Waits until the number of frames in the file is as wanted; `None`: it has no head yet.
    fn wait(&mut self, what: &str, is_done: impl Fn(Option<usize>) -> bool) -> Result<()> {
        let deadline = Instant::now() + SOON;
        loop {
            let held = records(&std::fs::read(&self.file).unwrap_or_default());
            if is_done(held) {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline && self.dumpcap.is_alive(),
                "dumpcap {what}: {held:?} frames"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Complete records in a capture of the classic form; `None` if not even its head is there.
fn records(capture: &[u8]) -> Option<usize> {
    let mut rest = capture.get(24..)?;
    let mut count = 0;
    // Each has a head of its own: two words of time, the bytes that follow, and those of the frame.
    while let Some((head, after)) = rest.split_at_checked(16) {
        let length = u32::from_ne_bytes(head[8..12].try_into().ok()?);
        let Some(after) = after.get(usize::try_from(length).ok()?..) else {
            break;
        };
        rest = after;
        count += 1;
    }
    Some(count)
}

/// Frames that have crossed the interface, both ways.
fn crossed() -> Result<usize> {
    let text = std::fs::read_to_string("/proc/net/dev")?;
    let mut lines = text.lines().map(str::trim_start);
    let figures = lines.find_map(|line| line.strip_prefix(&format!("{TAP}:")));
    let figures: Vec<&str> = figures
        .context("no interface")?
        .split_whitespace()
        .collect();
    // Bytes and packets, and six more, of each way.
    Ok(figures[1].parse::<usize>()? + figures[9].parse::<usize>()?)
}

/// A guest without IPv4.
fn boot(words: &str) -> Result<Guest> {
    boot_with(&format!("ip=none {words}"))
}

fn boot_with(words: &str) -> Result<Guest> {
    Guest::boot(Machine {
        cards: vec![Card::new(Link::Tap {
            interface: TAP.into(),
            queues: 1,
        })],
        append: words.into(),
        ..Machine::default()
    })
}

/// Waits until a command of the guest shows a line like this, or shows none.
pub(super) fn await_line(
    guest: &mut Guest,
    command: &str,
    pattern: &str,
    is_wanted: bool,
) -> Result<()> {
    let line = Regex::new(&format!("(?m){pattern}"))?;
    let deadline = Instant::now() + SOON;
    loop {
        let text = guest.must(command)?;
        if line.is_match(&text) == is_wanted {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{command}: {pattern:?} is not {is_wanted}:\n{text}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// dnsmasq, which leases addresses and knows a name of one label.
fn dnsmasq(leases: &Path, wishes: &[&str]) -> Result<Running> {
    // In its namespace nobody can change who he is, as a daemon wants to.
    Running::start(
        mortal(&find("dnsmasq")?.to_string_lossy())
            .args(["--no-daemon", "--no-resolv", "--no-hosts"])
            .args(["--conf-file=/dev/null", "--pid-file=", "--local=/lan/"])
            .args([format!("--interface={TAP}"), "--bind-dynamic".into()])
            .arg(format!("--dhcp-leasefile={}", leases.display()))
            .args(wishes)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )
}

/// RFC 2131 with router, servers and domain, against dnsmasq.
fn leased_over_four() -> Result<()> {
    make_tap(&[])?;
    let scratch = Scratch::new("leases-four")?;
    let seen = scratch.path().join("leased.pcap");
    let recording = capture(&seen)?;
    let leases = scratch.path().join("leases");
    let _server = dnsmasq(
        &leases,
        &[
            "--dhcp-range=192.0.2.100,192.0.2.120,255.255.255.0,120",
            "--dhcp-authoritative",
            "--domain=lan",
            "--host-record=printer.lan,192.0.2.9",
        ],
    )?;
    let mut guest = boot_with("ip=dhcp ipv6=none mdns=none hostname=guest")?;
    let address = r"^1: 192\.0\.2\.1[0-2][0-9]/24 dhcp\s*$";
    await_line(&mut guest, "net addr", address, true)?;
    let lease = guest.must("net lease")?;
    ensure!(lease.contains("192.0.2.1"), "{lease}");
    await_line(&mut guest, "net route", r"^default via 192\.0\.2\.1 ", true)?;
    guest.must("ping -c 2 -i 0.2 192.0.2.1")?;
    // By a name of one label, from the leased server.
    let named = guest.must("dns printer A")?;
    ensure!(named.contains("192.0.2.9"), "{named}");
    let held = std::fs::read_to_string(&leases)?;
    ensure!(
        held.contains("192.0.2.1") && held.contains("guest"),
        "{held}"
    );
    guest.type_line("poweroff")?;
    guest.wait_exit(SOON)?;
    end_capture(recording)?;
    let asked = ["dhcp.option.dhcp == 1", "dhcp.option.dhcp == 3"];
    nothing_is_wrong(
        &seen,
        &[&asked[..], &["dhcp.option.dhcp == 7", "arp", "dns"]].concat(),
    )
}

/// RFC 8415 with addresses, RFC 8106 and names, against dnsmasq.
fn leased_over_six() -> Result<()> {
    make_tap(&[&format!("{US}/64")])?;
    let scratch = Scratch::new("leases")?;
    let seen = scratch.path().join("leased.pcap");
    let recording = capture(&seen)?;
    let leases = scratch.path().join("leases");
    let _server = dnsmasq(
        &leases,
        &[
            "--enable-ra",
            "--dhcp-range=fd00:77::100,fd00:77::1ff,64,120",
            &format!("--dhcp-option=option6:dns-server,[{US}]"),
            "--dhcp-option=option6:domain-search,lan",
            "--host-record=printer.lan,fd00:77::9",
        ],
    )?;
    let mut guest = boot("")?;
    await_line(
        &mut guest,
        "net addr",
        r"^1: fd00:77::1[0-9a-f]{2}/128 dhcp\s*$",
        true,
    )?;
    await_line(
        &mut guest,
        "net route",
        "^default via fe80::.* link 1",
        true,
    )?;
    let pinged = guest.must(&format!("ping -c 2 -i 0.2 {US}"))?;
    ensure!(
        pinged.matches(&format!("bytes from {US}")).count() == 2,
        "{pinged}"
    );
    // By a name of one label, from the leased server.
    let named = guest.must("dns printer AAAA")?;
    ensure!(named.contains("fd00:77::9"), "{named}");
    let held = std::fs::read_to_string(&leases)?;
    ensure!(held.contains("fd00:77::1"), "{held}");
    guest.type_line("poweroff")?;
    guest.wait_exit(SOON)?;
    end_capture(recording)?;
    let filters = [
        "icmpv6.type == 133",
        "icmpv6.type == 135",
        "dhcpv6.msgtype == 1",
    ];
    nothing_is_wrong(
        &seen,
        &[&filters[..], &["dhcpv6.msgtype == 8", "dns"]].concat(),
    )
}

/// radvd with such a configuration of the interface.
fn radvd(scratch: &Scratch, configuration: &str) -> Result<Running> {
    let text = format!(
        "interface {TAP} {{ AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; \
         AdvDefaultLifetime 6; {configuration} }};"
    );
    let number = free_port();
    let file = scratch.write(&format!("radvd-{number}.conf"), text)?;
    let identity = scratch.path().join(format!("radvd-{number}.pid"));
    Running::start(
        mortal(&find("radvd")?.to_string_lossy())
            .args(["--nodaemon", "--logmethod", "none"])
            .arg("--config")
            .arg(file)
            .arg("--pidfile")
            .arg(identity)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )
}

fn prefix(prefix: &str, preferred: u32) -> String {
    format!(
        "prefix {prefix} {{ AdvOnLink on; AdvAutonomous on; AdvValidLifetime 7200; \
         AdvPreferredLifetime {preferred}; }};"
    )
}

/// A network gets other addresses, and then its router is gone without a word.
fn renumbered() -> Result<()> {
    make_tap(&["fd00:77::1/64", "fd00:78::1/64"])?;
    let scratch = Scratch::new("radvd")?;
    let seen = scratch.path().join("renumbered.pcap");
    let recording = capture(&seen)?;
    let first = radvd(&scratch, &prefix("fd00:77::/64", 3_600))?;
    let mut guest = boot("ipv6=temporary")?;
    let old = |state| format!(r"^1: fd00:77::[0-9a-f:]+/64 router{state}\s*$");
    let new = r"^1: fd00:78::[0-9a-f:]+/64 router\s*$";
    await_line(&mut guest, "net addr", &old(""), true)?;
    // The one that stays, and the one that changes.
    let text = guest.must("net addr")?;
    ensure!(text.matches("fd00:77::").count() == 2, "{text}");
    drop(first);
    let both = prefix("fd00:77::/64", 0) + &prefix("fd00:78::/64", 3_600);
    let second = radvd(&scratch, &both)?;
    await_line(&mut guest, "net addr", &old(r" \(deprecated\)"), true)?;
    await_line(&mut guest, "net addr", new, true)?;
    guest.must("ping -c 2 -i 0.2 fd00:78::1")?;
    await_line(&mut guest, "net route", "^default via fe80::", true)?;
    drop(second);
    await_line(&mut guest, "net route", "^default via fe80::", false)?;
    // The link itself is still there.
    guest.must("ping -c 2 -i 0.2 fd00:78::1")?;
    guest.type_line("poweroff")?;
    guest.wait_exit(SOON)?;
    end_capture(recording)?;
    nothing_is_wrong(&seen, &["icmpv6.type == 133", "icmpv6.type == 128"])
}

/// RFC 4862 section 5.4: Linux has the address that would be made.
fn duplicate() -> Result<()> {
    make_tap(&["fd00:77::1/64", &format!("{OF_HARDWARE}/64")])?;
    let scratch = Scratch::new("radvd")?;
    let seen = scratch.path().join("duplicate.pcap");
    let recording = capture(&seen)?;
    let _router = radvd(&scratch, &prefix("fd00:77::/64", 3_600))?;
    let mut guest = boot("ipv6=hardware")?;
    let taken = format!(r"^1: {OF_HARDWARE}/64 router \(somebody else has it\)\s*$");
    await_line(&mut guest, "net addr", &taken, true)?;
    guest.type_line("poweroff")?;
    guest.wait_exit(SOON)?;
    end_capture(recording)?;
    nothing_is_wrong(&seen, &["icmpv6.type == 135"])
}

#[cfg(test)]
mod unit {
    use super::records;

    #[test]
    fn complete_records_are_counted() {
        let mut capture = vec![0; 23];
        assert_eq!(records(&capture), None);
        capture.push(0);
        assert_eq!(records(&capture), Some(0));
        for length in [60_u32, 0] {
            capture.extend([0; 8]);
            capture.extend(length.to_ne_bytes());
            capture.extend(length.to_ne_bytes());
            capture.resize(capture.len() + usize::try_from(length).unwrap(), 1);
        }
        assert_eq!(records(&capture), Some(2));
        capture.pop();
        assert_eq!(records(&capture), Some(1));
    }
}
