//! The client against a scripted server.

use super::{Action, Client, Mode};
use crate::Instant;
use crate::rng::Rng;
use core::net::Ipv6Addr;
use core::time::Duration;
use std::vec;
use std::vec::Vec;
use wire::dhcp6::{Code, Duid, Identity, Leased, Message, MessageType, Options, Status};
use wire::{Drop, MacAddress};

const MAC: MacAddress = MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const ADDRESS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0xa);
const OTHER: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0xb);

fn server(number: u8) -> Duid {
    Duid::from_bytes(&[0, 2, number]).expect("long enough")
}

/// What a message was, as far as tests look.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    message_type: MessageType,
    transaction: u32,
    server: Option<Duid>,
    identity: Option<Identity>,
    wanted: Vec<Code>,
    elapsed: u16,
    rapid_commit: bool,
}

struct World {
    client: Client,
    rng: Rng,
    now: Instant,
}

impl World {
    fn new(mode: Mode) -> Self {
        let mut rng = Rng::new([7; 32]);
        let mut world = Self {
            client: Client::new(MAC, &mut rng),
            rng,
            now: Instant::from_secs(1000),
        };
        world.client.heed(mode, &mut world.rng, world.now);
        world
    }

    /// Lets the client's deadline come, and gives what it says then.
    fn fire(&mut self) -> (Action, Option<Said>) {
        self.now = self
            .client
            .next_deadline()
            .expect("a deadline")
            .max(self.now);
        let action = self.client.fire(&mut self.rng, self.now);
        (action, self.said())
    }

    fn said(&mut self) -> Option<Said> {
        let mut bytes = [0; 576];
        let len = self.client.emit(&mut bytes, self.now)?;
        assert_eq!(self.client.emit(&mut [0; 576], self.now), None);
        let it = Message::parse(&bytes[..len]).expect("sound");
        assert_eq!(it.options.client, Some(Duid::of_link(MAC)));
        Some(Said {
            message_type: it.message_type,
            transaction: it.transaction,
            server: it.options.server,
            identity: it.options.identity,
            wanted: it.options.wanted.as_slice().to_vec(),
            elapsed: it.options.elapsed.expect("in every message"),
            rapid_commit: it.options.rapid_commit,
        })
    }

    /// Fires, and the client must say this.
    fn says(&mut self, message_type: MessageType) -> Said {
        let (action, said) = self.fire();
        assert_eq!(action, Action::None);
        let said = said.expect("a message");
        assert_eq!(said.message_type, message_type);
        said
    }

    fn hear(
        &mut self,
        kind: MessageType,
        asked: &Said,
        options: Options<'_>,
    ) -> Result<Action, Drop> {
        let message = Message {
            message_type: kind,
            transaction: asked.transaction,
            options: Options {
                client: Some(Duid::of_link(MAC)),
                ..options
            },
        };
        self.client.input(&message, &mut self.rng, self.now)
    }

    /// Up to the lease of an address for so many seconds, preferred for as long.
    fn bound(seconds: u32) -> Self {
        let mut world = Self::new(Mode::Addresses);
        let solicit = world.says(MessageType::Solicit);
        let offer = Options {
            preference: 255,
            ..leased(ADDRESS, seconds)
        };
        assert_eq!(
            world.hear(MessageType::Advertise, &solicit, offer),
            Ok(Action::None)
        );
        let request = world.said().expect("at once");
        assert_eq!(request.message_type, MessageType::Request);
        let action = world.hear(MessageType::Reply, &request, leased(ADDRESS, seconds));
        assert_eq!(action, Ok(Action::Use));
        world
    }

    fn addresses(&self) -> Vec<Ipv6Addr> {
        let lease = self.client.lease().expect("a lease");
        lease.addresses().map(|(address, ..)| address).collect()
    }

    fn state(&self) -> &'static str {
        self.client.state_name()
    }
}

fn iaid() -> u32 {
    0x0012_3456
}

fn leased(address: Ipv6Addr, seconds: u32) -> Options<'static> {
    let leased = Leased {
        address,
        preferred: seconds,
        valid: seconds,
    };
    Options {
        server: Some(server(1)),
        identity: Some(Identity {
            iaid: iaid(),
            addresses: [leased].into_iter().collect(),
            ..Identity::default()
        }),
        ..Options::default()
    }
}

fn refused(status: Status) -> Options<'static> {
    Options {
        server: Some(server(1)),
        identity: Some(Identity {
            iaid: iaid(),
            status,
            ..Identity::default()
        }),
        ..Options::default()
    }
}

// RFC 8415: 18.2.1, 18.2.2, 18.2.9, 18.2.10
#[test]
fn addresses_are_looked_for_asked_for_and_used() {
    let mut world = World::new(Mode::Addresses);
    let began = world.now;
    let solicit = world.says(MessageType::Solicit);
    assert!(world.now.since(began) < Duration::from_secs(1));
    assert!(solicit.rapid_commit && solicit.server.is_none());
    assert_eq!(solicit.elapsed, 0);
    assert_eq!(solicit.identity.expect("asked for").iaid, iaid());
    assert_eq!(
        solicit.wanted,
        [Code::DNS_SERVERS, Code::DOMAINS, Code::SOLICIT_MAX]
    );
    // The best offer of those within the first wait.
    for (number, preference) in [(1, 3), (2, 9), (3, 9)] {
        let offer = Options {
            server: Some(server(number)),
            preference,
            ..leased(ADDRESS, 100)
        };
        assert_eq!(
            world.hear(MessageType::Advertise, &solicit, offer),
            Ok(Action::None)
        );
        assert_eq!(world.said(), None);
    }
    let request = world.says(MessageType::Request);
    assert_eq!(request.server, Some(server(2)));
    assert_ne!(request.transaction, solicit.transaction);
    let asked = request.identity.expect("asked for").addresses;
    assert_eq!(asked.as_slice().first().map(|it| it.address), Some(ADDRESS));
    // Only he who was asked answers.
    let answer = leased(ADDRESS, 100);
    let refusal = Err(Drop::Dhcp6Unexpected);
    assert_eq!(world.hear(MessageType::Reply, &request, answer), refusal);
    let answer = Options {
        server: Some(server(2)),
        ..answer
    };
    assert_eq!(
        world.hear(MessageType::Reply, &request, answer),
        Ok(Action::Use)
    );
    assert_eq!(world.addresses(), [ADDRESS]);
    assert_eq!(world.state(), "bound");
    // T1 is half of the time for which it is preferred.
    let renew_at = world.client.next_deadline().expect("T1");
    assert_eq!(renew_at.since(world.now), Duration::from_secs(50));
}

// RFC 8415: 15, 18.2.1
#[test]
fn servers_are_looked_for_without_end_ever_more_seldom() {
    let mut world = World::new(Mode::Addresses);
    let first = world.says(MessageType::Solicit);
    let mut waits = vec![];
    for _ in 0..16 {
        let before = world.now;
        let again = world.says(MessageType::Solicit);
        assert_eq!(again.transaction, first.transaction);
        waits.push(world.now.since(before).as_millis());
    }
    assert!((1_000..=1_100).contains(&waits[0]), "{waits:?}");
    for pair in waits.windows(2) {
        assert!(
            pair[1] * 10 >= pair[0] * 19 || pair[1] >= 3_240_000,
            "{waits:?}"
        );
        assert!(pair[1] <= 3_960_000, "{waits:?}");
    }
    // A server without addresses may still say how often it wants to be asked.
    let refusal = Options {
        solicit_max: Some(60),
        ..refused(Status::NO_ADDRESSES)
    };
    assert_eq!(
        world.hear(MessageType::Advertise, &first, refusal),
        Ok(Action::None)
    );
    world.client.link_up(&mut world.rng, world.now);
    for _ in 0..12 {
        world.says(MessageType::Solicit);
    }
    let before = world.now;
    let last = world.says(MessageType::Solicit);
    assert!(world.now.since(before) <= Duration::from_secs(66));
    assert!(last.elapsed > 10_000);
    // The first offer after the first wait is taken.
    assert_eq!(
        world.hear(MessageType::Advertise, &last, leased(ADDRESS, 9)),
        Ok(Action::None)
    );
    assert_eq!(
        world.said().map(|it| it.message_type),
        Some(MessageType::Request)
    );
}

// RFC 8415: 18.2.10, 21.14
#[test]
fn two_messages_are_enough_where_the_server_agrees() {
    let mut world = World::new(Mode::Addresses);
    let solicit = world.says(MessageType::Solicit);
    let hasty = leased(ADDRESS, 100);
    let refusal = Err(Drop::Dhcp6Unexpected);
    assert_eq!(world.hear(MessageType::Reply, &solicit, hasty), refusal);
    let agreed = Options {
        rapid_commit: true,
        ..hasty
    };
    assert_eq!(
        world.hear(MessageType::Reply, &solicit, agreed),
        Ok(Action::Use)
    );
    assert_eq!(world.addresses(), [ADDRESS]);
}

// RFC 8415: 18.2.2
#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let mut world = World::new(Mode::Addresses);
    let solicit = world.says(MessageType::Solicit);
    let offer = leased(ADDRESS, 100);
    assert_eq!(
        world.hear(MessageType::Advertise, &solicit, offer),
        Ok(Action::None)
    );
    for _ in 0..10 {
        world.says(MessageType::Request);
    }
    assert_eq!(world.fire(), (Action::None, None));
    assert_eq!(world.state(), "soliciting");
    world.says(MessageType::Solicit);
}

// RFC 8415: 18.2.4, 18.2.5, 14.2
#[test]
fn a_lease_is_renewed_then_rebound_then_lost() {
    let mut world = World::bound(1_000);
    let start = world.now;
    let renew = world.says(MessageType::Renew);
    assert_eq!(world.now.since(start), Duration::from_secs(500));
    assert_eq!(renew.server, Some(server(1)));
    let longer = leased(ADDRESS, 2_000);
    assert_eq!(
        world.hear(MessageType::Reply, &renew, longer),
        Ok(Action::Use)
    );
    assert_eq!(world.addresses(), [ADDRESS]);
    // Now nobody answers.
    let start = world.now;
    let mut said = vec![];
    let lost = loop {
        let (action, message) = world.fire();
        if let Some(message) = message {
            said.push((message.message_type, message.server.is_some()));
        }
        if action != Action::None {
            break action;
        }
    };
    assert_eq!(lost, Action::Lost);
    assert_eq!(world.now.since(start), Duration::from_secs(2_000));
    let renews = said
        .iter()
        .take_while(|it| **it == (MessageType::Renew, true))
        .count();
    let rebinds = said[renews..]
        .iter()
        .filter(|it| **it == (MessageType::Rebind, false))
        .count();
    assert!(renews >= 4 && rebinds >= 3, "{said:?}");
    assert_eq!(renews + rebinds, said.len());
    world.says(MessageType::Solicit);
}

// RFC 8415: 18.2.10.1
#[test]
fn a_server_that_has_forgotten_is_asked_anew() {
    let mut world = World::bound(1_000);
    let renew = world.says(MessageType::Renew);
    // A refusal alone changes nothing: the next question comes.
    let none = refused(Status::NO_ADDRESSES);
    assert_eq!(
        world.hear(MessageType::Reply, &renew, none),
        Ok(Action::None)
    );
    assert_eq!(world.state(), "renewing");
    let unknown = refused(Status::NO_BINDING);
    assert_eq!(
        world.hear(MessageType::Reply, &renew, unknown),
        Ok(Action::None)
    );
    let request = world.said().expect("at once");
    assert_eq!(request.message_type, MessageType::Request);
    let asked = request.identity.expect("the same").addresses;
    assert_eq!(asked.as_slice().first().map(|it| it.address), Some(ADDRESS));
}

// RFC 8415: 18.2.3, 18.2.12
#[test]
fn on_another_link_the_lease_is_confirmed() {
    let mut world = World::bound(1_000);
    world.client.link_up(&mut world.rng, world.now);
    let confirm = world.says(MessageType::Confirm);
    assert_eq!(confirm.server, None);
    let right = Options {
        server: Some(server(9)),
        ..Options::default()
    };
    assert_eq!(
        world.hear(MessageType::Reply, &confirm, right),
        Ok(Action::Use)
    );
    assert_eq!(world.addresses(), [ADDRESS]);

    // Silence means that nobody says otherwise.
    world.client.link_up(&mut world.rng, world.now);
    let start = world.now;
    while world.state() == "confirming" {
        assert_eq!(world.fire().0, Action::None);
    }
    assert_eq!(world.state(), "bound");
    assert!(world.now.since(start) < Duration::from_secs(16));

    world.client.link_up(&mut world.rng, world.now);
    let confirm = world.says(MessageType::Confirm);
    let wrong = Options {
        status: Status::NOT_ON_LINK,
        ..right
    };
    assert_eq!(
        world.hear(MessageType::Reply, &confirm, wrong),
        Ok(Action::Lost)
    );
    world.says(MessageType::Solicit);
}

// RFC 8415: 18.2.8
#[test]
fn an_address_of_somebody_else_is_declined() {
    let mut world = World::bound(1_000);
    assert_eq!(
        world.client.conflict(OTHER, &mut world.rng, world.now),
        Action::None
    );
    assert_eq!(
        world.client.conflict(ADDRESS, &mut world.rng, world.now),
        Action::Lost
    );
    let decline = world.said().expect("at once");
    assert_eq!(decline.message_type, MessageType::Decline);
    assert_eq!(decline.server, Some(server(1)));
    for _ in 0..3 {
        world.says(MessageType::Decline);
    }
    assert_eq!(world.fire(), (Action::None, None));
    world.says(MessageType::Solicit);
}

// RFC 8415: 18.2.7
#[test]
fn who_leaves_gives_back() {
    let mut world = World::bound(1_000);
    assert_eq!(world.client.release(), Action::Lost);
    let release = world.said().expect("at once");
    assert_eq!(release.message_type, MessageType::Release);
    assert_eq!(release.server, Some(server(1)));
    assert_eq!(world.client.next_deadline(), None);
    assert_eq!(world.client.release(), Action::None);
    assert_eq!(world.said(), None);
}

// RFC 8415: 18.2.6, 21.23
#[test]
fn what_is_no_address_is_asked_for_again_in_time() {
    let mut world = World::new(Mode::Information);
    let question = world.says(MessageType::InformationRequest);
    assert_eq!((question.identity, question.server), (None, None));
    assert!(question.wanted.contains(&Code::REFRESH_TIME));
    let again = world.says(MessageType::InformationRequest);
    assert_eq!(again.transaction, question.transaction);
    for (said, expected) in [(Some(5), 600), (Some(7_000), 7_000), (None, 86_400)] {
        let answer = Options {
            server: Some(server(1)),
            refresh_time: said,
            ..Options::default()
        };
        let question = world.says(MessageType::InformationRequest);
        assert_eq!(
            world.hear(MessageType::Reply, &question, answer),
            Ok(Action::None)
        );
        let wait = world
            .client
            .next_deadline()
            .expect("a refresh")
            .since(world.now);
        assert_eq!(wait, Duration::from_secs(expected));
        assert_eq!(world.fire(), (Action::None, None));
    }
    // A router that says more.
    world
        .client
        .heed(Mode::Addresses, &mut world.rng, world.now);
    world.says(MessageType::Solicit);
    world
        .client
        .heed(Mode::Information, &mut world.rng, world.now);
    assert_eq!(world.state(), "soliciting");
}

// RFC 8415: 16, 18.2.11, 21.4
#[test]
fn what_is_no_answer_to_us_is_dropped() {
    let mut world = World::new(Mode::Addresses);
    let refusal = Err(Drop::Dhcp6Unexpected);
    let offer = leased(ADDRESS, 100);
    let solicit = world.says(MessageType::Solicit);
    let stranger = Said {
        transaction: solicit.transaction ^ 1,
        ..solicit.clone()
    };
    assert_eq!(
        world.hear(MessageType::Advertise, &stranger, offer),
        refusal
    );
    let nobody = Options {
        server: None,
        ..offer
    };
    assert_eq!(
        world.hear(MessageType::Advertise, &solicit, nobody),
        refusal
    );
    let message = Message {
        message_type: MessageType::Advertise,
        transaction: solicit.transaction,
        options: Options {
            client: Some(server(4)),
            ..offer
        },
    };
    assert_eq!(
        world.client.input(&message, &mut world.rng, world.now),
        refusal
    );
    for kind in [
        MessageType::Reconfigure,
        MessageType::Solicit,
        MessageType::Renew,
    ] {
        assert_eq!(world.hear(kind, &solicit, offer), refusal);
    }
    // Offers of nothing are no offers: none of these is asked.
    let identity = |change: fn(&mut Identity)| {
        let mut identity = offer.identity.expect("there");
        change(&mut identity);
        Options {
            identity: Some(identity),
            preference: 255,
            ..offer
        }
    };
    for useless in [
        identity(|it| it.iaid += 1),
        identity(|it| it.status = Status::NO_ADDRESSES),
        identity(|it| (it.renew_after, it.rebind_after) = (20, 10)),
        Options {
            preference: 255,
            ..leased(Ipv6Addr::LOCALHOST, 100)
        },
        Options {
            preference: 255,
            ..leased("ff02::1".parse().expect("an address"), 100)
        },
        Options {
            preference: 255,
            ..leased(ADDRESS, 0)
        },
        Options {
            status: Status(1),
            preference: 255,
            ..offer
        },
    ] {
        assert_eq!(
            world.hear(MessageType::Advertise, &solicit, useless),
            Ok(Action::None)
        );
        assert_eq!(world.said(), None);
    }
    assert_eq!(world.state(), "soliciting");
}

#[test]
fn a_lease_of_no_time_is_not_asked_for_without_end() {
    let mut world = World::bound(1);
    let start = world.now;
    let mut messages = 0;
    while world.now.since(start) < Duration::from_secs(1) {
        messages += usize::from(world.fire().1.is_some());
    }
    assert!(messages <= 3, "{messages}");
}
