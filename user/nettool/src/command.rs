//! What the command line asks for.

use core::net::{IpAddr, SocketAddr};

use net::{Mac, NoMac};

/// How the program is called.
pub const USAGE: &str =
    "usage: net [TABLE]                     shows a table; without one, a summary
       net sockets -v                  what TCP knows of each connection
       net addr  add|del ADDRESS/PREFIX [link NUMBER]
       net route add|del NETWORK/PREFIX|default [via ROUTER] [metric NUMBER] [link NUMBER]
       net neigh add ADDRESS MAC [link NUMBER]
       net neigh del ADDRESS [link NUMBER]
       net policy add PREFIX PRECEDENCE LABEL
       net policy del PREFIX
       net group hear GROUP PORT [from SOURCE] [not SOURCE] [count NUMBER]
       net group say  GROUP PORT TEXT [hops NUMBER]
tables: addr route neigh policy group sockets stats drops lease links";

/// What is said of a hardware address that is none.
const MAC_FORM: &str = "a hardware address has the form 52:54:00:12:34:56";

/// A network: address and prefix length in bits.
pub type Network = (IpAddr, u8);

/// A route to be added or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub destination: Network,
    /// The next router; `None`: the network is on the link.
    pub gateway: Option<IpAddr>,
    /// The smaller, the better.
    pub metric: u32,
    /// By which link; zero: the first.
    pub link: u32,
}

/// What is to be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ear {
    /// The group and the port.
    pub group: SocketAddr,
    /// Only this source.
    pub only: Option<IpAddr>,
    /// All but this source.
    pub never: Option<IpAddr>,
    /// How many datagrams.
    pub count: u32,
}

/// Whether something comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It comes.
    Add,
    /// It goes.
    Delete,
}

/// What the command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Shows how the machine is on the network.
    Summary,
    /// Shows the interfaces and their traffic.
    Links,
    /// Shows the addresses.
    Addresses,
    /// Shows the routes.
    Routes,
    /// Shows the neighbours.
    Neighbours,
    /// Shows the sockets of all programs.
    Sockets,
    /// Shows what TCP knows of its connections.
    Connections,
    /// Shows netd's figures.
    Statistics,
    /// Shows why packets were thrown away, and how many.
    Drops,
    /// Shows the DHCP lease.
    Lease,
    /// Changes an address of a link.
    Address(Change, Network, u32),
    /// Changes a route.
    Route(Change, Route),
    /// Fixes the hardware address of a neighbour on a link.
    AddNeighbour(IpAddr, Mac, u32),
    /// Forgets a neighbour.
    DeleteNeighbour(IpAddr, u32),
    /// Shows the table by which addresses are chosen.
    Policies,
    /// Adds a policy: precedence and label.
    AddPolicy(Network, u8, u8),
    /// Removes one.
    DeletePolicy(Network),
    /// Shows the groups that are listened to.
    Groups,
    /// Listens to a group and shows what comes.
    Hear(Ear),
    /// Says something to a group, which so many routers may pass on, and one more.
    Say(SocketAddr, &'a str, u8),
}

impl<'a> Command<'a> {
    /// Reads the arguments.
    ///
    /// # Errors
    ///
    /// What is wrong with them, for people.
    pub fn parse(mut words: impl Iterator<Item = &'a str>) -> Result<Self, &'static str> {
        let table = words.next();
        let command = match (table, words.next()) {
            (None, _) => Self::Summary,
            (Some("sockets"), Some("-v")) => Self::Connections,
            (Some(table), None) => Self::show(table).ok_or("there is no such table")?,
            (Some("addr"), Some(change)) => {
                let change = Change::parse(change)?;
                let network = network(words.next().ok_or("which address?")?)?;
                Self::Address(change, network, link(&mut words)?)
            }
            (Some("route"), Some(change)) => {
                Self::Route(Change::parse(change)?, Route::parse(&mut words)?)
            }
            (Some("neigh"), Some("add")) => {
                let neighbour = address(words.next())?;
                let mac = words.next().ok_or("which hardware address?")?.parse();
                let mac = mac.map_err(|NoMac| MAC_FORM)?;
                Self::AddNeighbour(neighbour, mac, link(&mut words)?)
            }
            (Some("neigh"), Some("del")) => {
                Self::DeleteNeighbour(address(words.next())?, link(&mut words)?)
            }
            (Some("neigh"), Some(_)) => return Err("add or del?"),
            (Some("policy"), Some(change)) => {
                let change = Change::parse(change)?;
                let network = network(words.next().ok_or("which prefix?")?)?;
                match change {
                    Change::Add => {
                        let precedence = number(words.next())?;
                        Self::AddPolicy(network, precedence, number(words.next())?)
                    }
                    Change::Delete => Self::DeletePolicy(network),
                }
            }
            (Some("group"), Some("hear")) => Self::Hear(Ear::parse(&mut words)?),
            (Some("group"), Some("say")) => Self::parse_say(&mut words)?,
            (Some("group"), Some(_)) => return Err("hear or say?"),
            _ => return Err("that table cannot be changed"),
        };
        if words.next().is_some() {
            Err("too many words")
        } else {
            Ok(command)
        }
    }

    fn parse_say(words: &mut impl Iterator<Item = &'a str>) -> Result<Self, &'static str> {
        let group = group(words)?;
        let text = words.next().ok_or("what?")?;
        let hops = match words.next() {
            None => 1,
            Some("hops") => number(words.next())?,
            Some(_) => return Err("hops?"),
        };
        Ok(Self::Say(group, text, hops))
    }

    fn show(table: &str) -> Option<Self> {
        Some(match table {
            "links" => Self::Links,
            "addr" => Self::Addresses,
            "route" => Self::Routes,
            "neigh" => Self::Neighbours,
            "group" => Self::Groups,
            "policy" => Self::Policies,
            "sockets" => Self::Sockets,
            "stats" => Self::Statistics,
            "drops" => Self::Drops,
            "lease" => Self::Lease,
            _ => return None,
        })
    }
}

impl Ear {
    fn parse<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<Self, &'static str> {
        let mut ear = Self {
            group: group(words)?,
            only: None,
            never: None,
            count: u32::MAX,
        };
        while let Some(word) = words.next() {
            match word {
                "from" => ear.only = Some(address(words.next())?),
                "not" => ear.never = Some(address(words.next())?),
                "count" => ear.count = number(words.next())?,
                _ => return Err("from, not or count?"),
            }
        }
        match (ear.only, ear.never) {
            (Some(_), Some(_)) => Err("from or not, but not both"),
            _ => Ok(ear),
        }
    }
}

impl Change {
    fn parse(word: &str) -> Result<Self, &'static str> {
        match word {
            "add" => Ok(Self::Add),
            "del" => Ok(Self::Delete),
            _ => Err("add or del?"),
        }
    }
}

impl Route {
    fn parse<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<Self, &'static str> {
        let destination = match words.next().ok_or("which network?")? {
            "default" => (IpAddr::from([0; 4]), 0),
            text => network(text)?,
        };
        let mut route = Self {
            destination,
            gateway: None,
            metric: 0,
            link: 0,
        };
        while let Some(word) = words.next() {
            match word {
                "via" => route.gateway = Some(address(words.next())?),
                "metric" => {
                    let number = words.next().and_then(|text| text.parse().ok());
                    route.metric = number.ok_or("metric takes a number")?;
                }
                "link" => route.link = number(words.next())?,
                _ => return Err("via, metric or link?"),
            }
        }
        Ok(route)
    }
}

fn address(word: Option<&str>) -> Result<IpAddr, &'static str> {
    word.ok_or("which address?")?
        .parse()
        .map_err(|_| "that is not an address")
}

fn number<T: core::str::FromStr>(word: Option<&str>) -> Result<T, &'static str> {
    let number = word.and_then(|text| text.parse().ok());
    number.ok_or("that takes a number")
}

fn group<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<SocketAddr, &'static str> {
    let group = address(words.next())?;
    if !group.is_multicast() {
        return Err("that is no group");
    }
    Ok(SocketAddr::new(group, number(words.next())?))
}

fn network(text: &str) -> Result<Network, &'static str> {
    let (ip, bits) = text
        .split_once('/')
        .ok_or("the prefix length is missing, as in /24")?;
    let ip: IpAddr = ip.parse().map_err(|_| "that is not an address")?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let bits = bits.parse().ok().filter(|bits| *bits <= most);
    Ok((ip, bits.ok_or("the prefix length is out of range")?))
}

/// What may stand at the end: the link that is meant, by its number; zero for the first.
fn link<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<u32, &'static str> {
    match words.next() {
        None => Ok(0),
        Some("link") => number(words.next()),
        Some(_) => Err("link?"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Command, Ear, Route};
    use net::Mac;

    fn parse(line: &str) -> Result<Command<'_>, &'static str> {
        Command::parse(line.split_whitespace())
    }

    #[test]
    fn tables_are_shown_by_name() {
        for (line, command) in [
            ("", Command::Summary),
            ("addr", Command::Addresses),
            ("route", Command::Routes),
            ("neigh", Command::Neighbours),
            ("group", Command::Groups),
            ("policy", Command::Policies),
            ("sockets", Command::Sockets),
            ("sockets -v", Command::Connections),
            ("stats", Command::Statistics),
            ("drops", Command::Drops),
            ("lease", Command::Lease),
            ("links", Command::Links),
        ] {
            assert_eq!(parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn changes_are_understood() {
        let ip = |text: &str| text.parse().unwrap();
        assert_eq!(
            parse("addr add 10.0.0.5/24"),
            Ok(Command::Address(Change::Add, (ip("10.0.0.5"), 24), 0))
        );
        let default = Route {
            destination: (ip("0.0.0.0"), 0),
            gateway: Some(ip("10.0.2.2")),
            metric: 7,
            link: 0,
        };
        assert_eq!(
            parse("route del default via 10.0.2.2 metric 7"),
            Ok(Command::Route(Change::Delete, default))
        );
        let on_link = Route {
            destination: (ip("10.1.0.0"), 16),
            gateway: None,
            metric: 0,
            link: 2,
        };
        assert_eq!(
            parse("route add 10.1.0.0/16 link 2"),
            Ok(Command::Route(Change::Add, on_link))
        );
        assert_eq!(
            parse("neigh add 10.0.2.9 52:54:00:aB:34:56 link 3"),
            Ok(Command::AddNeighbour(
                ip("10.0.2.9"),
                Mac([0x52, 0x54, 0, 0xab, 0x34, 0x56]),
                3
            ))
        );
        assert_eq!(
            parse("policy add fd00::/8 45 14"),
            Ok(Command::AddPolicy((ip("fd00::"), 8), 45, 14))
        );
        assert_eq!(
            parse("policy del 10.0.0.0/8"),
            Ok(Command::DeletePolicy((ip("10.0.0.0"), 8)))
        );
        assert_eq!(
            parse("neigh del 10.0.2.9"),
            Ok(Command::DeleteNeighbour(ip("10.0.2.9"), 0))
        );
    }

    #[test]
    fn groups_are_heard_and_spoken_to() {
        let ear = Ear {
            group: "239.1.2.3:9".parse().unwrap(),
            only: Some("10.0.0.1".parse().unwrap()),
            never: None,
            count: 2,
        };
        let heard = parse("group hear 239.1.2.3 9 from 10.0.0.1 count 2");
        assert_eq!(heard, Ok(Command::Hear(ear)));
        let group = "[ff02::9]:9".parse().unwrap();
        assert_eq!(
            parse("group say ff02::9 9 hi"),
            Ok(Command::Say(group, "hi", 1))
        );
        let far = parse("group say ff02::9 9 hi hops 7");
        assert_eq!(far, Ok(Command::Say(group, "hi", 7)));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "x",
            "addr x",
            "addr add",
            "addr add 10.0.0.5",
            "addr add 10.0.0.5/33",
            "addr add x/8",
            "addr add 10.0.0.5/24 y",
            "addr add 10.0.0.5/24 link",
            "addr add 10.0.0.5/24 link 1 2",
            "route add default link x",
            "route add",
            "route add default via",
            "route add default x",
            "route add default metric x",
            "neigh x",
            "neigh add 10.0.2.9",
            "neigh add 10.0.2.9 52:54",
            "neigh del",
            "stats add",
            "policy x",
            "policy add fd00::/8",
            "policy add fd00::/8 45",
            "policy add fd00::/8 256 1",
            "policy del fd00::",
            "sockets -x",
            "group x",
            "group hear 10.0.0.1 9",
            "group hear 239.1.2.3",
            "group hear 239.1.2.3 9 from",
            "group hear 239.1.2.3 9 from 10.0.0.1 not 10.0.0.2",
            "group say 239.1.2.3 9",
            "group say 239.1.2.3 9 x hops 256",
            "group say 239.1.2.3 9 x y",
            "sockets -v -v",
            "lease x",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
