//! Plays the statements of a case.
//!
//! *Owns* the comparison of what happened with what the script demands. A statement with a time
//! lets everything before that time happen first; what the stack sent meanwhile, and nobody
//! expected, is a failure.

use std::time::Duration;

use stack::{Data, Instant, Kind as SocketKind, Range};

use super::call::{Call, Kind};
use super::given::Setup;
use super::peer::{self, OURS, PEER};
use super::said::Wanted;
use super::segment::{Seen, Segment};
use super::stage::{Sent, Stage};
use super::statement::{Line, Statement, Time};
use super::{Failure, icmp, network};
use crate::world::Meddler;

/// Timers fire at most a tick of 2^14 ns late.
const TICK: Duration = Duration::from_nanos(1 << 14);

/// Where in the client's arena sends and rooms lie, each in a circle of half a megabyte.
const ROOMS: u64 = 512 * 1_024;
const CIRCLE: u64 = 512 * 1_024;

pub(super) fn run(lines: &[Line], meddler: Option<Meddler>) -> Result<(), Failure> {
    let mut setup = Setup::default();
    for line in lines {
        if let Statement::Given(given) = &line.statement {
            setup.apply(given);
        }
    }
    let mut stage = Stage::new(setup);
    stage.meddler = meddler;
    let mut last = 0;
    for (place, line) in lines.iter().enumerate() {
        last = line.number;
        let is_answered = lines.get(place + 1).is_some_and(is_answer);
        perform(&mut stage, line, is_answered).map_err(|what| Failure {
            line: line.number,
            what,
        })?;
    }
    nothing_left(&stage, Duration::ZERO).map_err(|what| Failure { line: last, what })
}

/// Whether a statement behind a segment of the peer is what the client calls when it is told.
fn is_answer(line: &Line) -> bool {
    matches!(
        (&line.statement, line.time),
        (Statement::Calls(_), Time::Now)
    )
}

/// Nothing may have been sent earlier than `play` ago, and not been expected.
fn nothing_left(stage: &Stage, play: Duration) -> Result<(), String> {
    match stage.sent.front() {
        Some((at, sent)) if *at + play <= stage.now => Err(format!(
            "unexpected, {}: {}",
            when(stage, *at),
            show(stage, sent)
        )),
        _ => Ok(()),
    }
}

fn when(stage: &Stage, at: Instant) -> String {
    format!("@{:?}", at.since(stage.start))
}

fn show(stage: &Stage, sent: &Sent) -> String {
    match sent {
        Sent::Segment(sent) => format!("> {}", seen(stage, sent)),
        Sent::Packet(said) => said.to_string(),
    }
}

fn seen<'a>(stage: &Stage, sent: &'a peer::Sent) -> Seen<'a> {
    Seen {
        header: &sent.header,
        payload_len: sent.payload.len(),
        ecn: sent.ecn,
        ttl: sent.ttl,
        numbers: stage.numbers_of(sent),
    }
}

fn perform(stage: &mut Stage, line: &Line, is_answered: bool) -> Result<(), String> {
    let (at, play) = match line.time {
        Time::Now => (stage.now, Duration::ZERO),
        Time::After(time, play) => (stage.now + time, play),
        Time::At(time, play) => (stage.start + time, play),
    };
    if at < stage.now {
        return Err("that time is over".into());
    }
    // What is asked for a timer's sake is asked when the timer has had its tick.
    let is_question = matches!(
        line.statement,
        Statement::Event(_)
            | Statement::State(_)
            | Statement::Count(..)
            | Statement::Known(_)
            | Statement::Empty
    );
    let is_later = !matches!(line.time, Time::Now);
    let patience = if is_later && is_question {
        TICK
    } else {
        Duration::ZERO
    };
    stage.advance(at + patience)?;
    let due = Due { at, play };
    match &line.statement {
        Statement::Expect(segment) => return expect(stage, segment, due),
        Statement::Hear(wanted) => return hear(stage, wanted, due),
        _ => {}
    }
    // What the statement before has caused at this very time may still be asked for.
    if is_later || is_outside(&line.statement) {
        nothing_left(stage, Duration::ZERO)?;
    }
    match &line.statement {
        Statement::Given(_) | Statement::Expect(_) | Statement::Hear(_) | Statement::Quiet => {
            Ok(())
        }
        Statement::Send(text) => network::inject(stage, text),
        Statement::Ask(ask) => {
            ask.perform(stage)?;
            stage.settle()
        }
        Statement::Known(known) => known.check(stage),
        Statement::Inject(segment) => inject(stage, segment, is_answered),
        Statement::InjectError(error) => inject_error(stage, error),
        Statement::Calls(calls) => {
            calls
                .iter()
                .try_for_each(|call| perform_call(stage, call))?;
            stage.settle()
        }
        Statement::Event(wanted) => event(stage, wanted),
        Statement::State(wanted) => {
            let state = stage.info().map_or("CLOSED", |info| info.state);
            equal(wanted, state)
        }
        Statement::Info(name, wanted) => info(stage, name, wanted),
        Statement::Count(name, wanted) => count(stage, name, *wanted),
        Statement::Flow(flow) => {
            stage.turn_to(flow);
            Ok(())
        }
        Statement::Deaf | Statement::Hears => {
            stage.is_deaf = matches!(line.statement, Statement::Deaf);
            stage.settle()
        }
        Statement::Empty => {
            let left: Vec<_> = stage
                .stack
                .sockets()
                .filter(|socket| socket.remote.is_some())
                .map(|socket| (socket.state, socket.remote))
                .collect();
            equal("[]", &format!("{left:?}"))
        }
    }
}

fn inject(stage: &mut Stage, segment: &Segment, is_answered: bool) -> Result<(), String> {
    let numbers = stage.peer_numbers();
    let frame = peer::frame(segment, numbers, stage.flow().ports);
    stage.input(&frame)?;
    if is_answered {
        stage.tell().map(drop)
    } else {
        stage.settle()
    }
}

fn equal(wanted: &str, found: &str) -> Result<(), String> {
    if wanted == found {
        Ok(())
    } else {
        Err(format!("wanted {wanted}, found {found}"))
    }
}

/// When something must be sent.
#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    play: Duration,
}

/// Whether all that was sent must have been expected before this happens.
fn is_outside(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Quiet | Statement::Inject(_) | Statement::Send(_)
    )
}

/// Takes the first that was sent, for which it waits if it must.
fn next_sent(stage: &mut Stage, due: Due) -> Result<Sent, String> {
    let Due { at, play } = due;
    if stage.sent.is_empty() {
        // Up to the last moment that will do, but no further than the first segment.
        let end = at + play + TICK;
        while stage.sent.is_empty()
            && let Some(next) = stage.stack.next_deadline().filter(|next| *next <= end)
        {
            stage.advance(next)?;
        }
    }
    let Some((sent_at, sent)) = stage.sent.pop_front() else {
        let next = stage.stack.next_deadline();
        let next = next.map_or_else(|| "none".into(), |at| when(stage, at));
        return Err(format!("nothing was sent; the next deadline: {next}"));
    };
    // The segment before may have been a tick late, and this one may not.
    let is_in_time = sent_at + play + TICK >= at && sent_at <= at + play + TICK;
    if !is_in_time {
        let text = show(stage, &sent);
        return Err(format!("not in time, {}: {text}", when(stage, sent_at)));
    }
    Ok(sent)
}

fn hear(stage: &mut Stage, wanted: &Wanted, due: Due) -> Result<(), String> {
    let sent = next_sent(stage, due)?;
    let text = show(stage, &sent);
    network::compare(wanted, &sent).map_err(|wrong| format!("{wrong}; sent was {text}"))
}

fn expect(stage: &mut Stage, wanted: &Segment, due: Due) -> Result<(), String> {
    let sent = next_sent(stage, due)?;
    let text = show(stage, &sent);
    let Sent::Segment(sent) = sent else {
        return Err(format!("no segment: {text}"));
    };
    if !stage.is_of_flow(&sent) {
        return Err(format!("of another connection: {text}"));
    }
    let wrong = wanted.differences(&seen(stage, &sent));
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("wrong: {}; sent was {text}", wrong.join(", ")))
    }
}

fn inject_error(stage: &mut Stage, error: &icmp::Error) -> Result<(), String> {
    let base = stage.peer_numbers().ack;
    let low = u32::try_from(error.seq.rem_euclid(1 << 32)).unwrap_or(0);
    let frame = peer::error_frame(error, base.wrapping_add(low), stage.flow().ports);
    stage.input(&frame)?;
    stage.settle()
}

fn event(stage: &mut Stage, wanted: &str) -> Result<(), String> {
    let told = &mut stage.flow().told;
    let bytes = |text: &str| super::words::number::<u64>(text);
    if let Some(wanted) = wanted.strip_prefix("received ") {
        let found = std::mem::take(&mut told.received);
        return equal(&bytes(wanted)?.to_string(), &found.to_string());
    }
    if let Some(wanted) = wanted.strip_prefix("sent ") {
        let found = std::mem::take(&mut told.sent);
        return equal(&bytes(wanted)?.to_string(), &found.to_string());
    }
    if wanted == "none" {
        let found = format!("{:?}, {}, {}", told.events, told.received, told.sent);
        return equal("[], 0, 0", &found);
    }
    let place = told.events.iter().position(|event| event == wanted);
    match place {
        Some(place) => {
            told.events.drain(..=place);
            Ok(())
        }
        None => Err(format!("wanted {wanted}, told was {:?}", told.events)),
    }
}

fn info(stage: &mut Stage, name: &str, wanted: &str) -> Result<(), String> {
    let info = stage.info().ok_or("there is no connection")?;
    let detail = info.tcp.ok_or("there is no connection yet")?;
    let time = |time: Option<Duration>| time.map_or_else(|| "none".into(), |it| format!("{it:?}"));
    let found = match name {
        "cwnd" => detail.congestion_window.to_string(),
        "ssthresh" => detail.slow_start_threshold.to_string(),
        "congestion" => detail.congestion_control.to_owned(),
        "segment" => detail.segment.to_string(),
        "path-mtu" => detail.path_mtu.to_string(),
        "ecn" => detail.has_ecn.to_string(),
        "in-flight" => detail.in_flight.to_string(),
        "retransmits" => detail.retransmits.to_string(),
        "rto" => time(Some(detail.retransmission_timeout)),
        "srtt" => time(detail.smoothed_rtt),
        "send-queue" => info.send_queued.to_string(),
        "receive-queue" => info.receive_queued.to_string(),
        "room" => info.room.to_string(),
        _ => return Err(format!("there is no figure {name}")),
    };
    equal(wanted, &found)
}

fn count(stage: &Stage, name: &str, wanted: u64) -> Result<(), String> {
    let drops = stack::Drop::ALL
        .iter()
        .find(|reason| reason.name() == name)
        .map(|reason| stage.stack.drops(*reason));
    let counters = || stage.stack.counters().find(|(known, _)| *known == name);
    let found = drops
        .or_else(|| counters().map(|(_, value)| value))
        .ok_or_else(|| format!("there is no counter {name}"))?;
    equal(&wanted.to_string(), &found.to_string()).map_err(|wrong| {
        let reasons = stack::Drop::ALL.iter().copied();
        let drops = reasons.map(|reason| (reason, stage.stack.drops(reason)));
        let dropped: Vec<_> = drops.filter(|(_, drops)| *drops > 0).collect();
        format!("{wrong}; dropped: {dropped:?}")
    })
}

fn perform_call(stage: &mut Stage, call: &Call) -> Result<(), String> {
    let result = carry_out(stage, call.kind);
    let refusal = call.refusal.as_deref();
    match (&result, refusal) {
        (Ok(()), None) => Ok(()),
        (Err(error), Some(wanted)) => equal(wanted, error),
        (Ok(()), Some(wanted)) => Err(format!("it did not fail with {wanted}")),
        (Err(error), None) => Err(format!("it failed: {error}")),
    }
}

fn carry_out(stage: &mut Stage, kind: Kind) -> Result<(), String> {
    let (client, now, token) = (stage.client, stage.now, stage.token());
    let ports = stage.flow().ports;
    let socket = stage.flow().socket;
    let connection = || socket.ok_or("there is no connection".to_owned());
    match kind {
        Kind::Listen { backlog } => {
            let listener = stage.stack.socket_create(client, SocketKind::Stream);
            let listener = listener.map_err(debug)?;
            let local = (std::net::Ipv4Addr::UNSPECIFIED, ports.stack).into();
            stage.stack.bind(client, listener, local).map_err(debug)?;
            stage.listener = Some(listener);
            set_options(stage, listener)?;
            stage.stack.listen(client, listener, backlog).map_err(debug)
        }
        Kind::Connect { room } => {
            let socket = stage.stack.socket_create(client, SocketKind::Stream);
            let socket = socket.map_err(debug)?;
            stage.flow().socket = Some(socket);
            set_options(stage, socket)?;
            let to = (PEER, ports.peer).into();
            let connected = stage.stack.connect(client, socket, to, token, now);
            connected.map_err(debug)?;
            give_room(stage, socket, room)
        }
        Kind::Accept { room } => {
            let listener = stage.listener.ok_or("there is no listener")?;
            let room = (room > 0).then(|| next_room(stage, room));
            let accepted = stage.stack.accept(client, listener, room, token, now);
            accepted.map_err(debug)
        }
        Kind::Receive(bytes) => give_room(stage, connection()?, bytes),
        Kind::Send(bytes) => send(stage, connection()?, bytes),
        Kind::Shutdown(half) => {
            let shut = stage.stack.shutdown(client, connection()?, half, now);
            shut.map_err(debug)
        }
        Kind::Close(ending) => {
            let socket = connection()?;
            let closed = stage.stack.close(client, socket, ending, token, now);
            closed.map_err(debug)
        }
        Kind::CloseListener => {
            let listener = stage.listener.take().ok_or("there is no listener")?;
            let ending = stack::Ending::Graceful;
            let closed = stage.stack.close(client, listener, ending, token, now);
            closed.map_err(debug)
        }
        Kind::Set(option) => {
            let Some(socket) = socket.or(stage.listener) else {
                stage.options.push(option);
                return Ok(());
            };
            let set = stage.stack.set_option(client, socket, option, now);
            set.map_err(debug)
        }
        Kind::Leave => {
            stage.stack.client_close(client, now);
            Ok(())
        }
    }
}

/// Sets what was chosen before there was a socket.
fn set_options(stage: &mut Stage, socket: stack::SocketId) -> Result<(), String> {
    let (client, now) = (stage.client, stage.now);
    for option in std::mem::take(&mut stage.options) {
        let set = stage.stack.set_option(client, socket, option, now);
        set.map_err(debug)?;
    }
    Ok(())
}

fn debug(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

fn next_room(stage: &mut Stage, bytes: u32) -> Range {
    let place = ROOMS + stage.flow().room % CIRCLE;
    stage.flow().room += u64::from(bytes);
    Range::new(place, bytes)
}

fn give_room(stage: &mut Stage, socket: stack::SocketId, bytes: u32) -> Result<(), String> {
    if bytes == 0 {
        return Ok(());
    }
    let (client, now, token) = (stage.client, stage.now, stage.token());
    let room = next_room(stage, bytes);
    let given = stage.stack.receive(client, socket, room, token, now);
    given.map_err(debug)
}

fn send(stage: &mut Stage, socket: stack::SocketId, bytes: u32) -> Result<(), String> {
    let (client, now, token) = (stage.client, stage.now, stage.token());
    let position = stage.flow().queued;
    let len = usize::try_from(bytes).unwrap_or(usize::MAX);
    let payload = peer::stream(OURS, position.cast_signed(), len);
    let place = position % CIRCLE;
    stage.memory.put(client, place, &payload);
    let data = Data::Arena(Range::new(place, bytes));
    let sent = stage.stack.send(client, socket, data, None, token, now);
    sent.map_err(debug)?;
    stage.flow().queued += u64::from(bytes);
    Ok(())
}
