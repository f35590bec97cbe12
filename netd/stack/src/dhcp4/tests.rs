//! The client against a scripted server, as tables of (when, what happens, what must follow).

use super::message::Outgoing;
use super::{Action, Client, Settings};
use crate::Instant;
use crate::rng::Rng;
use core::net::Ipv4Addr;
use core::time::Duration;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;
use wire::dhcp4::{Message, MessageType, Speaker, Text};
use wire::{Drop, MacAddress};

const MAC: MacAddress = MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 9);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);

/// What happens to the client.
#[derive(Clone, Copy, Debug)]
enum Do {
    /// Its deadline comes, at the row's time give or take the jitter.
    Fire,
    LinkUp,
    Offer,
    /// An acknowledgment of a lease of so many seconds.
    Ack(u32),
    Nak,
    Probed(bool),
    Conflict,
    Release,
}
use Do::{Ack, Conflict, Fire, LinkUp, Nak, Offer, Probed, Release};

/// Seconds, event, the action's name, the state after it, the messages sent then.
type Row = (u64, Do, &'static str, &'static str, &'static [&'static str]);

struct World {
    client: Client,
    rng: Rng,
    now: Instant,
    last: Option<Message>,
}

impl World {
    fn new(fallback_after: Option<u64>) -> Self {
        let client = Client::new(Settings {
            mac: MAC,
            host_name: Text::new(b"skerry").expect("short"),
            fallback_after: fallback_after.map(Duration::from_secs),
        });
        Self {
            client,
            rng: Rng::new([7; 32]),
            now: Instant::from_secs(1000),
            last: None,
        }
    }

    fn run(&mut self, rows: &[Row]) {
        let start = self.now;
        for (number, (seconds, event, action, state, sent)) in rows.iter().enumerate() {
            let when = start + Duration::from_secs(*seconds);
            let row = format!("row {number}, {event:?}");
            if let Fire = event {
                let deadline = self.client.next_deadline().expect("a deadline");
                let early = when.since(deadline).max(deadline.since(when));
                assert!(early <= Duration::from_secs(2), "{row}: {early:?} off");
                self.now = deadline;
            } else {
                assert!(self.now <= when, "{row}: the table goes backwards");
                self.now = when;
            }
            let got = self.happen(*event);
            assert_eq!(name(&got), *action, "{row}");
            assert_eq!(self.client.state_name(), *state, "{row}");
            assert_eq!(self.drain(), *sent, "{row}");
            let is_held = matches!(*state, "BOUND" | "RENEWING" | "REBINDING" | "REBOOTING");
            assert_eq!(self.client.lease().is_some(), is_held, "{row}");
        }
    }

    fn happen(&mut self, event: Do) -> Action {
        match event {
            Fire => self.client.fire(&mut self.rng, self.now),
            LinkUp => {
                self.client.link_up(&mut self.rng, self.now);
                Action::None
            }
            Offer => self.answer(MessageType::Offer, 3600).expect("expected"),
            Ack(seconds) => self.answer(MessageType::Ack, seconds).expect("expected"),
            Nak => self.answer(MessageType::Nak, 0).expect("expected"),
            Probed(is_free) => self.client.probed(is_free, self.now),
            Conflict => self.client.conflict(self.now),
            Release => self.client.release(),
        }
    }

    /// The server's answer to the last message.
    fn reply(&self, kind: MessageType, seconds: u32) -> Message {
        let asked = self.last.expect("something to answer");
        let mut message = Message::from_client(kind, asked.xid, MAC);
        message.speaker = Speaker::Server;
        message.yiaddr = ADDRESS;
        message.options.server_id = Some(SERVER);
        message.options.lease_time = Some(seconds).filter(|seconds| *seconds != 0);
        message.options.subnet_mask = Some(Ipv4Addr::new(255, 255, 255, 0));
        message.options.routers = [SERVER].into_iter().collect();
        message
    }

    fn answer(&mut self, kind: MessageType, seconds: u32) -> Result<Action, Drop> {
        let message = self.reply(kind, seconds);
        self.hear(&message)
    }

    fn hear(&mut self, message: &Message) -> Result<Action, Drop> {
        let mut bytes = vec![0; 1000];
        let len = message.emit(&mut bytes).expect("room");
        self.client.input(&bytes[..len], &mut self.rng, self.now)
    }

    /// Everything the client has to say, in short.
    fn drain(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        let mut bytes = [0; 576];
        while let Some(outgoing) = self.client.emit(&mut bytes) {
            let message = Message::parse(&bytes[..outgoing.len]).expect("well-formed");
            assert_eq!((message.speaker, message.chaddr), (Speaker::Client, MAC));
            said.push(summary(&message, &outgoing));
            self.last = Some(message);
        }
        said
    }
}

/// `kind source>destination`, then the fields and options that are set.
fn summary(message: &Message, outgoing: &Outgoing) -> String {
    let short = |address: Ipv4Addr| match address {
        Ipv4Addr::UNSPECIFIED => String::from("0"),
        Ipv4Addr::BROADCAST => String::from("all"),
        address => format!(".{}", address.octets()[3]),
    };
    let mut text = format!(
        "{:?} {}>{}",
        message.message_type,
        short(outgoing.source),
        short(outgoing.destination)
    );
    if message.broadcast {
        text.push_str(" B");
    }
    if !message.ciaddr.is_unspecified() {
        text.push_str(&format!(" ci={}", short(message.ciaddr)));
    }
    if let Some(address) = message.options.requested_address {
        text.push_str(&format!(" want={}", short(address)));
    }
    if let Some(address) = message.options.server_id {
        text.push_str(&format!(" server={}", short(address)));
    }
    text
}

fn name(action: &Action) -> &'static str {
    match action {
        Action::None => "",
        Action::Probe(_) => "probe",
        Action::Bound(_) => "bound",
        Action::Renewed(_) => "renewed",
        Action::Lost => "lost",
        Action::Fallback => "fallback",
    }
}

const DISCOVER: &[&str] = &["Discover 0>all B"];
const SELECT: &[&str] = &["Request 0>all B want=.15 server=.2"];
const RENEW: &[&str] = &["Request .15>.2 ci=.15"];
const REBIND: &[&str] = &["Request .15>all ci=.15"];
const REBOOT: &[&str] = &["Request 0>all B want=.15"];
const DECLINE: &[&str] = &["Decline 0>all want=.15 server=.2"];
const NOTHING: &[&str] = &[];

/// From the link to the address, at second zero. The lease is of 1000 seconds.
const BIND: [Row; 5] = [
    (0, LinkUp, "", "INIT", NOTHING),
    (0, Fire, "", "SELECTING", DISCOVER),
    (0, Offer, "", "REQUESTING", SELECT),
    (0, Ack(1000), "probe", "PROBING", NOTHING),
    (0, Probed(true), "bound", "BOUND", NOTHING),
];

fn bound() -> World {
    let mut world = World::new(None);
    world.run(&BIND);
    world
}

#[test]
fn from_nothing_to_bound_and_renewed() {
    let mut world = bound();
    let lease = *world.client.lease().expect("bound");
    assert_eq!(lease.address, "10.0.2.15/24".parse().expect("prefix"));
    assert_eq!(
        (lease.server, lease.default_router()),
        (SERVER, Some(SERVER))
    );
    world.run(&[
        (500, Fire, "", "RENEWING", RENEW),
        (501, Ack(100), "renewed", "BOUND", NOTHING),
        // The new lease counts from its request.
        (550, Fire, "", "RENEWING", RENEW),
        (550, Ack(1000), "renewed", "BOUND", NOTHING),
        (1050, Fire, "", "RENEWING", RENEW),
    ]);
}

#[test]
fn what_a_discover_says() {
    let mut world = bound();
    let asked = world.last.expect("a request");
    assert_eq!(asked.options.host_name.as_bytes(), b"skerry");
    assert_eq!(
        asked.options.client_id.as_slice(),
        [1, 0x52, 0x54, 0, 0x12, 0x34, 0x56]
    );
    assert_eq!(asked.options.max_message_size, Some(576));
    assert_eq!(asked.options.parameter_request.len(), 11);
    world.client.release();
    assert_eq!(world.drain(), ["Release .15>.2 ci=.15 server=.2"]);
    assert!(
        world
            .last
            .expect("a release")
            .options
            .parameter_request
            .is_empty()
    );
}

#[test]
fn nobody_answers() {
    let mut world = World::new(Some(5));
    world.run(&[
        (0, LinkUp, "", "INIT", NOTHING),
        (0, Fire, "", "SELECTING", DISCOVER),
        (4, Fire, "", "SELECTING", DISCOVER),
        (5, Fire, "fallback", "SELECTING", NOTHING),
        (12, Fire, "", "SELECTING", DISCOVER),
        (28, Fire, "", "SELECTING", DISCOVER),
        (60, Fire, "", "SELECTING", DISCOVER),
    ]);
    assert_eq!(world.last.expect("a discover").secs / 10, 6);
    world.run(&[(64, Fire, "", "SELECTING", DISCOVER)]);
    world.run(&[(64, Fire, "", "SELECTING", DISCOVER)]);
    // A server at last: the fall-back is over.
    world.run(&[
        (1, Offer, "", "REQUESTING", SELECT),
        (2, Ack(1000), "probe", "PROBING", NOTHING),
        (3, Probed(true), "bound", "BOUND", NOTHING),
    ]);
}

#[test]
fn an_offer_that_is_not_kept() {
    World::new(None).run(&[
        (0, LinkUp, "", "INIT", NOTHING),
        (0, Fire, "", "SELECTING", DISCOVER),
        (1, Offer, "", "REQUESTING", SELECT),
        (5, Fire, "", "REQUESTING", SELECT),
        (13, Fire, "", "REQUESTING", SELECT),
        (29, Fire, "", "REQUESTING", SELECT),
        (61, Fire, "", "INIT", NOTHING),
        (61, Fire, "", "SELECTING", DISCOVER),
        (64, Offer, "", "REQUESTING", SELECT),
        (65, Nak, "", "INIT", NOTHING),
        (66, Fire, "", "SELECTING", DISCOVER),
    ]);
}

#[test]
fn a_server_that_is_gone() {
    bound().run(&[
        (500, Fire, "", "RENEWING", RENEW),
        // Half of what is left until T2 at 875, then 60 seconds at least.
        (687, Fire, "", "RENEWING", RENEW),
        (781, Fire, "", "RENEWING", RENEW),
        (841, Fire, "", "RENEWING", RENEW),
        (875, Fire, "", "REBINDING", REBIND),
        (937, Fire, "", "REBINDING", REBIND),
        (997, Fire, "", "REBINDING", REBIND),
        (1000, Fire, "lost", "INIT", NOTHING),
        (1000, Fire, "", "SELECTING", DISCOVER),
    ]);
}

#[test]
fn another_server_helps() {
    let mut world = bound();
    world.run(&[
        (500, Fire, "", "RENEWING", RENEW),
        (687, Fire, "", "RENEWING", RENEW),
        (781, Fire, "", "RENEWING", RENEW),
        (841, Fire, "", "RENEWING", RENEW),
        (875, Fire, "", "REBINDING", REBIND),
    ]);
    let mut ack = world.reply(MessageType::Ack, 1000);
    ack.options.server_id = Some(OTHER_SERVER);
    assert_eq!(name(&world.hear(&ack).expect("expected")), "renewed");
    assert_eq!(world.client.lease().expect("bound").server, OTHER_SERVER);
}

#[test]
fn refusals_take_the_address() {
    for (event, action, pause, sent) in [
        (Nak, "lost", 1, NOTHING),
        (Conflict, "lost", 10, DECLINE),
        (Release, "lost", 0, NOTHING),
    ] {
        let mut world = bound();
        world.run(&[(500, Fire, "", "RENEWING", RENEW)]);
        if let Release = event {
            let farewell: &[&str] = &["Release .15>.2 ci=.15 server=.2"];
            world.run(&[(1, Release, action, "STOPPED", farewell)]);
            assert_eq!(world.client.next_deadline(), None);
        } else {
            world.run(&[
                (1, event, action, "INIT", sent),
                (1 + pause, Fire, "", "SELECTING", DISCOVER),
            ]);
        }
    }
}

#[test]
fn an_address_that_somebody_uses_is_declined() {
    let mut world = World::new(Some(20));
    world.run(&BIND[..4]);
    world.run(&[
        (1, Probed(false), "", "INIT", DECLINE),
        (11, Fire, "", "SELECTING", DISCOVER),
        (12, Offer, "", "REQUESTING", SELECT),
        (13, Ack(1000), "probe", "PROBING", NOTHING),
        (14, Conflict, "", "INIT", DECLINE),
        // Twenty seconds without an address.
        (20, Fire, "fallback", "INIT", NOTHING),
        (24, Fire, "", "SELECTING", DISCOVER),
    ]);
}

#[test]
fn the_link_comes_back() {
    let mut world = bound();
    world.run(&[
        (10, LinkUp, "", "REBOOTING", REBOOT),
        (11, Ack(2000), "renewed", "BOUND", NOTHING),
        (1010, Fire, "", "RENEWING", RENEW),
        (1011, LinkUp, "", "REBOOTING", REBOOT),
        (1012, Nak, "lost", "INIT", NOTHING),
    ]);
    // Without an answer the lease is used on; here T1 passes meanwhile.
    let mut world = bound();
    world.run(&[
        (470, LinkUp, "", "REBOOTING", REBOOT),
        (474, Fire, "", "REBOOTING", REBOOT),
        (482, Fire, "", "REBOOTING", REBOOT),
        (498, Fire, "", "REBOOTING", REBOOT),
        (530, Fire, "", "RENEWING", RENEW),
    ]);
    // And here it does not.
    let mut world = bound();
    world.run(&[
        (0, LinkUp, "", "REBOOTING", REBOOT),
        (4, Fire, "", "REBOOTING", REBOOT),
        (12, Fire, "", "REBOOTING", REBOOT),
        (28, Fire, "", "REBOOTING", REBOOT),
        (60, Fire, "", "BOUND", NOTHING),
        (500, Fire, "", "RENEWING", RENEW),
    ]);
}

#[test]
fn a_lease_for_ever_has_no_deadline() {
    let mut world = World::new(Some(5));
    world.run(&BIND[..3]);
    world.run(&[
        (0, Ack(u32::MAX), "probe", "PROBING", NOTHING),
        (0, Probed(true), "bound", "BOUND", NOTHING),
    ]);
    assert_eq!(world.client.next_deadline(), None);
    assert_eq!(world.client.lease().expect("bound").duration, None);
}

#[test]
fn a_long_sleep_does_not_prolong_a_lease() {
    let mut world = bound();
    world.now = world.now + Duration::from_secs(5000);
    assert_eq!(name(&world.happen(Fire)), "lost");
    assert_eq!(world.client.state_name(), "INIT");
}

#[test]
fn answers_that_are_not_for_us() {
    let mut world = World::new(None);
    world.run(&BIND[..2]);
    let offer = world.reply(MessageType::Offer, 1000);
    let strange: [fn(&mut Message); 9] = [
        |message| message.xid ^= 1,
        |message| message.chaddr = MacAddress([2; 6]),
        |message| message.speaker = Speaker::Client,
        |message| message.message_type = MessageType::Ack,
        |message| message.message_type = MessageType::Nak,
        |message| message.options.server_id = None,
        |message| message.options.server_id = Some(Ipv4Addr::BROADCAST),
        |message| message.yiaddr = Ipv4Addr::UNSPECIFIED,
        |message| message.yiaddr = Ipv4Addr::new(224, 0, 0, 1),
    ];
    for (number, change) in strange.into_iter().enumerate() {
        let mut message = offer;
        change(&mut message);
        assert_eq!(
            world.hear(&message),
            Err(Drop::DhcpUnexpected),
            "change {number}"
        );
    }
    world.run(&[(0, Offer, "", "REQUESTING", SELECT)]);

    let ack = world.reply(MessageType::Ack, 1000);
    let strange: [fn(&mut Message); 6] = [
        |message| message.message_type = MessageType::Offer,
        |message| message.options.server_id = Some(OTHER_SERVER),
        |message| message.options.lease_time = None,
        |message| message.options.lease_time = Some(0),
        |message| message.yiaddr = Ipv4Addr::LOCALHOST,
        |message| {
            message.message_type = MessageType::Nak;
            message.options.server_id = Some(OTHER_SERVER);
        },
    ];
    for (number, change) in strange.into_iter().enumerate() {
        let mut message = ack;
        change(&mut message);
        assert_eq!(
            world.hear(&message),
            Err(Drop::DhcpUnexpected),
            "change {number}"
        );
    }
    world.run(&[
        (0, Ack(1000), "probe", "PROBING", NOTHING),
        (0, Probed(true), "bound", "BOUND", NOTHING),
    ]);
    // A repeated acknowledgment, and a refusal out of the blue.
    assert_eq!(world.hear(&ack), Err(Drop::DhcpUnexpected));
    assert_eq!(world.answer(MessageType::Nak, 0), Err(Drop::DhcpUnexpected));
    world.run(&[(500, Fire, "", "RENEWING", RENEW)]);
    // A renewal cannot move us to another address.
    let mut moved = world.reply(MessageType::Ack, 1000);
    moved.yiaddr = Ipv4Addr::new(10, 0, 2, 16);
    assert_eq!(world.hear(&moved), Err(Drop::DhcpUnexpected));
    assert_eq!(world.client.state_name(), "RENEWING");
}

#[test]
fn events_out_of_turn_change_nothing() {
    let mut world = World::new(None);
    assert_eq!(name(&world.happen(Probed(true))), "");
    assert_eq!(name(&world.happen(Conflict)), "");
    assert_eq!(name(&world.happen(Release)), "");
    assert_eq!(world.client.next_deadline(), None);
    assert_eq!(name(&world.happen(Fire)), "");
    assert!(world.drain().is_empty());
}

#[test]
fn a_message_without_room_is_lost() {
    let mut world = World::new(None);
    world.run(&BIND[..1]);
    world.happen(Fire);
    assert_eq!(world.client.emit(&mut [0; 299]), None);
    assert_eq!(world.client.emit(&mut [0; 576]), None);
    world.run(&[(4, Fire, "", "SELECTING", DISCOVER)]);
}

#[test]
fn any_sequence_of_events_keeps_the_invariants() {
    let mut world = World::new(Some(30));
    let mut rng = Rng::new([9; 32]);
    let mut held = false;
    for _ in 0..20_000 {
        let event = match rng.below(16) {
            0 => LinkUp,
            1 | 2 => Probed(rng.below(8) != 0),
            3 if rng.below(4) == 0 => Conflict,
            4 if rng.below(16) == 0 => Release,
            5..=10 => {
                let kind =
                    [MessageType::Offer, MessageType::Ack, MessageType::Nak][rng.below(3) as usize];
                let action = match world.last {
                    Some(_) => world.answer(kind, rng.below(200)),
                    None => Ok(Action::None),
                };
                held = follow(held, action.unwrap_or(Action::None));
                continue;
            }
            _ => {
                if let Some(deadline) = world.client.next_deadline() {
                    world.now = world.now.max(deadline);
                }
                Fire
            }
        };
        held = follow(held, world.happen(event));
        assert_eq!(world.client.lease().is_some(), held, "{event:?}");
        assert!(world.drain().len() <= 2);
    }
}

/// Whether the interface holds an address after the action.
fn follow(held: bool, action: Action) -> bool {
    match action {
        Action::None => held,
        Action::Probe(_) | Action::Fallback => {
            assert!(!held, "{action:?} while bound");
            false
        }
        Action::Bound(_) => {
            assert!(!held, "bound twice");
            true
        }
        Action::Renewed(_) => {
            assert!(held, "renewed what is lost");
            true
        }
        Action::Lost => {
            assert!(held, "lost twice");
            false
        }
    }
}
