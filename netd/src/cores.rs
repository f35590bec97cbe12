//! Several loops, each for a core: a whole stack each, with a pair of the device's queues of its own.
//!
//! *Owns* what loops share, which is little: who sleeps, how to wake them, and what the first one tells
//! the others. The first has the system's session, and with it the clients; leases, names, datagrams and
//! whatever is not a TCP connection are its own. The others have sessions that clients open with them.
//! No lock is taken, but for the device's registers, which loops have in turns.
//!
//! The device has one interrupt. Whoever is woken by it looks whether something has come for others that
//! sleep, and wakes them; who is awake finds it without.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU16;

use abi::{PAGE_SIZE, Signals, WaitItem};
use device::Device;
use ring::{Flag, Giver, Look, Taker, handover};
use rt::handle::Channel;
use stack::{InterfaceId, LinkConfiguration, Shard, Steering};
use virtio_net::Signs;

use crate::crossing::{Crossing, Wake, crossings};
use crate::hardware::NetworkDevice;
use crate::server::Server;
use crate::session::{Peer, Privileges};

/// The link that loops share.
const FIRST_LINK: InterfaceId = InterfaceId::from_raw(1);
/// Orders that wait for a loop at most.
const ORDERS: usize = 64;

/// What the first loop tells another.
pub enum Order {
    /// A client has opened a session with it.
    Client {
        /// Our end.
        channel: Channel,
        /// It may change the machine's network.
        privileges: Privileges,
    },
    /// The link that loops share has these addresses and routes now.
    Link(Box<LinkConfiguration>),
}

/// What all loops see of one.
struct Sleeper {
    flag: Flag,
    /// Rings its bell.
    bell: Channel,
    /// Of its device.
    signs: Signs,
}

/// All loops.
struct Team(Vec<Sleeper>);

impl Team {
    /// A loop was given something.
    fn wake(&self, number: usize) {
        if let Some(sleeper) = self.0.get(number)
            && sleeper.flag.must_ring()
        {
            // The other end is this process's.
            sleeper.bell.ring().ok();
        }
    }
}

/// One loop's place.
pub struct Seat {
    number: usize,
    team: Arc<Team>,
    /// Where it hears its bell.
    bell: Channel,
    orders: Taker<Order>,
    /// To each of the others, and which configuration it was told last; the first loop's.
    others: Vec<(Giver<Order>, u64)>,
    /// The way to the others.
    crossing: Option<Crossing>,
    /// Its part of connections.
    pub shard: Shard,
}

/// A place for each driver, in order. `key` is secret: by it connections are dealt out.
///
/// # Errors
/// When handles or memory run out.
pub fn seats(devices: &[NetworkDevice], key: u64) -> Result<Vec<Seat>, abi::Error> {
    let count = u16::try_from(devices.len()).unwrap_or(1).max(1);
    let shards = NonZeroU16::new(count).unwrap_or(NonZeroU16::MIN);
    let steering = Steering::new(shards, key).with_datagrams_first();
    let (mut sleepers, mut bells) = (Vec::new(), Vec::new());
    for device in devices {
        let (hears, rings) = Channel::create(PAGE_SIZE)?;
        bells.push(hears);
        sleepers.push(Sleeper {
            flag: Flag::new(),
            bell: rings,
            signs: device.signs(),
        });
    }
    let team = Arc::new(Team(sleepers));
    let waker = Arc::clone(&team);
    let wake: Wake = Arc::new(move |number| waker.wake(number));
    let (mut givers, mut seats) = (Vec::new(), Vec::new());
    for ((number, bell), crossing) in (0..).zip(bells).zip(crossings(steering, count, &wake)) {
        let (giver, orders) = handover(ORDERS);
        if number > 0 {
            givers.push((giver, 0));
        }
        seats.push(Seat {
            number,
            team: Arc::clone(&team),
            bell,
            orders,
            others: Vec::new(),
            crossing: Some(crossing),
            shard: Shard {
                steering,
                number: u16::try_from(number).unwrap_or(0),
                link: FIRST_LINK,
            },
        });
    }
    if let Some(first) = seats.first_mut() {
        first.others = givers;
    }
    Ok(seats)
}

impl Seat {
    /// Whether it is the first loop's.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.number == 0
    }

    /// What a sleep waits for to hear the bell.
    #[must_use]
    pub fn bell(&self) -> WaitItem {
        WaitItem::new(self.bell.raw(), Signals::DOORBELL)
    }

    /// The server serves from here.
    pub fn take<P: Peer, D: Device>(&mut self, server: &mut Server<P, D>) {
        if let Some(crossing) = self.crossing.take() {
            let count = u32::try_from(self.team.0.len()).unwrap_or(1);
            server.join(count, crossing);
        }
    }

    /// The next order.
    pub fn order(&mut self) -> Option<Order> {
        self.orders.take()
    }

    /// Tells the others what they have to know: clients of theirs, and what has changed.
    pub fn instruct<P: Peer, D: Device>(&mut self, server: &mut Server<P, D>) {
        for arrival in server.take_arrivals() {
            let number = arrival.core as usize;
            let other = number.checked_sub(1).and_then(|at| self.others.get_mut(at));
            let order = Order::Client {
                channel: arrival.channel,
                privileges: arrival.privileges,
            };
            // Who finds no place finds its channel closed.
            if other.is_some_and(|(giver, _)| giver.give(order).is_ok()) {
                self.team.wake(number);
            }
        }
        for (number, (giver, told)) in (1..).zip(&mut self.others) {
            if let Some((generation, link)) = server.link_since(*told) {
                // Without room, the next turn finds some.
                if giver.give(Order::Link(Box::new(link))).is_ok() {
                    *told = generation;
                    self.team.wake(number);
                }
            }
        }
    }

    /// Before sleeping, when everything else was found done: the last look.
    pub fn announce_sleep<P: Peer, D: Device>(&mut self, server: &mut Server<P, D>) -> Look {
        let Some(own) = self.team.0.get(self.number) else {
            return Look::MoreWork;
        };
        let orders = &mut self.orders;
        own.flag
            .announce(|| own.signs.has_news() || !orders.is_empty() || server.has_frames())
    }

    /// After sleeping.
    pub fn awake(&self) {
        if let Some(own) = self.team.0.get(self.number) {
            own.flag.lower();
        }
    }

    /// After the device's interrupt was acknowledged to it: wakes the others, those that something has
    /// come for, or all.
    pub fn pass_on(&self, is_for_all: bool) {
        for (number, other) in self.team.0.iter().enumerate() {
            if number != self.number && (is_for_all || other.signs.has_news()) {
                self.team.wake(number);
            }
        }
    }
}
