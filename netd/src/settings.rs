//! What the kernel's command line says about the network.
//!
//! ```text
//! ip=dhcp                                        (the default)
//! ip=dhcp+link-local                             (an address of its own while no server answers)
//! ip=link-local
//! ip=none
//! ip=10.0.2.15/24,gw=10.0.2.2,dns=10.0.2.3+10.0.2.4:5353
//! ipv6=auto                                      (the default: addresses and routers by advertisements)
//! ipv6=hardware                                  (the same, of the hardware address)
//! ipv6=temporary                                 (the same, and speaks from others that change every day)
//! ipv6=none
//! dns=10.0.2.2:5353                              (a word of its own, for a static address)
//! hostname=skerry                                (and skerry.local, which neighbours are told)
//! mtu=9000                                       (at most; as much where the device does not say)
//! mdns=none                                      (nobody is told of names and services)
//! nic=plain                                      (the device does nothing for us)
//! nic=-large-receive,-event-index                (all that it offers but these)
//! connections=1000000                            (so many at a time; memory is taken for them at once)
//! netd=cores:4                                   (so many loops, if the device has as many pairs)
//! redirects=none                                 (no router sends us elsewhere over IPv4)
//! link2.ip=10.0.3.15/24                          (of the second card: as ip=; so ipv6, dns, mtu, mdns)
//! link3.vlan=42@2                                (a link more: VLAN 42 of link 2; without @, of link 1)
//! ```
//!
//! What can be turned off are the names of [`device::Offload`]. Links are counted from 1: first the cards in
//! the order in which they are given, then what is tagged. Words without a link are the first one's; the others ask
//! DHCP, and without an answer have no address.

use core::net::{Ipv4Addr, SocketAddrV4};

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use device::{Offload, Offloads};
use stack::{AddressPlan, Fallback, Identifiers, Ipv6Plan, NAME_SERVERS, StaticPlan};

/// Port of name servers (RFC 1035 4.2).
const DNS_PORT: u16 = 53;
/// Name of the machine unless the command line says otherwise.
const HOSTNAME: &str = "skerry";

/// Links at most, loopback not counted.
pub const MOST_LINKS: u8 = 7;

/// What netd is told at its start.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Of each link; there is one for [`MOST_LINKS`].
    links: Vec<Link>,
    /// Name of the machine.
    pub hostname: String,
    /// What the network devices are to do for us, if they can.
    pub offloads: Offloads,
    /// A word of `nic=` was not understood, and has no effect.
    pub is_nic_unclear: bool,
    /// How many connections there are to be room for, if somebody says.
    pub connections: Option<u32>,
    /// Loops at most, each for a core.
    pub cores: u16,
    /// Whether routers may send us elsewhere over IPv4.
    pub heeds_redirects: bool,
}

/// What netd is told of one link.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Where the address comes from.
    pub plan: AddressPlan,
    /// What is done over IPv6, if anything.
    pub ipv6: Option<Ipv6Plan>,
    /// Whether the link is told of the name, and of services.
    pub answers_names: bool,
    /// Why `ip=` was not understood, and DHCP is used instead.
    pub complaint: Option<&'static str>,
    /// The longest packet of the link, in bytes, if somebody says: the device may state less.
    pub mtu: Option<u16>,
    /// `mtu=` was not understood, and has no effect.
    pub is_mtu_unclear: bool,
    /// It is no card: the number of its VLAN, and the link whose frames have that.
    pub vlan: Option<(u16, u8)>,
}

impl Link {
    /// What another loop than the first does of a link by itself: nothing.
    const FOLLOWED: Self = Self {
        plan: AddressPlan::None,
        ipv6: None,
        answers_names: false,
        complaint: None,
        mtu: None,
        is_mtu_unclear: false,
        vlan: None,
    };

    /// Reads the words that `option` finds, of the first link or another.
    fn parse<'a>(option: &dyn Fn(&str) -> Option<&'a str>, is_first: bool) -> Self {
        // The addresses of QEMU's user network are one link's.
        let usual = match is_first {
            true => Fallback::Static(StaticPlan::qemu_user()),
            false => Fallback::None,
        };
        let dhcp = |fallback| AddressPlan::Dhcp { fallback };
        let (plan, complaint) = match option("ip") {
            None | Some("dhcp") => (dhcp(usual), None),
            Some("dhcp+link-local") => (dhcp(Fallback::LinkLocal), None),
            Some("link-local") => (AddressPlan::LinkLocal, None),
            Some("none") => (AddressPlan::None, None),
            Some(text) => match static_plan(text, option("dns")) {
                Ok(plan) => (AddressPlan::Static(plan), None),
                Err(complaint) => (dhcp(usual), Some(complaint)),
            },
        };
        let ipv6 = |identifiers| Ipv6Plan {
            identifiers,
            is_optimistic: true,
            follows_routers: true,
            has_temporary: option("ipv6") == Some("temporary"),
        };
        let ipv6 = match option("ipv6") {
            Some("none") => None,
            Some("hardware") => Some(ipv6(Identifiers::Hardware)),
            None | Some(_) => Some(ipv6(Identifiers::Stable { secret: None })),
        };
        Self {
            plan,
            ipv6,
            answers_names: option("mdns") != Some("none"),
            complaint,
            mtu: option("mtu").and_then(mtu),
            is_mtu_unclear: option("mtu").is_some_and(|text| mtu(text).is_none()),
            vlan: option("vlan").and_then(vlan),
        }
    }
}

impl Settings {
    /// Reads the words that `option` finds by their keys.
    pub fn parse<'a>(option: impl Fn(&str) -> Option<&'a str>) -> Self {
        let link = |number: u8| {
            let of_link = |word: &str| {
                let named = option(&format!("link{number}.{word}"));
                named.or_else(|| option(word).filter(|_| number == 1))
            };
            Link::parse(&of_link, number == 1)
        };
        let hostname = option("hostname")
            .filter(|name| is_host_name(name))
            .unwrap_or(HOSTNAME);
        let (offloads, is_nic_unclear) = offloads(option("nic").unwrap_or_default());
        Self {
            links: (1..=MOST_LINKS).map(link).collect(),
            hostname: hostname.into(),
            offloads,
            is_nic_unclear,
            connections: option("connections").and_then(|count| count.parse().ok()),
            cores: cores(option("netd").unwrap_or_default()),
            heeds_redirects: option("redirects") != Some("none"),
        }
    }

    /// All links that there may be, with their numbers.
    pub fn links(&self) -> impl Iterator<Item = (u8, &Link)> {
        (1..).zip(&self.links)
    }

    /// What is said of a link, counted from 1.
    pub fn link(&self, number: u8) -> &Link {
        let link = number
            .checked_sub(1)
            .and_then(|at| self.links.get(usize::from(at)));
        link.unwrap_or(&Link::FOLLOWED)
    }

    /// The same for another loop than the first, which is told what it has to know of links.
    #[must_use]
    pub fn of_follower(&self) -> Self {
        let mut links = self.links.clone();
        links.fill(Link::FOLLOWED);
        Self {
            links,
            ..self.clone()
        }
    }
}

/// What `vlan=` says: a number, and the link that it is on.
fn vlan(text: &str) -> Option<(u16, u8)> {
    let (id, on) = text.split_once('@').unwrap_or((text, "1"));
    Some((id.parse().ok()?, on.parse().ok()?))
}

/// The longest packets that a link is used for: jumbo frames, as switches carry them.
pub const LARGEST_MTU: u16 = 9_216;
/// The shortest that a link's longest may be: what every host takes (RFC 791 section 3.1).
pub const LEAST_MTU: u16 = 576;

/// What `mtu=` says.
fn mtu(text: &str) -> Option<u16> {
    let bytes = text.parse().ok();
    bytes.filter(|bytes| (LEAST_MTU..=LARGEST_MTU).contains(bytes))
}

/// Loops at most, whatever is wanted.
pub const MOST_CORES: u16 = 8;

/// What `netd=` says of cores: one, if nothing that can be.
fn cores(text: &str) -> u16 {
    let count = text.strip_prefix("cores:").and_then(|it| it.parse().ok());
    count.map_or(1, |count: u16| count.clamp(1, MOST_CORES))
}

/// What `nic=` leaves of all offloads, and whether some of it was not understood.
fn offloads(text: &str) -> (Offloads, bool) {
    if text == "plain" {
        return (Offloads::NONE, false);
    }
    let (mut left, mut is_unclear) = (Offloads::ALL, false);
    for word in text.split(',').filter(|word| !word.is_empty()) {
        match word.strip_prefix('-').and_then(Offload::named) {
            Some(offload) => left = left.without(offload),
            None => is_unclear = true,
        }
    }
    (left, is_unclear)
}

/// One label of RFC 1123 2.1: letters, digits, hyphens within.
fn is_host_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=31).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn static_plan(text: &str, dns: Option<&str>) -> Result<StaticPlan, &'static str> {
    let mut words = text.split(',');
    let network = words.next().unwrap_or_default();
    let (address, prefix) = network.split_once('/').unwrap_or((network, "24"));
    let address: Ipv4Addr = address.parse().map_err(|_| "address")?;
    let prefix = prefix
        .parse()
        .ok()
        .filter(|bits| *bits <= 32)
        .ok_or("prefix")?;
    if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
        return Err("address");
    }
    let mut plan = StaticPlan {
        address,
        prefix,
        gateway: None,
        name_servers: [SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0); NAME_SERVERS],
    };
    for word in words {
        match word.split_once('=') {
            Some(("gw", gateway)) => {
                plan.gateway = Some(gateway.parse().map_err(|_| "gateway")?);
            }
            Some(("dns", servers)) => name_servers(servers, &mut plan)?,
            Some(_) | None => return Err("unknown word"),
        }
    }
    if let Some(servers) = dns {
        name_servers(servers, &mut plan)?;
    }
    Ok(plan)
}

fn name_servers(text: &str, plan: &mut StaticPlan) -> Result<(), &'static str> {
    plan.name_servers = [SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0); NAME_SERVERS];
    for (slot, server) in plan.name_servers.iter_mut().zip(text.split('+')) {
        let with_port = server.parse();
        let plain = || {
            server
                .parse()
                .map(|address| SocketAddrV4::new(address, DNS_PORT))
        };
        *slot = with_port.or_else(|_| plain()).map_err(|_| "name server")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    fn parse(line: &str) -> Settings {
        Settings::parse(|key| {
            line.split(' ').find_map(|word| {
                let (name, value) = word.split_once('=')?;
                (name == key).then_some(value)
            })
        })
    }

    fn plan(line: &str) -> StaticPlan {
        match parse(line).link(1).plan {
            AddressPlan::Static(plan) => plan,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn without_a_word_there_is_dhcp_with_a_fallback() {
        for line in ["", "ip=dhcp", "log=debug"] {
            let settings = parse(line);
            let fallback = Fallback::Static(StaticPlan::qemu_user());
            assert_eq!(settings.link(1).plan, AddressPlan::Dhcp { fallback });
            assert_eq!(
                (settings.hostname.as_str(), settings.link(1).complaint),
                ("skerry", None)
            );
        }
        assert_eq!(parse("ip=none").link(1).plan, AddressPlan::None);
    }

    #[test]
    fn a_static_address_is_read_whole() {
        let line = "ip=10.0.2.15/24,gw=10.0.2.2,dns=10.0.2.3+10.0.2.4:5353 hostname=box-1";
        let found = plan(line);
        assert_eq!(
            (found.address, found.prefix),
            (Ipv4Addr::new(10, 0, 2, 15), 24)
        );
        assert_eq!(found.gateway, Some(Ipv4Addr::new(10, 0, 2, 2)));
        assert_eq!(found.name_servers[0].to_string(), "10.0.2.3:53");
        assert_eq!(found.name_servers[1].to_string(), "10.0.2.4:5353");
        assert!(found.name_servers[2].ip().is_unspecified());
        assert_eq!(parse(line).hostname, "box-1");
    }

    #[test]
    fn name_servers_may_be_a_word_of_their_own() {
        let found = plan("ip=10.0.2.15/24 dns=10.0.2.2:5353");
        assert_eq!(found.name_servers[0].to_string(), "10.0.2.2:5353");
        let found = plan("ip=198.18.0.2");
        assert_eq!((found.prefix, found.gateway), (24, None));
    }

    #[test]
    fn what_the_device_does_can_be_turned_off() {
        for line in ["", "nic=", "ip=none"] {
            let settings = parse(line);
            assert_eq!(settings.offloads, Offloads::ALL, "{line}");
            assert!(!settings.is_nic_unclear);
        }
        assert_eq!(parse("nic=plain").offloads, Offloads::NONE);
        for offload in Offload::ALL {
            let line = std::format!("nic=-{}", offload.name());
            let settings = parse(&line);
            assert_eq!(settings.offloads, Offloads::ALL.without(offload));
            assert!(!settings.is_nic_unclear);
        }
        let both = parse("nic=-checksum-in,-indirect").offloads;
        assert!(!both.has(Offload::ChecksumIn) && !both.has(Offload::Indirect));
        for line in ["nic=-tso", "nic=quiet", "nic=-quiet,plain", "nic=--quiet"] {
            let settings = parse(line);
            assert!(settings.is_nic_unclear, "{line}");
            let quiet = line != "nic=-quiet,plain";
            assert_eq!(settings.offloads.has(Offload::Quiet), quiet, "{line}");
            assert!(settings.offloads.has(Offload::ChecksumIn), "{line}");
        }
    }

    #[test]
    fn an_mtu_is_what_some_link_has() {
        for (line, mtu, is_unclear) in [
            ("", None, false),
            ("mtu=9000", Some(9_000), false),
            ("mtu=576", Some(576), false),
            ("mtu=9216", Some(9_216), false),
            ("mtu=575", None, true),
            ("mtu=9217", None, true),
            ("mtu=70000", None, true),
            ("mtu=", None, true),
        ] {
            let settings = parse(line);
            let found = (settings.link(1).mtu, settings.link(1).is_mtu_unclear);
            assert_eq!(found, (mtu, is_unclear), "{line}");
        }
    }

    #[test]
    fn each_link_has_words_of_its_own() {
        let line =
            "ip=none mtu=9000 link2.ip=10.0.3.15/24,gw=10.0.3.2 link2.ipv6=none link1.mdns=none";
        let settings = parse(line);
        let (first, second, third) = (settings.link(1), settings.link(2), settings.link(3));
        assert_eq!((first.plan, first.mtu), (AddressPlan::None, Some(9_000)));
        assert!(!first.answers_names && first.ipv6.is_some());
        assert!(second.answers_names && second.ipv6.is_none() && second.mtu.is_none());
        assert!(matches!(second.plan, AddressPlan::Static(plan) if plan.prefix == 24));
        // What nothing is said of asks, and makes nothing up.
        let fallback = Fallback::None;
        assert_eq!(third.plan, AddressPlan::Dhcp { fallback });
        assert_eq!(settings.links().count(), usize::from(MOST_LINKS));
        let follower = settings.of_follower();
        assert!(follower.links().all(|(_, link)| *link == Link::FOLLOWED));
        assert_eq!(settings.link(0), settings.link(MOST_LINKS + 1));
    }

    #[test]
    fn a_vlan_is_a_number_and_a_link() {
        for (text, vlan) in [
            ("link2.vlan=42", Some((42, 1))),
            ("link2.vlan=42@3", Some((42, 3))),
            ("link2.vlan=4095", Some((4_095, 1))),
            ("link2.vlan=x", None),
            ("link2.vlan=42@", None),
            ("vlan=42", None),
        ] {
            assert_eq!(parse(text).link(2).vlan, vlan, "{text}");
        }
    }

    #[test]
    fn one_core_unless_more_are_wanted() {
        for (line, cores) in [
            ("", 1),
            ("netd=cores:2", 2),
            ("netd=cores:8", 8),
            ("netd=cores:0", 1),
            ("netd=cores:99", 8),
            ("netd=cores:-1", 1),
            ("netd=cores", 1),
            ("netd=2", 1),
        ] {
            assert_eq!(parse(line).cores, cores, "{line}");
        }
    }

    #[test]
    fn routers_are_heeded_unless_they_are_not_to_be() {
        assert!(parse("").heeds_redirects);
        assert!(!parse("redirects=none").heeds_redirects);
    }

    #[test]
    fn nonsense_is_told_and_dhcp_used() {
        for (line, complaint) in [
            ("ip=banana", "address"),
            ("ip=0.0.0.0/8", "address"),
            ("ip=10.0.2.15/33", "prefix"),
            ("ip=10.0.2.15/24,gw=x", "gateway"),
            ("ip=10.0.2.15/24,dns=1.2.3", "name server"),
            ("ip=10.0.2.15/24,mtu=9000", "unknown word"),
        ] {
            let settings = parse(line);
            assert_eq!(settings.link(1).complaint, Some(complaint), "{line}");
            assert!(matches!(settings.link(1).plan, AddressPlan::Dhcp { .. }));
        }
        let answers = |line| parse(line).link(1).answers_names;
        assert!(answers("") && !answers("mdns=none"));
        for line in ["hostname=-x", "hostname=a.b", "hostname="] {
            assert_eq!(parse(line).hostname, "skerry", "{line}");
        }
    }
}
