//! What each stream has sent and had no answer for.
//!
//! *Owns* the counts, and what went wrong. A stream's send is over with its answer, which is booked here: nobody
//! keeps it until then, and nobody looks for it afterwards.

use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};

use protocol::{
    Message, Operation, Payload, REPLY, Range, Send, SocketId, is_final, outcome, request,
};

use super::{SLOT_MASK, Session, place_of};
use crate::error::Error;
use crate::slot::Source;

/// Operation of the answers.
const SENT: u16 = Send::NUMBER | REPLY;

/// Of one stream.
#[derive(Default)]
struct Account {
    /// Sends that have no answer yet, and their bytes.
    sends: u32,
    bytes: u32,
    /// Why one has failed; stays.
    error: Option<Error>,
    /// Who waits for answers.
    waker: Option<Waker>,
    /// The stream is gone: with the last answer the account is another's.
    is_left: bool,
}

/// What a send has to be booked off, and where.
#[derive(Clone, Copy)]
pub struct Owed {
    account: u32,
    bytes: u32,
}

/// Of all streams.
#[derive(Default)]
pub struct Accounts {
    all: Vec<Account>,
    free: Vec<u32>,
    /// Of streams that are not gone.
    open: usize,
}

impl Session {
    /// An account for a new stream.
    pub fn open_account(&mut self) -> u32 {
        let Accounts { all, free, open } = &mut self.accounts;
        *open += 1;
        free.pop().unwrap_or_else(|| {
            all.push(Account::default());
            u32::try_from(all.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// The stream of an account is gone; what it has sent is answered all the same.
    pub fn leave_account(&mut self, number: u32) {
        let Some(account) = self.accounts.all.get_mut(number as usize) else {
            return;
        };
        account.is_left = true;
        let was_awaited = account.waker.take().is_some();
        let is_settled = account.sends == 0;
        self.accounts.open -= 1;
        self.patient = self.patient.saturating_sub(was_awaited.into());
        if is_settled {
            self.accounts.end(number);
        }
    }

    /// Bytes of a stream that have no answer yet.
    pub fn owed_bytes(&self, number: u32) -> u32 {
        let account = self.accounts.all.get(number as usize);
        account.map_or(0, |account| account.bytes)
    }

    /// Streams that are not gone.
    pub const fn streams(&self) -> usize {
        self.accounts.open
    }

    /// Starts a send of a stream: bytes that lie in the arena, in `piece`, which is netd's until it is done.
    pub fn submit_booked(
        &mut self,
        account: u32,
        socket: SocketId,
        (piece, source): (Range, Source),
    ) -> Result<(), Error> {
        if self.broken {
            self.free(source);
            return Err(Error::ServerRestarted);
        }
        let send = Send {
            socket,
            payload: Payload::Arena(piece),
            to: None,
            unanswered: false,
            along: true,
        };
        let bytes = piece.length;
        let (id, slot) = self.open_slot(Send::NUMBER, socket);
        slot.source = Some(source);
        slot.owed = Some(Owed { account, bytes });
        if let Some(booked) = self.accounts.all.get_mut(account as usize) {
            booked.sends += 1;
            booked.bytes += bytes;
        }
        self.tell(request(&send, id));
        Ok(())
    }

    /// Ready when at most `most` sends of a stream with fewer than `bound` bytes have no answer, or when one has
    /// failed; the task is woken by the next answer.
    pub fn poll_account(
        &mut self,
        number: u32,
        (most, bound): (u32, u32),
        context: Option<&Context<'_>>,
    ) -> Poll<Result<(), Error>> {
        let Some(account) = self.accounts.all.get_mut(number as usize) else {
            return Poll::Ready(Err(Error::Closed));
        };
        if let Some(error) = account.error {
            return Poll::Ready(Err(error));
        }
        if account.sends <= most && account.bytes < bound {
            return Poll::Ready(Ok(()));
        }
        match (&mut account.waker, context) {
            (Some(known), Some(context)) => known.clone_from(context.waker()),
            (none, Some(context)) => {
                *none = Some(context.waker().clone());
                // These answers are quiet.
                self.wait_quietly();
            }
            (_, None) => {}
        }
        Poll::Pending
    }

    /// The answer to a stream's send. `false` when it makes no sense.
    pub(super) fn settle_told(&mut self, id: u32, owed: Owed, message: &Message) -> bool {
        let is_answer = message.header.operation.get() == SENT && is_final(message);
        if is_answer {
            let told = outcome::<Send>(message).map(drop);
            self.settle(id, owed, told.map_err(Error::from));
        }
        is_answer
    }

    /// A stream's send is over.
    pub(super) fn settle(&mut self, id: u32, owed: Owed, outcome: Result<(), Error>) {
        if let Some(account) = self.accounts.all.get_mut(owed.account as usize) {
            account.sends -= 1;
            account.bytes -= owed.bytes;
            account.error = account.error.or(outcome.err());
            let is_over = account.is_left && account.sends == 0;
            if let Some(waker) = account.waker.take() {
                self.patient = self.patient.saturating_sub(1);
                waker.wake();
            }
            if is_over {
                self.accounts.end(owed.account);
            }
        }
        // Such a slot has nothing else.
        if let Some(slot) = self.slots.get_mut(place_of(id)) {
            slot.used = false;
            slot.owed = None;
            let source = slot.source.take();
            self.free.push(id & SLOT_MASK);
            self.free_source(source);
            self.wake_waiting();
        }
    }
}

impl Accounts {
    /// Nobody has to do with an account any more.
    fn end(&mut self, number: u32) {
        if let Some(account) = self.all.get_mut(number as usize) {
            *account = Account::default();
            self.free.push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::task::Waker;

    use protocol::{Code, Receive, Received, Sent, completion, refusal};
    use rt::link::Link;

    use super::super::SLOT_BITS;
    use super::*;

    const SOCKET: SocketId = SocketId(7);

    /// A session with two sends of 1,000 bytes under way, their account and their ids; netd's end.
    fn with_two_sends() -> (Session, u32, [u32; 2], Link) {
        let (link, netd) = Link::pair(8);
        let mut session = Session::new(link, 16 << 10);
        let account = session.open_account();
        let mut send = || {
            let block = session.blocks.take(1000).expect("free");
            let piece = Range {
                length: 1000,
                ..block
            };
            let sent = session.submit_booked(account, SOCKET, (piece, Source::Block(block)));
            assert_eq!(sent, Ok(()));
            let used = session.slots.iter().rposition(|slot| slot.used);
            let place = used.expect("a request");
            session.slots[place].generation << SLOT_BITS | u32::try_from(place).unwrap()
        };
        let ids = [send(), send()];
        (session, account, ids, netd)
    }

    fn sent(id: u32) -> Message {
        completion::<Send>(id, &Ok(Sent { bytes: 1000 }))
    }

    #[test]
    fn sends_are_over_with_their_answers_and_who_waits_is_woken() {
        let (mut session, account, [first, second], _netd) = with_two_sends();
        let context = Context::from_waker(Waker::noop());
        let all = (0, 1);
        let waits = session.poll_account(account, all, Some(&context));
        assert!(waits.is_pending());
        assert_eq!((session.patient, session.owed_bytes(account)), (1, 2000));
        assert!(session.poll_account(account, (1, 2000), None).is_pending());
        assert!(session.complete(&sent(first)));
        assert_eq!((session.patient, session.owed_bytes(account)), (0, 1000));
        assert!(session.poll_account(account, (1, 2000), None).is_ready());
        // Twice is of nothing: others may have the slot.
        assert!(session.complete(&sent(first)));
        // The other's comes along with something.
        let received = Received {
            socket: SOCKET,
            piece: Range::default(),
            from: None,
            more: true,
            end: false,
            round_trip: 0,
            sent: Some(second),
        };
        assert!(session.complete(&completion::<Receive>(u32::MAX, &Ok(received))));
        assert!(session.poll_account(account, all, None).is_ready());
        assert_eq!(session.blocks.free_bytes(), 16 << 10);
        assert!(session.slots.iter().all(|slot| !slot.used));
    }

    #[test]
    fn a_failure_stays_and_an_answer_that_makes_no_sense_breaks_the_rules() {
        let (mut session, account, [first, second], _netd) = with_two_sends();
        let reset = refusal(Send::NUMBER, first, Code::Reset);
        assert!(session.complete(&reset));
        let failed = Poll::Ready(Err(Error::Reset));
        assert_eq!(session.poll_account(account, (9, 9000), None), failed);
        let other = refusal(Receive::NUMBER, second, Code::Reset);
        assert!(!session.complete(&other));
        session.fail_all();
        assert_eq!(session.poll_account(account, (9, 9000), None), failed);
        assert_eq!(session.blocks.free_bytes(), 16 << 10);
    }

    #[test]
    fn an_account_is_anothers_after_the_last_answer() {
        let (mut session, account, [first, second], _netd) = with_two_sends();
        session.leave_account(account);
        assert_eq!(session.streams(), 0);
        assert!(session.complete(&sent(first)));
        let other = session.open_account();
        assert_ne!(other, account);
        assert!(session.complete(&sent(second)));
        assert_eq!(session.open_account(), account);
        assert_eq!((session.owed_bytes(account), session.streams()), (0, 2));
    }
}
