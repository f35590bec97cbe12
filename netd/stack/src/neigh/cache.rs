//! The neighbour cache: a bounded table with one state machine per neighbour.
//!
//! *Owns* what is known of each neighbour, and when it is asked again: at most once a second, three
//! times, then it has failed. *Never* sends or keeps packets: it says what to ask ([`Ask`]) and what
//! came of it ([`Change`]); `arp.rs` acts.
//!
//! Resists poisoning: what was not asked for never creates an entry (except by one who asks for our
//! own address, and then one that is the first to make way) and never changes the hardware address of an
//! entry; it only makes us ask the one that is known. Whoever answers for another is believed only when
//! all were asked: at first, and when the one that is known does not answer.
//!
//! Spec: RFC 4861 7.3 (states, timers), RFC 1122 2.3.2 (ageing, waiting packets, at most 1 request/s).

mod doubt;
mod guests;
pub(crate) mod pace;

use crate::hash::{Address, Spread};
use crate::id::InterfaceId;
use crate::info::NeighbourState;
use crate::queues::Queues;
use crate::rng::Rng;
use ::tcp::Instant;
use alloc::vec::Vec;
use core::time::Duration;
use hashbrown::HashTable;
use pace::Pace;
use wire::MacAddress;

/// Time between requests (RFC 1122 2.3.2.1: at most one a second; RFC 4861 RETRANS_TIMER).
const RETRY: Duration = Duration::from_secs(1);
/// Requests before a neighbour has failed (RFC 4861 MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT).
const TRIES: u8 = 3;
/// How long a stale neighbour is used before it is asked again (RFC 4861 DELAY_FIRST_PROBE_TIME).
const DELAY: Duration = Duration::from_secs(5);

/// The list of entries in the order of their last use.
const USED: u32 = 0;
/// The list of free places.
const FREE: u32 = 1;
/// The list of entries that are incomplete, oldest first.
const ASKED: u32 = 2;
/// The list of entries that were learned of who has asked us, and not verified, as [`USED`].
const GUESTS: u32 = 3;

/// A neighbour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neighbour<A> {
    /// Through which interface.
    pub(crate) interface: InterfaceId,
    /// Its address.
    pub(crate) address: A,
    /// Its hardware address; of no meaning while incomplete or failed.
    pub(crate) mac: MacAddress,
    /// What is known.
    pub(crate) state: NeighbourState,
    /// When it was last heard.
    pub(crate) heard: Instant,
    asked: Instant,
    tries: u8,
    /// It has asked us, and neither answered nor used what we have sent since.
    is_guest: bool,
}

/// What to ask the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Everybody.
    Everybody,
    /// The neighbour itself.
    Directly(MacAddress),
}

/// What became of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Send it there.
    Known(MacAddress),
    /// It is being asked for; wait at this index.
    Wait(u32),
    /// It does not answer, or the table is full of neighbours that are waited for.
    Unreachable,
}

/// What became of those who wait for a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiters {
    /// They go on waiting.
    Stay,
    /// They can be sent.
    Go,
    /// They cannot be sent.
    Fail,
}

/// What the owner must do about the neighbour at `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Change {
    pub(crate) index: u32,
    /// A question to send.
    pub(crate) ask: Option<Ask>,
    /// Its timer from now on.
    pub(crate) deadline: Option<Instant>,
    /// Those who wait.
    pub(crate) waiters: Waiters,
    /// The place was another's, who did not answer in time: fail those who waited for it first.
    pub(crate) displaced: bool,
}

/// What an advertisement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It changed or confirmed an entry.
    Learned(Change),
    /// It contradicts an entry; the entry is being verified.
    Suspicious(Option<Change>),
    /// It says what is known, and proves nothing.
    Unchanged,
    /// It is about nobody we know.
    Unknown,
}

/// All neighbours of one family.
#[derive(Debug)]
pub(crate) struct Cache<A> {
    entries: Vec<Option<Neighbour<A>>>,
    index: HashTable<u32>,
    order: Queues,
    /// The place found last: most packets go the way of the one before.
    last: u32,
    /// Entries that are incomplete.
    asked: usize,
    spread: Spread,
    usual: Pace,
    /// Of the links that have times of their own.
    paces: Vec<Option<Pace>>,
}

impl<A: Address> Cache<A> {
    pub(crate) fn new(limit: usize, reachable: Duration, rng: &mut Rng) -> Self {
        let mut order = Queues::new(4, limit);
        (0..limit).for_each(|index| order.push(FREE, u32::try_from(index).unwrap_or(u32::MAX)));
        Self {
            entries: (0..limit).map(|_| None).collect(),
            // Twice the limit, so that removals never make the table grow.
            index: HashTable::with_capacity(limit * 2),
            order,
            last: 0,
            asked: 0,
            spread: Spread::new(rng),
            usual: Pace {
                reachable,
                retry: RETRY,
            },
            paces: Vec::new(),
        }
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Neighbour<A>> {
        self.entries.get(index as usize)?.as_ref()
    }

    fn get_mut(&mut self, index: u32) -> Option<&mut Neighbour<A>> {
        self.entries.get_mut(index as usize)?.as_mut()
    }

    /// All neighbours with their indices.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Neighbour<A>)> + '_ {
        (0u32..)
            .zip(&self.entries)
            .filter_map(|(index, entry)| Some((index, entry.as_ref()?)))
    }

    fn find(&self, interface: InterfaceId, address: A) -> Option<u32> {
        let same = |index: &u32| {
            self.get(*index)
                .is_some_and(|entry| entry.address == address && entry.interface == interface)
        };
        if same(&self.last) {
            return Some(self.last);
        }
        self.index.find(self.spread.address(address), same).copied()
    }

    /// Makes a place for a new neighbour: a free one, that of a guest, or that of the known neighbour that
    /// was not used for longest. Neighbours that have not answered take three quarters of the places at
    /// most; then the one asked first makes way for the next, so that who asks for many that are
    /// not there displaces few that are. The new entry's index, and whether somebody waited there.
    fn insert(&mut self, entry: Neighbour<A>) -> Option<(u32, bool)> {
        let asks = entry.state == NeighbourState::Incomplete;
        let mut displaced = false;
        if asks && self.asked >= (self.entries.len() * 3 / 4).max(1) {
            self.remove(self.order.first(ASKED)?);
            displaced = true;
        } else if self.order.is_empty(FREE) {
            let oldest = self.order.first(GUESTS);
            self.remove(oldest.or_else(|| self.order.first(USED))?);
        }
        let index = self.order.pop(FREE)?;
        *self.entries.get_mut(index as usize)? = Some(entry);
        let (entries, spread) = (&self.entries, &self.spread);
        self.index
            .insert_unique(spread.address(entry.address), index, |index| {
                let entry = entries.get(*index as usize).and_then(Option::as_ref);
                entry.map_or(0, |entry| spread.address(entry.address))
            });
        self.sort(index);
        Some((index, displaced))
    }

    /// Puts an entry in the list that its state asks for: at the end, as it was just used. What a
    /// person has put in is in none: it never makes way.
    fn sort(&mut self, index: u32) {
        let was_asked = self.order.list_of(index) == Some(ASKED);
        self.asked -= usize::from(was_asked);
        let Some(entry) = self.get(index) else {
            return self.order.push(FREE, index);
        };
        match entry.list() {
            Some(list) => {
                self.order.push(list, index);
                self.asked += usize::from(list == ASKED);
            }
            None => {
                self.order.remove(index);
            }
        }
    }

    /// Notes that an entry whose address is known is used.
    #[inline]
    fn use_again(&mut self, index: u32) {
        let list = self.get(index).and_then(Neighbour::list);
        if list.is_some_and(|list| self.order.last(list) != Some(index)) {
            self.sort(index);
        }
    }

    /// Forgets a neighbour. Its waiters are the caller's business.
    pub(crate) fn remove(&mut self, index: u32) -> bool {
        let Some(entry) = self.entries.get_mut(index as usize).and_then(Option::take) else {
            return false;
        };
        let hash = self.spread.address(entry.address);
        if let Ok(found) = self.index.find_entry(hash, |other| *other == index) {
            found.remove();
        }
        self.sort(index);
        true
    }

    /// The hardware address of the neighbour that was used last, if it is the one and known, and nothing
    /// begins with this use: then there is nothing to do but to use it.
    #[inline]
    pub(crate) fn known(&self, interface: InterfaceId, address: A) -> Option<MacAddress> {
        let entry = self.get(self.last)?;
        let is_it = entry.address == address && entry.interface == interface;
        let is_known = match entry.state {
            NeighbourState::Static => true,
            NeighbourState::Reachable | NeighbourState::Delay | NeighbourState::Probe => {
                let list = entry.list();
                list.is_some_and(|list| self.order.last(list) == Some(self.last))
            }
            NeighbourState::Incomplete | NeighbourState::Failed | NeighbourState::Stale => false,
        };
        (is_it && is_known).then_some(entry.mac)
    }

    /// Where to send a packet for `address`, and what to do first. A place that was taken from
    /// another neighbour had no waiters: who waits is incomplete, and those make no way.
    pub(crate) fn resolve(
        &mut self,
        interface: InterfaceId,
        address: A,
        now: Instant,
    ) -> (Found, Option<Change>) {
        let Some(index) = self.find(interface, address) else {
            let entry = Neighbour {
                interface,
                address,
                mac: MacAddress::ZERO,
                state: NeighbourState::Incomplete,
                heard: now,
                asked: now,
                tries: 1,
                is_guest: false,
            };
            let retry = self.pace(interface).retry;
            let Some((index, displaced)) = self.insert(entry) else {
                return (Found::Unreachable, None);
            };
            let change = Change {
                index,
                ask: Some(Ask::Everybody),
                deadline: Some(now + retry),
                waiters: Waiters::Stay,
                displaced,
            };
            return (Found::Wait(index), Some(change));
        };
        self.last = index;
        let Some(entry) = self.get_mut(index) else {
            return (Found::Unreachable, None);
        };
        let (mac, state) = (entry.mac, entry.state);
        if state == NeighbourState::Stale {
            // RFC 4861 7.3.3: the first use of a stale entry starts the delay.
            entry.state = NeighbourState::Delay;
        }
        match state {
            NeighbourState::Incomplete => return (Found::Wait(index), None),
            NeighbourState::Failed => return (Found::Unreachable, None),
            NeighbourState::Static => return (Found::Known(mac), None),
            NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe => self.use_again(index),
        }
        let change = (state == NeighbourState::Stale).then(|| Change {
            index,
            ask: None,
            deadline: Some(now + DELAY),
            waiters: Waiters::Stay,
            displaced: false,
        });
        (Found::Known(mac), change)
    }

    /// The neighbour's timer fired.
    pub(crate) fn fire(&mut self, index: u32, now: Instant) -> Option<Change> {
        let change = self.tick(index, now);
        self.note_change(index);
        change
    }

    /// An entry that is not what it was any more is in another list.
    fn note_change(&mut self, index: u32) {
        let list = self.get(index).and_then(Neighbour::list);
        if list.is_some() && self.order.list_of(index) != list {
            self.sort(index);
        }
    }

    fn tick(&mut self, index: u32, now: Instant) -> Option<Change> {
        let retry = self.pace(self.get(index)?.interface).retry;
        let entry = self.get_mut(index)?;
        let change = Change {
            index,
            ask: None,
            deadline: None,
            waiters: Waiters::Stay,
            displaced: false,
        };
        match entry.state {
            NeighbourState::Incomplete | NeighbourState::Probe if entry.tries >= TRIES => {
                entry.state = NeighbourState::Failed;
                // Kept for a second, so that who insists does not ask more often than that.
                Some(Change {
                    deadline: Some(now + retry),
                    waiters: Waiters::Fail,
                    ..change
                })
            }
            NeighbourState::Incomplete => {
                entry.tries += 1;
                entry.asked = now;
                Some(Change {
                    ask: Some(Ask::Everybody),
                    deadline: Some(now + retry),
                    ..change
                })
            }
            NeighbourState::Delay | NeighbourState::Probe => {
                let first = entry.state == NeighbourState::Delay;
                entry.tries = if first { 1 } else { entry.tries + 1 };
                entry.state = NeighbourState::Probe;
                entry.asked = now;
                // RFC 4861 7.3.3 asks directly; the last try asks everybody, should the hardware
                // have been exchanged.
                let ask = if entry.tries < TRIES {
                    Ask::Directly(entry.mac)
                } else {
                    Ask::Everybody
                };
                Some(Change {
                    ask: Some(ask),
                    deadline: Some(now + retry),
                    ..change
                })
            }
            NeighbourState::Reachable => {
                entry.state = NeighbourState::Stale;
                Some(change)
            }
            NeighbourState::Failed => {
                self.remove(index);
                Some(Change {
                    waiters: Waiters::Fail,
                    ..change
                })
            }
            NeighbourState::Stale | NeighbourState::Static => None,
        }
    }

    /// Somebody says that `address` is at `mac`: `solicited` if it is a direct answer.
    pub(crate) fn heard(
        &mut self,
        interface: InterfaceId,
        address: A,
        mac: MacAddress,
        solicited: bool,
        now: Instant,
    ) -> Heard {
        let Some(index) = self.find(interface, address) else {
            return Heard::Unknown;
        };
        let heard = self.listen(index, mac, solicited, now);
        self.note_change(index);
        heard
    }

    fn listen(&mut self, index: u32, mac: MacAddress, solicited: bool, now: Instant) -> Heard {
        let Some(link) = self.get(index).map(|entry| entry.interface) else {
            return Heard::Unknown;
        };
        let Pace { reachable, retry } = self.pace(link);
        let Some(entry) = self.get_mut(index) else {
            return Heard::Unknown;
        };
        let stay = Change {
            index,
            ask: None,
            deadline: None,
            waiters: Waiters::Stay,
            displaced: false,
        };
        let known = !matches!(
            entry.state,
            NeighbourState::Incomplete | NeighbourState::Failed
        );
        match entry.state {
            NeighbourState::Static if entry.mac == mac => Heard::Learned(stay),
            NeighbourState::Static => Heard::Suspicious(None),
            // We have asked everybody, or the one that is known.
            NeighbourState::Incomplete | NeighbourState::Probe
                if solicited && (entry.mac == mac || entry.has_asked_all()) =>
            {
                Heard::Learned(entry.confirm(mac, stay, reachable, now))
            }
            // RFC 4861 7.3.1: that a guest is there does not say that our packets reach it.
            _ if known && entry.mac == mac && entry.is_guest && !solicited => {
                entry.heard = now;
                Heard::Unchanged
            }
            _ if known && entry.mac == mac => {
                let change = Change {
                    deadline: Some(now + reachable),
                    ..stay
                };
                entry.heard = now;
                entry.state = NeighbourState::Reachable;
                Heard::Learned(change)
            }
            // RFC 1122 2.3.2.1: an announcement does answer who waits; it is verified by use.
            NeighbourState::Incomplete | NeighbourState::Failed => {
                Heard::Learned(entry.confirm(mac, stay, reachable, now))
            }
            // Another hardware address, and nobody asked: ask the one that is known, once. If it is silent,
            // its card may have been exchanged: then everybody is asked.
            _ => {
                if entry.state == NeighbourState::Probe || now.since(entry.asked) < retry {
                    return Heard::Suspicious(None);
                }
                entry.state = NeighbourState::Probe;
                entry.tries = TRIES - 1;
                entry.asked = now;
                Heard::Suspicious(Some(Change {
                    ask: Some(Ask::Directly(entry.mac)),
                    deadline: Some(now + retry),
                    ..stay
                }))
            }
        }
    }

    /// That a neighbour is reachable is to be verified when it is used next.
    pub(crate) fn doubt(&mut self, index: u32) {
        if let Some(entry) = self.get_mut(index)
            && entry.state == NeighbourState::Reachable
        {
            entry.state = NeighbourState::Stale;
        }
    }

    /// A person says so. `None` when the table is full of such.
    pub(crate) fn set(
        &mut self,
        interface: InterfaceId,
        address: A,
        mac: MacAddress,
        now: Instant,
    ) -> Option<Change> {
        let state = NeighbourState::Static;
        if let Some(index) = self.find(interface, address) {
            let entry = self.get_mut(index)?;
            *entry = Neighbour {
                mac,
                state,
                heard: now,
                is_guest: false,
                ..*entry
            };
            self.sort(index);
            return Some(Change {
                index,
                ask: None,
                deadline: None,
                waiters: Waiters::Go,
                displaced: false,
            });
        }
        let entry = Neighbour {
            interface,
            address,
            mac,
            state,
            heard: now,
            asked: now,
            tries: 0,
            is_guest: false,
        };
        let (index, displaced) = self.insert(entry)?;
        Some(Change {
            index,
            ask: None,
            deadline: None,
            waiters: Waiters::Go,
            displaced,
        })
    }

    /// The entry for an address.
    pub(crate) fn index_of(&self, interface: InterfaceId, address: A) -> Option<u32> {
        self.find(interface, address)
    }
}

impl<A> Neighbour<A> {
    /// Whether its hardware address is known.
    pub(crate) fn has_mac(&self) -> bool {
        !matches!(
            self.state,
            NeighbourState::Incomplete | NeighbourState::Failed
        )
    }

    /// The list that it is in, if in any.
    fn list(&self) -> Option<u32> {
        match self.state {
            NeighbourState::Incomplete => Some(ASKED),
            NeighbourState::Static => None,
            _ if self.is_guest => Some(GUESTS),
            _ => Some(USED),
        }
    }

    /// Whether the last question was everybody's to answer.
    fn has_asked_all(&self) -> bool {
        self.state == NeighbourState::Incomplete || self.tries >= TRIES
    }

    fn confirm(
        &mut self,
        mac: MacAddress,
        stay: Change,
        reachable: Duration,
        now: Instant,
    ) -> Change {
        self.mac = mac;
        self.heard = now;
        self.state = NeighbourState::Reachable;
        self.tries = 0;
        self.is_guest = false;
        Change {
            deadline: Some(now + reachable),
            waiters: Waiters::Go,
            ..stay
        }
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
