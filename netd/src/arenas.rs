//! Clients' memory.
//!
//! *Owns* the mapped arenas, one for each client that has attached one. *Never* keeps a reference
//! into them: every access is a checked copy.

use alloc::vec::Vec;

use ring::Arena;
use stack::{ClientId, ClientMemory, Gone};

use crate::clients::Places;

/// The arenas of all clients.
pub struct Arenas {
    places: Places,
    arenas: Vec<Option<(ClientId, Arena)>>,
}

impl Arenas {
    /// None yet, for at most `clients` clients.
    pub fn new(clients: u32) -> Self {
        let places = Places::new(clients);
        let arenas = (0..places.count()).map(|_| None).collect();
        Self { places, arenas }
    }

    /// Gives a client its arena. `false` when it has one already.
    pub fn attach(&mut self, client: ClientId, arena: Arena) -> bool {
        match self.arenas.get_mut(self.places.of(client)) {
            Some(place @ None) => {
                *place = Some((client, arena));
                true
            }
            Some(Some(_)) | None => false,
        }
    }

    /// The client is gone.
    pub fn detach(&mut self, client: ClientId) {
        if let Some(place) = self.arenas.get_mut(self.places.of(client))
            && place.as_ref().is_some_and(|(owner, _)| *owner == client)
        {
            *place = None;
        }
    }

    /// The client's arena.
    pub fn get(&self, client: ClientId) -> Option<&Arena> {
        let (owner, arena) = self.arenas.get(self.places.of(client))?.as_ref()?;
        (*owner == client).then_some(arena)
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
}
