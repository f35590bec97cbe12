//! Programs: what runs on a simulated host.
//!
//! *Owns* the contract of a program and the desk it works at. A program hears of events and acts
//! through its desk; it says itself whether it is content.

use stack::{ClientId, ClientMemory, Event, Instant, Stack};

use crate::host::Arenas;
use crate::random::Random;

/// What a program thinks of its life so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not done yet.
    Running,
    /// Everything went as it should.
    Content,
    /// An error that the world may well cause was reported properly.
    GaveUp(String),
    /// Something happened that must never happen.
    Broken(String),
}

/// A program.
pub trait Program {
    /// It starts.
    fn begin(&mut self, desk: &mut Desk<'_>);

    /// One of its requests completed.
    fn event(&mut self, event: &Event, desk: &mut Desk<'_>);

    /// The time has come that it asked for.
    fn wake(&mut self, _desk: &mut Desk<'_>) {}

    /// What it thinks.
    fn verdict(&self) -> Verdict;
}

/// What a program works with.
pub struct Desk<'a> {
    /// The stack of its host.
    pub stack: &'a mut Stack,
    pub(crate) memory: &'a mut Arenas,
    /// Chance.
    pub random: &'a mut Random,
    /// When it wants to be woken.
    pub wake_at: &'a mut Option<Instant>,
    /// Itself, as the stack knows it.
    pub client: ClientId,
    /// The time.
    pub now: Instant,
}

impl Desk<'_> {
    /// Writes into its arena.
    ///
    /// # Panics
    /// If the place is outside: programs of a simulation make no such mistake.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.memory
            .write(self.client, offset, bytes)
            .expect("within the arena");
    }

    /// Reads from its arena.
    ///
    /// # Panics
    /// If the place is outside: the stack must not name such places.
    #[must_use]
    pub fn read(&self, offset: u64, len: u32) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(len).expect("a length in memory")];
        self.memory
            .read(self.client, offset, &mut bytes)
            .expect("within the arena");
        bytes
    }
}
