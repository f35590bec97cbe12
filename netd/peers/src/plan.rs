//! What passes over one connection, and how it is judged.

use std::net::{Ipv4Addr, SocketAddr};

use sha2::{Digest as _, Sha256};
use sim::programs::{Habits, Role, Stream, pattern};
use sim::{Host, HostSetup, Random, Verdict};
use stack::{AddressPlan, Instant, MacAddress, StaticPlan};

/// The address of our end; 198.18.0.0/15 is for measurements (RFC 2544).
pub const OURS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
/// The address of the other end.
pub const THEIRS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// Bits that name their network.
pub const PREFIX: u8 = 24;

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Our stack.
    Ours,
    /// The independent one.
    Theirs,
}

/// One connection from its beginning to its end.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where it is listened for.
    pub port: u16,
    /// Who connects; the other accepts.
    pub opens: Side,
    /// Whose end of stream comes first; the other waits for it.
    pub closes: Side,
    /// Bytes that we send.
    pub ours: u64,
    /// Bytes that they send.
    pub theirs: u64,
}

/// SHA-256 of the streams that an end has received, in the order of the plans.
pub type Digests = Vec<[u8; 32]>;

/// SHA-256 of the first `bytes` of a flow.
#[must_use]
pub fn digest(flow: u64, bytes: u64) -> [u8; 32] {
    let stream: Vec<u8> = (0..bytes).map(|place| pattern(flow, place)).collect();
    Sha256::digest(&stream).into()
}

impl Plan {
    /// Connections of both directions, each closed by either side first; their ports begin with this
    /// one, which is not zero.
    #[must_use]
    pub fn of_both_ways(first_port: u16, ours: u64, theirs: u64) -> [Self; 4] {
        let cases = [
            (Side::Ours, Side::Ours),
            (Side::Ours, Side::Theirs),
            (Side::Theirs, Side::Ours),
            (Side::Theirs, Side::Theirs),
        ];
        let mut port = first_port - 1;
        cases.map(|(opens, closes)| {
            port += 1;
            Self {
                port,
                opens,
                closes,
                ours,
                theirs,
            }
        })
    }

    /// The name of the stream that this side sends.
    #[must_use]
    pub fn flow(&self, of: Side) -> u64 {
        u64::from(self.port) * 2 + u64::from(of == Side::Theirs)
    }

    /// What this side sends, in bytes.
    #[must_use]
    pub fn bytes(&self, of: Side) -> u64 {
        match of {
            Side::Ours => self.ours,
            Side::Theirs => self.theirs,
        }
    }

    /// Our end of it.
    fn program(&self) -> Stream {
        let role = match self.opens {
            Side::Ours => Role::Connects(SocketAddr::from((THEIRS, self.port))),
            Side::Theirs => Role::Listens(self.port),
        };
        let habits = Habits {
            flows: (self.flow(Side::Ours), self.flow(Side::Theirs)),
            bytes: (self.ours, self.theirs),
            chunk: 32_768,
            sends: 8,
            room: 32_768,
            rooms: 8,
            closes_second: self.closes == Side::Theirs,
        };
        Stream::new(role, habits)
    }
}

/// A host of ours with this hardware address and a program for each plan.
pub fn our_host(plans: &[Plan], mac: [u8; 6], seed: u64, now: Instant) -> Host {
    let address = StaticPlan {
        address: OURS,
        prefix: PREFIX,
        gateway: None,
        ..StaticPlan::qemu_user()
    };
    let mut setup = HostSetup::new("ours", 2, AddressPlan::Static(address));
    setup.mac = MacAddress(mac);
    let mut host = Host::new(setup, &mut Random::new(seed), now);
    for plan in plans {
        host.install(Box::new(plan.program()), now);
    }
    host
}

/// Whether all our programs have come to an end.
pub fn is_done(host: &Host) -> bool {
    host.verdicts().all(|verdict| verdict != Verdict::Running)
}

/// Every stream has arrived whole at both ends, and every frame is accounted for.
///
/// # Panics
/// If not.
pub fn judge(host: &Host, plans: &[Plan], received: &Digests) {
    for (plan, verdict) in plans.iter().zip(host.verdicts()) {
        assert_eq!(verdict, Verdict::Content, "our end of {plan:?}");
    }
    assert_eq!(received.len(), plans.len());
    for (plan, received) in plans.iter().zip(received) {
        let sent = digest(plan.flow(Side::Ours), plan.ours);
        assert_eq!(*received, sent, "what arrived of {plan:?}");
    }
    let totals = host.stack.totals();
    assert_eq!(
        totals.received.packets,
        totals.delivered + totals.dropped,
        "frames are unaccounted for"
    );
}
