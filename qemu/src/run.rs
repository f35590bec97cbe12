//! `make run` and `make debug`: the guest's serial line on this terminal.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::machine::{Card, Link, Machine};
use crate::{image, paths};

/// Ports of the guest that a forward leads to when the user network is used.
const PORTS: &[(u16, &str)] = &[(80, "web page"), (7, "TCP echo")];

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The machine that the environment asks for.
fn machine() -> Result<Machine> {
    let mut machine = Machine {
        ends_on_reset: false,
        ..Machine::default()
    };
    if let Some(cores) = setting("SMP") {
        machine.cores = cores.parse().context("SMP is a number of cores")?;
    }
    if let Some(memory) = setting("MEM") {
        machine.memory = memory;
    }
    if let Some(words) = setting("APPEND") {
        machine.append = words;
    }
    machine.accelerate();
    if let Some(cpu) = setting("CPU") {
        machine.cpu = cpu;
    }
    let link = match setting("NET").as_deref() {
        None | Some("user") => {
            let ports: Vec<u16> = PORTS.iter().map(|(port, _)| *port).collect();
            Link::user(&ports)
        }
        Some("tap") => Link::Tap {
            interface: setting("TAP").unwrap_or_else(|| "tap0".into()),
            queues: 1,
        },
        Some("stream") => Link::Stream {
            path: paths::build().join("net.sock"),
        },
        Some(other) => bail!("NET is user, tap or stream, not {other}"),
    };
    let mut card = Card::new(link);
    card.capture = setting("PCAP").map(PathBuf::from);
    machine.cards.push(card);
    Ok(machine)
}

fn announce(machine: &Machine) {
    for (port, what) in PORTS {
        if let Some(host) = machine.forwarded(*port) {
            println!("guest port {port} ({what}) is 127.0.0.1:{host}");
        }
    }
    for card in &machine.cards {
        match &card.link {
            Link::Tap { interface, .. } => println!("network: interface {interface}"),
            Link::Stream { path } => println!("network: stream socket {}", path.display()),
            Link::User { .. } | Link::Frames { .. } => {}
        }
        if let Some(file) = &card.capture {
            println!("every frame goes to {}", file.display());
        }
    }
}

fn start(machine: &Machine, more: &[&str]) -> Result<()> {
    announce(machine);
    let status = machine
        .command()
        .args(["-serial", "mon:stdio"])
        .args(more)
        .status()
        .context("QEMU does not start")?;
    ensure!(status.success(), "QEMU ended with {status}");
    Ok(())
}

/// Builds the image and starts it.
pub fn run() -> Result<()> {
    image::build()?;
    let machine = machine()?;
    println!("Ctrl-A X ends the emulator");
    start(&machine, &[])
}

/// Builds the image and starts it stopped, waiting for gdb.
pub fn debug() -> Result<()> {
    image::build()?;
    let machine = machine()?;
    let port = crate::machine::free_port();
    println!("the machine is stopped; in another terminal:\n");
    println!(
        "  gdb-multiarch {} -ex 'target remote 127.0.0.1:{port}'\n",
        image::kernel_with_symbols().display()
    );
    println!(
        "symbols of a program: add-symbol-file {}",
        image::program_with_symbols("netd").display()
    );
    let server = format!("tcp:127.0.0.1:{port}");
    start(&machine, &["-S", "-gdb", &server])
}
