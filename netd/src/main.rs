//! The network server process: from its handles to its loop.
//!
//! It is given the network devices, memory for each, and the kernel's command line; clients come
//! through the name `NETD:`. Everything else is in the library, where it is tested.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use core::mem::ManuallyDrop;

use abi::{ObjectKind, Rights};
use netd::process::{self, MOST_CARDS, now};
use netd::{Ground, NetworkDevice, Peer, Privileges, Server, Turn};
use protocol::{ARENA_TAG, CORE_TAG};
use ring::Look;
use rt::handle::{Interrupt, Memory, Reach};
use rt::link::Link;
use rt::system::{self, Client, Permissions};

mod several;
mod sleep;

use sleep::Items;

rt::entry!(run);

/// The name under which clients find the server.
const SERVICE: &str = "NETD:";
/// Clients at a time: as many as one sleep can watch, beside first process, interrupts and bell.
const CLIENTS: u32 = 248;
/// Loops at most: each but the first takes a thread.
const MOST_CORES: u16 = netd::MOST_CORES;
/// Exit code when the server cannot serve: its supervisor starts it anew.
const FAILED: i32 = 1;

const _: () = assert!(CLIENTS as usize + MOST_CARDS as usize + 2 <= abi::MAX_WAIT_ITEMS);

type Netd = Server<Channel, NetworkDevice>;

/// A client's end of its channel.
struct Channel {
    link: Link,
    /// Tells where the device finds the client's memory.
    reach: Option<Arc<Reach>>,
}

impl Peer for Channel {
    fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    fn take_arena(&mut self, bytes: usize) -> Option<Ground> {
        let mut ground = None;
        // Whatever else is in the queue nobody asked for: closed.
        while let Ok((handle, tag)) = self.link.receive_handle() {
            let info = handle.info().ok()?;
            let rights = Rights::from_bits_truncate(info.rights);
            let fits = info.kind == ObjectKind::Memory as u32
                && rights.contains(Rights::READ | Rights::WRITE)
                && info.size >= bytes as u64;
            if tag == ARENA_TAG && fits && ground.is_none() {
                ground = self.map(&Memory::from_handle(handle));
            }
        }
        ground
    }

    fn take_channel(&mut self) -> Option<rt::handle::Channel> {
        let (handle, tag) = self.link.receive_handle().ok()?;
        let is_channel = handle.info().ok()?.kind == ObjectKind::Channel as u32;
        (tag == CORE_TAG && is_channel).then(|| rt::handle::Channel::from_handle(handle))
    }
}

impl Channel {
    /// The mapping keeps the pages where they are. Without addresses, what the client sends is copied.
    fn map(&self, memory: &Memory) -> Option<Ground> {
        let arena = memory.map_arena().ok()?;
        let runs = self.reach.as_ref().map(|reach| memory.runs(reach));
        let runs = runs.and_then(Result::ok).unwrap_or_default();
        Some(Ground { arena, runs })
    }
}

fn run(mut env: rt::Env) -> i32 {
    let mut given = process::given(&mut env, MOST_CORES);
    if given.devices.len() > 1 {
        return several::run(&mut given);
    }
    // The process ends with it: nothing of it need be taken apart.
    let mut server = ManuallyDrop::new(given.only_server(CLIENTS));
    if let Err(refused) = system::register(SERVICE) {
        log::error!("cannot serve as {SERVICE} {refused:?}");
        return FAILED;
    }
    let reach = given.reach.take().map(Arc::new);
    serve(&mut server, &given.interrupts, reach.as_ref())
}

/// The loop: work while there is work, then sleep. Ends when the machine goes down.
fn serve(server: &mut Netd, lines: &[Interrupt], reach: Option<&Arc<Reach>>) -> i32 {
    let Ok(lingering) = system::linger() else {
        return FAILED;
    };
    // Lines start masked; the first acknowledgement opens ours.
    if lines.iter().any(|line| line.acknowledge().is_err()) {
        log::error!("interrupt cannot be opened");
        return FAILED;
    }
    let mut items = Items::new(system::wait_item(), None);
    // The first process may have something to say, and has not been asked to ring yet. Once asked, it
    // is until it rings.
    let (mut is_called, mut is_asked) = (true, false);
    loop {
        let turn = server.turn(now());
        if core::mem::take(&mut is_called) {
            if lingering.is_over() == Ok(true) {
                process::finish(server);
                return 0;
            }
            if accept(server, reach) {
                continue;
            }
        }
        is_asked = is_asked || turn != Turn::More && system::announce_sleep() == Look::Sleep;
        is_called = turn == Turn::More || !is_asked;
        if is_called || server.prepare_sleep() {
            continue;
        }
        let seen = items.sleep(server, lines);
        if seen.is_left {
            return FAILED;
        }
        is_called = seen.is_called;
        is_asked = !is_called;
        items.serve(server, &seen, lines);
    }
}

/// Takes in clients that wait. True when there were some.
#[inline(never)]
fn accept(server: &mut Netd, reach: Option<&Arc<Reach>>) -> bool {
    let mut any = false;
    while let Ok(Some(Client {
        channel,
        name,
        permissions,
        ..
    })) = system::next_client()
    {
        any = true;
        let privileges = Privileges {
            admin: permissions.contains(Permissions::ADMIN),
            raw: permissions.contains(Permissions::RAW),
        };
        match Link::adopt(channel) {
            Ok(link) => {
                let reach = reach.cloned();
                if !server.connect(Channel { link, reach }, privileges, now()) {
                    log::warn!("no place for client {name}");
                }
            }
            Err(error) => log::warn!("client {name}: {error}"),
        }
    }
    if any {
        // Here the first process may be asked something: it is about to be asked for a sign anew.
        rt::console::join_again();
    }
    any
}
