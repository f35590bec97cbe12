//! Statements: what stands on one line of a script.
//!
//! *Owns* the times in front of statements, and which word begins which. *Never* does anything.

use std::time::Duration;

use super::call::Call;
use super::given::Given;
use super::icmp::Error;
use super::network::{Ask, Known};
use super::packet;
use super::said::Wanted;
use super::segment::Segment;
use super::words::{Words, duration};

/// A statement with its place in the file and its time.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) time: Time,
    pub(super) statement: Statement,
}

/// When a statement happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Time {
    /// At the same time as the one before.
    Now,
    /// So much later than the one before; what is expected may come up to the second value earlier
    /// or later.
    After(Duration, Duration),
    /// So long after the start.
    At(Duration, Duration),
}

/// What happens, or must be.
#[derive(Clone, Debug)]
pub(super) enum Statement {
    /// How the stack is made.
    Given(Given),
    /// The peer sends a segment.
    Inject(Segment),
    /// A router sends an error.
    InjectError(Error),
    /// A neighbour sends a packet, which these words stand for.
    Send(String),
    /// The stack must have sent this.
    Expect(Segment),
    /// The stack must have sent a packet that says this.
    Hear(Wanted),
    /// The client calls, once or several times before the stack does anything else.
    Calls(Vec<Call>),
    /// The client asks for something of the network layer.
    Ask(Ask),
    /// The stack must know this.
    Known(Known),
    /// The client must have been told.
    Event(String),
    /// The state of the connection.
    State(String),
    /// A figure of the connection.
    Info(String, String),
    /// A counter or the drops for a reason.
    Count(String, u64),
    /// From now on another connection is meant.
    Flow(Flow),
    /// The client's ring takes nothing.
    Deaf,
    /// It does again.
    Hears,
    /// Nothing was sent up to now.
    Quiet,
    /// Nothing of any connection is left.
    Empty,
}

/// Another connection, and how its peer is different.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    pub(super) name: String,
    /// The peer's port.
    pub(super) from: Option<u16>,
    /// Our port.
    pub(super) to: Option<u16>,
    /// The peer's initial sequence number.
    pub(super) isn: Option<u32>,
}

/// Reads one line: one statement, or the several that `open` stands for.
pub(super) fn parse(number: usize, text: &str) -> Result<Vec<Line>, String> {
    let mut words = Words::new(text);
    let time = time(&mut words)?;
    if words.peek() == Some("open") {
        let mut lines = Vec::new();
        for (place, text) in open(words)?.iter().enumerate() {
            let statement = statement(Words::new(text))?;
            lines.push(Line {
                number,
                time: if place == 0 { time } else { Time::Now },
                statement,
            });
        }
        return Ok(lines);
    }
    Ok(vec![Line {
        number,
        time,
        statement: statement(words)?,
    }])
}

fn time(words: &mut Words<'_>) -> Result<Time, String> {
    let Some(word) = words.peek() else {
        return Err("a statement is missing".into());
    };
    let (sign, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
    if sign != "+" && sign != "@" {
        return Ok(Time::Now);
    }
    words.next();
    let (time, play) = rest.split_once('~').unwrap_or((rest, "0s"));
    let (time, play) = (duration(time)?, duration(play)?);
    Ok(if sign == "+" {
        Time::After(time, play)
    } else {
        Time::At(time, play)
    })
}

fn statement(mut words: Words<'_>) -> Result<Statement, String> {
    let first = words.word("a statement")?;
    let statement = match first {
        "<" if words.take("icmp") => Statement::InjectError(Error::parse(&mut words)?),
        "<" if packet::is_kind(words.peek()) => {
            let text = words.rest();
            // What is no packet is told at once.
            packet::frame(&text, &[])?;
            Statement::Send(text)
        }
        ">" if packet::is_kind(words.peek()) => Statement::Hear(Wanted::parse(&mut words)?),
        "<" => Statement::Inject(Segment::parse(&mut words)?),
        ">" => Statement::Expect(Segment::parse(&mut words)?),
        "given" => Statement::Given(Given::parse(&mut words)?),
        "address" | "neighbour" | "route" => Statement::Known(Known::parse(first, &mut words)?),
        "event" => Statement::Event(words.rest()),
        "state" => Statement::State(words.word("a state")?.to_owned()),
        "info" => Statement::Info(words.word("a figure")?.to_owned(), words.rest()),
        "count" => {
            let name = words.word("a counter")?.to_owned();
            Statement::Count(name, words.number("a count")?)
        }
        "flow" => Statement::Flow(flow(&mut words)?),
        "deaf" => Statement::Deaf,
        "hears" => Statement::Hears,
        "quiet" => Statement::Quiet,
        "empty" => Statement::Empty,
        "bind" | "say" | "ping" => Statement::Ask(Ask::parse(first, &mut words)?),
        _ => {
            let mut calls = vec![Call::parse(first, &mut words)?];
            while words.take("and") {
                let first = words.word("a call")?;
                calls.push(Call::parse(first, &mut words)?);
            }
            Statement::Calls(calls)
        }
    };
    words.end()?;
    Ok(statement)
}

fn flow(words: &mut Words<'_>) -> Result<Flow, String> {
    let mut flow = Flow {
        name: words.word("a name")?.to_owned(),
        ..Flow::default()
    };
    while let Some(word) = words.next() {
        match word {
            "from" => flow.from = Some(words.number("a port")?),
            "to" => flow.to = Some(words.number("a port")?),
            "isn" => flow.isn = Some(words.number("a sequence number")?),
            _ => return Err(format!("unexpected: {word}")),
        }
    }
    Ok(flow)
}

/// `open passive|active [room N] [win N] [SYN's options]`: an open connection, nothing else.
fn open(mut words: Words<'_>) -> Result<Vec<String>, String> {
    words.next();
    let side = words.word("passive or active")?;
    let (mut room, mut window, mut options, mut stamp) = ("65535", "65535", String::new(), None);
    while let Some(word) = words.next() {
        let value = match word {
            "sack-ok" => "",
            _ => words.word("a value")?,
        };
        match word {
            "room" => room = value,
            "win" => window = value,
            "stamp" => stamp = Some(value),
            _ => options += &format!(" {word} {value}"),
        }
    }
    // The peer's clock stands still, and its echo is what came with our first segment.
    let stamp = stamp.map_or(String::new(), |value| format!(" stamp {value}:0"));
    Ok(match side {
        "passive" => vec![
            "listen".into(),
            format!("accept room {room}"),
            format!("< SYN seq 0 win {window}{options}{stamp}"),
            "> SYN seq 0 ack 1".into(),
            format!("< seq 1 ack 1 win {window}{stamp}"),
            "event accepted".into(),
        ],
        "active" => vec![
            format!("connect room {room}"),
            "> SYN seq 0".into(),
            format!("< SYN seq 0 ack 1 win {window}{options}{stamp}"),
            "> seq 1 ack 1".into(),
            "event connected".into(),
        ],
        _ => return Err("open passive or open active".into()),
    })
}
