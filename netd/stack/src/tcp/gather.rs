//! The bytes of a segment, found among the sends that a client has queued.
//!
//! *Owns* the walk over the sends; where each lies is [`Store`]'s to know.

use crate::family::Family;
use crate::memory::ClientMemory;
use crate::nodes::Cursor;
use crate::packed::Requests;
use crate::pieces::Payload;
use crate::requests::Source;
use crate::sender::Store;
use crate::tcp::aside::Asides;
use crate::tcp::connection::Conn;

/// All that connections have been given to send.
pub(crate) struct Sends<'a, M> {
    pub(crate) requests: &'a Requests,
    pub(crate) store: Store<'a, M>,
}

/// What of one send is still ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    /// Where the send lies.
    pub(crate) source: Source,
    /// Bytes of it that come before.
    pub(crate) skip: u32,
    /// Bytes of it that are ahead.
    pub(crate) left: u32,
}

impl Stretch {
    pub(crate) const NONE: Self = Self {
        source: Source::Spent,
        skip: 0,
        left: 0,
    };

    /// So many bytes of the stream are not ahead any more.
    #[inline]
    pub(crate) fn pass(&mut self, count: u32) {
        self.skip = self.skip.saturating_add(count);
        self.left = self.left.saturating_sub(count);
    }
}

impl<M: ClientMemory> Sends<'_, M> {
    /// What is ahead at `offset` of the send that a segment was read from last.
    pub(crate) fn ahead<A: Family>(
        &self,
        conn: &Conn<A>,
        asides: &Asides,
        offset: u64,
    ) -> Option<Stretch> {
        let known = asides.get(&conn.aside).cursor;
        let place = if known == Cursor::NOWHERE {
            self.requests.start(&conn.sends)
        } else {
            known
        };
        let send = self.requests.send_at(place)?;
        let skip = offset.checked_sub(send.begin(conn.queued()))?;
        let skip = u32::try_from(skip).ok()?;
        Some(Stretch {
            source: send.source,
            skip,
            left: send.length.checked_sub(skip)?,
        })
    }

    /// Adds `len` bytes of the stream from `offset` on to a payload, or as many as have room. `None`
    /// when the client's memory is gone.
    #[inline]
    pub(crate) fn gather<A: Family>(
        &self,
        conn: &mut Conn<A>,
        asides: &mut Asides,
        offset: u64,
        len: usize,
        payload: &mut Payload<'_>,
    ) -> Option<()> {
        if len == 0 {
            return Some(());
        }
        // Mostly all are in the send that the last segment was read from, or in the one behind.
        let queued = conn.queued();
        let known = asides.get(&conn.aside).cursor;
        let from = if known == Cursor::NOWHERE {
            self.requests.start(&conn.sends)
        } else {
            known
        };
        let (mut place, mut send) = (from, self.requests.send_at(from));
        if send.is_some_and(|send| send.end(queued) <= offset) {
            place = self.requests.next(&conn.sends, place);
            send = self.requests.send_at(place);
        }
        if let Some(send) = send
            && let Some(skip) = offset.checked_sub(send.begin(queued))
            && u64::from(send.length) >= skip.saturating_add(len as u64)
            && let Ok(skip) = u32::try_from(skip)
        {
            if place != from {
                asides.set_cursor(&mut conn.aside, place);
            }
            payload.add(&self.store, conn.client(), send.source, skip, len)?;
            return Some(());
        }
        self.gather_some(conn, asides, offset, len, payload)
    }

    /// The same of bytes that are in several sends, or far from the last.
    #[inline(never)]
    fn gather_some<A: Family>(
        &self,
        conn: &mut Conn<A>,
        asides: &mut Asides,
        mut offset: u64,
        mut len: usize,
        payload: &mut Payload<'_>,
    ) -> Option<()> {
        // The resolver's questions are all inline: they need no client's memory.
        let client = conn.client();
        let queued = conn.queued();
        let at = |place| self.requests.send_at(place);
        // From where the last segment was read, unless this one comes before.
        let known = asides.get(&conn.aside).cursor;
        let mut place = known;
        let mut found = at(place).filter(|send| send.begin(queued) <= offset);
        let mut is_first = found.is_none();
        if is_first {
            place = self.requests.start(&conn.sends);
            found = at(place);
        }
        loop {
            let send = found?;
            let end = send.end(queued);
            if offset < end {
                if !is_first && place != known {
                    asides.set_cursor(&mut conn.aside, place);
                }
                let skip = u32::try_from(offset.checked_sub(send.begin(queued))?).ok()?;
                let here = usize::try_from(end - offset).unwrap_or(usize::MAX).min(len);
                let added = payload.add(&self.store, client, send.source, skip, here)?;
                len -= here;
                if added < here || len == 0 {
                    return Some(());
                }
                offset = end;
            }
            is_first = false;
            place = self.requests.next(&conn.sends, place);
            found = at(place);
        }
    }
}
