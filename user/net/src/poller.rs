//! Readiness: which of many sockets can be read or written, for programs that wait for all of them in
//! one place.
//!
//! *Owns* what was registered, and which of it has given a sign. A sign marks one bit; a wait looks at
//! the marked ones alone, so it costs by what has happened and not by how many are registered. What
//! was found ready stays marked: as long as a program does not take what is there, it is told again.
//! *Never* keeps a socket alive.

use alloc::rc::{Rc, Weak};
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};

use bitflags::bitflags;

use crate::error::Error;

bitflags! {
    /// What a socket can be ready for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Ready: u8 {
        /// Reading, receiving or accepting would not wait; it may tell the end, or an error.
        const READABLE = 1;
        /// Writing would not wait; it may tell an error.
        const WRITABLE = 2;
        /// The socket is gone.
        const GONE = 4;
    }
}

/// What can be asked whether it is ready.
pub(crate) trait Source {
    /// Which of `wanted` it is ready for. The task, if one waits, is woken when there may be more.
    fn poll_ready(&self, wanted: Ready, context: Option<&Context<'_>>) -> Ready;
}

/// Something that can be registered: a socket.
pub trait Pollable {
    /// For [`Poller::register`].
    fn registration(&self) -> Registration;

    /// Which of `wanted` the socket is ready for, now.
    fn ready(&self, wanted: Ready) -> Ready {
        self.registration().poll(wanted, None)
    }

    /// Waits until the socket is ready for one of `wanted`, and tells which.
    fn until_ready(&self, wanted: Ready) -> impl Future<Output = Ready> {
        let registration = self.registration();
        poll_fn(
            move |context| match registration.poll(wanted, Some(context)) {
                ready if ready.is_empty() => Poll::Pending,
                ready => Poll::Ready(ready),
            },
        )
    }
}

/// A socket, known without being kept.
#[derive(Clone)]
pub struct Registration(Weak<dyn Source>);

impl Registration {
    pub(crate) fn of<S: Source + 'static>(source: &Rc<S>) -> Self {
        let weak: Weak<S> = Rc::downgrade(source);
        Self(weak)
    }

    fn poll(&self, wanted: Ready, context: Option<&Context<'_>>) -> Ready {
        self.0
            .upgrade()
            .map_or(Ready::GONE, |source| source.poll_ready(wanted, context))
    }
}

/// Names what was registered.
pub type Key = usize;

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// Which keys have given a sign.
struct Marks {
    words: Vec<AtomicU64>,
    /// Words that may have bits, a bit for each.
    summary: Vec<AtomicU64>,
}

impl Marks {
    fn new(keys: usize) -> Self {
        let zeros = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        let words = keys.div_ceil(WORD).max(1);
        Self {
            words: zeros(words),
            summary: zeros(words.div_ceil(WORD)),
        }
    }

    fn set(&self, key: Key) {
        set_bit(&self.words, key);
        set_bit(&self.summary, key / WORD);
    }

    /// Takes the marks away and calls `visit` for each.
    fn take(&self, mut visit: impl FnMut(Key)) {
        for (part, word) in bits(&self.summary) {
            let index = part * WORD + word;
            let Some(keys) = self.words.get(index..=index) else {
                continue;
            };
            for (_, key) in bits(keys) {
                visit(index * WORD + key);
            }
        }
    }
}

fn set_bit(words: &[AtomicU64], bit: usize) {
    if let Some(word) = words.get(bit / WORD) {
        word.fetch_or(1 << (bit % WORD), Ordering::Relaxed);
    }
}

/// The bits that are set, which are taken: word and place in it.
fn bits(words: &[AtomicU64]) -> impl Iterator<Item = (usize, usize)> {
    words.iter().enumerate().flat_map(|(index, word)| {
        let mut rest = match word.load(Ordering::Relaxed) {
            0 => 0,
            _ => word.swap(0, Ordering::Relaxed),
        };
        core::iter::from_fn(move || {
            let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some((index, bit))
        })
    })
}

/// Wakes the task that waits, and tells for which key.
struct Mark {
    marks: Arc<Marks>,
    key: Key,
    task: Waker,
}

impl Wake for Mark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.marks.set(self.key);
        self.task.wake_by_ref();
    }
}

struct Entry {
    registration: Registration,
    wanted: Ready,
    /// Made when the entry is first looked at for the task that waits.
    waker: Option<Waker>,
}

/// A set of sockets to wait for.
pub struct Poller {
    entries: Vec<Option<Entry>>,
    free: Vec<Key>,
    marks: Arc<Marks>,
    /// The task that waited last.
    task: Option<Waker>,
}

impl Poller {
    /// For at most `sockets` sockets at a time.
    #[must_use]
    pub fn new(sockets: usize) -> Self {
        Self {
            entries: (0..sockets).map(|_| None).collect(),
            free: (0..sockets).rev().collect(),
            marks: Arc::new(Marks::new(sockets)),
            task: None,
        }
    }

    /// Waits for a socket, too. The key names it in what [`Self::wait`] tells.
    ///
    /// # Errors
    /// [`Error::NoMemory`] when there are as many as there can be.
    pub fn register(&mut self, socket: &impl Pollable, wanted: Ready) -> Result<Key, Error> {
        let key = self.free.pop().ok_or(Error::NoMemory)?;
        self.entries[key] = Some(Entry {
            registration: socket.registration(),
            wanted,
            waker: None,
        });
        self.marks.set(key);
        Ok(key)
    }

    /// What is wanted of a socket from now on.
    pub fn change(&mut self, key: Key, wanted: Ready) {
        if let Some(Some(entry)) = self.entries.get_mut(key) {
            entry.wanted = wanted;
            self.marks.set(key);
        }
    }

    /// Waits for it no more. Of sockets that are gone this is to be said, too.
    pub fn deregister(&mut self, key: Key) {
        if self.entries.get_mut(key).and_then(Option::take).is_some() {
            self.free.push(key);
        }
    }

    /// Waits until at least one socket is ready, and puts those that are into `events`.
    pub async fn wait(&mut self, events: &mut Vec<(Key, Ready)>) {
        poll_fn(|context| self.poll(context, events)).await;
    }

    /// As [`Self::wait`], one look.
    pub fn poll(&mut self, context: &Context<'_>, events: &mut Vec<(Key, Ready)>) -> Poll<()> {
        events.clear();
        let task = context.waker();
        if !self
            .task
            .as_ref()
            .is_some_and(|known| known.will_wake(task))
        {
            self.task = Some(task.clone());
            for (key, entry) in self.entries.iter_mut().enumerate() {
                if let Some(entry) = entry {
                    entry.waker = None;
                    self.marks.set(key);
                }
            }
        }
        let (entries, marks) = (&mut self.entries, &self.marks);
        marks.take(|key| {
            let Some(Some(entry)) = entries.get_mut(key) else {
                return;
            };
            let waker = entry.waker.get_or_insert_with(|| {
                Waker::from(Arc::new(Mark {
                    marks: Arc::clone(marks),
                    key,
                    task: task.clone(),
                }))
            });
            let context = Context::from_waker(waker);
            let ready = entry.registration.poll(entry.wanted, Some(&context));
            if !ready.is_empty() {
                events.push((key, ready));
            }
        });
        for (key, _) in events.iter() {
            self.marks.set(*key);
        }
        match events.is_empty() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pollable, Poller, Ready, Registration, Source};
    use core::cell::{Cell, RefCell};
    use core::task::{Context, Poll, Waker};
    use std::rc::Rc;

    /// A source that is ready when it is told so, and counts who asks.
    #[derive(Default)]
    struct Bell {
        rung: Cell<bool>,
        asked: Cell<u32>,
        waker: RefCell<Option<Waker>>,
    }

    impl Source for Bell {
        fn poll_ready(&self, wanted: Ready, context: Option<&Context<'_>>) -> Ready {
            self.asked.set(self.asked.get() + 1);
            if self.rung.get() {
                return wanted & Ready::READABLE;
            }
            *self.waker.borrow_mut() = context.map(|context| context.waker().clone());
            Ready::empty()
        }
    }

    struct Bells(Rc<Bell>);

    impl Pollable for Bells {
        fn registration(&self) -> Registration {
            Registration::of(&self.0)
        }
    }

    impl Bell {
        fn ring(&self) {
            self.rung.set(true);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }

    fn look(poller: &mut Poller) -> Vec<(usize, Ready)> {
        let mut events = Vec::new();
        let context = Context::from_waker(Waker::noop());
        let ready = poller.poll(&context, &mut events);
        assert_eq!(ready == Poll::Pending, events.is_empty());
        events
    }

    #[test]
    fn of_a_thousand_only_those_are_asked_that_gave_a_sign() {
        let bells: Vec<Bells> = (0..1_000).map(|_| Bells(Rc::default())).collect();
        let mut poller = Poller::new(1_000);
        let mut keys = Vec::new();
        for bell in &bells {
            keys.push(poller.register(bell, Ready::READABLE).unwrap());
        }
        assert!(poller.register(&bells[0], Ready::READABLE).is_err());
        assert!(look(&mut poller).is_empty());
        let asked = || bells.iter().map(|bell| bell.0.asked.get()).sum::<u32>();
        assert_eq!(asked(), 1_000);
        for number in [777, 0, 999] {
            bells[number].0.ring();
            assert_eq!(look(&mut poller), [(keys[number], Ready::READABLE)]);
            // It is told again for as long as it is so, and then no more.
            assert_eq!(look(&mut poller), [(keys[number], Ready::READABLE)]);
            bells[number].0.rung.set(false);
            assert!(look(&mut poller).is_empty());
            assert!(look(&mut poller).is_empty());
        }
        assert_eq!(asked(), 1_000 + 3 * 3);
    }

    #[test]
    fn what_is_wanted_changes_and_ends() {
        let bell = Bells(Rc::default());
        let mut poller = Poller::new(1);
        let key = poller.register(&bell, Ready::WRITABLE).unwrap();
        bell.0.ring();
        assert!(look(&mut poller).is_empty());
        poller.change(key, Ready::READABLE);
        assert_eq!(look(&mut poller).len(), 1);
        drop(bell);
        assert_eq!(look(&mut poller), [(key, Ready::GONE)]);
        poller.deregister(key);
        poller.deregister(key);
        assert!(look(&mut poller).is_empty());
        let other = Bells(Rc::default());
        assert_eq!(poller.register(&other, Ready::READABLE), Ok(key));
        assert!(poller.register(&other, Ready::READABLE).is_err());
    }
}
