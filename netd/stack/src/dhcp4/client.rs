//! The client's states and how they follow each other (RFC 2131 figure 5).
//!
//! *Invariants*: `deadline` is never in the past after [`Client::fire`] has given
//! [`Action::None`]; at most one message is waiting to be sent, and one that ends a lease.

use super::lease::{Lease, usable};
use super::message::{Identity, Outgoing, Speech};
use crate::Instant;
use crate::rng::Rng;
use core::net::Ipv4Addr;
use core::time::Duration;
use wire::dhcp4::{Message, MessageType, Speaker, Text};
use wire::{Drop, MacAddress};

/// The first wait for an answer, doubled each time (RFC 2131 section 4.1).
const FIRST_WAIT: Duration = Duration::from_secs(4);
/// The longest wait for an answer.
const LONGEST_WAIT: Duration = Duration::from_secs(64);
/// A wait is longer or shorter by up to this much, so that clients that were switched on together
/// do not ask together.
const JITTER: Duration = Duration::from_secs(1);
/// How often an offer is asked for before another is looked for (RFC 2131 section 3.1, step 5).
const MAX_REQUESTS: u8 = 4;
/// The least time between two requests for more (RFC 2131 section 4.4.5).
const LEAST_RENEWAL_WAIT: Duration = Duration::from_secs(60);
/// The pause after an address turned out to be somebody else's (RFC 2131 section 3.1, step 5).
const PAUSE_AFTER_CONFLICT: Duration = Duration::from_secs(10);

/// What an owner may want different.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// The interface's hardware address.
    pub(crate) mac: MacAddress,
    /// What the server shall call us; may be empty.
    pub(crate) host_name: Text,
    /// How long to be without an address before [`Action::Fallback`]; `None` for ever.
    pub(crate) fallback_after: Option<Duration>,
}

/// What the interface is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing.
    None,
    /// Find out whether somebody uses the address (RFC 5227), then call [`Client::probed`].
    Probe(Ipv4Addr),
    /// Use this address, and everything that came with it, instead of a fall-back.
    Bound(Lease),
    /// Go on using the address; what came with it may have changed.
    Renewed(Lease),
    /// Stop using the address at once.
    Lost,
    /// No server has answered for long: use the configured address until one does.
    Fallback,
}

/// Where the client is.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Switched off.
    Stopped,
    /// About to look for servers.
    Init,
    /// Looking for servers.
    Selecting,
    /// Has asked for what a server has offered.
    Requesting { server: Ipv4Addr, address: Ipv4Addr },
    /// Has a lease; the interface finds out whether somebody else uses the address.
    Probing(Lease),
    /// Has a lease and uses it.
    Holding(Hold, Lease),
}

/// What a client does that has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Bound,
    Renewing,
    Rebinding,
    /// Asks whether the address is still right after the link was down.
    Rebooting,
}

/// A DHCP client.
#[derive(Debug)]
pub(crate) struct Client {
    identity: Identity,
    fallback_after: Option<Duration>,
    state: State,
    /// When the state wants to be looked at.
    wake: Instant,
    /// When the owner is told to help itself.
    fallback_at: Instant,
    /// The exchange under way.
    xid: u32,
    attempts: u8,
    /// When its first request was sent: a lease counts from there.
    asked_at: Instant,
    /// When the search began, and how many seconds ago that was when it was last said.
    began_at: Instant,
    secs: u16,
    /// The state's message waits to be sent.
    is_due: bool,
    /// Ends a lease, whatever comes next.
    farewell: Option<Speech>,
}

impl Client {
    /// A client that is switched off.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            identity: Identity {
                mac: settings.mac,
                host_name: settings.host_name,
            },
            fallback_after: settings.fallback_after,
            state: State::Stopped,
            wake: Instant::FAR_FUTURE,
            fallback_at: Instant::FAR_FUTURE,
            xid: 0,
            attempts: 0,
            asked_at: Instant::ZERO,
            began_at: Instant::ZERO,
            secs: 0,
            is_due: false,
            farewell: None,
        }
    }

    /// The link is up. A client with a lease asks whether it still holds (INIT-REBOOT, RFC 2131
    /// section 3.2) and keeps it meanwhile; one without looks for a server, at once: the random
    /// pause of section 4.4.1 is for many hosts behind one power switch.
    pub(crate) fn link_up(&mut self, rng: &mut Rng, now: Instant) {
        match self.state {
            State::Holding(_, lease) => {
                self.begin_exchange(rng, now);
                self.hold(Hold::Rebooting, lease);
                self.say_again(rng, now);
            }
            State::Stopped | State::Init | State::Selecting | State::Requesting { .. } => {
                self.search(now, Duration::ZERO);
            }
            State::Probing(_) => {}
        }
    }

    /// When [`Client::fire`] wants to be called.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let deadline = self.wake.min(self.fallback_at);
        (deadline != Instant::FAR_FUTURE).then_some(deadline)
    }

    /// Does what is due. When this gives an action, more may be due.
    pub(crate) fn fire(&mut self, rng: &mut Rng, now: Instant) -> Action {
        if self.fallback_at <= now {
            self.fallback_at = Instant::FAR_FUTURE;
            return Action::Fallback;
        }
        if self.wake > now {
            return Action::None;
        }
        match self.state {
            State::Stopped => self.wake = Instant::FAR_FUTURE,
            State::Init => {
                self.begin_exchange(rng, now);
                self.state = State::Selecting;
                self.say_again(rng, now);
            }
            State::Selecting => self.say_again(rng, now),
            State::Requesting { .. } if self.attempts < MAX_REQUESTS => self.say_again(rng, now),
            // RFC 2131 section 3.1, step 5: no answer, begin anew.
            State::Requesting { .. } => self.search(now, Duration::ZERO),
            // Nobody has told how the probe went.
            State::Probing(_) => self.search(now, Duration::ZERO),
            State::Holding(hold, lease) => return self.fire_holding(hold, lease, rng, now),
        }
        Action::None
    }

    fn fire_holding(&mut self, hold: Hold, lease: Lease, rng: &mut Rng, now: Instant) -> Action {
        // RFC 2131 section 4.4.5: at the end all use of the address stops.
        if now >= lease.expiry() {
            return self.lose(now, Duration::ZERO);
        }
        match hold {
            Hold::Rebooting if self.attempts < MAX_REQUESTS => self.say_again(rng, now),
            // RFC 2131 section 3.2, step 4: without an answer the lease is used until its end.
            Hold::Rebooting | Hold::Bound if now < lease.renewal_at() => {
                self.hold(Hold::Bound, lease);
            }
            _ if now >= lease.rebinding_at() => {
                if hold != Hold::Rebinding {
                    self.begin_exchange(rng, now);
                }
                self.hold(Hold::Rebinding, lease);
                self.ask_for_more(now, lease.expiry());
            }
            _ => {
                if hold != Hold::Renewing {
                    self.begin_exchange(rng, now);
                }
                self.hold(Hold::Renewing, lease);
                self.ask_for_more(now, lease.rebinding_at());
            }
        }
        Action::None
    }

    /// Takes the payload of a datagram to port 68.
    ///
    /// # Errors
    /// Those of [`Message::parse`], and [`Drop::DhcpUnexpected`] for what is no answer to us.
    pub(crate) fn input(
        &mut self,
        payload: &[u8],
        rng: &mut Rng,
        now: Instant,
    ) -> Result<Action, Drop> {
        let message = Message::parse(payload)?;
        // RFC 2131 section 4.4.1: the transaction tells an answer to us from all others.
        if message.speaker != Speaker::Server
            || message.xid != self.xid
            || message.chaddr != self.identity.mac
        {
            return Err(Drop::DhcpUnexpected);
        }
        let server = message.options.server_id;
        match (self.state, message.message_type) {
            (State::Selecting, MessageType::Offer) => self.offered(&message, rng, now),
            (State::Requesting { server: asked, .. }, MessageType::Ack)
                if server.is_none_or(|server| server == asked) =>
            {
                let lease = Lease::granted(&message, asked, self.asked_at);
                let lease = lease.ok_or(Drop::DhcpUnexpected)?;
                self.state = State::Probing(lease);
                self.wake = lease.expiry();
                self.is_due = false;
                Ok(Action::Probe(lease.address.address()))
            }
            (State::Requesting { server: asked, .. }, MessageType::Nak)
                if server.is_none_or(|server| server == asked) =>
            {
                self.search(now, self.pause(rng));
                Ok(Action::None)
            }
            (State::Holding(hold, lease), MessageType::Ack) if hold != Hold::Bound => {
                let server = server.unwrap_or(lease.server);
                let granted = Lease::granted(&message, server, self.asked_at)
                    .filter(|granted| granted.address.address() == lease.address.address())
                    .ok_or(Drop::DhcpUnexpected)?;
                self.hold(Hold::Bound, granted);
                Ok(Action::Renewed(granted))
            }
            (State::Holding(hold, lease), MessageType::Nak)
                if matches!(hold, Hold::Rebinding | Hold::Rebooting)
                    || hold == Hold::Renewing
                        && server.is_none_or(|server| server == lease.server) =>
            {
                let pause = self.pause(rng);
                Ok(self.lose(now, pause))
            }
            _ => Err(Drop::DhcpUnexpected),
        }
    }

    /// The first offer is as good as any.
    fn offered(&mut self, message: &Message, rng: &mut Rng, now: Instant) -> Result<Action, Drop> {
        let server = message.options.server_id.and_then(usable);
        let (Some(server), Some(address)) = (server, usable(message.yiaddr)) else {
            return Err(Drop::DhcpUnexpected);
        };
        // RFC 2131 section 4.4.1: the request carries on the offer's transaction.
        self.state = State::Requesting { server, address };
        self.attempts = 0;
        self.asked_at = now;
        self.say_again(rng, now);
        Ok(Action::None)
    }

    /// How the probe asked for by [`Action::Probe`] went.
    pub(crate) fn probed(&mut self, is_free: bool, now: Instant) -> Action {
        match self.state {
            State::Probing(lease) if is_free => {
                self.fallback_at = Instant::FAR_FUTURE;
                self.hold(Hold::Bound, lease);
                Action::Bound(lease)
            }
            State::Probing(lease) => {
                self.farewell = Some(Speech::decline(&lease));
                self.search(now, PAUSE_AFTER_CONFLICT);
                Action::None
            }
            _ => Action::None,
        }
    }

    /// Somebody else uses our address (RFC 5227 section 2.4).
    pub(crate) fn conflict(&mut self, now: Instant) -> Action {
        let State::Holding(_, lease) = self.state else {
            return self.probed(false, now);
        };
        self.farewell = Some(Speech::decline(&lease));
        self.lose(now, PAUSE_AFTER_CONFLICT)
    }

    /// Gives the address back and switches the client off.
    pub(crate) fn release(&mut self) -> Action {
        let action = match self.state {
            State::Holding(_, lease) => {
                self.farewell = Some(Speech::release(&lease));
                Action::Lost
            }
            State::Probing(lease) => {
                self.farewell = Some(Speech::release(&lease));
                Action::None
            }
            _ => Action::None,
        };
        self.state = State::Stopped;
        self.wake = Instant::FAR_FUTURE;
        self.fallback_at = Instant::FAR_FUTURE;
        self.is_due = false;
        action
    }

    /// Writes the next message that is to be sent, if there is one; to be called until there is
    /// none. A message that does not fit into `into`, 576 bytes at least, is lost like one on
    /// the wire.
    pub(crate) fn emit(&mut self, into: &mut [u8]) -> Option<Outgoing> {
        let speech = match self.farewell.take() {
            Some(farewell) => farewell,
            None if self.is_due => {
                self.is_due = false;
                self.speech()?
            }
            None => return None,
        };
        speech.emit(&self.identity, self.xid, self.secs, into).ok()
    }

    fn speech(&self) -> Option<Speech> {
        Some(match self.state {
            State::Stopped | State::Init | State::Probing(_) => return None,
            State::Selecting => Speech::Discover,
            State::Requesting { server, address } => Speech::Select { server, address },
            State::Holding(hold, lease) => {
                let (server, address) = (lease.server, lease.address.address());
                match hold {
                    Hold::Bound => return None,
                    Hold::Renewing => Speech::Renew { server, address },
                    Hold::Rebinding => Speech::Rebind { address },
                    Hold::Rebooting => Speech::Reboot { address },
                }
            }
        })
    }

    /// The lease, while its address is in use.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Holding(_, lease) => Some(lease),
            _ => None,
        }
    }

    /// The state's name in RFC 2131.
    pub(crate) fn state_name(&self) -> &'static str {
        match self.state {
            State::Stopped => "STOPPED",
            State::Init => "INIT",
            State::Selecting => "SELECTING",
            State::Requesting { .. } => "REQUESTING",
            State::Probing(_) => "PROBING",
            State::Holding(Hold::Bound, _) => "BOUND",
            State::Holding(Hold::Renewing, _) => "RENEWING",
            State::Holding(Hold::Rebinding, _) => "REBINDING",
            State::Holding(Hold::Rebooting, _) => "REBOOTING",
        }
    }

    /// Holds a lease; a bound client sleeps until T1.
    fn hold(&mut self, hold: Hold, lease: Lease) {
        if hold == Hold::Bound {
            self.attempts = 0;
            self.is_due = false;
            self.wake = lease.renewal_at();
        }
        self.state = State::Holding(hold, lease);
    }

    fn lose(&mut self, now: Instant, pause: Duration) -> Action {
        self.search(now, pause);
        Action::Lost
    }

    /// Goes to INIT, to begin after a pause.
    fn search(&mut self, now: Instant, pause: Duration) {
        let was_searching = matches!(
            self.state,
            State::Init | State::Selecting | State::Requesting { .. } | State::Probing(_)
        );
        if !was_searching {
            self.began_at = now;
            self.fallback_at = self
                .fallback_after
                .map_or(Instant::FAR_FUTURE, |after| now + after);
        }
        self.state = State::Init;
        self.is_due = false;
        self.wake = now + pause;
    }

    /// RFC 2131 section 4.1: a transaction of our own, hard to guess.
    fn begin_exchange(&mut self, rng: &mut Rng, now: Instant) {
        self.xid = rng.u32();
        self.attempts = 0;
        self.secs = 0;
        self.asked_at = now;
        self.is_due = true;
    }

    /// Has the state's message sent, and waits for the answer longer than last time.
    fn say_again(&mut self, rng: &mut Rng, now: Instant) {
        // RFC 2131 section 4.4.1: a request says the seconds of the discover it belongs to.
        if matches!(self.state, State::Selecting) {
            let seconds = now.since(self.began_at).as_secs();
            self.secs = u16::try_from(seconds).unwrap_or(u16::MAX);
        }
        self.is_due = true;
        self.wake = now + self.backoff(rng);
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Asks for more time; again after half of what is left until `end`, where the next state
    /// begins (RFC 2131 section 4.4.5).
    fn ask_for_more(&mut self, now: Instant, end: Instant) {
        self.is_due = true;
        self.wake = (now + (end.since(now) / 2).max(LEAST_RENEWAL_WAIT)).min(end);
    }

    /// The wait after the message that is sent now.
    fn backoff(&self, rng: &mut Rng) -> Duration {
        let wait = FIRST_WAIT
            .saturating_mul(1 << self.attempts.min(4))
            .min(LONGEST_WAIT);
        let jitter = JITTER.as_millis().saturating_mul(2).try_into().unwrap_or(0);
        let jitter = Duration::from_millis(rng.below(jitter).into());
        wait.saturating_sub(JITTER).saturating_add(jitter)
    }

    /// The pause after a refusal, so that a server that refuses everything is not asked without
    /// end.
    fn pause(&self, rng: &mut Rng) -> Duration {
        Duration::from_millis(rng.below(1000).into()).saturating_add(JITTER)
    }
}
