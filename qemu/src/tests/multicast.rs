//! Groups, seen from outside: a bridge of the host's kernel that listens in on who listens, and asks;
//! and datagrams to groups, both ways, over both families.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::net::sockopt;

use super::offload::{LIMIT, await_echo};
use super::six::await_proven;
use super::{Group, no_stage, tests};
use crate::frames::US;
use crate::guest::Guest;
use crate::machine::{Card, Link, Machine};
use crate::namespace::{self, TAP};

const GROUP4: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 0x123);
const PORT: u16 = 9_000;
const BRIDGE: &str = "br0";

pub fn group() -> Group {
    Group {
        name: "multicast",
        stage: no_stage,
        tests: tests![Alone:
            a_bridge_sees_who_listens,
            routers_of_older_versions_are_answered,
        ],
    }
}

fn a_bridge_sees_who_listens() -> Result<()> {
    namespace::run_inside(&["inside", "groups"]).map(drop)
}

fn routers_of_older_versions_are_answered() -> Result<()> {
    namespace::run_inside(&["inside", "older-groups"]).map(drop)
}

/// A bridge that asks in these versions, with the guest behind it: every second, since who asks before the guest is
/// there asks in vain, and would ask again half a minute later only; and it does not wait long for who is left.
fn bridged(igmp: u8, mld: u8) -> Result<Guest> {
    for words in [
        "link set lo up",
        &format!(
            "link add {BRIDGE} type bridge mcast_snooping 1 mcast_querier 1 \
             mcast_igmp_version {igmp} mcast_mld_version {mld} mcast_query_response_interval 100 \
             mcast_startup_query_interval 100 mcast_startup_query_count 600 \
             mcast_last_member_interval 20"
        ),
        &format!("tuntap add dev {TAP} mode tap vnet_hdr"),
        &format!("link set {TAP} master {BRIDGE}"),
        &format!("addr add {US}/24 dev {BRIDGE}"),
        &format!("link set {TAP} up"),
        &format!("link set {BRIDGE} up"),
    ] {
        namespace::ip(words)?;
    }
    let link = Link::Tap {
        interface: TAP.into(),
        queues: 1,
    };
    let mut guest = Guest::boot(Machine {
        cards: vec![Card::new(link)],
        append: "ip=192.0.2.2/24,gw=192.0.2.1,dns=192.0.2.1".into(),
        ..Machine::default()
    })?;
    await_proven(&mut guest, |text| {
        let mut lines = text.lines();
        lines.any(|line| line.trim_end().ends_with("/64 link-local"))
    })?;
    Ok(guest)
}

/// Whether the bridge knows of a listener behind the guest's port.
fn is_known(group: IpAddr) -> Result<bool> {
    let shown = Command::new("bridge")
        .args(["-d", "mdb", "show"])
        .output()?;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let entry = format!("port {TAP} grp {group} ");
    Ok(text.lines().any(|line| line.contains(&entry)))
}

fn await_known(group: IpAddr, is_wanted: bool) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while is_known(group)? != is_wanted {
        ensure!(Instant::now() < deadline, "{group}: not {is_wanted}");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// A socket of the host that is a member, and speaks to groups by the bridge.
fn member(group: IpAddr) -> Result<(UdpSocket, SocketAddr)> {
    let index = interface()?;
    Ok(match group {
        IpAddr::V4(group) => {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
            socket.join_multicast_v4(&group, &US)?;
            sockopt::set_ip_multicast_if(&socket, &US)?;
            (socket, SocketAddr::from((group, PORT)))
        }
        IpAddr::V6(group) => {
            let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, PORT))?;
            socket.join_multicast_v6(&group, index)?;
            let to = SocketAddrV6::new(group, PORT, 0, index);
            (socket, to.into())
        }
    })
}

/// The bridge's number.
fn interface() -> Result<u32> {
    let text = std::fs::read_to_string(format!("/sys/class/net/{BRIDGE}/ifindex"));
    match text {
        Ok(text) => Ok(text.trim().parse()?),
        // The namespace does not see its own.
        Err(_) => {
            let shown = Command::new("ip")
                .args(["-o", "link", "show", BRIDGE])
                .output()?;
            let text = String::from_utf8_lossy(&shown.stdout).into_owned();
            let number = text.split(':').next().context("no number")?;
            Ok(number.trim().parse()?)
        }
    }
}

pub fn inside() -> Result<()> {
    let mut guest = bridged(3, 2)?;
    for group in [IpAddr::from(GROUP4), GROUP6.into()] {
        one_group(&mut guest, group)?;
    }
    // The groups of its addresses were reported as well (RFC 4861 section 7.2.1).
    let text = guest.must("net group")?;
    let own = text.lines().find(|line| line.contains("ff02::1:ff"));
    let own = own.with_context(|| format!("no such group:\n{text}"))?;
    let own = own.split_whitespace().nth(1).context("no group")?;
    await_known(own.parse()?, true)?;
    ensure!(
        text.contains("224.0.0.1 from all sockets 0 own igmp 3"),
        "{text}"
    );
    ensure!(
        text.contains("ff02::1 from all sockets 0 own mld 2"),
        "{text}"
    );
    sources(&mut guest)
}

/// Joining is seen, datagrams go both ways, and leaving is seen.
fn one_group(guest: &mut Guest, group: IpAddr) -> Result<()> {
    let (socket, to) = member(group)?;
    ensure!(!is_known(group)?, "{group}: known before it is joined");
    guest.must(&format!("net group hear {group} {PORT} count 2 &"))?;
    await_known(group, true)?;
    let text = guest.must("net group")?;
    let line = format!("1: {group} from all sockets 1");
    ensure!(text.contains(&line), "{text}");
    socket.send_to(b"from outside 1", to)?;
    // Another program of the guest, which listens to nothing, is heard by the guest as well.
    guest.must(&format!("net group say {group} {PORT} from-inside"))?;
    socket.set_read_timeout(Some(LIMIT))?;
    let mut heard = [0; 100];
    loop {
        let (len, from) = socket.recv_from(&mut heard)?;
        // What the host says it hears itself.
        if heard.get(..len) == Some(b"from-inside") {
            ensure!(from.is_ipv4() == group.is_ipv4(), "{from}");
            break;
        }
    }
    await_known(group, false)?;
    let text = guest.must("net group")?;
    ensure!(!text.contains(&format!("{group} ")), "{text}");
    let log = guest.must("net stats")?;
    ensure!(log.contains("group.looped"), "{log}");
    // Nobody listens: nothing is delivered.
    let before = delivered(guest)?;
    socket.send_to(b"to nobody", to)?;
    await_echo()?;
    ensure!(delivered(guest)? == before, "it was delivered");
    Ok(())
}

/// Datagrams that sockets of the guest got. It has dealt with all that was sent to it when it answers what was sent
/// behind it: see [`await_echo`].
fn delivered(guest: &mut Guest) -> Result<usize> {
    super::offload::figure(guest, "udp.received")
}

/// Only those are heard that are to be heard.
fn sources(guest: &mut Guest) -> Result<()> {
    let (socket, to) = member(GROUP4.into())?;
    for (words, is_heard) in [
        (format!("from {US}"), true),
        ("from 192.0.2.99".into(), false),
        ("not 192.0.2.99".into(), true),
        (format!("not {US}"), false),
    ] {
        let before = delivered(guest)?;
        guest.must(&format!("net group hear {GROUP4} {PORT} {words} count 1 &"))?;
        await_known(GROUP4.into(), true).with_context(|| words.clone())?;
        let text = guest.must("net group")?;
        ensure!(text.contains(&format!("{GROUP4} ")), "{words}: {text}");
        socket.send_to(b"x", to)?;
        await_echo()?;
        let heard = delivered(guest)? - before;
        ensure!(heard == usize::from(is_heard), "{words}: {heard}");
        if !is_heard {
            let jobs = guest.must("ps")?;
            let mut lines = jobs.lines();
            let job = lines.find(|line| line.trim_end().ends_with(" net"));
            let job = job.and_then(|line| line.split_whitespace().next());
            if let Some(job) = job {
                guest.must(&format!("kill {job}"))?;
            }
        }
        await_known(GROUP4.into(), false)?;
    }
    Ok(())
}

/// Routers of IGMPv2 and MLDv1.
pub fn inside_older() -> Result<()> {
    let mut guest = bridged(2, 1)?;
    let deadline = Instant::now() + LIMIT;
    loop {
        let text = guest.must("net group")?;
        if text.contains("own igmp 2") && text.contains("own mld 1") {
            break;
        }
        ensure!(Instant::now() < deadline, "no question was heard:\n{text}");
        std::thread::sleep(Duration::from_millis(500));
    }
    for group in [IpAddr::from(GROUP4), GROUP6.into()] {
        let (socket, to) = member(group)?;
        guest.must(&format!("net group hear {group} {PORT} count 1 &"))?;
        await_known(group, true)?;
        socket.send_to(b"x", to)?;
        await_known(group, false)?;
    }
    let text = guest.must("net stats")?;
    ensure!(text.contains("group.leaves_sent 2"), "{text}");
    Ok(())
}
