//! The world: stations, the wires between them, and time, which jumps from event to event.
//!
//! *Owns* the order of everything that happens. Two events at the same time happen in the order in
//! which they were caused, so one seed gives one history. *Never* waits for anything. The first
//! complaint of an oracle ends the history.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use stack::{AddressPlan, Holdings, Instant, InterfaceId};

use crate::fault::Faults;
use crate::host::{Host, HostSetup};
use crate::link::Line;
use crate::oracle::Watch;
use crate::pcapng::{Capture, Way};
use crate::program::{Program, Verdict};
use crate::random::Random;
use crate::weather::Weather;

/// Something on a wire that is no host: it answers frames by a script of its own.
pub trait Device {
    /// A frame has come; what is answered is sent at once.
    fn answer(&mut self, frame: &[u8], now: Instant) -> Vec<Vec<u8>>;

    /// When it speaks without being asked.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// That time has come: what it says.
    fn speak(&mut self, _now: Instant) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

/// Looks at, or changes, every frame that a host sends, before oracles and wires see it; a
/// complaint is one more oracle's. It is how tests make a bug that is not there.
pub type Meddler = Box<dyn FnMut(&mut Vec<u8>) -> Result<(), String>>;

/// The name of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireId(usize);

/// The name of a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StationId(usize);

/// What must never have happened, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The station, by its place in the order of their making.
    pub station: usize,
    /// What happened.
    pub what: String,
}

impl Complaint {
    /// What kind of thing happened: the complaint without figures and details.
    #[must_use]
    pub fn kind(&self) -> String {
        let head = self.what.split(':').next().unwrap_or_default();
        head.chars().filter(|c| !c.is_ascii_digit()).collect()
    }
}

enum Body {
    Host(Box<Host>),
    Device(Box<dyn Device>),
    /// A further link of the host at this place, by its place there.
    Port {
        host: usize,
        link: usize,
    },
}

struct Station {
    body: Body,
    wire: WireId,
    line: Line,
    capture: u32,
    watch: Watch,
    /// For when it is scheduled to be woken.
    wake: Option<Instant>,
    meddler: Option<Meddler>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Arrival { to: usize, frame: Vec<u8> },
    Wake { station: usize },
}

/// A world made from a seed.
pub struct World {
    now: Instant,
    random: Random,
    queue: BinaryHeap<Reverse<(Instant, u64, Happening)>>,
    count: u64,
    wires: Vec<Weather>,
    stations: Vec<Station>,
    capture: Option<Capture>,
    complaint: Option<Complaint>,
}

impl World {
    /// An empty world that keeps every frame.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut world = Self::without_capture(seed);
        world.capture = Some(Capture::new());
        world
    }

    /// An empty world that keeps no frame.
    #[must_use]
    pub fn without_capture(seed: u64) -> Self {
        Self {
            now: Instant::from_secs(1),
            random: Random::new(seed),
            queue: BinaryHeap::new(),
            count: 0,
            wires: Vec::new(),
            stations: Vec::new(),
            capture: None,
            complaint: None,
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Chance, for whoever builds the world.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// What must never have happened, if it did. Nothing happens afterwards.
    #[must_use]
    pub fn complaint(&self) -> Option<&Complaint> {
        self.complaint.as_ref()
    }

    /// A wire: whatever one station sends, all others on it hear.
    pub fn wire(&mut self, weather: Weather) -> WireId {
        self.wires.push(weather);
        WireId(self.wires.len() - 1)
    }

    /// A host on a wire.
    pub fn host(&mut self, wire: WireId, setup: HostSetup) -> StationId {
        let watch = Watch::new(setup.name, setup.config.syn_cookies);
        let name = setup.name;
        let host = Host::new(setup, &mut self.random, self.now);
        self.add(wire, name, Body::Host(Box::new(host)), watch)
    }

    /// A further link of a host, to another wire, with a hardware address of this number. Captures call
    /// it `name`.
    ///
    /// # Panics
    /// If the station is no host, or its stack has no room for a link.
    pub(crate) fn plug(
        &mut self,
        (of, wire): (StationId, WireId),
        (name, number): (&str, u8),
        plan: AddressPlan,
    ) -> InterfaceId {
        let now = self.now;
        let link = self.ports(of.0).count();
        let id = self.host_mut(of).plug(number, plan, now);
        let port = Body::Port { host: of.0, link };
        self.add(wire, name, port, Watch::new(name, false));
        self.settle(of.0);
        id
    }

    /// The stations that are further links of a host, in order.
    fn ports(&self, of: usize) -> impl Iterator<Item = usize> + '_ {
        let all = self.stations.iter().enumerate();
        all.filter_map(move |(place, station)| match station.body {
            Body::Port { host, .. } if host == of => Some(place),
            _ => None,
        })
    }

    /// A scripted device on a wire.
    pub fn device(&mut self, wire: WireId, name: &str, device: impl Device + 'static) -> StationId {
        let watch = Watch::new(name, false);
        self.add(wire, name, Body::Device(Box::new(device)), watch)
    }

    fn add(&mut self, wire: WireId, name: &str, body: Body, watch: Watch) -> StationId {
        let line = Line::new(self.wires[wire.0], self.random.fork());
        let capture = self
            .capture
            .as_mut()
            .map_or(0, |capture| capture.interface(name));
        self.stations.push(Station {
            body,
            wire,
            line,
            capture,
            watch,
            wake: None,
            meddler: None,
        });
        let id = StationId(self.stations.len() - 1);
        self.settle(id.0);
        id
    }

    /// Starts a program on a host.
    ///
    /// # Panics
    /// If the station is no host.
    pub fn install(&mut self, on: StationId, program: impl Program + 'static) {
        let now = self.now;
        self.host_mut(on).install(Box::new(program), now);
        self.settle(on.0);
    }

    /// A host, to look at.
    ///
    /// # Panics
    /// If the station is no host.
    #[must_use]
    pub fn look(&self, on: StationId) -> &Host {
        match &self.stations[on.0].body {
            Body::Host(host) => host,
            Body::Device(_) | Body::Port { .. } => panic!("this has no stack"),
        }
    }

    pub(crate) fn host_mut(&mut self, on: StationId) -> &mut Host {
        match &mut self.stations[on.0].body {
            Body::Host(host) => host,
            Body::Device(_) | Body::Port { .. } => panic!("this has no stack"),
        }
    }

    /// From now on somebody meddles with what this station sends.
    pub fn meddle(&mut self, with: StationId, meddler: Meddler) {
        self.stations[with.0].meddler = Some(meddler);
    }

    /// The stack of a host dies after so many steps (something leaves it, or a turn begins), and all
    /// that is in it is lost; after `outage` another takes over from the durable records.
    ///
    /// # Panics
    /// If the station is no host.
    pub fn crash(&mut self, on: StationId, steps: u64, outage: Duration) {
        self.host_mut(on).life.end_after(steps, outage);
    }

    /// Whether a crash of this host is still to come.
    ///
    /// # Panics
    /// If the station is no host.
    #[must_use]
    pub fn is_to_crash(&self, host: StationId) -> bool {
        self.look(host).life.is_to_end()
    }

    /// From now on the durable records of a host are written when everything has left that depends
    /// on them: the mistake that the oracles must find. `is_watched`: as soon as it leaves; else only a
    /// crash can show it.
    ///
    /// # Panics
    /// If the station is no host.
    pub fn commit_late(&mut self, on: StationId, is_watched: bool) {
        self.host_mut(on).life.commit_late(is_watched);
    }

    /// Changes the weather for what a station sends.
    pub fn change_weather(&mut self, from: StationId, weather: Weather) {
        self.stations[from.0].line.weather = weather;
    }

    /// Only these faults befall what a station sends.
    pub(crate) fn follow(&mut self, from: StationId, faults: Faults) {
        self.stations[from.0].line.follow(faults);
    }

    /// What befell the frames that a station sent.
    pub(crate) fn faults(&self, from: StationId) -> &Faults {
        self.stations[from.0].line.faults()
    }

    /// Everything that passed so far, as a pcapng file; empty if frames are not kept.
    #[must_use]
    pub fn capture(&self) -> &[u8] {
        self.capture.as_ref().map_or(&[], Capture::as_bytes)
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Lets time pass until all programs have come to a verdict, but no longer than `limit`.
    /// Returns whether they have.
    pub fn run_programs(&mut self, limit: Duration) -> bool {
        self.run_until(limit, |world| {
            world
                .verdicts()
                .all(|(_, verdict)| verdict != Verdict::Running)
        })
    }

    /// The same, but servers are not waited for.
    pub(crate) fn run_clients(&mut self, limit: Duration) -> bool {
        self.run_until(limit, |world| {
            world
                .hosts()
                .flat_map(Host::clients)
                .all(|verdict| verdict != Verdict::Running)
        })
    }

    fn run_until(&mut self, time: Duration, is_enough: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + time;
        while !is_enough(self) {
            let next = self.queue.peek().map(|Reverse((at, _, _))| *at);
            if self.complaint.is_some() || next.is_none_or(|at| at > end) {
                self.now = end;
                return false;
            }
            if let Some(Reverse((at, _, happening))) = self.queue.pop() {
                self.now = at;
                self.happen(happening);
            }
        }
        true
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.now;
        let place = match happening {
            Happening::Arrival { to, frame } => {
                let station = &mut self.stations[to];
                if matches!(&station.body, Body::Host(host) if host.life.is_dead()) {
                    return;
                }
                if let Some(capture) = &mut self.capture {
                    capture.frame(station.capture, now, Way::In, &frame);
                }
                match &mut station.body {
                    Body::Host(host) => {
                        station.watch.received(&frame, now);
                        host.input(&frame, now);
                    }
                    Body::Device(device) => {
                        let answers = device.answer(&frame, now);
                        self.transmit(to, answers);
                    }
                    Body::Port { host, link } => {
                        let (host, link) = (*host, *link);
                        self.host_mut(StationId(host)).input_by(link, &frame, now);
                        return self.settle(host);
                    }
                }
                to
            }
            // One that was overtaken by a later plan.
            Happening::Wake { station } if self.stations[station].wake != Some(now) => return,
            Happening::Wake { station } => {
                self.stations[station].wake = None;
                station
            }
        };
        self.settle(place);
    }

    /// Lets a host do what it can, and schedules what follows from it.
    fn settle(&mut self, place: usize) {
        if self.complaint.is_some() {
            return;
        }
        let now = self.now;
        let station = &mut self.stations[place];
        let host = match &mut station.body {
            Body::Host(host) => host,
            Body::Device(device) => {
                let is_due = device.due().is_some_and(|at| at <= now);
                let frames = if is_due {
                    device.speak(now)
                } else {
                    Vec::new()
                };
                let wake = device.due().map(|at| at.max(now));
                self.transmit(place, frames);
                self.wake_at(place, wake);
                return;
            }
            Body::Port { .. } => return,
        };
        let restarts = host.life.restarts;
        let mut frames = host.settle(now);
        if host.life.restarts > restarts {
            station.watch.restarted();
        }
        let wake = host.next_deadline().map(|at| at.max(now));
        let mut sound = crate::oracle::frames_balance(&host.stack);
        for (_, frame) in &mut frames {
            if let Some(meddler) = &mut station.meddler {
                sound = sound.and_then(|()| meddler(frame));
            }
            sound = sound.and_then(|()| station.watch.sent(frame, now));
        }
        sound = sound.and_then(|()| station.watch.states(host.stack.sockets()));
        if let Some(refused) = host.life.complaint.take() {
            sound = sound.and(Err(refused));
        }
        if let Some(broken) = host.verdicts().find_map(Verdict::complaint) {
            sound = sound.and(Err(broken));
        }
        if let Err(what) = sound {
            let station = place;
            self.complaint.get_or_insert(Complaint { station, what });
        }
        let ports: Vec<_> = self.ports(place).collect();
        for (link, frame) in frames {
            self.transmit(link.map_or(place, |link| ports[link]), vec![frame]);
        }
        self.wake_at(place, wake);
    }

    /// The station is to be woken then, and at no other time that was planned before.
    fn wake_at(&mut self, place: usize, wake: Option<Instant>) {
        if let Some(at) = wake.filter(|_| wake != self.stations[place].wake) {
            self.schedule(at, Happening::Wake { station: place });
        }
        self.stations[place].wake = wake;
    }

    fn transmit(&mut self, from: usize, frames: Vec<Vec<u8>>) {
        for frame in frames {
            let station = &mut self.stations[from];
            if let Some(capture) = &mut self.capture {
                capture.frame(station.capture, self.now, Way::Out, &frame);
            }
            let arrivals = station.line.carry(&frame, self.now);
            let wire = station.wire;
            if let Some((at, frame)) = station.line.refusal() {
                self.schedule(at, Happening::Arrival { to: from, frame });
            }
            for (at, frame) in arrivals {
                let hears = |to: &usize| *to != from && self.stations[*to].wire == wire;
                let mut others: Vec<_> = (0..self.stations.len()).filter(hears).collect();
                let last = others.pop();
                for to in others {
                    let frame = frame.clone();
                    self.schedule(at, Happening::Arrival { to, frame });
                }
                if let Some(to) = last {
                    self.schedule(at, Happening::Arrival { to, frame });
                }
            }
        }
    }

    fn schedule(&mut self, at: Instant, happening: Happening) {
        self.count += 1;
        self.queue.push(Reverse((at, self.count, happening)));
    }

    fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.stations
            .iter()
            .filter_map(|station| match &station.body {
                Body::Host(host) => Some(host.as_ref()),
                Body::Device(_) | Body::Port { .. } => None,
            })
    }

    /// What all programs say, with the names of their hosts.
    pub fn verdicts(&self) -> impl Iterator<Item = (&'static str, Verdict)> + '_ {
        self.hosts()
            .flat_map(|host| host.verdicts().map(|verdict| (host.name, verdict)))
    }

    /// Sends all programs home, done or not.
    pub fn dismiss(&mut self) {
        for place in 0..self.stations.len() {
            if let Body::Host(host) = &mut self.stations[place].body {
                host.dismiss(self.now);
            }
            self.settle(place);
        }
    }

    /// How many frames were sent by all, and how many of them were lost.
    #[must_use]
    pub fn frames(&self) -> (u64, u64) {
        self.stations.iter().fold((0, 0), |(sent, lost), station| {
            (sent + station.line.sent, lost + station.line.lost)
        })
    }

    /// A complaint from outside.
    pub(crate) fn complain(&mut self, station: usize, what: String) {
        self.complaint.get_or_insert(Complaint { station, what });
    }

    /// A host knows the hardware address of a neighbour, which is never asked for.
    pub(crate) fn introduce(&mut self, to: StationId, address: std::net::Ipv4Addr, number: u8) {
        let now = self.now;
        self.host_mut(to).introduce(address, number, now);
    }

    /// After everybody has left and the last timer has run out: nothing is left behind. What is, is
    /// a complaint.
    pub fn check_empty(&mut self) {
        for (place, station) in self.stations.iter().enumerate() {
            let Body::Host(host) = &station.body else {
                continue;
            };
            let left: Vec<_> = host.stack.sockets().collect();
            let clients = host.stack.totals().clients;
            let holdings = host.stack.holdings();
            let records = host.life.shelf.records().len();
            let is_empty = left.is_empty() && clients == 0 && records == 0;
            if !is_empty || holdings != Holdings::default() {
                let name = host.name;
                let what = format!(
                    "{name} still has: {left:?}, {clients} clients, {records} records, {holdings:?}"
                );
                let station = place;
                self.complaint.get_or_insert(Complaint { station, what });
            }
        }
    }

    /// # Panics
    /// If an oracle has complained, or something is left behind; see [`World::check_empty`].
    pub fn assert_empty(&mut self) {
        self.check_empty();
        assert_eq!(self.complaint, None);
    }
}

/// Whoever names a file in `PCAP` finds all frames there when the world ends, also when it ends in
/// a panic.
impl Drop for World {
    fn drop(&mut self) {
        if let Some(file) = std::env::var_os("PCAP").filter(|_| self.capture.is_some()) {
            // A world that is being torn down has no better way to say that this failed.
            std::fs::write(file, self.capture()).unwrap_or_else(|error| eprintln!("PCAP: {error}"));
        }
    }
}
