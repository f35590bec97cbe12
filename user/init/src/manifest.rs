//! The system on one page: which programs there are and what each of them may do.
//!
//! A program that is in the archive but not here may be started, and may do nothing but be a
//! client of services.

use rt::system::Permissions;

/// Mebibyte.
const MIB: u64 = 1024 * 1024;

/// When a program is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At boot.
    Boot,
    /// At boot, if the command line's `services=` names it.
    Service,
    /// At boot in netd's place, if the command line's `linked=` names this one: a program that brings
    /// its own network.
    Linked(&'static str),
    /// When somebody asks.
    Asked,
}

/// Devices that a program is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Devices {
    /// None.
    None,
    /// The serial line.
    Uart,
    /// All network devices, with memory for each.
    Network,
}

/// What the system knows about a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its file in the archive.
    pub name: &'static str,
    /// When it is started.
    pub start: Start,
    /// It is started anew when it ends, whatever the reason.
    pub restart: bool,
    /// Its devices.
    pub devices: Devices,
    /// What else it may do.
    pub permissions: Permissions,
    /// From 0 to 7: a higher one runs first.
    pub priority: u64,
    /// Most memory in bytes, that of the programs it starts not counted. Never more than half of
    /// what is free at its start.
    pub memory: u64,
}

/// A program that is not listed, or listed with nothing special.
const PLAIN: Program = Program {
    name: "",
    start: Start::Asked,
    restart: false,
    devices: Devices::None,
    permissions: Permissions::empty(),
    priority: 3,
    memory: 64 * MIB,
};

/// The system, in the order of starting.
pub const PROGRAMS: &[Program] = &[
    Program {
        name: "console",
        start: Start::Boot,
        restart: true,
        devices: Devices::Uart,
        permissions: Permissions::SERVE,
        priority: 5,
        memory: 16 * MIB,
    },
    Program {
        name: "sh",
        start: Start::Boot,
        restart: true,
        permissions: Permissions::SPAWN
            .union(Permissions::KILL)
            .union(Permissions::CONTROL),
        priority: 4,
        memory: 16 * MIB,
        ..PLAIN
    },
    Program {
        name: "netd",
        start: Start::Boot,
        restart: true,
        devices: Devices::Network,
        permissions: Permissions::SERVE,
        priority: 6,
        memory: 512 * MIB,
    },
    Program {
        name: "echo",
        start: Start::Service,
        restart: true,
        ..PLAIN
    },
    Program {
        name: "httpd",
        start: Start::Service,
        restart: true,
        ..PLAIN
    },
    Program {
        name: "crowd",
        start: Start::Service,
        restart: true,
        memory: 256 * MIB,
        ..PLAIN
    },
    Program {
        name: "httpd-linked",
        start: Start::Linked("httpd"),
        restart: true,
        devices: Devices::Network,
        // For a moment before the machine goes down, in which its address is given back.
        permissions: Permissions::SERVE,
        priority: 6,
        memory: 512 * MIB,
    },
    Program {
        name: "net",
        permissions: Permissions::ADMIN,
        ..PLAIN
    },
    Program {
        name: "ntp",
        permissions: Permissions::CLOCK,
        ..PLAIN
    },
    Program {
        name: "raw",
        permissions: Permissions::RAW,
        ..PLAIN
    },
    Program {
        name: "kill",
        permissions: Permissions::KILL,
        ..PLAIN
    },
    Program {
        name: "reboot",
        permissions: Permissions::POWER,
        ..PLAIN
    },
    Program {
        name: "poweroff",
        permissions: Permissions::POWER,
        ..PLAIN
    },
    Program {
        name: "bench",
        permissions: Permissions::SPAWN.union(Permissions::SERVE),
        ..PLAIN
    },
];

/// Services that run where the command line does not choose.
pub const DEFAULT_SERVICES: &str = "echo,httpd";

/// The program that has the network devices and serves them to all others.
pub const NETWORK_SERVER: &str = "netd";
/// Its service.
pub const NETWORK_SERVICE: &str = "NETD:";

/// What the command line chooses to be started at boot.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    /// `services=`, separated by commas.
    pub services: Option<&'a str>,
    /// `linked=`: the program that brings its own network.
    pub linked: Option<&'a str>,
}

impl Choice<'_> {
    /// Whether a program of the manifest brings the network in place of netd: then there is no
    /// network for others, nor services that would need one.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        let linked = |program: &Program| match program.start {
            Start::Linked(name) => self.linked == Some(name),
            Start::Boot | Start::Service | Start::Asked => false,
        };
        PROGRAMS.iter().any(linked)
    }

    /// Whether the program is started at boot.
    #[must_use]
    pub fn starts(&self, program: &Program) -> bool {
        let none = if self.is_linked() {
            ""
        } else {
            DEFAULT_SERVICES
        };
        match program.start {
            Start::Boot => program.name != NETWORK_SERVER || !self.is_linked(),
            Start::Service => {
                let mut services = self.services.unwrap_or(none).split(',');
                services.any(|name| name == program.name)
            }
            Start::Linked(name) => self.linked == Some(name),
            Start::Asked => false,
        }
    }
}

/// What the system knows about a program.
#[must_use]
pub fn program(name: &str) -> Program {
    PROGRAMS
        .iter()
        .find(|program| program.name == name)
        .copied()
        .unwrap_or(PLAIN)
}

#[cfg(test)]
mod tests {
    use super::{Choice, Devices, PROGRAMS, Start, program};
    use rt::system::Permissions;

    #[test]
    fn names_are_unique_and_priorities_exist() {
        for (index, one) in PROGRAMS.iter().enumerate() {
            assert!(one.priority < abi::PRIORITIES as u64, "{}", one.name);
            assert!(PROGRAMS[..index].iter().all(|other| other.name != one.name));
        }
    }

    #[test]
    fn the_network_devices_go_to_one_program() {
        for linked in [None, Some("httpd"), Some("nobody")] {
            let services = None;
            let choice = Choice { services, linked };
            let started = PROGRAMS.iter().filter(|program| choice.starts(program));
            let mut owners = started
                .clone()
                .filter(|program| program.devices == Devices::Network);
            let owner = if linked == Some("httpd") {
                "httpd-linked"
            } else {
                "netd"
            };
            assert_eq!(owners.next().map(|program| program.name), Some(owner));
            assert_eq!(owners.next(), None);
            let serves = started.clone().any(|program| program.name == "echo");
            assert_eq!(serves, !choice.is_linked());
        }
    }

    #[test]
    fn strangers_may_do_nothing() {
        let stranger = program("rogue");
        assert_eq!(stranger.permissions, Permissions::empty());
        assert_eq!(stranger.start, Start::Asked);
    }

    #[test]
    fn each_right_is_given_to_those_alone_who_need_it() {
        let with = |right| {
            let all = PROGRAMS
                .iter()
                .filter(move |program| program.permissions.contains(right));
            all.map(|program| program.name).collect::<Vec<_>>()
        };
        assert_eq!(with(Permissions::CLOCK), ["ntp"]);
        assert_eq!(with(Permissions::ADMIN), ["net"]);
        assert_eq!(with(Permissions::RAW), ["raw"]);
        assert_eq!(with(Permissions::POWER), ["reboot", "poweroff"]);
    }

    #[test]
    fn programs_do_not_outrun_the_shell() {
        let shell = program("sh").priority;
        assert!(
            shell > program("rogue").priority,
            "a loop cannot lock the shell out"
        );
    }
}
