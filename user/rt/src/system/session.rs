//! The program's end of its first channel: one link, many requests under way.
//!
//! *Owns* the inbox. Whoever looks into the link puts what it finds where it belongs.

use alloc::{collections::VecDeque, string::String, vec::Vec};
use core::task::Poll;

use ring::Message;

use super::{
    Client, Permissions, Refused,
    message::{Note, Operation, REPLY},
};
use crate::{
    handle::Channel,
    link::Link,
    local::local,
    shared_link::{For, SharedLink, doze},
};

/// Most clients that may wait for a server; the channel's handle queue is no longer.
const MAX_CLIENTS: usize = abi::CHANNEL_HANDLE_QUEUE;

/// The session.
pub struct Session {
    pub shared: SharedLink,
    pub process: u32,
    pub clients: VecDeque<Client>,
    requests: u32,
    /// Requests under way, with the reply once it is there.
    replies: Vec<(u32, Option<Message>)>,
}

local! {
    /// The program's session; `None` before the start and on the host.
    static SESSION: Option<Session> = None;
}

/// Begins the session.
pub fn open(link: Link, process: u32) {
    SESSION.with(|place| *place = Some(Session::new(link, process)));
}

/// Works with the session. Without one (on the host), with one that is closed.
pub fn with<R>(work: impl FnOnce(&mut Session) -> R) -> R {
    SESSION.with(|place| work(place.get_or_insert_with(|| Session::new(Link::unconnected(), 0))))
}

/// Lends the link.
fn lend(work: &mut dyn FnMut(&mut SharedLink)) {
    with(|session| work(&mut session.shared));
}

impl Session {
    const fn new(link: Link, process: u32) -> Self {
        Self {
            shared: SharedLink::new(link),
            process,
            clients: VecDeque::new(),
            requests: 0,
            replies: Vec::new(),
        }
    }

    /// Nothing can be sent any more.
    fn is_broken(&self) -> bool {
        self.shared.link.is_closed() || self.shared.link.is_violated()
    }

    /// Where the reply to a request goes; `None` if nobody waits for it any more.
    fn reply(&mut self, request: u32) -> Option<&mut Option<Message>> {
        let known = self.replies.iter_mut().find(|(known, _)| *known == request);
        known.map(|(_, reply)| reply)
    }

    /// Puts one message where it belongs.
    fn place(&mut self, message: Message) {
        let note = Note::parse(&message);
        if note.operation == Operation::Client as u16 {
            // The handle was queued before the message was written.
            let Ok((handle, tag)) = self.shared.link.receive_handle() else {
                return;
            };
            if tag == u64::from(note.request) && self.clients.len() < MAX_CLIENTS {
                self.clients.push_back(Client {
                    channel: Channel::from_handle(handle),
                    process: u32::try_from(note.value).unwrap_or(0),
                    name: String::from_utf8_lossy(note.data).into_owned(),
                    permissions: Permissions::from_bits_truncate(note.extra),
                });
            }
        } else if note.operation & REPLY != 0
            && let Some(reply) = self.reply(note.request)
        {
            *reply = Some(message);
        }
    }
}

/// Puts all that has come in where it belongs, and wakes those concerned.
pub fn pump() -> Result<(), Refused> {
    loop {
        let taken = with(|session| {
            let taken = session.shared.try_receive();
            taken.map(|taken| {
                taken.map(|(message, wakers)| {
                    session.place(message);
                    wakers
                })
            })
        });
        let Some(wakers) = taken.map_err(|_broken| Refused::Gone)? else {
            return Ok(());
        };
        for waker in wakers {
            waker.wake();
        }
    }
}

/// Waits until `ready` is. It is asked after everything that comes in.
pub async fn until<T>(mut ready: impl FnMut() -> Poll<Result<T, Refused>>) -> Result<T, Refused> {
    loop {
        pump()?;
        if let Poll::Ready(result) = ready() {
            return result;
        }
        doze(lend, For::Message).await;
    }
}

/// A request under way; forgotten when dropped.
#[derive(Debug)]
pub struct Request(u32);

impl Request {
    fn new() -> Self {
        with(|session| {
            session.requests = session.requests.wrapping_add(1);
            session.replies.push((session.requests, None));
            Self(session.requests)
        })
    }
}

impl Request {
    /// The reply has come.
    pub fn is_answered(&self) -> bool {
        with(|session| session.reply(self.0).is_some_and(|reply| reply.is_some()))
    }

    /// The reply, once it has come; what was refused is an error.
    pub fn poll_reply(&self) -> Poll<Result<Message, Refused>> {
        let reply = with(|session| session.reply(self.0).and_then(Option::take));
        let Some(reply) = reply else {
            return Poll::Pending;
        };
        Poll::Ready(match Refused::from_status(Note::parse(&reply).status) {
            Some(refused) => Err(refused),
            None => Ok(reply),
        })
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        with(|session| session.replies.retain(|(request, _)| *request != self.0));
    }
}

/// Sends a request and waits for its reply.
pub async fn call(
    operation: Operation,
    value: u64,
    extra: u64,
    data: &[u8],
) -> Result<Message, Refused> {
    let request = Request::new();
    exchange(&request, operation, value, extra, data).await
}

/// Sends a request whose reply comes much later.
pub fn ask(operation: Operation) -> Result<Request, Refused> {
    let request = Request::new();
    let message = Note::new(operation, request.0).emit();
    match with(|session| session.shared.link.send(&message)) {
        Ok(()) => Ok(request),
        Err(_full) => Err(Refused::Busy),
    }
}

/// As [`call`], with a channel's far end that travels along.
pub async fn call_with_channel(
    operation: Operation,
    value: u64,
    data: &[u8],
    channel: Channel,
) -> Result<Message, Refused> {
    let request = Request::new();
    let handle = channel.into_handle();
    let sent = with(|session| session.shared.link.send_handle(handle, request.0.into()));
    sent.map_err(|(_handle, error)| Refused::from(error))?;
    exchange(&request, operation, value, 0, data).await
}

async fn exchange(
    request: &Request,
    operation: Operation,
    value: u64,
    extra: u64,
    data: &[u8],
) -> Result<Message, Refused> {
    let note = Note {
        value,
        extra,
        ..Note::new(operation, request.0)
    };
    for message in note.emit_long(data) {
        while with(|session| session.shared.link.send(&message)).is_err() {
            if with(|session| session.is_broken()) {
                return Err(Refused::Gone);
            }
            doze(lend, For::Room).await;
        }
    }
    until(|| request.poll_reply()).await
}

#[cfg(test)]
mod tests {
    use alloc::rc::Rc;
    use core::cell::RefCell;

    use super::{super::message::Note, open};
    use crate::{
        block_on,
        link::Link,
        spawn,
        system::{self, Refused},
    };

    /// A first process that answers every request by its operation and value, the other way round:
    /// two at a time, the later one first.
    async fn contrary(mut link: Link, log: Rc<RefCell<Vec<u16>>>) {
        loop {
            let mut pair = [const { None }; 2];
            for place in &mut pair {
                *place = link.receive().await.ok();
            }
            for message in pair.iter().rev().flatten() {
                let note = Note::parse(message);
                log.borrow_mut().push(note.operation);
                let status = if note.value == 13 {
                    Refused::NotFound as u16
                } else {
                    0
                };
                let reply = Note {
                    status,
                    value: note.value * 10,
                    extra: 2,
                    ..note.reply()
                };
                link.send_wait(&reply.emit()).await.unwrap();
            }
        }
    }

    #[test]
    fn replies_find_their_requests() {
        let (ours, theirs) = Link::pair(4);
        open(ours, 5);
        let log = Rc::new(RefCell::new(Vec::new()));
        spawn(contrary(theirs, Rc::clone(&log))).detach();
        assert_eq!(system::process(), 5);
        let late = spawn(system::wait_exit(13));
        let (first, second) = block_on(async {
            let first = system::wait_exit(4).await;
            (first, late.await)
        });
        assert_eq!(first.map(|exit| exit.code), Ok(40));
        assert_eq!(second, Err(Refused::NotFound));
        assert_eq!(log.borrow().len(), 2);
    }

    #[test]
    fn without_a_first_process_everything_is_refused() {
        assert_eq!(system::register("X:"), Err(Refused::Gone));
        assert_eq!(system::processes(), Err(Refused::Gone));
        assert_eq!(
            block_on(system::spawn("ps", &["a\0b"])),
            Err(Refused::Malformed)
        );
    }
}
