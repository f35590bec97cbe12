//! Starts processes, watches them, and starts anew what must not be missing.
//!
//! *Owns* all processes. The loop serves what processes ask, hands over clients, and sleeps until
//! somebody asks again, ends, or is due to be started anew.

use alloc::{
    collections::VecDeque,
    string::{String, ToString},
    vec::Vec,
};

use abi::{ProcessInfo, ProcessState, Signals, SystemOperation, WaitItem};
use ring::{Look, Message};
use rt::{
    clock,
    handle::{Machine, Memory},
    link::Broken,
    system::{
        Exit, Refused, Start, code_into,
        message::{Note, Operation, REPLY},
    },
};

use crate::{
    archive::Archive,
    child::{self, Child, Gifts},
    clocks::Clocks,
    devices::{Devices, Handles},
    entropy::Generator,
    manifest::{self, Program},
    naming::Names,
    report,
};

/// The first process's own number.
pub const INIT: u32 = 1;
/// Most processes: each takes two of the items of one wait.
const MAX_PROCESSES: usize = abi::MAX_WAIT_ITEMS / 2;
/// Ends that are remembered for those who ask late.
const MAX_ENDED: usize = 32;
/// Messages taken from a process before it is the next one's turn.
const BURST: usize = 16;
/// Exit code of a process that broke the rules of its first channel.
const VIOLATION_CODE: i32 = 102;
/// A service that lived this long is started anew at once; else later and later.
const STEADY: u64 = 10_000_000_000;
/// First and longest delay of a new start.
const DELAYS: (u64, u64) = (50_000_000, 5_000_000_000);
/// How soon a server that was behind is tried again.
const RETRY: u64 = 1_000_000;

/// Everything that the first process knows.
pub struct Supervisor {
    pub machine: Machine,
    pub children: Vec<Child>,
    pub names: Names,
    /// Who waits for which process to end.
    pub waiters: Vec<Waiter>,
    /// Who ended lately, with its parent.
    pub ended: VecDeque<(u32, u32, Exit)>,
    pub next_number: u32,
    pub clients: u32,
    pub devices: Devices,
    archive: Archive,
    image: Memory,
    debug: abi::Handle,
    command_line: String,
    random: Generator,
    pub clocks: Clocks,
    restarts: Vec<Restart>,
    /// Servers that want a moment before the machine goes down, with their requests.
    pub lingering: Vec<(u32, u32)>,
    /// The machine is going down.
    pub going_down: Option<GoingDown>,
}

/// The machine is going down, at a moment or when no server lingers any more.
#[derive(Clone, Copy)]
pub struct GoingDown {
    pub how: SystemOperation,
    pub code: i32,
    pub at: u64,
}

/// Somebody who waits for a process to end.
pub struct Waiter {
    pub asker: u32,
    pub request: u32,
    pub target: u32,
}

/// A program that is due to be started anew.
struct Restart {
    at: u64,
    name: String,
    count: u32,
}

/// What a supervisor starts with.
pub struct Resources {
    pub machine: Machine,
    pub archive: Archive,
    pub image: Memory,
    pub debug: abi::Handle,
    pub command_line: String,
    pub devices: Devices,
    pub random: Generator,
    pub clocks: Clocks,
}

impl Supervisor {
    /// A system without processes.
    pub fn new(resources: Resources) -> Self {
        let Resources {
            machine,
            archive,
            image,
            debug,
            command_line,
            devices,
            random,
            clocks,
        } = resources;
        Self {
            machine,
            children: Vec::new(),
            names: Names::new(),
            waiters: Vec::new(),
            ended: VecDeque::new(),
            next_number: INIT + 1,
            clients: 0,
            devices,
            archive,
            image,
            debug,
            command_line,
            random,
            clocks,
            restarts: Vec::new(),
            lingering: Vec::new(),
            going_down: None,
        }
    }

    /// Starts one of the system's own programs.
    pub fn start_own(&mut self, name: &str, restarts: u32) {
        let words = [name.as_bytes(), &[0]].concat();
        match self.start(name, &words, INIT, restarts) {
            Ok(number) => {
                let restart = manifest::program(name).restart;
                if let Some(child) = self.child(number) {
                    child.restart = restart;
                }
            }
            Err(refused) => log::error!("{name} cannot be started: {refused}"),
        }
    }

    /// Starts a program and returns the number of its process.
    ///
    /// # Errors
    ///
    /// [`Refused::NotFound`], [`Refused::Busy`] at the limit of processes, what the kernel refuses.
    pub fn start(
        &mut self,
        name: &str,
        words: &[u8],
        parent: u32,
        restarts: u32,
    ) -> Result<u32, Refused> {
        let place = self.archive.find(name).ok_or(Refused::NotFound)?;
        if self.children.len() + self.restarts.len() >= MAX_PROCESSES {
            return Err(Refused::Busy);
        }
        let program: Program = manifest::program(name);
        let mut handles: Handles = child::debug_handle(self.debug).into_iter().collect();
        handles.extend(self.clocks.handle());
        handles.extend(self.devices.give(program.devices)?);
        let free = self
            .machine
            .info()
            .map_or(u64::MAX, |info| info.memory_free);
        let number = self.next_number;
        let start = Start {
            process: number,
            words: words.into(),
            command_line: self.command_line.clone(),
            seed: self.random.seed(),
            seeded: self.random.is_seeded(),
            restarts,
        };
        let gifts = Gifts {
            parent,
            memory: program.memory.min(free / 2),
            handles,
            start: &start,
        };
        let child = Child::start(&self.image, place, name, program, gifts)?;
        log::debug!("{name} is process {number}");
        self.children.push(child);
        self.next_number = self.next_number.wrapping_add(1).max(INIT + 1);
        Ok(number)
    }

    /// The process of a number.
    pub fn child(&mut self, number: u32) -> Option<&mut Child> {
        self.children
            .iter_mut()
            .find(|child| child.number == number)
    }

    /// Sends a reply to a process.
    pub fn answer(&mut self, number: u32, message: &Message) {
        if let Some(child) = self.child(number) {
            child.answer(message);
        }
    }

    /// Serves for ever.
    pub fn run(&mut self) -> ! {
        loop {
            let mut busy = false;
            let mut index = 0;
            // Processes that are started meanwhile come last; none goes within the loop.
            while index < self.children.len() {
                busy |= self.serve(index);
                index += 1;
            }
            self.hand_over_clients();
            self.go_down();
            self.restart_due();
            if !busy {
                self.sleep();
            }
        }
    }

    /// Takes what a process asks; true if it asked anything.
    fn serve(&mut self, index: usize) -> bool {
        let mut any = false;
        for _ in 0..BURST {
            let Some(child) = self.children.get_mut(index) else {
                break;
            };
            if child.link.is_violated() {
                // Killed already, about to end.
                break;
            }
            match child.link.try_receive() {
                Ok(Some(message)) => {
                    any = true;
                    let number = child.number;
                    self.obey(number, &message);
                }
                Ok(None) | Err(Broken::Closed) => break,
                Err(Broken::Violation) => {
                    log::warn!(
                        "{} ({}) broke the rules of its channel",
                        child.name,
                        child.number
                    );
                    child.process.kill(VIOLATION_CODE).ok();
                    break;
                }
            }
        }
        any
    }

    /// Sleeps until a process asks, ends, or is due.
    fn sleep(&mut self) {
        let mut items = Vec::with_capacity(2 * self.children.len());
        let mut look = Look::Sleep;
        for child in &mut self.children {
            // A link that is closed or broken has no more to say; its process is about to end.
            if child.link.is_closed() || child.link.is_violated() {
                continue;
            }
            items.push(child.link.wait_item());
            if child.link.announce_sleep() == Look::MoreWork {
                look = Look::MoreWork;
            }
        }
        for child in &self.children {
            items.push(WaitItem::new(child.process.raw(), Signals::EXITED));
        }
        let due = self.restarts.iter().map(|restart| restart.at).min();
        let down = self.going_down.map(|down| down.at);
        let retry = self.names.is_pressed().then(|| clock::now() + RETRY);
        let deadline = match look {
            Look::Sleep => due.into_iter().chain(retry).chain(down).min(),
            Look::MoreWork => Some(0),
        };
        if rt::wait(&mut items, deadline).is_err() {
            // Time is up: nothing was seen.
            items.iter_mut().for_each(|item| item.observed = 0);
        }
        let seen = |handle: abi::Handle| {
            let item = items.iter().find(|item| item.handle == handle.0);
            item.map_or(Signals::empty(), WaitItem::signals)
        };
        let mut ended = Vec::new();
        for child in &mut self.children {
            child.link.awake();
            child.link.observe(seen(child.link.handle()));
            if seen(child.process.raw()).contains(Signals::EXITED) {
                ended.push(child.number);
            }
        }
        for number in ended {
            self.bury(number);
        }
    }

    /// A process has ended: hears its last requests, tells who waits, and starts it anew if the
    /// system cannot do without.
    fn bury(&mut self, number: u32) {
        let Some(index) = self
            .children
            .iter()
            .position(|child| child.number == number)
        else {
            return;
        };
        while self.serve(index) {}
        let child = self.children.remove(index);
        let info = child.process.info().unwrap_or_default();
        let exit = Exit {
            code: info.code,
            state: ProcessState::from_number(info.state).unwrap_or(ProcessState::Exited),
        };
        // Who ends because the machine goes down has done what it was asked to.
        if self.going_down.is_none() {
            tell(&child, &info, exit);
        }
        self.names.forget(number);
        self.lingering.retain(|(lingering, _)| *lingering != number);
        self.waiters.retain(|waiter| waiter.asker != number);
        self.ended.retain(|(_, parent, _)| *parent != number);
        let told: Vec<Waiter> = self
            .waiters
            .extract_if(.., |waiter| waiter.target == number)
            .collect();
        for waiter in told {
            self.answer(waiter.asker, &exit_reply(waiter.request, exit));
        }
        // Who waited may have given up, and ask again.
        if child.parent != INIT {
            self.ended.truncate(MAX_ENDED - 1);
            self.ended.push_front((number, child.parent, exit));
        }
        if child.restart && self.going_down.is_none() {
            self.schedule(&child);
        }
    }

    /// Powers off or resets, once that is due.
    fn go_down(&mut self) {
        let Some(down) = self.going_down else { return };
        if self.lingering.is_empty() || clock::now() >= down.at {
            self.going_down = None;
            if let Err(error) = self.machine.control(down.how, down.code) {
                log::error!("the machine does not go down: {error}");
            }
        }
    }

    /// Plans to start a program anew.
    fn schedule(&mut self, child: &Child) {
        let now = clock::now();
        let steady = now.saturating_sub(child.started) > STEADY;
        let count = child.restarts.saturating_add(1);
        let (first, longest) = DELAYS;
        let delay = if steady {
            0
        } else {
            (first << child.restarts.min(16)).min(longest)
        };
        log::warn!("{} is started anew in {} ms", child.name, delay / 1_000_000);
        self.restarts.push(Restart {
            at: now.saturating_add(delay),
            name: child.name.to_string(),
            count,
        });
    }

    /// Starts anew what is due.
    fn restart_due(&mut self) {
        let now = clock::now();
        let due: Vec<Restart> = self
            .restarts
            .extract_if(.., |restart| restart.at <= now)
            .collect();
        for restart in due {
            self.start_own(&restart.name, restart.count);
        }
    }
}

/// The reply to somebody who waits for a process to end.
pub fn exit_reply(request: u32, exit: Exit) -> Message {
    let note = Note {
        operation: Operation::Wait as u16 | REPLY,
        value: code_into(exit.code),
        extra: exit.state as u64,
        ..Note::new(Operation::Wait, request)
    };
    note.emit()
}

/// Says on the debug console how a process ended, if that is of interest.
fn tell(child: &Child, info: &ProcessInfo, exit: Exit) {
    let (name, number) = (&child.name, child.number);
    match exit.state {
        ProcessState::Faulted => {
            log::error!("{name} ({number}) faulted: {}", report::Fault(&info.fault));
            for line in 0..report::REGISTER_LINES {
                log::error!("{}", report::Registers(&info.fault, line));
            }
        }
        ProcessState::Killed if child.restart => {
            log::warn!("{name} ({number}) was killed with code {}", exit.code);
        }
        ProcessState::Exited if child.restart => {
            log::warn!("{name} ({number}) ended with code {}", exit.code);
        }
        _ => log::debug!(
            "{name} ({number}) ended: {:?}, code {}",
            exit.state,
            exit.code
        ),
    }
}
