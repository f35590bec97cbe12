//! The future of a request.

use core::future::poll_fn;
use core::task::{Context, Poll};

use protocol::{Operation, outcome};

use crate::error::Error;
use crate::net::Net;
use crate::slot::Slot;

/// A request under way. Dropping it cancels it.
pub(crate) struct Pending {
    net: Net,
    id: u32,
}

impl Pending {
    pub const fn new(net: Net, id: u32) -> Self {
        Self { net, id }
    }

    /// Names the request in the session.
    pub const fn id(&self) -> u32 {
        self.id
    }
}

impl Pending {
    /// Waits for the only completion.
    pub async fn reply<O: Operation>(self) -> Result<O::Reply, Error> {
        let reply = self.until(|slot| slot.reply.take()).await;
        outcome::<O>(&reply).map_err(Error::from)
    }

    /// Waits until `ready` finds in the slot what it wants; asked after each completion.
    pub async fn until<T>(&self, mut ready: impl FnMut(&mut Slot) -> Option<T>) -> T {
        poll_fn(|context| self.poll(Some(context), &mut ready)).await
    }

    /// As [`Self::until`], one look; without a context nobody waits.
    pub fn poll<T>(
        &self,
        context: Option<&Context<'_>>,
        ready: impl FnOnce(&mut Slot) -> Option<T>,
    ) -> Poll<T> {
        let mut session = self.net.session();
        let Some(slot) = session.slot(self.id) else {
            return Poll::Pending;
        };
        if let Some(found) = ready(slot) {
            return Poll::Ready(found);
        }
        if let Some(context) = context
            && slot.wait(context)
            && slot.is_quiet()
        {
            session.wait_quietly();
        }
        Poll::Pending
    }

    /// Looks at the slot without waiting.
    pub fn with<T>(&self, look: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        self.net.session().slot(self.id).map(look)
    }
}

impl Pending {
    /// The request ends by itself, because its socket is being closed.
    pub fn leave(self) {
        // Dropping a request that is left already does nothing more.
        self.net.session().leave(self.id);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.net.session().abandon(self.id);
    }
}
