//! The system boots: on each CPU model, from each image form, with few and many cores, little and
//! much memory, with every interrupt controller, and with the cards it finds.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use dhcproto::v4::MessageType;
use etherparse::TcpOptionElement;

use super::{Group, Skip, no_stage, tests};
use crate::frames::{ADDRESS, Cable, GUEST, as_echo_reply, as_tcp, echo_request};
use crate::guest::{BOOT, Guest, SOON};
use crate::machine::{Card, Link, Machine};
use crate::paths;
use crate::peers::dhcp::{self, Terms};
use crate::peers::noise;

pub fn group() -> Group {
    Group {
        name: "boot",
        stage: no_stage,
        tests: tests![Alone:
            on_cortex_a53,
            on_cortex_a72,
            on_neoverse_n1,
            on_the_largest_cpu,
            as_linux_image,
            at_el2,
            with_gic_v2,
            with_4_cores,
            with_8_cores,
            in_64_megabytes,
            in_8_gigabytes,
            without_a_card,
            with_two_cards,
            with_legacy_virtio,
            without_entropy_it_says_so,
            the_device_tells_mac_and_mtu,
            jumbo_frames_come_and_go_whole,
            an_idle_system_sleeps,
            the_log_leaves_the_prompt_clean,
        ],
    }
}

/// Boots, and reaches the gateway of the user network.
fn reaches_the_network(mut machine: Machine) -> Result<Guest> {
    machine.cards.push(Card::new(Link::user(&[])));
    let mut guest = Guest::boot_online(machine)?;
    guest.must("ping -c 1 10.0.2.2")?;
    Ok(guest)
}

fn on_cpu(model: &str) -> Result<()> {
    let list = std::process::Command::new("qemu-system-aarch64")
        .args(["-M", "virt", "-cpu", "help"])
        .output()
        .context("QEMU does not start")?;
    if !String::from_utf8_lossy(&list.stdout)
        .split_whitespace()
        .any(|name| name == model)
    {
        return Err(Skip(format!("this QEMU has no {model}")).into());
    }
    reaches_the_network(Machine {
        cpu: model.into(),
        ..Machine::default()
    })?;
    Ok(())
}

fn on_cortex_a53() -> Result<()> {
    on_cpu("cortex-a53")
}

fn on_cortex_a72() -> Result<()> {
    on_cpu("cortex-a72")
}

fn on_neoverse_n1() -> Result<()> {
    on_cpu("neoverse-n1")
}

fn on_the_largest_cpu() -> Result<()> {
    on_cpu("max")
}

fn as_linux_image() -> Result<()> {
    reaches_the_network(Machine {
        kernel: paths::build().join("skerry.img"),
        ..Machine::default()
    })?;
    Ok(())
}

fn at_el2() -> Result<()> {
    reaches_the_network(Machine {
        hypervisor: true,
        ..Machine::default()
    })?;
    reaches_the_network(Machine {
        hypervisor: true,
        kernel: paths::build().join("skerry.img"),
        cores: 2,
        ..Machine::default()
    })?;
    Ok(())
}

fn with_gic_v2() -> Result<()> {
    reaches_the_network(Machine {
        gic: 2,
        cores: 2,
        ..Machine::default()
    })?;
    Ok(())
}

fn with_cores(cores: u32) -> Result<()> {
    let mut guest = reaches_the_network(Machine {
        cores,
        ..Machine::default()
    })?;
    let text = guest.must("ps")?;
    ensure!(text.contains(&format!("cpus: {cores}")), "{text}");
    Ok(())
}

fn with_4_cores() -> Result<()> {
    with_cores(4)
}

fn with_8_cores() -> Result<()> {
    with_cores(8)
}

fn with_memory(size: &str, total: std::ops::Range<u64>) -> Result<()> {
    let mut guest = reaches_the_network(Machine {
        memory: size.into(),
        ..Machine::default()
    })?;
    let text = guest.must("ps")?;
    let pattern = regex::Regex::new(r"memory: \d+ KiB free of (\d+) KiB")?;
    let found: u64 = pattern.captures(&text).context("no memory line")?[1].parse()?;
    ensure!(total.contains(&(found >> 10)), "{found} KiB of {size}");
    Ok(())
}

fn in_64_megabytes() -> Result<()> {
    with_memory("64M", 48..65)
}

fn in_8_gigabytes() -> Result<()> {
    with_memory("8G", 7900..8193)
}

fn without_a_card() -> Result<()> {
    let mut guest = Guest::boot(Machine::default())?;
    let text = guest.must("net")?;
    ensure!(text.contains("no network device"), "{text}");
    guest.must("ping -c 1 127.0.0.1")?;
    guest.command("ping -c 1 -W 1 10.0.2.2")?.failure()?;
    Ok(())
}

/// Both are used, each with what its own server says.
fn with_two_cards() -> Result<()> {
    let mut guest = Guest::boot_online(Machine {
        cards: vec![
            Card::new(Link::user(&[])),
            Card {
                mac: "52:54:00:00:00:02".into(),
                ..Card::new(Link::user(&[]))
            },
        ],
        ..Machine::default()
    })?;
    guest.must("ping -c 1 10.0.2.2")?;
    let links = guest.must("net links")?;
    let first = links.contains("1: 52:54:00:12:34:56 up");
    ensure!(
        first && links.contains("2: 52:54:00:00:00:02 up"),
        "{links}"
    );
    Ok(())
}

fn with_legacy_virtio() -> Result<()> {
    reaches_the_network(Machine {
        legacy: true,
        ..Machine::default()
    })?;
    Ok(())
}

fn without_entropy_it_says_so() -> Result<()> {
    let guest = reaches_the_network(Machine {
        entropy: false,
        ..Machine::default()
    })?;
    let log = guest.console.log();
    ensure!(
        log.contains("seed") || log.contains("entropy"),
        "not a word about it"
    );
    Ok(())
}

fn the_device_tells_mac_and_mtu() -> Result<()> {
    let mut guest = Guest::boot(Machine {
        cards: vec![Card {
            mac: "52:54:00:ab:cd:ef".into(),
            properties: ",host_mtu=1400".into(),
            ..Card::new(Link::user(&[]))
        }],
        ..Machine::default()
    })?;
    let text = guest.must("net")?;
    ensure!(text.contains("52:54:00:ab:cd:ef up mtu 1400"), "{text}");
    Ok(())
}

fn jumbo_frames_come_and_go_whole() -> Result<()> {
    let cable = Cable::new("jumbo")?;
    let mut guest = Guest::boot(Machine {
        cards: vec![Card {
            properties: ",host_mtu=9000".into(),
            ..Card::new(cable.link())
        }],
        append: ADDRESS.into(),
        ..Machine::default()
    })?;
    let text = guest.must("net")?;
    ensure!(text.contains(" up mtu 9000"), "{text}");
    cable.introduce()?;
    let payload = noise(9, 8_972);
    cable.send(&echo_request(9, 1, &payload))?;
    let (_, _, back) = cable.expect("echo reply", SOON, as_echo_reply)?;
    ensure!(back == payload, "it came back changed");
    guest.type_line("ping -c 1 -W 0.3 -s 8972 192.0.2.1")?;
    let request = cable.expect("echo request", SOON, |frame| {
        let is_it = frame.get(23) == Some(&1) && frame.get(34) == Some(&8);
        is_it.then(|| frame.to_vec())
    })?;
    ensure!(
        request.len() == 9_014 && request[20] == 0x40,
        "{}",
        request.len()
    );
    guest.answer("ping", SOON)?.failure()?;
    guest.type_line("nc -w 1 192.0.2.1 7")?;
    let syn = cable.expect("a SYN", SOON, as_tcp)?;
    let most = syn.options_iterator().find_map(|option| match option {
        Ok(TcpOptionElement::MaximumSegmentSize(most)) => Some(most),
        _ => None,
    });
    ensure!(most == Some(8_960), "{most:?}");
    Ok(())
}

/// What the network server has to say when the shell waits already stands above its prompt.
fn the_log_leaves_the_prompt_clean() -> Result<()> {
    let cable = Cable::new("clean-prompt")?;
    let mut guest = Guest::boot(Machine {
        cards: vec![Card::new(cable.link())],
        ..Machine::default()
    })?;
    let discover = dhcp::hear(&cable, MessageType::Discover, BOOT)?;
    dhcp::answer(&cable, &discover, MessageType::Offer, Terms::default())?;
    let request = dhcp::hear(&cable, MessageType::Request, BOOT)?;
    // In the middle of a command.
    guest.console.send("net le")?;
    guest.console.expect("net le", SOON)?;
    dhcp::answer(&cable, &request, MessageType::Ack, Terms::default())?;
    let deadline = Instant::now() + SOON;
    while !guest.console.log().contains("(leased)\n") {
        ensure!(Instant::now() < deadline, "not a word about the address");
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = guest.console.log();
    ensure!(log.ends_with("\nskerry> net le"), "{log:?}");
    guest.console.send("ase\r")?;
    let lease = guest.answer("net lease", SOON)?.success()?;
    ensure!(lease.contains(&GUEST.to_string()), "{lease}");
    Ok(())
}

/// Nobody polls: the emulator uses next to no processor time.
fn an_idle_system_sleeps() -> Result<()> {
    let guest = reaches_the_network(Machine {
        cores: 2,
        ..Machine::default()
    })?;
    // The least of a few: a busy host takes longer for the same.
    let window = Duration::from_secs(2);
    let mut least = u64::MAX;
    for _ in 0..5 {
        let before = guest.host_ticks()?;
        std::thread::sleep(window);
        least = least.min(guest.host_ticks()? - before);
        // A hundred ticks are a second.
        if least <= 10 {
            return Ok(());
        }
    }
    bail!("at least {least} ticks of {window:?}")
}
