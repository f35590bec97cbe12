//! What processes ask of the first one.
//!
//! *Owns* the answers. Each request is answered exactly once, whatever it says; who may do what
//! comes from the manifest, never from the message.

use abi::{ProcessState, SystemOperation};
use ring::Message;
use rt::{
    clock, console,
    handle::OwnedHandle,
    link::Link,
    system::{
        Figures, Permissions, ProcessRecord, Refused, code_from,
        message::{Note, Operation},
    },
};

use crate::{
    child::Child,
    manifest::{self, Start},
    naming::Waiting,
    supervisor::{GoingDown, INIT, Supervisor, Waiter, exit_reply},
};

/// What servers that asked for it have before the machine goes down, in nanoseconds.
const LINGER: u64 = 500_000_000;
/// Most processes that one process may wait for at once.
const MAX_WAITS: usize = 16;

/// The answer to a request, unless it comes later.
type Answer = Result<Option<Message>, Refused>;

/// Gives a server the end of a channel whose other end is a client's; it comes back if the server
/// takes no more.
fn introduce(server: &mut Child, note: &Note<'_>, channel: OwnedHandle) -> Result<(), OwnedHandle> {
    let sent = server.link.send_handle(channel, note.request.into());
    sent.map_err(|(channel, _error)| channel)?;
    server.answer(&note.emit());
    Ok(())
}

impl Supervisor {
    /// Does what a message of process `number` asks, and answers.
    pub fn obey(&mut self, number: u32, message: &Message) {
        let note = Note::parse(message);
        let answer = match Operation::from_number(note.operation) {
            Some(Operation::Register) => self.register(number, &note),
            Some(Operation::Connect) => self.connect(number, &note),
            Some(Operation::Spawn) => self.spawn(number, &note),
            Some(Operation::Wait) => self.wait(number, &note),
            Some(Operation::Next) => self.next(&note),
            Some(Operation::Kill) => self.kill(number, &note),
            Some(Operation::PowerOff) => self.control(number, &note, SystemOperation::PowerOff),
            Some(Operation::Reset) => self.control(number, &note, SystemOperation::Reset),
            Some(Operation::Figures) => self.figures(&note),
            Some(Operation::Linger) => self.linger(number, &note),
            Some(Operation::SetClock) => self.set_clock(number, &note),
            Some(
                Operation::Start
                | Operation::Arguments
                | Operation::CommandLine
                | Operation::Run
                | Operation::Client,
            )
            | None => Err(Refused::Malformed),
        };
        match answer {
            Ok(None) => {}
            Ok(Some(reply)) => self.answer(number, &reply),
            Err(refused) => self.answer(number, &refusal(&note, refused)),
        }
    }

    /// Hands over the clients that can be.
    pub fn hand_over_clients(&mut self) {
        for waiting in self.names.take_waiting() {
            let (client, request) = (waiting.client, waiting.request);
            let patient = waiting.patient && self.names.may_come(&waiting.name);
            let note = Note::new(Operation::Connect, request);
            match self.hand_over(waiting) {
                Ok(()) => self.answer(client, &note.reply().emit()),
                // Not yet. There was room in the queue a moment ago.
                Err(waiting) if patient || self.names.find(&waiting.name).is_some() => {
                    if let Err(refused) = self.names.enqueue(waiting) {
                        self.answer(client, &refusal(&note, refused));
                    }
                }
                Err(_) => self.answer(client, &refusal(&note, Refused::NotFound)),
            }
        }
    }

    /// Hands a client over to its server; it comes back if that is not possible now.
    fn hand_over(&mut self, waiting: Waiting) -> Result<(), Waiting> {
        let known = self.child(waiting.client);
        let known = known.map(|client| (client.name.clone(), client.program.permissions));
        // A client that is gone needs no server.
        let Some((name, permissions)) = known else {
            return Ok(());
        };
        self.clients = self.clients.wrapping_add(1);
        let tag = self.clients;
        let server = self.names.find(&waiting.name);
        let Some(server) = server.and_then(|server| self.child(server)) else {
            return Err(waiting);
        };
        if server.link.room() == 0 {
            return Err(waiting);
        }
        let note = Note {
            value: waiting.client.into(),
            extra: permissions.bits(),
            data: name.as_bytes(),
            ..Note::new(Operation::Client, tag)
        };
        introduce(server, &note, waiting.channel).map_err(|channel| Waiting { channel, ..waiting })
    }

    /// A console has come: from now on lines of our own log go through it.
    fn join_console(&mut self, number: u32) {
        self.clients = self.clients.wrapping_add(1);
        let note = Note {
            value: INIT.into(),
            data: b"init",
            ..Note::new(Operation::Client, self.clients)
        };
        if let Some(server) = self.child(number)
            && let Ok((ours, theirs)) = Link::create(console::SLOTS)
            && introduce(server, &note, theirs.into_handle()).is_ok()
        {
            console::adopt(ours);
        }
    }

    fn register(&mut self, number: u32, note: &Note<'_>) -> Answer {
        self.require(number, Permissions::SERVE)?;
        self.names.register(note.data, number)?;
        if note.data == console::message::NAME.as_bytes() {
            self.join_console(number);
        }
        Ok(Some(note.reply().emit()))
    }

    fn connect(&mut self, number: u32, note: &Note<'_>) -> Answer {
        let client = self.child(number).ok_or(Refused::Gone)?;
        // The channel was queued before the message was written. What else waits was left behind
        // by requests without a message.
        let channel = loop {
            let (handle, tag) = client
                .link
                .receive_handle()
                .map_err(|_| Refused::Malformed)?;
            if tag == u64::from(note.request) {
                break handle;
            }
        };
        let name = str::from_utf8(note.data).map_err(|_| Refused::Malformed)?;
        self.names.enqueue(Waiting {
            client: number,
            request: note.request,
            name: name.into(),
            patient: note.value == 1,
            channel,
        })?;
        Ok(None)
    }

    fn spawn(&mut self, number: u32, note: &Note<'_>) -> Answer {
        let parent = self.child(number).ok_or(Refused::Gone)?;
        let Some(words) = parent.join(note) else {
            return Ok(None);
        };
        self.require(number, Permissions::SPAWN)?;
        if words.len() > rt::system::message::MAX_DATA || words.last() != Some(&0) {
            return Err(Refused::Malformed);
        }
        let name = words.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = str::from_utf8(name).map_err(|_| Refused::Malformed)?;
        // The system's own parts run once, as the manifest says, or devices had two owners.
        if matches!(
            manifest::program(name).start,
            Start::Boot | Start::Linked(_)
        ) {
            return Err(Refused::Taken);
        }
        let child = self.start(name, &words, number, 0)?;
        let reply = Note {
            value: child.into(),
            ..note.reply()
        };
        Ok(Some(reply.emit()))
    }

    fn wait(&mut self, number: u32, note: &Note<'_>) -> Answer {
        let target = u32::try_from(note.value).map_err(|_| Refused::NotFound)?;
        if let Some(place) = self.ended.iter().position(|(ended, ..)| *ended == target) {
            let (_, parent, exit) = self.ended[place];
            if parent == number {
                self.ended.remove(place);
            }
            return Ok(Some(exit_reply(note.request, exit)));
        }
        self.child(target).ok_or(Refused::NotFound)?;
        if self
            .waiters
            .iter()
            .filter(|waiter| waiter.asker == number)
            .count()
            >= MAX_WAITS
        {
            return Err(Refused::Busy);
        }
        self.waiters.push(Waiter {
            asker: number,
            request: note.request,
            target,
        });
        Ok(None)
    }

    fn next(&mut self, note: &Note<'_>) -> Answer {
        let record = if note.value < INIT.into() {
            self.own_record()
        } else {
            let later = self
                .children
                .iter()
                .filter(|child| u64::from(child.number) > note.value);
            let child = later
                .min_by_key(|child| child.number)
                .ok_or(Refused::NotFound)?;
            let info = child.process.info()?;
            ProcessRecord {
                process: child.number,
                parent: child.parent,
                state: ProcessState::from_number(info.state).unwrap_or(ProcessState::Running),
                threads: info.threads,
                handles: info.handles,
                restarts: child.restarts,
                memory: info.memory,
                memory_limit: info.memory_limit,
                cpu: clock::nanoseconds_of(info.cpu_ticks),
                name: child.name.clone(),
            }
        };
        let reply = Note {
            data: &record.emit(),
            ..note.reply()
        };
        Ok(Some(reply.emit()))
    }

    /// The first process itself, of which it has no handle.
    fn own_record(&self) -> ProcessRecord {
        ProcessRecord {
            process: INIT,
            parent: 0,
            state: ProcessState::Running,
            threads: 1,
            handles: u32::try_from(2 * self.children.len()).unwrap_or(u32::MAX),
            restarts: 0,
            memory: 0,
            memory_limit: 0,
            cpu: 0,
            name: "init".into(),
        }
    }

    fn kill(&mut self, number: u32, note: &Note<'_>) -> Answer {
        let target = u32::try_from(note.value).map_err(|_| Refused::NotFound)?;
        if target == INIT {
            return Err(Refused::Denied);
        }
        let parent = self.child(target).ok_or(Refused::NotFound)?.parent;
        let own = parent == number && self.require(number, Permissions::SPAWN).is_ok();
        if !own {
            self.require(number, Permissions::KILL)?;
        }
        let child = self.child(target).ok_or(Refused::NotFound)?;
        child.process.kill(code_from(note.extra))?;
        Ok(Some(note.reply().emit()))
    }

    fn linger(&mut self, number: u32, note: &Note<'_>) -> Answer {
        self.require(number, Permissions::SERVE)?;
        self.lingering.retain(|(other, _)| *other != number);
        self.lingering.push((number, note.request));
        Ok(None)
    }

    fn control(&mut self, number: u32, note: &Note<'_>, how: SystemOperation) -> Answer {
        self.require(number, Permissions::POWER)?;
        for (lingering, request) in self.lingering.clone() {
            self.answer(
                lingering,
                &Note::new(Operation::Linger, request).reply().emit(),
            );
        }
        self.going_down = Some(GoingDown {
            how,
            code: code_from(note.value),
            at: clock::now().saturating_add(LINGER),
        });
        // The machine goes down as soon as nobody lingers.
        Ok(None)
    }

    fn set_clock(&mut self, number: u32, note: &Note<'_>) -> Answer {
        self.require(number, Permissions::CLOCK)?;
        // Zero means that nobody knows.
        if note.value == 0 {
            return Err(Refused::Malformed);
        }
        self.clocks.set_at_zero(note.value);
        Ok(Some(note.reply().emit()))
    }

    fn figures(&self, note: &Note<'_>) -> Answer {
        let info = self.machine.info()?;
        let figures = Figures {
            cpus: info.cpus,
            processes: info.processes,
            memory_total: info.memory_total,
            memory_free: info.memory_free,
            kernel_heap: info.kernel_heap,
            idle: info
                .idle_ticks
                .iter()
                .map(|ticks| clock::nanoseconds_of(*ticks))
                .sum(),
            syscalls: info.syscalls,
            interrupts: info.interrupts,
            switches: info.switches,
        };
        let reply = Note {
            data: &figures.emit(),
            ..note.reply()
        };
        Ok(Some(reply.emit()))
    }

    /// Refuses what the manifest does not allow.
    fn require(&mut self, number: u32, needed: Permissions) -> Result<(), Refused> {
        let child = self.child(number).ok_or(Refused::Gone)?;
        if child.program.permissions.contains(needed) {
            Ok(())
        } else {
            Err(Refused::Denied)
        }
    }
}

/// The reply that says no.
fn refusal(note: &Note<'_>, refused: Refused) -> Message {
    let reply = Note {
        status: refused as u16,
        ..note.reply()
    };
    reply.emit()
}
