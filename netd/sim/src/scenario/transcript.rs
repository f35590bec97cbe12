//! Writes what happened at one host as a packet script, which plays it again against one stack.
//!
//! *Owns* the order and the words. Times count from the first thing that happened. Timers of the
//! script's stack have their ticks elsewhere, so what is expected gets a little play.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use stack::{Instant, SocketId};
use wire::tcp::{Flags, Segment};
use wire::{Check, EtherType, Protocol, Pseudo, ethernet, ipv4};

use super::plan::{Plan, address};
use crate::script::{Numbers, Seen};
use crate::trace::Moment;
use crate::world::Complaint;

/// A tick of the timers, and the remainder of a millisecond of the clock.
const PLAY: &str = "~40us";

/// One connection.
struct Flow {
    name: String,
    remote: SocketAddr,
    local_port: u16,
    our_isn: Option<u32>,
    their_isn: Option<u32>,
    stamp: Option<u32>,
}

struct Writer {
    text: String,
    last: Option<Instant>,
    flows: Vec<Flow>,
    /// Which flow the script means now.
    current: Option<usize>,
    /// Which port it listens on, while it means none.
    listens_on: Option<u16>,
    /// The last statement is a call to which another may be joined.
    may_join: bool,
    listeners: BTreeMap<u32, u16>,
    sockets: BTreeMap<u32, SocketAddr>,
    host: usize,
}

/// The script of a trace.
pub(super) fn write(
    trace: &[(Instant, Moment)],
    host: usize,
    plan: &Plan,
    complaint: &Complaint,
) -> String {
    let mut writer = Writer {
        text: format!(
            "# {}\ncase seed_{}\ngiven mtu {}\n",
            complaint.kind(),
            plan.seed,
            plan.hosts[host].mtu
        ),
        last: None,
        flows: Vec::new(),
        current: None,
        listens_on: None,
        may_join: false,
        listeners: BTreeMap::new(),
        sockets: BTreeMap::new(),
        host,
    };
    for (at, moment) in trace {
        writer.moment(*at, moment);
    }
    writer.text
}

impl Writer {
    fn moment(&mut self, at: Instant, moment: &Moment) {
        if !matches!(moment, Moment::Call(..)) {
            self.may_join = false;
        }
        match moment {
            Moment::Listens(socket, port) => {
                self.listeners.insert(socket.raw(), *port);
            }
            Moment::Speaks(socket, remote) => {
                self.sockets.insert(socket.raw(), *remote);
            }
            Moment::Call(socket, words) => self.call(at, *socket, words),
            Moment::Deaf(is_deaf) => {
                let word = if *is_deaf { "deaf" } else { "hears" };
                self.line(at, "", word);
            }
            Moment::In(frame) => self.frame(at, frame, false),
            Moment::Out(frame) => self.frame(at, frame, true),
        }
    }

    /// Puts a statement down, with the time since the one before.
    fn line(&mut self, at: Instant, play: &str, words: &str) {
        let since = at.since(self.last.unwrap_or(at));
        if since > Duration::ZERO {
            let nanoseconds = since.as_nanos();
            if nanoseconds.is_multiple_of(1_000) {
                self.text += &format!("+{}us{play} ", nanoseconds / 1_000);
            } else {
                self.text += &format!("+{nanoseconds}ns{play} ");
            }
        }
        self.last = Some(at);
        self.text += words;
        self.text.push('\n');
    }

    fn call(&mut self, at: Instant, socket: SocketId, words: &str) {
        if let Some(port) = self.listeners.get(&socket.raw()) {
            let port = *port;
            self.turn_to_listener(port);
        } else if let Some(remote) = self.sockets.get(&socket.raw()) {
            let remote = *remote;
            let place = self.flow_to(remote, None);
            self.turn_to(place);
        }
        // Calls at one time are made before the stack does anything else.
        if self.may_join && self.last == Some(at) && self.text.ends_with('\n') {
            self.text.pop();
            self.text += &format!(" and {words}\n");
        } else {
            self.line(at, "", words);
        }
        self.may_join = true;
    }

    /// A flow that is about the listener's port.
    fn turn_to_listener(&mut self, port: u16) {
        let place = self.flows.iter().position(|flow| flow.local_port == port);
        if let Some(place) = place {
            self.turn_to(place);
        } else if self.current.is_none() && self.listens_on != Some(port) {
            self.listens_on = Some(port);
            self.may_join = false;
            self.text += &format!("flow listener to {port}\n");
        }
    }

    fn flow_to(&mut self, remote: SocketAddr, local_port: Option<u16>) -> usize {
        let found = self.flows.iter().position(|flow| {
            flow.remote == remote
                && local_port.is_none_or(|it| it == flow.local_port || flow.local_port == 0)
        });
        if let Some(found) = found {
            if let Some(port) = local_port {
                self.flows[found].local_port = port;
            }
            return found;
        }
        self.flows.push(Flow {
            name: format!("f{}", self.flows.len()),
            remote,
            local_port: local_port.unwrap_or(0),
            our_isn: None,
            their_isn: None,
            stamp: None,
        });
        self.flows.len() - 1
    }

    fn turn_to(&mut self, place: usize) {
        if self.current == Some(place) {
            return;
        }
        self.may_join = false;
        self.current = Some(place);
        let flow = &self.flows[place];
        self.text += &format!("flow {} from {}", flow.name, flow.remote.port());
        if flow.local_port > 0 && flow.our_isn.is_none() {
            self.text += &format!(" to {}", flow.local_port);
        }
        self.text.push('\n');
    }

    fn frame(&mut self, at: Instant, frame: &[u8], is_out: bool) {
        let Some((from, to, ip, segment)) = parse(frame) else {
            return;
        };
        let (local, remote) = if is_out { (from, to) } else { (to, from) };
        if local.ip() != address(self.host) {
            return;
        }
        let place = self.flow_to(remote, Some(local.port()));
        self.turn_to(place);
        let header = &segment.header;
        let flow = &mut self.flows[place];
        let is_syn = header.flags.contains(Flags::SYN);
        if is_syn && is_out {
            flow.our_isn = Some(header.seq);
        }
        let mut isn = None;
        if is_syn && !is_out && flow.their_isn != Some(header.seq) {
            flow.their_isn = Some(header.seq);
            isn = Some(header.seq);
        }
        if let Some(stamps) = header.options.timestamps.filter(|_| is_out) {
            flow.stamp.get_or_insert(stamps.value);
        }
        let (ours, theirs) = (flow.our_isn.unwrap_or(0), flow.their_isn.unwrap_or(0));
        let stamp = flow.stamp.unwrap_or(0);
        let numbers = if is_out {
            Numbers {
                seq: ours,
                ack: theirs,
                stamp,
                echo: 0,
            }
        } else {
            Numbers {
                seq: theirs,
                ack: ours,
                stamp: 0,
                echo: stamp,
            }
        };
        let seen = Seen {
            header,
            payload_len: segment.payload.len(),
            ecn: ip.ecn,
            ttl: ip.ttl,
            numbers,
        };
        if let Some(isn) = isn {
            let name = flow.name.clone();
            self.text += &format!("flow {name} isn {isn}\n");
        }
        if is_out {
            // Our clock's milliseconds begin elsewhere.
            let words = stamps_unlooked_at(&format!("> {seen}"));
            self.line(at, PLAY, &words);
        } else {
            self.line(at, "", &format!("< {seen}"));
        }
    }
}

/// The same words, with any value for our own timestamp.
fn stamps_unlooked_at(words: &str) -> String {
    let words: Vec<_> = words.split(' ').collect();
    let mut written = Vec::new();
    let mut follows_stamp = false;
    for word in words {
        let echo = word.split_once(':').filter(|_| follows_stamp);
        written.push(echo.map_or_else(|| word.to_owned(), |(_, echo)| format!("*:{echo}")));
        follows_stamp = word == "stamp";
    }
    written.join(" ")
}

type Parsed<'a> = (SocketAddr, SocketAddr, ipv4::Header, Segment<'a>);

fn parse(frame: &[u8]) -> Option<Parsed<'_>> {
    let frame = ethernet::Frame::parse(frame).ok()?;
    if frame.header.ethertype != EtherType::IPV4 {
        return None;
    }
    let packet = ipv4::Packet::parse(frame.payload).ok()?;
    if packet.header.protocol != Protocol::TCP {
        return None;
    }
    let (from, to) = (packet.header.source, packet.header.destination);
    let check = Check::Verify(Pseudo::v4(from, to));
    let segment = Segment::parse(packet.payload, check).ok()?;
    let from = SocketAddr::from((from, segment.header.src_port));
    let to = SocketAddr::from((to, segment.header.dst_port));
    Some((from, to, packet.header, segment))
}
