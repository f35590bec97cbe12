//! Sessions with the other cores that serve the network.
//!
//! *Owns* when they are opened: with the first listener, for all. A program without one has one session.

use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use protocol::{ARENA_TAG, CORE_TAG, Core};
use rt::handle::Memory;
use rt::link::Link;

use crate::error::Error;
use crate::net::{Net, RING_SLOTS};

/// Least arena of a session with another core.
const LEAST_ARENA: usize = 1 << 20;

/// What is known of the other cores.
pub enum Others {
    /// Nothing yet.
    Unknown,
    /// Somebody is finding out; these wait.
    Asked(Vec<Waker>),
    /// A session with each.
    Known(Vec<Net>),
}

/// Whoever finds out: if that does not come to its end, the next one does.
struct Asking<'a>(&'a RefCell<Others>);

impl Asking<'_> {
    fn end(&self, outcome: Others) {
        if let Others::Asked(waiting) = self.0.replace(outcome) {
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if matches!(*self.0.borrow(), Others::Asked(_)) {
            self.end(Others::Unknown);
        }
    }
}

impl Net {
    /// A session with each of the other cores that serve the network, opened if need be.
    pub(crate) async fn others(&self) -> Result<Vec<Self>, Error> {
        let others = self.known_others();
        let known = poll_fn(|context| match &mut *others.borrow_mut() {
            Others::Known(known) => Poll::Ready(Some(known.clone())),
            Others::Asked(waiting) => {
                waiting.push(context.waker().clone());
                Poll::Pending
            }
            unknown @ Others::Unknown => {
                *unknown = Others::Asked(Vec::new());
                Poll::Ready(None)
            }
        });
        if let Some(known) = known.await {
            return Ok(known);
        }
        let asking = Asking(others);
        let count = self.call(Core { core: 0 }).await?.count;
        let mut opened = Vec::new();
        for core in 1..count {
            opened.push(self.open(core, count).await?);
        }
        asking.end(Others::Known(opened.clone()));
        Ok(opened)
    }

    /// A session with another core, whose arena is a part as large as each core's.
    async fn open(&self, core: u32, count: u32) -> Result<Self, Error> {
        let (mut link, peer) = Link::create(RING_SLOTS).map_err(|_| Error::NoMemory)?;
        // The handle is queued first: netd takes it out when it sees the request.
        let sent = self.session().send_handle(peer.into_handle(), CORE_TAG);
        sent.map_err(|_| Error::NoService)?;
        self.call(Core { core }).await?;
        let bytes = self.arena().len() / usize::try_from(count).unwrap_or(1).max(1);
        let bytes = bytes.max(LEAST_ARENA).next_multiple_of(abi::PAGE_SIZE);
        let memory = Memory::create(bytes).map_err(|_| Error::NoMemory)?;
        let arena = memory.map_arena().map_err(|_| Error::NoMemory)?;
        let sent = link.send_handle(memory.into_handle(), ARENA_TAG);
        sent.map_err(|_| Error::NoService)?;
        Self::join(link, arena).await
    }
}
