//! Plays the statements about the network layer, and about what the stack knows of its neighbours.

use std::net::IpAddr;
use std::time::Duration;

use stack::{Data, Ping, Range};

use super::names;
use super::packet::{self, pattern};
use super::said::Wanted;
use super::stage::{Sent, Stage};
use super::words::{Words, number};

/// Where in the client's arena datagrams are sent from, and received.
const SENDS: u64 = 128 * 1_024;
const ROOM: u64 = 192 * 1_024;
const ROOM_LEN: u32 = 70_000;

/// Datagram sockets are of one family.
const ANY4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
const ANY6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);

/// What must be known.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// An address of ours, in this state.
    Address(IpAddr, String),
    /// A neighbour, in this state, with this hardware address.
    Neighbour(IpAddr, String, Option<String>),
    /// The way to a network.
    Route(String, String),
}

/// What a client asks of the network layer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// Datagrams to this port; only from there, if it says so.
    Bind(u16, Option<(IpAddr, u16)>),
    /// Sends a datagram of so many bytes.
    Say(u32, IpAddr, u16),
    /// Sends an echo request.
    Ping(IpAddr, u16),
}

impl Known {
    pub(super) fn parse(first: &str, words: &mut Words<'_>) -> Result<Self, String> {
        let word = words.word("which")?;
        if first == "route" {
            return Ok(Self::Route(word.to_owned(), words.rest()));
        }
        let address = names::address(word)?;
        let state = words.word("a state")?.to_owned();
        if first == "address" {
            return Ok(Self::Address(address, state));
        }
        let mac = words.next().map(names::mac).transpose()?;
        Ok(Self::Neighbour(
            address,
            state,
            mac.map(|mac| mac.to_string()),
        ))
    }

    /// # Errors
    /// What is known instead.
    pub(super) fn check(&self, stage: &Stage) -> Result<(), String> {
        let (wanted, found) = match self {
            Self::Address(address, state) => {
                let mut all = stage.stack.addresses();
                let found = all.find(|it| it.address == *address);
                let found = found.map_or("none".into(), |it| lower(it.state));
                (state.clone(), found)
            }
            Self::Neighbour(address, state, mac) => {
                let mut all = stage.stack.neighbours(stage.now);
                let found = all.find(|it| it.address == *address);
                let state = match mac {
                    Some(mac) => format!("{state} {mac}"),
                    None => state.clone(),
                };
                let found = found.map_or("none".into(), |it| match (it.mac, mac) {
                    (Some(known), Some(_)) => format!("{} {known}", lower(it.state)),
                    _ => lower(it.state),
                });
                (state, found)
            }
            Self::Route(network, way) => {
                let mut all = stage.stack.routes();
                let name = |it: &stack::RouteInfo| format!("{}/{}", it.destination, it.prefix);
                let found = all.find(|it| name(it) == *network);
                let found = found.map_or("none".into(), |it| match it.gateway {
                    Some(by) => format!("by {by}"),
                    None => "on-link".into(),
                });
                let way = match way.strip_prefix("by ") {
                    Some(by) => format!("by {}", names::address(by)?),
                    None => way.clone(),
                };
                (way, found)
            }
        };
        if wanted == found {
            Ok(())
        } else {
            Err(format!("wanted {wanted}, found {found}"))
        }
    }
}

fn lower(state: impl std::fmt::Debug) -> String {
    format!("{state:?}").to_lowercase()
}

impl Ask {
    pub(super) fn parse(first: &str, words: &mut Words<'_>) -> Result<Self, String> {
        Ok(match first {
            "bind" => {
                let port = words.number("a port")?;
                let to = match words.take("to") {
                    true => {
                        let to = names::address(words.word("an address")?)?;
                        Some((to, words.number("a port")?))
                    }
                    false => None,
                };
                Self::Bind(port, to)
            }
            "say" => {
                let len = words.number("a number of bytes")?;
                let to = names::address(words.word("an address")?)?;
                Self::Say(len, to, words.number("a port")?)
            }
            _ => {
                let to = names::address(words.word("an address")?)?;
                let size = words.next().map_or(Ok(16), number)?;
                Self::Ping(to, size)
            }
        })
    }

    /// # Errors
    /// Why the stack refuses it.
    pub(super) fn perform(self, stage: &mut Stage) -> Result<(), String> {
        let (client, now, token) = (stage.client, stage.now, stage.token());
        match self {
            Self::Bind(port, to) => {
                for (place, any) in [(ROOM, ANY4), (ROOM + u64::from(ROOM_LEN), ANY6)] {
                    let socket = stage.datagrams(any)?;
                    let bound = stage.stack.bind(client, socket, (any, port).into());
                    bound.map_err(|error| format!("{error:?}"))?;
                    let room = Range::new(place, ROOM_LEN);
                    let given = stage.stack.receive(client, socket, room, token, now);
                    given.map_err(|error| format!("{error:?}"))?;
                    if let Some(to) = to.filter(|to| to.0.is_ipv6() == any.is_ipv6()) {
                        let connected = stage.stack.connect(client, socket, to.into(), token, now);
                        connected.map_err(|error| format!("{error:?}"))?;
                        stage.settle()?;
                        stage.flow().told.events.clear();
                    }
                }
                Ok(())
            }
            Self::Say(len, to, port) => {
                let socket = stage.datagrams(to)?;
                let bytes = pattern(usize::try_from(len).unwrap_or(0));
                stage.memory.put(client, SENDS, &bytes);
                let data = Data::Arena(Range::new(SENDS, len));
                let to = Some((to, port).into());
                let sent = stage.stack.send(client, socket, data, to, token, now);
                sent.map_err(|error| format!("{error:?}"))
            }
            Self::Ping(address, size) => {
                let ping = Ping {
                    link: 0,
                    address,
                    sequence: 1,
                    size,
                    ttl: None,
                    timeout: Duration::from_secs(5),
                };
                let asked = stage.stack.ping(client, ping, token, now);
                asked.map_err(|error| format!("{error:?}"))
            }
        }
    }
}

/// Sends the packet that the words stand for.
///
/// # Errors
/// What an oracle forbids.
pub(super) fn inject(stage: &mut Stage, text: &str) -> Result<(), String> {
    let frame = packet::frame(text, &stage.last_sent)?;
    stage.last_received = frame.get(14..).unwrap_or_default().to_vec();
    stage.input(&frame)?;
    stage.settle()
}

/// Whether the frame is the one that must come.
///
/// # Errors
/// What is different.
pub(super) fn compare(wanted: &Wanted, sent: &Sent) -> Result<(), String> {
    let Sent::Packet(said) = sent else {
        return Err("a segment was sent instead".into());
    };
    let wrong = wanted.differences(said);
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("wrong: {}", wrong.join(", ")))
    }
}
