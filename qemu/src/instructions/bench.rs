//! A guest, and a peer that what it does is counted for.

use anyhow::Result;

use super::peer::{ATTEMPTS, Connection};
use super::rig::Rig;
use crate::family::{self, Family::Four};
use crate::frames::Cable;
use crate::namespace::{TAP, make_silent_tap};

/// Services of the guest.
pub const ECHO: u16 = 7;
pub const HTTP: u16 = 80;

/// Segments that come together: 64 KiB, what a sender hands to its device at a time.
const BURST: usize = 44;

/// What comes together.
#[derive(Clone, Copy)]
pub struct Load {
    /// Segments that are one frame until somebody cuts them.
    pub in_frame: usize,
    /// Segments of a burst.
    pub together: usize,
    /// Segments that we have room for when the guest sends: no more than it has on its way at once, or we would
    /// wait for it, and it would take the way to us for slow.
    pub room: usize,
}

/// As a card without offloads gets them, and as one with all of them does.
const SHORT_FRAMES: Load = Load {
    in_frame: 1,
    together: BURST,
    room: 64,
};
const LONG_FRAMES: Load = Load {
    in_frame: BURST,
    together: 4 * BURST,
    room: 128,
};

/// A guest and its peer.
pub struct Bench {
    pub rig: Rig,
    pub cable: Cable,
    /// The next connection's port on our side: none is used twice.
    port: u16,
    pub load: Load,
}

impl Bench {
    /// Boots the guest; `name` is unique within a run.
    pub fn boot(name: &str) -> Result<Self> {
        Self::boot_with(name, "", &[ECHO, HTTP])
    }

    /// Boots a guest whose web server brings its own network.
    pub fn boot_linked(name: &str) -> Result<Self> {
        Self::boot_with(name, "linked=httpd", &[HTTP])
    }

    /// With further words of the command line, and the services that start with the system then.
    fn boot_with(name: &str, words: &str, services: &[u16]) -> Result<Self> {
        let words = format!("{} {words}", family::both());
        Self::boot_on(Cable::new(name)?, name, &words, services, SHORT_FRAMES)
    }

    /// Boots a guest behind a TAP interface, where its card is given and gives segments that are
    /// still to be cut. To be called in a namespace.
    pub fn boot_offloaded(name: &str) -> Result<Self> {
        make_silent_tap()?;
        let (cable, words) = (Cable::to_tap(TAP)?, family::both());
        Self::boot_on(cable, name, &words, &[ECHO], LONG_FRAMES)
    }

    fn boot_on(
        cable: Cable,
        name: &str,
        words: &str,
        services: &[u16],
        load: Load,
    ) -> Result<Self> {
        let rig = Rig::boot(name, cable.link(), words)?;
        cable.introduce()?;
        let mut bench = Self {
            rig,
            cable,
            port: 20_000,
            load,
        };
        // What starts with the system has started when it answers.
        for service in services {
            let port = bench.ports(ATTEMPTS);
            Connection::open(&bench.cable, Four, port, *service)?.close(&bench.cable)?;
        }
        Ok(bench)
    }

    /// So many ports of ours that nobody has used yet; the first of them.
    pub const fn ports(&mut self, count: u16) -> u16 {
        let first = self.port;
        self.port += count;
        first
    }
}
