//! The network inside of a program: driver, stack and server as a task of its own, with no other
//! process in between.
//!
//! *Owns* the server and its task. A session within the process is one like any other: rings, an
//! arena, and a doorbell that wakes a task instead of a process. So a program has the same sockets
//! either way, and what comes from the wire is checked by the same code. *Never* serves another
//! process.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use abi::Signals;
use ring::Arena;
use rt::Signalled;
use rt::handle::{Interrupt, Memory, Reach};
use rt::link::{Link, Signal};
use rt::system;
use rt::time::Moment;
use stack::Instant;

use crate::arenas::Ground;
use crate::hardware::NetworkDevice;
use crate::process::{self, Started, now};
use crate::server::{Server, Turn};
use crate::session::{Peer, Privileges};

/// Sessions at a time.
const SESSIONS: u32 = 8;
/// Messages that fit each ring.
const RING_SLOTS: usize = 120;

type Netd = Server<Within, NetworkDevice>;

/// The server's end of a session within the process.
struct Within {
    link: Link,
    ground: Option<Ground>,
}

impl Peer for Within {
    fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    fn take_arena(&mut self, bytes: usize) -> Option<Ground> {
        let ground = self.ground.take();
        ground.filter(|ground| ground.arena.len() >= bytes)
    }
}

/// The program's own network. Clones are the same.
#[derive(Clone)]
pub struct Network {
    shared: Rc<Shared>,
}

struct Shared {
    server: RefCell<Netd>,
    /// Tells where the device finds the program's memory.
    reach: Option<Reach>,
    /// A session was opened since the server's task looked last.
    is_opened: Cell<bool>,
    /// The task, when it sleeps.
    sleeper: RefCell<Option<Waker>>,
}

impl Network {
    /// Starts the network with the device that the program was given; without one, it is loopback
    /// only. It runs whenever the program waits.
    #[must_use]
    pub fn start(env: &mut rt::Env) -> Self {
        Self::of(process::start(env, SESSIONS))
    }

    fn of(started: Started<Within>) -> Self {
        let Started {
            server,
            interrupts,
            reach,
        } = started;
        let network = Self {
            shared: Rc::new(Shared {
                server: RefCell::new(server),
                reach,
                is_opened: Cell::new(false),
                sleeper: RefCell::new(None),
            }),
        };
        rt::spawn(serve(Rc::clone(&network.shared), interrupts)).detach();
        rt::spawn(linger(Rc::clone(&network.shared))).detach();
        network
    }

    /// A session with an arena of `bytes`: the program's end, and its view of the arena. `None` when
    /// there are as many as there can be.
    #[must_use]
    pub fn open(&self, bytes: usize) -> Option<(Link, Arena)> {
        let (link, theirs) = Link::pair(RING_SLOTS);
        let reach = self.shared.reach.as_ref();
        let in_pages = reach.and_then(|reach| pages(bytes, reach).ok());
        let (arena, seen) = in_pages.unwrap_or_else(|| {
            let (arena, seen) = Arena::shared(bytes);
            (arena, seen.into())
        });
        let peer = Within {
            link: theirs,
            ground: Some(seen),
        };
        // It is the program's own network: it may do all with it.
        let privileges = Privileges {
            admin: true,
            raw: true,
        };
        let is_taken_in = self
            .shared
            .server
            .borrow_mut()
            .connect(peer, privileges, now());
        self.shared.is_opened.set(true);
        if let Some(waker) = self.shared.sleeper.take() {
            waker.wake();
        }
        is_taken_in.then_some((link, arena))
    }
}

/// An arena of pages of its own, which the device finds: the program's view, and the server's.
fn pages(bytes: usize, reach: &Reach) -> Result<(Arena, Ground), abi::Error> {
    let memory = Memory::create(bytes)?;
    let runs = memory.runs(reach)?;
    let arena = memory.map_arena()?;
    Ok((arena.view(), Ground { arena, runs }))
}

/// The loop: work while there is work, and let the program have its turn in between.
async fn serve(shared: Rc<Shared>, interrupts: Vec<Interrupt>) {
    // Lines start masked; the first acknowledgement opens ours.
    if interrupts.iter().any(|line| line.acknowledge().is_err()) {
        log::error!("interrupt cannot be opened");
    }
    let mut signs = Signs::new(interrupts);
    loop {
        let is_busy = {
            let mut server = shared.server.borrow_mut();
            let turn = server.turn(now());
            turn == Turn::More || server.prepare_sleep()
        };
        if is_busy {
            rt::executor::yield_now().await;
            continue;
        }
        signs.prepare(&mut shared.server.borrow_mut());
        poll_fn(|context| {
            let mut is_over = signs.poll(&mut shared.server.borrow_mut(), context);
            is_over |= shared.is_opened.take();
            if is_over {
                return Poll::Ready(());
            }
            *shared.sleeper.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
        shared.server.borrow_mut().rested();
    }
}

/// What the server's sleep waits for.
struct Signs {
    interrupts: Vec<(Interrupt, Signalled)>,
    /// When to look at the latest, in nanoseconds since start. Deadlines mostly move on: then it stays,
    /// and is found to be too early once.
    moment: Option<(u64, Moment)>,
    sessions: Vec<Signal>,
    /// Of the sessions that are in it.
    generation: Option<u64>,
}

impl Signs {
    fn new(interrupts: Vec<Interrupt>) -> Self {
        let waited = |line: Interrupt| {
            let signalled = rt::signalled(line.raw(), Signals::INTERRUPT);
            (line, signalled)
        };
        Self {
            interrupts: interrupts.into_iter().map(waited).collect(),
            moment: None,
            sessions: Vec::new(),
            generation: None,
        }
    }

    /// Before a sleep.
    fn prepare(&mut self, server: &mut Netd) {
        server.ring();
        let generation = Some(server.peers_generation());
        if self.generation != generation {
            self.generation = generation;
            self.sessions.clear();
            let signals = server.peers().map(|peer| peer.link.signal());
            self.sessions.extend(signals);
        }
        if let Some(deadline) = server.next_deadline().map(Instant::as_nanos)
            && self.moment.as_ref().is_none_or(|(at, _)| *at > deadline)
        {
            self.moment = Some((deadline, rt::time::sleep_until(deadline)));
        }
    }

    /// Tells the server what has given a sign. True when something has.
    fn poll(&mut self, server: &mut Netd, context: &mut Context<'_>) -> bool {
        let mut any = false;
        for (place, (line, signalled)) in self.interrupts.iter_mut().enumerate() {
            if Pin::new(signalled).poll(context).is_pending() {
                continue;
            }
            any = true;
            server.interrupt(place, now());
            if line.acknowledge().is_err() {
                log::error!("interrupt cannot be opened again");
            }
        }
        if let Some((_, moment)) = &mut self.moment
            && Pin::new(moment).poll(context).is_ready()
        {
            any = true;
            self.moment = None;
        }
        for (index, signal) in self.sessions.iter_mut().enumerate() {
            if let Poll::Ready(seen) = Pin::new(signal).poll(context) {
                any = true;
                server.woken(index, seen);
            }
        }
        any
    }
}

/// Finishes when the machine goes down.
async fn linger(shared: Rc<Shared>) {
    let Ok(lingering) = system::linger() else {
        return;
    };
    if lingering.over().await.is_ok() {
        process::finish(&mut *shared.server.borrow_mut());
        rt::exit(0);
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use net::{Net, TcpListener, TcpStream};

    use super::{Network, Rc, Server, Started, now};
    use crate::{Settings, tables};

    /// Without a device there is loopback.
    fn network() -> Network {
        let settings = Settings::parse(|_| None);
        let config = tables(64 << 20, super::SESSIONS, None);
        let server = Server::new(config, &settings, [7; 32], None, now());
        Network::of(Started {
            server,
            interrupts: vec![],
            reach: None,
        })
    }

    async fn session(network: &Network) -> Net {
        let (link, arena) = network.open(1 << 20).expect("a place");
        Net::join(link, arena).await.expect("an arena")
    }

    #[test]
    fn a_program_talks_to_itself_through_its_own_network() {
        let network = network();
        rt::block_on(async {
            let (server, client) = (session(&network).await, session(&network).await);
            let local = "127.0.0.1:80".parse().unwrap();
            let listener = TcpListener::bind(&server, local, 4).await.unwrap();
            let serving = rt::spawn(async move {
                let mut peer = listener.accept().await.unwrap();
                while let Some(chunk) = peer.read_chunk(usize::MAX).await.unwrap() {
                    peer.send(chunk).await.unwrap();
                }
                peer.close().await.unwrap();
            });
            let mut stream = TcpStream::connect(&client, local).await.unwrap();
            let mut echo = vec![0; 500];
            for round in 0..50_u8 {
                stream.write_all(&[round; 500]).await.unwrap();
                let mut filled = 0;
                while filled < echo.len() {
                    filled += stream.read(&mut echo[filled..]).await.unwrap();
                }
                assert!(echo.iter().all(|byte| *byte == round));
            }
            stream.close().await.unwrap();
            serving.await;
            // A session that nobody has any more makes place for another.
            drop((server, client));
            for _ in 0..3 * super::SESSIONS {
                drop(session(&network).await);
                while network.shared.server.borrow().stack().totals().clients > 0 {
                    rt::executor::yield_now().await;
                }
            }
        });
        assert_eq!(Rc::strong_count(&network.shared), 2, "the task's and ours");
    }
}
