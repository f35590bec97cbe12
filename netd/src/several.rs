//! One of several loops: as the only one's, and what it owes the others.
//!
//! *Owns* the start of the others, each in a thread of its own. A loop that cannot go on ends them all.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::mem::ManuallyDrop;

use netd::cores::{Order, Seat};
use netd::process::{self, Given, now};
use netd::{NetworkDevice, Turn};
use ring::Look;
use rt::handle::{Interrupt, Reach};
use rt::link::Link;
use rt::system::{self, Lingering};
use rt::thread;

use crate::sleep::Items;
use crate::{CLIENTS, Channel, FAILED, Netd, accept};

/// Bytes of a loop's stack: as the kernel gives the first one.
const STACK_BYTES: usize = 128 * 1024;

/// Serves with a loop for each driver of the device.
pub fn run(given: &mut Given) -> i32 {
    let Ok(seats) = given.seats() else {
        log::error!("no place for several loops");
        return FAILED;
    };
    let lines: Arc<[Interrupt]> = core::mem::take(&mut given.interrupts).into();
    let reach = given.reach.take().map(Arc::new);
    let mut first = None;
    for (seat, device) in seats.into_iter().zip(core::mem::take(&mut given.devices)) {
        if seat.is_first() {
            let others = core::mem::take(&mut given.others);
            let devices = core::iter::once(device).chain(others).collect();
            first = Some((seat, devices));
            continue;
        }
        let (given, lines) = (given.clone_for(&seat), Arc::clone(&lines));
        let reach = reach.clone();
        let started = thread::start(STACK_BYTES, move || {
            let shared = lines.get(..1).unwrap_or_default();
            let reach = reach.as_ref();
            rt::exit(serve(&given, (seat, vec![device]), shared, reach, None));
        });
        if let Err(error) = started {
            log::error!("no thread for a loop: {error}");
            return FAILED;
        }
    }
    let (Some((seat, devices)), Ok(lingering)) = (first, system::linger()) else {
        return FAILED;
    };
    serve(
        given,
        (seat, devices),
        &lines,
        reach.as_ref(),
        Some(&lingering),
    )
}

/// A loop, with its server, its driver of the first card and the lines of its cards. The first one has what
/// the system has to say, and all other cards.
fn serve(
    given: &Given,
    (mut seat, devices): (Seat, Vec<NetworkDevice>),
    lines: &[Interrupt],
    reach: Option<&Arc<Reach>>,
    lingering: Option<&Lingering>,
) -> i32 {
    let server: Netd = given.server(CLIENTS, devices, Some(seat.shard));
    // The process ends with it: nothing of it need be taken apart.
    let mut server = ManuallyDrop::new(server);
    seat.take(&mut server);
    let mut items = match lingering {
        Some(_) => {
            let are_closed = lines.iter().any(|line| line.acknowledge().is_err());
            if are_closed || system::register(crate::SERVICE).is_err() {
                log::error!("cannot serve");
                return FAILED;
            }
            Items::new(system::wait_item(), Some(seat.bell()))
        }
        None => Items::new(seat.bell(), None),
    };
    let (mut is_called, mut is_asked) = (true, false);
    loop {
        let turn = server.turn(now());
        let mut is_busy = turn == Turn::More || obey(&mut seat, &mut server, reach);
        if let Some(lingering) = lingering {
            seat.instruct(&mut server);
            if core::mem::take(&mut is_called) {
                if lingering.is_over() == Ok(true) {
                    process::finish(&mut server);
                    return 0;
                }
                is_busy |= accept(&mut server, reach);
            }
            is_asked = is_asked || !is_busy && system::announce_sleep() == Look::Sleep;
            is_called = !is_asked;
            is_busy |= is_called;
        }
        if is_busy || server.prepare_sleep() {
            continue;
        }
        if server.is_lost() {
            log::error!("the network device is lost");
            return FAILED;
        }
        server.look_at_links(now());
        if seat.announce_sleep(&mut server) == Look::MoreWork {
            continue;
        }
        let seen = items.sleep(&mut server, lines);
        seat.awake();
        if seen.is_left {
            return FAILED;
        }
        is_called = seen.is_called;
        is_asked = !is_called;
        if seen.interrupts != 0 {
            let was_up = server.is_link_up();
            items.serve(&mut server, &seen, lines);
            seat.pass_on(server.is_link_up() != was_up);
        }
    }
}

/// Does what the first loop says. True when it said something.
fn obey(seat: &mut Seat, server: &mut Netd, reach: Option<&Arc<Reach>>) -> bool {
    let mut any = false;
    while let Some(order) = seat.order() {
        any = true;
        match order {
            Order::Link(link) => server.follow(&link, now()),
            Order::Client {
                channel,
                privileges,
            } => match Link::adopt(channel) {
                Ok(link) => {
                    let reach = reach.cloned();
                    if !server.connect(Channel { link, reach }, privileges, now()) {
                        log::warn!("no place for a client");
                    }
                }
                Err(error) => log::warn!("a client: {error}"),
            },
        }
    }
    any
}
