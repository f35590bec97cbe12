//! Connecting to a host by name: all its addresses take part, a little after each other, and the first
//! connection that opens wins (happy eyeballs). A family that leads nowhere costs a quarter of a
//! second, not a minute.
//!
//! *Owns* when the next attempt begins, and with which address. *Never* knows what an attempt is.
//! Spec: RFC 8305 sections 3 to 5.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::net::{IpAddr, SocketAddr};
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use protocol::{Addresses, Policies, RecordKind};
use rt::time::sleep;

use crate::destinations::{self, Machine, Policy};
use crate::error::Error;
use crate::net::Net;
use crate::stream::TcpStream;

/// How long the addresses of IPv6 are waited for when those of IPv4 are there (section 3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// How long an attempt has before the next one joins it (section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Attempts at most: a name may have any number of addresses.
const MOST: usize = 16;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;
type Found = Result<Vec<IpAddr>, Error>;

/// How patient a race is.
#[derive(Clone, Copy)]
struct Patience {
    resolution: Duration,
    attempt: Duration,
}

impl TcpStream {
    /// Opens a connection to the first address of a host that answers: names are asked for in both
    /// families at once, addresses tried in the order of RFC 6724, families in turn, each a quarter of
    /// a second after the one before (RFC 8305). Attempts that are too late are given up.
    ///
    /// # Errors
    /// [`Error::NoSuchName`], or what the last attempt says.
    pub async fn connect_by_name(net: &Net, host: &str, port: u16) -> Result<Self, Error> {
        if let Some(address) = literal(host) {
            return Self::connect(net, SocketAddr::new(address, port)).await;
        }
        let machine = net.machine().await?;
        let ask = |kind| {
            let question = net.resolve(host, kind, None);
            Box::pin(async move { question.await.map(|answer| answer.addresses) }) as Boxed<'_, _>
        };
        let patience = Patience {
            resolution: RESOLUTION_DELAY,
            attempt: ATTEMPT_DELAY,
        };
        let questions = [ask(RecordKind::Aaaa), ask(RecordKind::A)];
        let connect = |address| {
            let remote = SocketAddr::new(address, port);
            Box::pin(Self::connect(net, remote)) as Boxed<'_, _>
        };
        Race::new(questions, machine, connect, patience).run().await
    }
}

impl Net {
    /// The addresses that this machine has, on any interface, and by what they are chosen.
    pub(crate) async fn machine(&self) -> Result<Machine, Error> {
        let addresses = self.table::<Addresses>().await?;
        let policies = self.table::<Policies>().await?;
        Ok(Machine {
            own: addresses
                .iter()
                .filter_map(|row| row.address.ip())
                .collect(),
            policies: policies.iter().filter_map(Policy::of).collect(),
        })
    }
}

/// A host that is an address in text, in brackets perhaps.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(host).parse().ok()
}

/// A race that is on.
struct Race<'a, T, C> {
    /// The questions for IPv6 and for IPv4, until they are answered.
    questions: [Option<Boxed<'a, Found>>; 2],
    machine: Machine,
    /// Addresses not tried yet, in their order.
    waiting: Vec<IpAddr>,
    connect: C,
    attempts: Vec<Boxed<'a, Result<T, Error>>>,
    begun: usize,
    /// The family of the last attempt.
    was_ipv6: Option<bool>,
    patience: Patience,
    /// Nothing begins before this has passed.
    pause: Option<Boxed<'a, ()>>,
    /// Why there is no connection: the last word.
    error: Error,
}

impl<'a, T, C: FnMut(IpAddr) -> Boxed<'a, Result<T, Error>>> Race<'a, T, C> {
    fn new(
        questions: [Boxed<'a, Found>; 2],
        machine: Machine,
        connect: C,
        patience: Patience,
    ) -> Self {
        Self {
            questions: questions.map(Some),
            machine,
            waiting: Vec::new(),
            connect,
            attempts: Vec::new(),
            begun: 0,
            was_ipv6: None,
            patience,
            pause: None,
            error: Error::NoSuchRecord,
        }
    }

    /// The winner. All others are dropped with the race.
    async fn run(mut self) -> Result<T, Error> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<T, Error>> {
        self.hear(context);
        loop {
            if let Some(winner) = self.look(context) {
                return Poll::Ready(Ok(winner));
            }
            let pauses = |pause: &mut Boxed<'a, ()>| pause.as_mut().poll(context).is_pending();
            if self.pause.as_mut().is_some_and(pauses) {
                return Poll::Pending;
            }
            self.pause = None;
            if !self.begin() {
                break;
            }
        }
        let is_over = self.attempts.is_empty() && self.questions.iter().all(Option::is_none);
        if is_over {
            Poll::Ready(Err(self.error))
        } else {
            Poll::Pending
        }
    }

    /// Takes the answers that have come.
    fn hear(&mut self, context: &mut Context<'_>) {
        let mut is_news = false;
        for question in &mut self.questions {
            let Some(Poll::Ready(answer)) = question.as_mut().map(|it| it.as_mut().poll(context))
            else {
                continue;
            };
            *question = None;
            match answer {
                Ok(addresses) => {
                    self.waiting.extend(addresses);
                    is_news = true;
                }
                // That there is no such name says more than that it has no address of a kind.
                Err(Error::NoSuchRecord) if self.error != Error::NoSuchRecord => {}
                Err(error) => self.error = error,
            }
        }
        if !is_news {
            return;
        }
        destinations::sort(&mut self.waiting, &self.machine);
        // Section 3: IPv4 was faster, and gives the other a moment.
        let [six, _] = &self.questions;
        if six.is_some() && self.begun == 0 {
            self.pause = Some(Box::pin(sleep(self.patience.resolution)));
        } else if self.begun == 0 {
            self.pause = None;
        }
    }

    /// The connection that has opened, if one has. One that has failed makes way for the next.
    fn look(&mut self, context: &mut Context<'_>) -> Option<T> {
        let mut at = 0;
        while let Some(attempt) = self.attempts.get_mut(at) {
            match attempt.as_mut().poll(context) {
                Poll::Pending => at += 1,
                Poll::Ready(Ok(winner)) => return Some(winner),
                Poll::Ready(Err(error)) => {
                    self.error = error;
                    drop(self.attempts.remove(at));
                    self.pause = None;
                }
            }
        }
        None
    }

    /// Begins the next attempt, if there is an address left: families take turns (section 4).
    fn begin(&mut self) -> bool {
        if self.waiting.is_empty() || self.begun == MOST {
            return false;
        }
        let is_other = |address: &IpAddr| Some(address.is_ipv6()) != self.was_ipv6;
        let next = self.waiting.iter().position(is_other).unwrap_or(0);
        let address = self.waiting.remove(next);
        self.was_ipv6 = Some(address.is_ipv6());
        self.begun += 1;
        self.attempts.push((self.connect)(address));
        self.pause = Some(Box::pin(sleep(self.patience.attempt)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Boxed, Found, Patience, Race, literal};
    use crate::destinations::tests::machine;
    use crate::error::Error;
    use core::cell::RefCell;
    use core::future::{pending, ready};
    use core::net::IpAddr;
    use core::time::Duration;
    use rt::time::sleep;
    use std::rc::Rc;

    const PATIENCE: Patience = Patience {
        resolution: Duration::from_millis(20),
        attempt: Duration::from_millis(40),
    };

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    fn answer<'a>(words: &str) -> Boxed<'a, Found> {
        let addresses: Vec<IpAddr> = words.split_whitespace().map(ip).collect();
        Box::pin(ready(match addresses.is_empty() {
            true => Err(Error::NoSuchRecord),
            false => Ok(addresses),
        }))
    }

    fn late<'a>(delay: Duration, answer: Boxed<'a, Found>) -> Boxed<'a, Found> {
        Box::pin(async move {
            sleep(delay).await;
            answer.await
        })
    }

    /// What became of attempts: begun, and given up.
    #[derive(Default)]
    struct Record {
        begun: Vec<IpAddr>,
        dropped: Vec<IpAddr>,
    }

    struct Attempt(Rc<RefCell<Record>>, IpAddr);

    impl Drop for Attempt {
        fn drop(&mut self) {
            self.0.borrow_mut().dropped.push(self.1);
        }
    }

    /// Runs a race in which `opens` says who answers; others are black holes, or refuse.
    fn race(
        questions: [Boxed<'_, Found>; 2],
        opens: &[&str],
        refuses: &[&str],
    ) -> (Result<IpAddr, Error>, Record) {
        let record = Rc::new(RefCell::new(Record::default()));
        let all = |words: &[&str]| words.iter().map(|word| ip(word)).collect::<Vec<_>>();
        let (opens, refuses) = (all(opens), all(refuses));
        let connect = |address: IpAddr| {
            record.borrow_mut().begun.push(address);
            let attempt = Attempt(Rc::clone(&record), address);
            let (opens, refuses) = (opens.contains(&address), refuses.contains(&address));
            Box::pin(async move {
                let Attempt(_, address) = &attempt;
                match (opens, refuses) {
                    (true, _) => Ok(*address),
                    (_, true) => Err(Error::Refused),
                    _ => pending().await,
                }
            }) as Boxed<'_, _>
        };
        let machine = machine("192.0.2.1 2001:db8::1");
        let outcome = rt::block_on(Race::new(questions, machine, connect, PATIENCE).run());
        let record = record.take();
        (outcome, record)
    }

    /// A network that loses all of IPv6 costs one attempt's delay, and the attempt is given up.
    #[test]
    fn a_black_hole_of_six_is_overtaken_by_four() {
        let questions = [answer("2001:db8::7"), answer("192.0.2.7")];
        let (outcome, record) = race(questions, &["192.0.2.7"], &[]);
        assert_eq!(outcome, Ok(ip("192.0.2.7")));
        assert_eq!(record.begun, [ip("2001:db8::7"), ip("192.0.2.7")]);
        assert!(record.dropped.contains(&ip("2001:db8::7")));
    }

    #[test]
    fn a_black_hole_of_four_does_not_matter() {
        let questions = [answer("2001:db8::7"), answer("192.0.2.7")];
        let (outcome, record) = race(questions, &["2001:db8::7"], &[]);
        assert_eq!(outcome, Ok(ip("2001:db8::7")));
        assert_eq!(record.begun, [ip("2001:db8::7")]);
    }

    #[test]
    fn families_take_turns_and_who_refuses_makes_way_at_once() {
        let questions = [
            answer("2001:db8::7 2001:db8::8 2001:db8::9"),
            answer("192.0.2.7 192.0.2.8"),
        ];
        let refuses = ["2001:db8::7", "192.0.2.7", "2001:db8::8", "2001:db8::9"];
        let start = std::time::Instant::now();
        let (outcome, record) = race(questions, &["192.0.2.8"], &refuses);
        assert_eq!(outcome, Ok(ip("192.0.2.8")));
        let families: Vec<bool> = record.begun.iter().map(IpAddr::is_ipv6).collect();
        assert_eq!(families, [true, false, true, false]);
        assert!(start.elapsed() < PATIENCE.attempt, "nobody was waited for");
    }

    #[test]
    fn six_has_a_moment_when_four_is_known_first() {
        let soon = Duration::from_millis(2);
        let questions = [late(soon, answer("2001:db8::7")), answer("192.0.2.7")];
        let (outcome, _) = race(questions, &["2001:db8::7", "192.0.2.7"], &[]);
        assert_eq!(outcome, Ok(ip("2001:db8::7")));
        let never = [Box::pin(pending()) as Boxed<'_, Found>, answer("192.0.2.7")];
        let (outcome, _) = race(never, &["192.0.2.7"], &[]);
        assert_eq!(outcome, Ok(ip("192.0.2.7")));
    }

    #[test]
    fn addresses_that_come_late_take_part() {
        let late4 = late(Duration::from_millis(10), answer("192.0.2.7"));
        let (outcome, record) = race([answer("2001:db8::7"), late4], &["192.0.2.7"], &[]);
        assert_eq!(outcome, Ok(ip("192.0.2.7")));
        assert_eq!(record.begun, [ip("2001:db8::7"), ip("192.0.2.7")]);
    }

    #[test]
    fn when_nobody_answers_the_last_word_counts() {
        let both = [answer("2001:db8::7"), answer("192.0.2.7")];
        let (outcome, _) = race(both, &[], &["2001:db8::7", "192.0.2.7"]);
        assert_eq!(outcome, Err(Error::Refused));
        let (outcome, _) = race([answer(""), answer("")], &[], &[]);
        assert_eq!(outcome, Err(Error::NoSuchRecord));
        let no_name = || Box::pin(ready(Err(Error::NoSuchName))) as Boxed<'_, Found>;
        let (outcome, _) = race([no_name(), no_name()], &[], &[]);
        assert_eq!(outcome, Err(Error::NoSuchName));
    }

    #[test]
    fn a_name_with_many_addresses_is_not_tried_for_ever() {
        let many: Vec<String> = (1..=40).map(|last| format!("192.0.2.{last}")).collect();
        let words: Vec<&str> = many.iter().map(String::as_str).collect();
        let questions = [answer(""), answer(&words.join(" "))];
        let (outcome, record) = race(questions, &[], &words);
        assert_eq!(outcome, Err(Error::Refused));
        assert_eq!(record.begun.len(), super::MOST);
    }

    #[test]
    fn an_address_is_no_name() {
        assert_eq!(literal("[::1]"), Some(ip("::1")));
        assert_eq!(literal("10.0.0.1"), Some(ip("10.0.0.1")));
        assert_eq!(literal("skerry.test"), None);
    }
}
