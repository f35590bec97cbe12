//! A machine to boot: what QEMU's command line says, in words of our own.

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::paths;

/// The ports of the host that [`free_port`] gives: below those that Linux gives by itself.
const FIRST_PORT: u32 = 20_000;
const PORTS: u32 = 12_000;

/// How the network card is connected.
#[derive(Clone, Debug)]
pub enum Link {
    /// QEMU's user network: DHCP, 10.0.2.0/24, forwards from loopback ports of the host.
    User { forwards: Vec<Forward> },
    /// Raw Ethernet frames as datagrams: QEMU's socket, the other side's socket.
    Frames { ours: PathBuf, theirs: PathBuf },
    /// A TAP interface that exists already, with so many queues.
    Tap { interface: String, queues: u32 },
    /// A stream socket that QEMU listens on; frames with a length in front.
    Stream { path: PathBuf },
}

/// A port of the host's loopback address that leads to a port of the guest.
#[derive(Clone, Copy, Debug)]
pub struct Forward {
    pub protocol: &'static str,
    pub host: u16,
    pub guest: u16,
}

/// A network card and its cable.
#[derive(Clone, Debug)]
pub struct Card {
    pub link: Link,
    pub mac: String,
    /// More properties of the device, each with its comma in front.
    pub properties: String,
    pub capture: Option<PathBuf>,
}

impl Card {
    pub fn new(link: Link) -> Self {
        Self {
            link,
            mac: "52:54:00:12:34:56".into(),
            properties: String::new(),
            capture: None,
        }
    }
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Machine {
    pub kernel: PathBuf,
    pub cpu: String,
    pub cores: u32,
    pub memory: String,
    pub gic: u32,
    /// Starts the kernel at EL2.
    pub hypervisor: bool,
    /// virtio-mmio of before version 1.
    pub legacy: bool,
    /// A generator of random numbers, and a seed in the device tree.
    pub entropy: bool,
    /// A reset ends QEMU instead of starting the guest again.
    pub ends_on_reset: bool,
    pub cards: Vec<Card>,
    /// Kernel command line.
    pub append: String,
    /// Any further words.
    pub extra: Vec<String>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            kernel: paths::build().join("skerry.elf"),
            cpu: "cortex-a72".into(),
            cores: 1,
            memory: "256M".into(),
            gic: 3,
            hypervisor: false,
            legacy: false,
            entropy: true,
            ends_on_reset: true,
            cards: Vec::new(),
            append: String::new(),
            extra: Vec::new(),
        }
    }
}

/// Whether the host can run the guest's instructions itself.
fn accelerator() -> Option<&'static str> {
    if !cfg!(target_arch = "aarch64") {
        None
    } else if cfg!(target_os = "macos") {
        Some("hvf")
    } else if Path::new("/dev/kvm").exists() {
        Some("kvm")
    } else {
        None
    }
}

impl Machine {
    /// QEMU with this machine. The caller adds what is done with the serial line.
    pub fn command(&self) -> Command {
        let mut command = mortal("qemu-system-aarch64");
        let mut board = format!("virt,gic-version={}", self.gic);
        if self.hypervisor {
            board += ",virtualization=on";
        }
        if !self.entropy {
            board += ",dtb-randomness=off";
        }
        command.args(["-M", &board, "-cpu", &self.cpu, "-m", &self.memory]);
        command.args(["-smp", &self.cores.to_string()]);
        command.args(["-display", "none", "-nodefaults", "-nic", "none"]);
        if self.ends_on_reset {
            command.arg("-no-reboot");
        }
        if !self.legacy {
            command.args(["-global", "virtio-mmio.force-legacy=false"]);
        }
        if self.entropy {
            command.args(["-device", "virtio-rng-device"]);
        }
        for (index, card) in self.cards.iter().enumerate() {
            let id = format!("net{index}");
            command.args(["-netdev", &card.link.describe(&id)]);
            let device = format!(
                "virtio-net-device,netdev={id},id=card{index},mac={}{}",
                card.mac, card.properties
            );
            command.args(["-device", &device]);
            if let Some(file) = &card.capture {
                let filter = format!(
                    "filter-dump,id=dump{index},netdev={id},file={}",
                    file.display()
                );
                command.args(["-object", &filter]);
            }
        }
        command.arg("-kernel").arg(&self.kernel);
        if !self.append.is_empty() {
            command.args(["-append", &self.append]);
        }
        command.args(&self.extra);
        command
    }

    /// With the host's own CPU where that is possible.
    pub fn accelerate(&mut self) {
        if let Some(name) = accelerator() {
            self.cpu = "host".into();
            self.extra.extend(["-accel".into(), name.into()]);
        }
    }

    /// The host's port for the guest's TCP port, if it is forwarded.
    pub fn forwarded(&self, guest: u16) -> Option<u16> {
        self.forwarded_for("tcp", guest)
    }

    /// The host's port for the guest's port of that protocol, if it is forwarded.
    pub fn forwarded_for(&self, protocol: &str, guest: u16) -> Option<u16> {
        self.cards.iter().find_map(|card| match &card.link {
            Link::User { forwards } => forwards
                .iter()
                .find(|forward| forward.guest == guest && forward.protocol == protocol)
                .map(|forward| forward.host),
            Link::Frames { .. } | Link::Tap { .. } | Link::Stream { .. } => None,
        })
    }
}

impl Link {
    /// The user network with forwards from free ports to these TCP ports of the guest.
    pub fn user(guest_ports: &[u16]) -> Self {
        Self::User {
            forwards: guest_ports
                .iter()
                .map(|port| Forward {
                    protocol: "tcp",
                    host: free_port(),
                    guest: *port,
                })
                .collect(),
        }
    }

    fn describe(&self, id: &str) -> String {
        match self {
            Self::User { forwards } => {
                let forwards: String = forwards
                    .iter()
                    .map(
                        |Forward {
                             protocol,
                             host,
                             guest,
                         }| {
                            format!(",hostfwd={protocol}:127.0.0.1:{host}-:{guest}")
                        },
                    )
                    .collect();
                format!("user,id={id}{forwards}")
            }
            Self::Frames { ours, theirs } => format!(
                "dgram,id={id},local.type=unix,local.path={},remote.type=unix,remote.path={}",
                theirs.display(),
                ours.display()
            ),
            Self::Tap { interface, queues } => {
                let queues = if *queues > 1 {
                    format!(",queues={queues}")
                } else {
                    String::new()
                };
                format!("tap,id={id},ifname={interface},script=no,downscript=no{queues}")
            }
            Self::Stream { path } => format!(
                "stream,id={id},server=on,addr.type=unix,addr.path={}",
                path.display()
            ),
        }
    }
}

/// A port of the loopback address that nobody uses at this moment, by TCP or UDP: none of those that the system gives
/// to whoever asks for any, so that it is still free when it is used, and never the same twice.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: &u16| {
        let at = ("127.0.0.1", *port);
        TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok()
    };
    // Another run beside this one begins elsewhere.
    let begin = std::process::id().wrapping_mul(131);
    (0..PORTS)
        .filter_map(|_| {
            let number = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % PORTS;
            u16::try_from(FIRST_PORT + number).ok()
        })
        .find(is_free)
        .unwrap_or(0)
}

/// A command that the system ends when this process dies, however it dies (where it can do so).
pub fn mortal(program: &str) -> Command {
    if Path::new("/usr/bin/setpriv").exists() {
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--pdeathsig", "KILL", program]);
        command
    } else {
        Command::new(program)
    }
}

#[cfg(test)]
mod tests {
    use super::{Card, Link, Machine};

    fn words(machine: &Machine) -> String {
        let command = machine.command();
        let words: Vec<_> = command
            .get_args()
            .map(|word| word.to_string_lossy())
            .collect();
        words.join(" ")
    }

    #[test]
    fn forwards_are_on_the_command_line_and_can_be_asked_for() {
        let machine = Machine {
            cards: vec![Card::new(Link::user(&[80]))],
            ..Machine::default()
        };
        let port = machine.forwarded(80).unwrap();
        assert!(words(&machine).contains(&format!("hostfwd=tcp:127.0.0.1:{port}-:80")));
        assert_eq!(machine.forwarded(81), None);
    }

    #[test]
    fn options_show() {
        let machine = Machine {
            gic: 2,
            hypervisor: true,
            legacy: true,
            cores: 4,
            append: "ip=none log=debug".into(),
            ..Machine::default()
        };
        let words = words(&machine);
        assert!(words.contains("gic-version=2,virtualization=on"));
        assert!(words.contains("-smp 4"));
        assert!(words.contains("-append ip=none log=debug"));
        assert!(!words.contains("force-legacy"));
    }
}
