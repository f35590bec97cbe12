//! The resolver: against dnsmasq on the host, and against servers that are dead, slow or lie.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::ethernet::{ANSWER, on_cable};
use super::{Group, Stage, no_stage, tests};
use crate::frames::{Cable, Datagram, GUEST, US, as_echo_reply, as_udp, echo_request, ipv4, pad};
use crate::guest::{Answer, Guest};
use crate::machine::{Card, Link, Machine};
use crate::peers::dnsmasq::{Dnsmasq, long_name};

pub fn groups() -> [Group; 2] {
    [
        Group {
            name: "names",
            stage: no_stage,
            tests: tests![Alone: a_real_server, the_first_server_is_dead],
        },
        Group {
            name: "names",
            stage: || on_cable("names", ""),
            tests: tests![Shared:
                identifiers_and_ports_are_random,
                false_answers_are_not_believed,
                pointer_loops_end,
                a_question_is_repeated,
                a_slow_server_stalls_nobody,
            ],
        },
    ]
}

/// One guest and one dnsmasq for everything that an honest server answers.
fn a_real_server() -> Result<()> {
    let server = Dnsmasq::start()?;
    let mut guest = Guest::boot_online(Machine {
        cards: vec![Card::new(Link::user(&[]))],
        append: format!("ip=10.0.2.15/24,gw=10.0.2.2,dns={}", server.server()),
        ..Machine::default()
    })?;
    let has = |text: &str, line: &str| text.lines().any(|found| found == line);

    let text = guest.must("dns four.test")?;
    ensure!(has(&text, "four.test 192.0.2.10"), "{text}");
    ensure!(text.contains("answered by 10.0.2.2"), "{text}");

    // Again: from memory, without asking.
    let text = guest.must("dns four.test")?;
    ensure!(
        has(&text, "four.test 192.0.2.10") && text.contains("remembered"),
        "{text}"
    );

    let text = guest.must("dns six.test AAAA")?;
    ensure!(has(&text, "six.test 2001:db8::10"), "{text}");
    let text = guest.must("dns both.test")?;
    ensure!(has(&text, "both.test 192.0.2.11"), "{text}");

    let text = guest.must("dns alias2.test")?;
    ensure!(
        has(&text, "alias2.test 192.0.2.10") && text.contains("2 aliases"),
        "{text}"
    );

    let answer = guest.command("dns no-such-name.test")?;
    ensure!(
        answer.code == 1 && answer.text.contains("no such name"),
        "{}",
        answer.text
    );
    let answer = guest.command("dns four.test AAAA")?;
    ensure!(
        answer.code == 1 && answer.text.contains("no address of this kind"),
        "{}",
        answer.text
    );

    // The address stands behind more aliases than a datagram holds: asked again over TCP.
    let name = long_name(1);
    let text = guest.must(&format!("dns {name}"))?;
    ensure!(has(&text, &format!("{name} 192.0.2.10")), "{text}");
    let text = guest.must("dns many.test")?;
    ensure!(text.matches("many.test 198.51.100.").count() >= 8, "{text}");

    // The way back, over both families, and from memory.
    for (address, name) in [("192.0.2.10", "four.test"), ("2001:db8::10", "six.test")] {
        let text = guest.must(&format!("dns -x {address}"))?;
        ensure!(has(&text, &format!("{address} {name}")), "{text}");
        ensure!(text.contains("answered by 10.0.2.2"), "{text}");
        let text = guest.must(&format!("dns -x {address}"))?;
        ensure!(text.contains("remembered"), "{text}");
        let server = server.server();
        let text = guest.must(&format!("dns -x {address} @{server}"))?;
        ensure!(text.contains("answered by"), "{text}");
    }
    let text = guest.must("dns -x ::1")?;
    ensure!(has(&text, "::1 localhost"), "{text}");

    // A server of the user's choice, in place of the configured ones.
    let text = guest.must(&format!("dns both.test AAAA @{}", server.server()))?;
    ensure!(has(&text, "both.test 2001:db8::11"), "{text}");
    let text = guest.must("ping -c 1 host.test")?;
    ensure!(text.contains("(10.0.2.2)"), "{text}");
    Ok(())
}

fn the_first_server_is_dead() -> Result<()> {
    let server = Dnsmasq::start()?;
    // It takes questions and says nothing.
    let dead = UdpSocket::bind("127.0.0.1:0")?;
    let words = format!(
        "ip=10.0.2.15/24,gw=10.0.2.2,dns=10.0.2.2:{}+{}",
        dead.local_addr()?.port(),
        server.server()
    );
    let mut guest = Guest::boot_online(Machine {
        cards: vec![Card::new(Link::user(&[]))],
        append: words,
        ..Machine::default()
    })?;
    let started = Instant::now();
    let text = guest.must("dns four.test")?;
    let time = started.elapsed();
    ensure!(text.contains("four.test 192.0.2.10"), "{text}");
    dead.set_nonblocking(true)?;
    ensure!(
        dead.recv(&mut [0; 512]).is_ok(),
        "the first server was not asked"
    );
    // Less than two seconds where nothing else is to do.
    ensure!(time < Duration::from_secs(20), "it took {time:?}");
    Ok(())
}

/// A question as it was on the wire.
struct Question {
    from: Datagram,
    id: u16,
}

fn as_question(frame: &[u8]) -> Option<Question> {
    let from = as_udp(frame).filter(|datagram| datagram.destination == (US, 53))?;
    let id = from.payload.get(..2)?;
    let id = u16::from_be_bytes([id[0], id[1]]);
    (from.payload.len() > 12).then_some(Question { from, id })
}

impl Question {
    /// An answer with that identifier: the question as asked, and one address for its name.
    fn answer(&self, id: u16, address: [u8; 4]) -> Vec<u8> {
        let mut message = id.to_be_bytes().to_vec();
        message.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        message.extend(&self.from.payload[12..self.end()]);
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        message.extend(address);
        message
    }

    /// Where the question's section ends.
    fn end(&self) -> usize {
        let payload = &self.from.payload;
        let mut at = 12;
        while payload.get(at).is_some_and(|length| *length != 0) {
            at += 1 + usize::from(payload[at]);
        }
        (at + 5).min(payload.len())
    }

    fn send(&self, cable: &Cable, source_port: u16, message: &[u8]) -> Result<()> {
        let mut frame = Vec::new();
        ipv4(US, GUEST)
            .udp(source_port, self.from.source.1)
            .write(&mut frame, message)?;
        cable.send(&pad(frame))
    }
}

fn ask(guest: &mut Guest, cable: &Cable, name: &str) -> Result<Question> {
    cable.drain()?;
    guest.type_line(&format!("dns {name}"))?;
    cable.expect("question", ANSWER, as_question)
}

/// Answers the question and every repetition of it until the command is done: after a second the resolver asks
/// anew, and believes no answer to what it has asked before.
fn finish(
    guest: &mut Guest,
    cable: &Cable,
    question: &Question,
    address: [u8; 4],
) -> Result<Answer> {
    let answer = |asked: &Question| asked.send(cable, 53, &asked.answer(asked.id, address));
    answer(question)?;
    guest.answer_while("dns", ANSWER, || {
        while let Some(frame) = cable.receive(Duration::from_millis(1))? {
            cable.tell_where_we_are(&frame)?;
            as_question(&frame).map_or(Ok(()), |again| answer(&again))?;
        }
        Ok(())
    })
}

/// The guest asks for a name over the cable, and believes our answer.
pub(super) fn answers_a_name(guest: &mut Guest, cable: &Cable, name: &str) -> Result<()> {
    let question = ask(guest, cable, name)?;
    let text = finish(guest, cable, &question, [203, 0, 113, 1])?.success()?;
    ensure!(text.contains("203.0.113.1"), "{text}");
    Ok(())
}

fn identifiers_and_ports_are_random(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    let (mut ids, mut ports) = (Vec::new(), Vec::new());
    for number in 0..8 {
        let question = ask(guest, cable, &format!("r{number}.test"))?;
        finish(guest, cable, &question, [203, 0, 113, 1])?.success()?;
        ids.push(question.id);
        ports.push(question.from.source.1);
    }
    for (what, numbers) in [("identifiers", ids), ("ports", ports)] {
        let steps: Vec<u16> = numbers
            .windows(2)
            .map(|pair| pair[1].wrapping_sub(pair[0]))
            .collect();
        let mut different = steps.clone();
        different.sort_unstable();
        different.dedup();
        ensure!(different.len() > 4, "{what} go by a rule: {numbers:?}");
    }
    Ok(())
}

/// Another identifier, another port, another question: only the true answer counts.
fn false_answers_are_not_believed(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    let question = ask(guest, cable, "spoof.test")?;
    let lie = [6, 6, 6, 6];
    question.send(cable, 53, &question.answer(question.id ^ 1, lie))?;
    question.send(cable, 5353, &question.answer(question.id, lie))?;
    let mut other = question.answer(question.id, lie);
    other[13] ^= 1;
    question.send(cable, 53, &other)?;
    question.send(cable, 53, &question.answer(question.id, lie)[..20])?;
    std::thread::sleep(Duration::from_millis(100));
    let text = finish(guest, cable, &question, [203, 0, 113, 9])?.success()?;
    ensure!(
        text.contains("spoof.test 203.0.113.9") && !text.contains("6.6.6.6"),
        "{text}"
    );
    Ok(())
}

/// A name that points at itself, and two that point at each other.
fn pointer_loops_end(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    let question = ask(guest, cable, "loop.test")?;
    let end = u8::try_from(question.end())?;
    let first = question.answer(question.id, [1, 2, 3, 4]);
    for pointers in [[0xc0, end, 0xc0, end], [0xc0, end + 2, 0xc0, end]] {
        let mut message = first[..usize::from(end)].to_vec();
        message.extend(pointers);
        message.extend(&first[usize::from(end) + 2..]);
        question.send(cable, 53, &message)?;
    }
    let text = finish(guest, cable, &question, [203, 0, 113, 10])?.text;
    ensure!(!text.contains("1.2.3.4"), "{text}");
    guest.must("ping -c 1 127.0.0.1")?;
    Ok(())
}

fn a_question_is_repeated(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    let first = ask(guest, cable, "again.test")?;
    let again = cable.expect("question again", ANSWER, as_question)?;
    // The case of the letters may differ: it is noise that liars have to guess.
    let (again_asks, first_asks) = (&again.from.payload[12..], &first.from.payload[12..]);
    ensure!(
        again_asks.eq_ignore_ascii_case(first_asks),
        "another question"
    );
    let text = finish(guest, cable, &again, [203, 0, 113, 11])?.success()?;
    ensure!(text.contains("203.0.113.11"), "{text}");
    Ok(())
}

/// While a question waits for its server, others of the system go on. A resolver that stalls them does so every
/// time, a busy host does not.
fn a_slow_server_stalls_nobody(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    for round in 0..3 {
        let question = ask(guest, cable, &format!("slow{round}.test"))?;
        let slowest = slowest_echo(cable)?;
        let answer = finish(guest, cable, &question, [203, 0, 113, 12])?;
        if slowest < Duration::from_secs(1) {
            answer.success().context("the slow question")?;
            return Ok(());
        }
    }
    bail!("a slow echo every time");
}

/// The longest time that one of fifty takes.
fn slowest_echo(cable: &Cable) -> Result<Duration> {
    let mut slowest = Duration::ZERO;
    for sequence in 0..50 {
        let started = Instant::now();
        cable.send(&echo_request(0x51, sequence, b"meanwhile"))?;
        cable.expect("echo reply", ANSWER, as_echo_reply)?;
        slowest = slowest.max(started.elapsed());
    }
    Ok(slowest)
}
