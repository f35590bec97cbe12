//! The world: stations, the wires between them, and time, which jumps from event to event.
//!
//! *Owns* the order of everything that happens. Two events at the same time happen in the order in
//! which they were caused, so one seed gives one history. *Never* waits for anything.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use stack::Instant;

use crate::host::{Host, HostSetup};
use crate::link::{Line, Weather};
use crate::oracle::Watch;
use crate::pcapng::{Capture, Way};
use crate::program::{Program, Verdict};
use crate::random::Random;

/// Something on a wire that is no host: it answers frames by a script of its own.
pub trait Device {
    /// A frame has come; what is answered is sent at once.
    fn answer(&mut self, frame: &[u8], now: Instant) -> Vec<Vec<u8>>;
}

/// The name of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireId(usize);

/// The name of a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StationId(usize);

enum Body {
    Host(Box<Host>),
    Device(Box<dyn Device>),
}

struct Station {
    body: Body,
    wire: WireId,
    line: Line,
    capture: u32,
    watch: Watch,
    /// For when it is scheduled to be woken.
    wake: Option<Instant>,
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
    capture: Capture,
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            now: Instant::from_secs(1),
            random: Random::new(seed),
            queue: BinaryHeap::new(),
            count: 0,
            wires: Vec::new(),
            stations: Vec::new(),
            capture: Capture::new(),
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

    /// A wire: whatever one station sends, all others on it hear.
    pub fn wire(&mut self, weather: Weather) -> WireId {
        self.wires.push(weather);
        WireId(self.wires.len() - 1)
    }

    /// A host on a wire.
    pub fn host(&mut self, wire: WireId, setup: HostSetup) -> StationId {
        let name = setup.name;
        let host = Host::new(setup, &mut self.random, self.now);
        self.add(wire, name, Body::Host(Box::new(host)))
    }

    /// A scripted device on a wire.
    pub fn device(&mut self, wire: WireId, name: &str, device: impl Device + 'static) -> StationId {
        self.add(wire, name, Body::Device(Box::new(device)))
    }

    fn add(&mut self, wire: WireId, name: &str, body: Body) -> StationId {
        let line = Line::new(self.wires[wire.0], self.random.fork());
        let capture = self.capture.interface(name);
        let watch = Watch::new(name);
        self.stations.push(Station {
            body,
            wire,
            line,
            capture,
            watch,
            wake: None,
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
            Body::Device(_) => panic!("a device has no stack"),
        }
    }

    fn host_mut(&mut self, on: StationId) -> &mut Host {
        match &mut self.stations[on.0].body {
            Body::Host(host) => host,
            Body::Device(_) => panic!("a device has no stack"),
        }
    }

    /// Changes the weather for what a station sends.
    pub fn change_weather(&mut self, from: StationId, weather: Weather) {
        self.stations[from.0].line.weather = weather;
    }

    /// Everything that passed so far, as a pcapng file.
    #[must_use]
    pub fn capture(&self) -> &[u8] {
        self.capture.as_bytes()
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

    fn run_until(&mut self, time: Duration, is_enough: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + time;
        while !is_enough(self) {
            let next = self.queue.peek().map(|Reverse((at, _, _))| *at);
            if next.is_none_or(|at| at > end) {
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
                self.capture.frame(station.capture, now, Way::In, &frame);
                match &mut station.body {
                    Body::Host(host) => {
                        station.watch.received(&frame);
                        host.input(&frame, now);
                    }
                    Body::Device(device) => {
                        let answers = device.answer(&frame, now);
                        self.transmit(to, answers);
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
        let now = self.now;
        let Body::Host(host) = &mut self.stations[place].body else {
            return;
        };
        let frames = host.settle(now);
        let wake = host.next_deadline().map(|at| at.max(now));
        let sound = crate::oracle::frames_balance(&host.stack);
        let station = &mut self.stations[place];
        let sound = frames
            .iter()
            .try_fold((), |(), frame| station.watch.sent(frame))
            .and(sound);
        if let Err(complaint) = sound.and_then(|()| self.watch_states(place)) {
            panic!("{complaint}");
        }
        self.transmit(place, frames);
        let station = &mut self.stations[place];
        if let Some(at) = wake.filter(|_| wake != station.wake) {
            self.schedule(at, Happening::Wake { station: place });
        }
        self.stations[place].wake = wake;
    }

    fn watch_states(&mut self, place: usize) -> Result<(), String> {
        let station = &mut self.stations[place];
        match &station.body {
            Body::Host(host) => station.watch.states(host.stack.sockets()),
            Body::Device(_) => Ok(()),
        }
    }

    fn transmit(&mut self, from: usize, frames: Vec<Vec<u8>>) {
        for frame in frames {
            let station = &mut self.stations[from];
            self.capture
                .frame(station.capture, self.now, Way::Out, &frame);
            let arrivals = station.line.carry(&frame, self.now);
            let wire = station.wire;
            for (at, frame) in arrivals {
                for to in 0..self.stations.len() {
                    if to != from && self.stations[to].wire == wire {
                        self.schedule(
                            at,
                            Happening::Arrival {
                                to,
                                frame: frame.clone(),
                            },
                        );
                    }
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
                Body::Device(_) => None,
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

    /// After everybody has left and the last timer has run out: nothing is left behind.
    ///
    /// # Panics
    /// If something is.
    pub fn assert_empty(&self) {
        for host in self.hosts() {
            let left: Vec<_> = host.stack.sockets().collect();
            assert!(left.is_empty(), "{} still has {left:?}", host.name);
            assert_eq!(
                host.stack.totals().clients,
                0,
                "{} still has clients",
                host.name
            );
        }
    }
}

/// Whoever names a file in `PCAP` finds all frames there when the world ends, also when it ends in
/// a panic.
impl Drop for World {
    fn drop(&mut self) {
        if let Some(file) = std::env::var_os("PCAP") {
            // A world that is being torn down has no better way to say that this failed.
            std::fs::write(file, self.capture()).unwrap_or_else(|error| eprintln!("PCAP: {error}"));
        }
    }
}
