//! The bytes of a segment, found among the sends that a client has queued.
//!
//! *Owns* the walk over the sends; where each lies is [`Store`]'s to know.

use crate::memory::ClientMemory;
use crate::packed::Requests;
use crate::sender::Store;
use crate::tcp::connection::Conn;
use wire::Sum;

/// All that connections have been given to send.
pub(crate) struct Sends<'a, M> {
    pub(crate) requests: &'a Requests,
    pub(crate) store: Store<'a, M>,
}

impl<M: ClientMemory> Sends<'_, M> {
    /// Copies bytes of the stream from `offset` on until `into` is full, with their sum if they are
    /// to be `summed`. `None` when the client's memory is gone.
    pub(crate) fn gather(
        &self,
        conn: &mut Conn,
        mut offset: u64,
        mut into: &mut [u8],
        summed: bool,
    ) -> Option<Sum> {
        let mut sum = Sum::ZERO;
        if into.is_empty() {
            return Some(sum);
        }
        // The resolver's questions are all inline: they need no client's memory.
        let client = conn.client();
        let queued = conn.queued();
        let at = |place| self.requests.send_at(place);
        // From where the last segment was read, unless this one comes before.
        let mut place = conn.cursor;
        let mut found = at(place).filter(|send| send.begin(queued) <= offset);
        if found.is_none() {
            place = self.requests.start(&conn.sends);
            found = at(place);
        }
        let mut odd = false;
        loop {
            let send = found?;
            let end = send.end(queued);
            if offset < end {
                conn.cursor = place;
                let skip = u32::try_from(offset.checked_sub(send.begin(queued))?).ok()?;
                let here = usize::try_from(end - offset)
                    .unwrap_or(usize::MAX)
                    .min(into.len());
                let (now, later) = into.split_at_mut_checked(here)?;
                let piece = self.store.copy(client, send.source, skip, now, summed)?;
                sum = sum.plus(if odd { piece.swapped() } else { piece });
                if later.is_empty() {
                    return Some(sum);
                }
                odd ^= here % 2 == 1;
                into = later;
                offset = end;
            }
            place = self.requests.next(&conn.sends, place);
            found = at(place);
        }
    }
}
