//! Clients' memory.
//!
//! *Owns* the mapped arenas, one for each client that has attached one, and which of them frames with
//! the device refer to. *Invariant* an arena stays mapped, and so its pages where they are, until the
//! device has given all such frames back; that its client is gone changes nothing. *Never* keeps a
//! reference into them: every access is a checked copy.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use device::{Place, Places};
use ring::Arena;
use rt::handle::Run;
use stack::{ClientId, ClientMemory, Gone, Loan, Pieces, Range, Sum};

use crate::clients::Places as Clients;
use crate::nic::Lends;

/// Runs of pages that a part of a frame may lie in, at most: more are copied.
const RUNS: usize = 2;
/// Parts of clients' memory in a frame, at most.
pub const PIECES: usize = device::PLACES / RUNS;

/// A client's memory, and where a device finds it: nowhere, or all of it in order.
pub struct Ground {
    /// The memory.
    pub arena: Arena,
    /// Its runs of pages.
    pub runs: Vec<Run>,
}

impl From<Arena> for Ground {
    fn from(arena: Arena) -> Self {
        let runs = Vec::new();
        Self { arena, runs }
    }
}

impl Ground {
    /// Calls `visit` with each run of the pages of a range, until it refuses. Whether it never did, and
    /// all of the range is there.
    #[inline]
    fn for_runs(&self, range: Range, mut visit: impl FnMut(Place) -> bool) -> bool {
        let (mut offset, mut left) = (range.offset, u64::from(range.length));
        let first = self
            .runs
            .partition_point(|run| run.offset + run.length <= offset);
        for run in self.runs.get(first..).unwrap_or_default() {
            let inside = offset - run.offset;
            let length = left.min(run.length - inside);
            let place = Place {
                physical: run.physical + inside,
                length: u32::try_from(length).unwrap_or(u32::MAX),
            };
            if !visit(place) {
                return false;
            }
            offset += length;
            left -= length;
            if left == 0 {
                return true;
            }
        }
        false
    }
}

/// An arena, and whose it is.
struct Held {
    client: ClientId,
    ground: Ground,
    /// Frames with the device that refer to it.
    out: usize,
}

/// The arenas of all clients.
pub struct Arenas {
    places: Clients,
    arenas: Vec<Option<Held>>,
    /// Those of clients that are gone.
    left: Vec<Held>,
    /// Whose memory the frame of each loan refers to.
    loans: Box<[Option<ClientId>]>,
}

impl Arenas {
    /// None yet, for at most `clients` clients and `loans` frames that refer to them.
    pub fn new(clients: u32, loans: u16) -> Self {
        let places = Clients::new(clients);
        let arenas = (0..places.count()).map(|_| None).collect();
        Self {
            places,
            arenas,
            left: Vec::new(),
            loans: vec![None; loans.into()].into_boxed_slice(),
        }
    }

    /// Gives a client its arena. `false` when it has one already.
    pub fn attach(&mut self, client: ClientId, ground: Ground) -> bool {
        match self.arenas.get_mut(self.places.of(client)) {
            Some(place @ None) => {
                *place = Some(Held {
                    client,
                    ground,
                    out: 0,
                });
                true
            }
            Some(Some(_)) | None => false,
        }
    }

    /// The client is gone.
    pub fn detach(&mut self, client: ClientId) {
        let place = self.arenas.get_mut(self.places.of(client));
        let held = place.and_then(|place| place.take_if(|held| held.client == client));
        self.left.extend(held.filter(|held| held.out > 0));
    }

    /// The client's arena.
    pub fn get(&self, client: ClientId) -> Option<&Arena> {
        Some(&self.held(client)?.ground.arena)
    }

    fn held(&self, client: ClientId) -> Option<&Held> {
        let held = self.arenas.get(self.places.of(client))?.as_ref()?;
        (held.client == client).then_some(held)
    }

    fn held_mut(&mut self, client: ClientId) -> Option<&mut Held> {
        let held = self.arenas.get_mut(self.places.of(client))?.as_mut()?;
        (held.client == client).then_some(held)
    }
}

impl ClientMemory for Arenas {
    fn write(&mut self, client: ClientId, offset: u64, bytes: &[u8]) -> Result<(), Gone> {
        let arena = self.get(client).ok_or(Gone)?;
        arena.write(offset, bytes).map_err(|_| Gone)
    }

    fn read(&self, client: ClientId, offset: u64, into: &mut [u8]) -> Result<(), Gone> {
        let arena = self.get(client).ok_or(Gone)?;
        arena.read(offset, into).map_err(|_| Gone)
    }

    fn write_summed(&mut self, client: ClientId, offset: u64, bytes: &[u8]) -> Result<Sum, Gone> {
        let arena = self.get(client).ok_or(Gone)?;
        let sum = arena.write_summed(offset, bytes).map_err(|_| Gone)?;
        Ok(Sum::of_words(sum))
    }

    fn read_summed(&self, client: ClientId, offset: u64, into: &mut [u8]) -> Result<Sum, Gone> {
        let arena = self.get(client).ok_or(Gone)?;
        let sum = arena.read_summed(offset, into).map_err(|_| Gone)?;
        Ok(Sum::of_words(sum))
    }

    fn lend(&self, client: ClientId, range: Range) -> Result<bool, Gone> {
        let ground = &self.held(client).ok_or(Gone)?.ground;
        let length = usize::try_from(range.length).map_err(|_| Gone)?;
        if !ground.arena.contains(range.offset, length) {
            return Err(Gone);
        }
        let mut runs = 0;
        Ok(ground.for_runs(range, |_| {
            runs += 1;
            runs <= RUNS
        }))
    }
}

impl Lends for Arenas {
    fn lend_out(&mut self, loan: Loan, pieces: &Pieces, places: &mut Places) -> bool {
        let Some(client) = pieces.client() else {
            return false;
        };
        let Some(held) = self.held_mut(client) else {
            return false;
        };
        for range in pieces.ranges() {
            if !held.ground.for_runs(*range, |place| places.push(place)) {
                return false;
            }
        }
        held.out += 1;
        if let Some(lender) = self.loans.get_mut(usize::from(loan.raw())) {
            *lender = Some(client);
        }
        true
    }

    fn take_back(&mut self, loan: Loan) {
        let lender = self.loans.get_mut(usize::from(loan.raw()));
        let Some(client) = lender.and_then(Option::take) else {
            return;
        };
        if let Some(held) = self.held_mut(client) {
            held.out -= 1;
            return;
        }
        let Some(place) = self.left.iter().position(|held| held.client == client) else {
            return;
        };
        if let Some(held) = self.left.get_mut(place) {
            held.out -= 1;
            if held.out == 0 {
                self.left.swap_remove(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack::{Config, Instant, Stack};

    const PAGE: u64 = 4096;

    /// Pages in runs of these lengths, far from each other.
    fn ground(runs: &[u64]) -> Ground {
        let mut offset = 0;
        let mut place = |length: &u64| {
            let run = Run {
                offset,
                physical: (1 << 30) - 10 * offset,
                length: length * PAGE,
            };
            offset += length * PAGE;
            run
        };
        let runs: Vec<_> = runs.iter().map(&mut place).collect();
        let (arena, _) = Arena::shared(usize::try_from(offset).unwrap());
        Ground { arena, runs }
    }

    fn clients() -> (ClientId, ClientId) {
        let mut stack = Stack::new(Config::default(), [7; 32], Instant::ZERO);
        let mut open = || stack.client_open().expect("a place");
        (open(), open())
    }

    #[test]
    fn what_is_lent_lies_in_few_runs_that_are_known() {
        let (client, other) = clients();
        let mut arenas = Arenas::new(4, 4);
        assert!(arenas.attach(client, ground(&[2, 1, 1, 4])));
        let lend = |arenas: &Arenas, client, offset, length| {
            arenas.lend(client, Range::new(offset, length))
        };
        for (offset, length, runs) in [
            (0, 8192, 1),
            (8191, 1, 1),
            (8191, 2, 2),
            (8192, 8192, 2),
            (8191, 4098, 3),
            (16_384, 16_384, 1),
            (32_767, 1, 1),
        ] {
            assert_eq!(lend(&arenas, client, offset, length), Ok(runs <= RUNS));
            let mut found = Vec::new();
            let held = arenas.held(client).expect("attached");
            assert!(held.ground.for_runs(Range::new(offset, length), |place| {
                found.push(place);
                true
            }));
            assert_eq!(found.len(), runs);
            assert_eq!(found.iter().map(|it| it.length).sum::<u32>(), length);
        }
        let mut first = None;
        let held = arenas.held(client).expect("attached");
        held.ground.for_runs(Range::new(8200, 10), |place| {
            first = Some(place);
            true
        });
        let place = Place {
            physical: (1 << 30) - 10 * 8192 + 8,
            length: 10,
        };
        assert_eq!(first, Some(place));
        for (offset, length) in [(32_768, 1), (32_767, 2), (u64::MAX, 5), (0, u32::MAX)] {
            assert_eq!(lend(&arenas, client, offset, length), Err(Gone));
        }
        assert_eq!(lend(&arenas, other, 0, 1), Err(Gone));
        assert!(arenas.attach(other, Arena::shared(4096).0.into()));
        assert_eq!(lend(&arenas, other, 0, 1), Ok(false), "nobody said where");
    }

    #[test]
    fn an_arena_outlives_its_client_until_the_last_frame_is_back() {
        let (client, other) = clients();
        let mut arenas = Arenas::new(4, 4);
        for (client, frames) in [(client, 2), (other, 0)] {
            assert!(arenas.attach(client, ground(&[2])));
            arenas.held_mut(client).expect("attached").out = frames;
        }
        arenas.loans = [Some(client), Some(client), None, None].into();
        arenas.detach(other);
        assert!(arenas.left.is_empty());
        arenas.detach(client);
        assert_eq!(arenas.left.len(), 1);
        let mut byte = [0];
        assert_eq!(arenas.read(client, 0, &mut byte), Err(Gone));
        assert_eq!(arenas.lend(client, Range::new(0, 1)), Err(Gone));
        // Once each, and none that is not out or cannot be.
        for raw in [0, 0, 2, 9] {
            arenas.take_back(Loan::from_raw(raw));
        }
        assert_eq!(arenas.left.len(), 1);
        arenas.take_back(Loan::from_raw(1));
        assert!(arenas.left.is_empty());
    }

    #[test]
    fn a_frame_without_pieces_is_not_lent() {
        let mut arenas = Arenas::new(4, 4);
        let pieces = Pieces::new(PIECES);
        assert!(!arenas.lend_out(Loan::from_raw(0), &pieces, &mut Places::new()));
    }
}
