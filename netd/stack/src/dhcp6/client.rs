//! The client's states and how they follow each other (RFC 8415 section 18.2).
//!
//! *Invariants*: `wake` is never in the past after [`Client::fire`] has given [`Action::None`]; at most
//! one message is waiting to be sent, and one that gives addresses back.

use super::exchange::{Exchange, Schedule};
use super::lease::Lease;
use crate::Instant;
use crate::rng::Rng;
use core::net::Ipv6Addr;
use core::time::Duration;
use wire::dhcp6::{Code, Duid, Identity, Leased, Message, MessageType, Options, Status};
use wire::{Drop, List, MacAddress};

/// Hosts that were switched on together do not ask together (RFC 8415 section 7.6, SOL_MAX_DELAY,
/// CNF_MAX_DELAY and INF_MAX_DELAY), in milliseconds.
const LONGEST_DELAY: u32 = 1_000;
/// The pause before servers are looked for again that have refused, in milliseconds.
const PAUSE: u32 = 5_000;
/// A server with this preference is asked at once (section 18.2.1).
const HIGHEST: u8 = 255;
/// When what is no address is asked for again, unless a server says otherwise, and how soon at least
/// (section 7.6, IRT_DEFAULT and IRT_MINIMUM), in seconds.
const REFRESH_AFTER: u32 = 86_400;
const LEAST_REFRESH: u32 = 600;

/// What there is to ask for (RFC 4861 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// Nothing.
    Off,
    /// What is no address.
    Information,
    /// Addresses, and all else.
    Addresses,
}

/// What the interface is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing.
    None,
    /// Use the addresses of [`Client::lease`] for as long as they live, after the question whether
    /// somebody has them.
    Use,
    /// Stop using what was leased, at once.
    Lost,
}

/// What a server has offered.
#[derive(Clone, Copy, Debug)]
struct Offer {
    server: Duid,
    preference: u8,
    identity: Identity,
}

/// Where the client is.
#[derive(Clone, Copy, Debug)]
enum State {
    Off,
    /// Looks for servers; the best so far.
    Soliciting(Option<Offer>),
    /// Has asked for what a server has offered.
    Requesting(Offer),
    /// Has a lease and uses it.
    Holding(Hold, Lease),
    /// Has said that somebody else uses an address.
    Declining(Offer),
    /// Asks for what is no address.
    Asking,
    /// Knows it.
    Informed,
}

/// What a client does that has a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Bound,
    Renewing,
    Rebinding,
    /// Asks whether this is still the link that its addresses are of.
    Confirming,
}

/// A DHCP client for IPv6.
#[derive(Debug)]
pub(crate) struct Client {
    duid: Duid,
    iaid: u32,
    mode: Mode,
    state: State,
    /// When the state wants to be looked at.
    wake: Instant,
    exchange: Exchange,
    /// The question waits to be sent.
    is_due: bool,
    /// Is given back, whatever comes next.
    farewell: Option<Lease>,
    /// The longest waits, as servers may have said.
    solicit: Schedule,
    information: Schedule,
}

impl Client {
    /// A client that is switched off, of an interface with this hardware address.
    pub(crate) fn new(mac: MacAddress, rng: &mut Rng) -> Self {
        let MacAddress([_, _, a, b, c, d]) = mac;
        Self {
            duid: Duid::of_link(mac),
            iaid: u32::from_be_bytes([a, b, c, d]),
            mode: Mode::Off,
            state: State::Off,
            wake: Instant::FAR_FUTURE,
            exchange: Exchange::new(Schedule::SOLICIT, rng, Instant::ZERO),
            is_due: false,
            farewell: None,
            solicit: Schedule::SOLICIT,
            information: Schedule::INFORMATION,
        }
    }

    /// A router says what there is to ask for. That another one does not say so, or the same one not
    /// any more, changes nothing: what was leased has ends of its own.
    pub(crate) fn heed(&mut self, mode: Mode, rng: &mut Rng, now: Instant) {
        if mode > self.mode {
            self.mode = mode;
            self.begin(rng, now);
        }
    }

    /// The link is up, or another: a client with a lease asks whether it still holds, and keeps it
    /// meanwhile (section 18.2.12).
    pub(crate) fn link_up(&mut self, rng: &mut Rng, now: Instant) {
        match self.state {
            State::Holding(_, lease) => {
                self.state = State::Holding(Hold::Confirming, lease);
                self.ask_later(Schedule::CONFIRM, LONGEST_DELAY, rng, now);
            }
            _ => self.begin(rng, now),
        }
    }

    /// When [`Client::fire`] wants to be called.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        (self.wake != Instant::FAR_FUTURE).then_some(self.wake)
    }

    /// Does what is due. When this gives an action, more may be due.
    pub(crate) fn fire(&mut self, rng: &mut Rng, now: Instant) -> Action {
        if self.wake > now {
            return Action::None;
        }
        match self.state {
            State::Off => self.wake = Instant::FAR_FUTURE,
            State::Soliciting(Some(offer)) => self.request(offer, rng, now),
            State::Soliciting(None) | State::Asking => {
                self.ask(rng, now);
            }
            State::Requesting(_) | State::Declining(_) => {
                if !self.ask(rng, now) {
                    self.begin(rng, now);
                }
            }
            State::Holding(hold, lease) => return self.fire_holding(hold, lease, rng, now),
            State::Informed => {
                self.state = State::Asking;
                self.ask_later(self.information, LONGEST_DELAY, rng, now);
            }
        }
        Action::None
    }

    fn fire_holding(&mut self, hold: Hold, lease: Lease, rng: &mut Rng, now: Instant) -> Action {
        if now >= lease.expiry() {
            self.begin(rng, now);
            return Action::Lost;
        }
        if hold == Hold::Confirming && self.ask(rng, now) {
            return Action::None;
        }
        // Section 18.2.3: without an answer the addresses are used until their end.
        let (next, until) = if now >= lease.rebinding_at() {
            (Hold::Rebinding, lease.expiry())
        } else if now >= lease.renewal_at() {
            (Hold::Renewing, lease.rebinding_at())
        } else {
            self.hold(lease);
            return Action::None;
        };
        if hold != next {
            self.state = State::Holding(next, lease);
            self.exchange = Exchange::new(Schedule::RENEW, rng, now);
        }
        self.ask(rng, now);
        self.wake = self.wake.min(until);
        Action::None
    }

    /// Takes a message that came to our port.
    ///
    /// # Errors
    /// [`Drop::Dhcp6Unexpected`] for what is no answer to us.
    pub(crate) fn input(
        &mut self,
        message: &Message<'_>,
        rng: &mut Rng,
        now: Instant,
    ) -> Result<Action, Drop> {
        let options = &message.options;
        // Sections 16.3 and 16.10.
        let is_ours = message.transaction == self.exchange.transaction
            && options.client == Some(self.duid)
            && self.exchange.sent > 0;
        let server = options.server.filter(|_| is_ours);
        let server = server.ok_or(Drop::Dhcp6Unexpected)?;
        let identity = options.identity.filter(|it| it.iaid == self.iaid);
        let identity = identity.unwrap_or_default();
        let lease = Lease::granted(server, &identity, now);
        let lease = lease.filter(|_| options.status == Status::SUCCESS);
        let action = match (self.state, message.message_type) {
            (State::Soliciting(best), MessageType::Advertise) => {
                if let Some(lease) = lease {
                    let offer = Offer {
                        server,
                        preference: options.preference,
                        identity: lease.identity,
                    };
                    self.offered(offer, best, rng, now);
                }
                Action::None
            }
            (State::Soliciting(_), MessageType::Reply) if options.rapid_commit => {
                let lease = lease.ok_or(Drop::Dhcp6Unexpected)?;
                self.bind(lease)
            }
            (State::Requesting(offer), MessageType::Reply) if offer.server == server => match lease
            {
                Some(lease) => self.bind(lease),
                None => {
                    self.search(PAUSE, rng, now);
                    Action::None
                }
            },
            (State::Holding(Hold::Renewing | Hold::Rebinding, held), MessageType::Reply) => {
                self.renewed(&held, lease, (server, identity.status), rng, now)
            }
            (State::Holding(Hold::Confirming, held), MessageType::Reply) => {
                self.confirmed(held, options.status, rng, now)
            }
            (State::Declining(_), MessageType::Reply) => {
                self.search(PAUSE, rng, now);
                Action::None
            }
            (State::Asking, MessageType::Reply) => {
                let after = options.refresh_time.unwrap_or(REFRESH_AFTER);
                let after = Duration::from_secs(after.max(LEAST_REFRESH).into());
                self.state = State::Informed;
                self.is_due = false;
                self.wake = now + after;
                Action::None
            }
            _ => return Err(Drop::Dhcp6Unexpected),
        };
        self.heed_limits(options);
        Ok(action)
    }

    /// The longest waits that a server wants (sections 21.24 and 21.25).
    fn heed_limits(&mut self, options: &Options<'_>) {
        let limit = |seconds: u32| Duration::from_secs(seconds.into());
        if let Some(most) = options.solicit_max.map(limit) {
            self.solicit = self.solicit.at_most(most);
        }
        if let Some(most) = options.information_max.map(limit) {
            self.information = self.information.at_most(most);
        }
    }

    /// Section 18.2.9: the best of those that answer within the first wait, and then the first.
    fn offered(&mut self, offer: Offer, best: Option<Offer>, rng: &mut Rng, now: Instant) {
        if offer.preference == HIGHEST || self.exchange.sent > 1 {
            self.request(offer, rng, now);
        } else if best.is_none_or(|best| offer.preference > best.preference) {
            self.state = State::Soliciting(Some(offer));
        }
    }

    fn bind(&mut self, lease: Lease) -> Action {
        self.hold(lease);
        Action::Use
    }

    /// Section 18.2.10.1: a server that does not know the addresses is asked for them anew; what it
    /// does not grant, others are asked for.
    fn renewed(
        &mut self,
        held: &Lease,
        granted: Option<Lease>,
        (server, status): (Duid, Status),
        rng: &mut Rng,
        now: Instant,
    ) -> Action {
        if let Some(lease) = granted {
            return self.bind(lease);
        }
        if status == Status::NO_BINDING {
            let offer = Offer {
                server,
                preference: 0,
                identity: held.identity,
            };
            self.request(offer, rng, now);
        }
        Action::None
    }

    /// Section 18.2.10.1.
    fn confirmed(&mut self, held: Lease, status: Status, rng: &mut Rng, now: Instant) -> Action {
        if status == Status::NOT_ON_LINK {
            self.begin(rng, now);
            return Action::Lost;
        }
        self.bind(held)
    }

    /// Somebody else has an address: the server is told, and another one is looked for (section
    /// 18.2.8). Whatever came with it goes too.
    pub(crate) fn conflict(&mut self, address: Ipv6Addr, rng: &mut Rng, now: Instant) -> Action {
        let State::Holding(_, lease) = self.state else {
            return Action::None;
        };
        if !lease.has(address) {
            return Action::None;
        }
        let taken = Leased {
            address,
            preferred: 0,
            valid: 0,
        };
        self.state = State::Declining(Offer {
            server: lease.server,
            preference: 0,
            identity: Identity {
                iaid: self.iaid,
                addresses: [taken].into_iter().collect(),
                ..Identity::default()
            },
        });
        self.exchange = Exchange::new(Schedule::DECLINE, rng, now);
        self.ask(rng, now);
        Action::Lost
    }

    /// Gives the addresses back and switches the client off. The server is told once: nobody waits
    /// for its answer, and if the message is lost, the lease ends by itself.
    pub(crate) fn release(&mut self) -> Action {
        let action = match self.state {
            State::Holding(_, lease) => {
                self.farewell = Some(lease);
                Action::Lost
            }
            _ => Action::None,
        };
        self.state = State::Off;
        self.mode = Mode::Off;
        self.wake = Instant::FAR_FUTURE;
        self.is_due = false;
        action
    }

    /// Writes the next message that is to be sent to all servers, if there is one, and gives its
    /// length; to be called until there is none. One that does not fit, 576 bytes at least, is lost like
    /// one on the wire.
    pub(crate) fn emit(&mut self, into: &mut [u8], now: Instant) -> Option<usize> {
        let (message_type, options) = match self.farewell.take() {
            Some(lease) => (
                MessageType::Release,
                self.about(lease.server, lease.identity),
            ),
            None if core::mem::take(&mut self.is_due) => self.question()?,
            None => return None,
        };
        let elapsed = Some(self.exchange.elapsed(now));
        let message = Message {
            message_type,
            transaction: self.exchange.transaction,
            options: Options {
                client: Some(self.duid),
                elapsed,
                ..options
            },
        };
        message.emit(into).ok()
    }

    /// What is asked now (section 18.2: which options go into which message).
    fn question(&self) -> Option<(MessageType, Options<'static>)> {
        let nothing = Identity {
            iaid: self.iaid,
            ..Identity::default()
        };
        Some(match self.state {
            State::Off | State::Informed | State::Holding(Hold::Bound, _) => return None,
            State::Soliciting(_) => {
                let options = Options {
                    identity: Some(nothing),
                    rapid_commit: true,
                    wanted: wanted(Code::SOLICIT_MAX),
                    ..Options::default()
                };
                (MessageType::Solicit, options)
            }
            State::Requesting(offer) => {
                let options = Options {
                    wanted: wanted(Code::SOLICIT_MAX),
                    ..self.about(offer.server, offer.identity)
                };
                (MessageType::Request, options)
            }
            State::Declining(offer) => (
                MessageType::Decline,
                self.about(offer.server, offer.identity),
            ),
            State::Holding(hold, lease) => {
                let options = self.about(lease.server, lease.identity);
                let wanted = wanted(Code::SOLICIT_MAX);
                match hold {
                    Hold::Renewing => (MessageType::Renew, Options { wanted, ..options }),
                    Hold::Rebinding => {
                        let server = None;
                        let options = Options {
                            server,
                            wanted,
                            ..options
                        };
                        (MessageType::Rebind, options)
                    }
                    Hold::Bound | Hold::Confirming => {
                        let server = None;
                        (MessageType::Confirm, Options { server, ..options })
                    }
                }
            }
            State::Asking => {
                let options = Options {
                    wanted: wanted(Code::INFORMATION_MAX)
                        .as_slice()
                        .iter()
                        .copied()
                        .chain([Code::REFRESH_TIME])
                        .collect(),
                    ..Options::default()
                };
                (MessageType::InformationRequest, options)
            }
        })
    }

    /// Options about addresses of a server. Times are the server's business (section 18.2.4).
    fn about(&self, server: Duid, identity: Identity) -> Options<'static> {
        let addresses = identity.addresses.as_slice().iter().map(|it| Leased {
            preferred: 0,
            valid: 0,
            ..*it
        });
        Options {
            server: Some(server),
            identity: Some(Identity {
                iaid: self.iaid,
                addresses: addresses.collect(),
                ..Identity::default()
            }),
            ..Options::default()
        }
    }

    /// The lease, while its addresses are in use.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Holding(_, lease) => Some(lease),
            _ => None,
        }
    }

    /// The state's name, after the message that it sends.
    #[cfg(test)]
    pub(crate) fn state_name(&self) -> &'static str {
        match self.state {
            State::Off => "off",
            State::Soliciting(_) => "soliciting",
            State::Requesting(_) => "requesting",
            State::Holding(Hold::Bound, _) => "bound",
            State::Holding(Hold::Renewing, _) => "renewing",
            State::Holding(Hold::Rebinding, _) => "rebinding",
            State::Holding(Hold::Confirming, _) => "confirming",
            State::Declining(_) => "declining",
            State::Asking => "asking",
            State::Informed => "informed",
        }
    }

    /// Holds a lease, and sleeps until T1 or its end.
    fn hold(&mut self, lease: Lease) {
        self.state = State::Holding(Hold::Bound, lease);
        self.is_due = false;
        self.wake = lease.renewal_at().min(lease.expiry());
    }

    /// Begins to ask for what there is to ask for.
    fn begin(&mut self, rng: &mut Rng, now: Instant) {
        self.search(LONGEST_DELAY, rng, now);
    }

    /// The same, within so many milliseconds.
    fn search(&mut self, delay: u32, rng: &mut Rng, now: Instant) {
        let schedule = match self.mode {
            Mode::Off => {
                self.state = State::Off;
                self.wake = Instant::FAR_FUTURE;
                return;
            }
            Mode::Information => {
                self.state = State::Asking;
                self.information
            }
            Mode::Addresses => {
                self.state = State::Soliciting(None);
                self.solicit
            }
        };
        self.ask_later(schedule, delay, rng, now);
    }

    fn request(&mut self, offer: Offer, rng: &mut Rng, now: Instant) {
        self.state = State::Requesting(offer);
        self.exchange = Exchange::new(Schedule::REQUEST, rng, now);
        self.ask(rng, now);
    }

    /// Begins to ask something, at some time within so many milliseconds.
    fn ask_later(&mut self, schedule: Schedule, delay: u32, rng: &mut Rng, now: Instant) {
        self.exchange = Exchange::new(schedule, rng, now);
        self.is_due = false;
        self.wake = now + Duration::from_millis(rng.below(delay).into());
    }

    /// Asks, once more; `false`: it has been asked enough.
    fn ask(&mut self, rng: &mut Rng, now: Instant) -> bool {
        let again = self.exchange.ask(rng, now);
        self.is_due = again.is_some();
        self.wake = again.unwrap_or(now);
        self.is_due
    }
}

/// What we would like to be told, and one thing more.
fn wanted(more: Code) -> List<Code, 16> {
    [Code::DNS_SERVERS, Code::DOMAINS, more]
        .into_iter()
        .collect()
}
