//! The first process: starts the system, names its services, watches its processes.
//!
//! Boot in order: look at the machine's devices, collect randomness, set the clock, start what the
//! manifest names, serve. The manifest is the system on one page.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

extern crate alloc;

mod archive;
mod child;
mod clocks;
mod devices;
mod entropy;
mod manifest;
mod naming;
mod report;
mod requests;
mod supervisor;

use alloc::borrow::ToOwned;

use rt::{
    Env,
    boot::Boot,
    clock,
    handle::{Machine, OwnedHandle},
};

use crate::{
    archive::Archive,
    clocks::Clocks,
    devices::Devices,
    entropy::{Generator, Pool},
    manifest::{Choice, NETWORK_SERVICE, PROGRAMS},
    supervisor::{Resources, Supervisor},
};

rt::entry!(run);

fn run(env: Env) -> i32 {
    let Some(boot) = env.boot else {
        log::error!("init is the first process or none");
        return 1;
    };
    let (archive, image) = match boot.initrd() {
        Ok((archive, image)) => (Archive::new(archive), image),
        Err(error) => {
            log::error!("no archive of programs: {error}");
            return 1;
        }
    };
    let (mut devices, random) = find_devices(boot);
    devices.prepare(env.option("netd").unwrap_or_default());
    if !random.is_seeded() {
        log::warn!("NOT SEEDED: there is no source of randomness; nothing here is secret");
    }
    let services = env.option("services").map(ToOwned::to_owned);
    let linked = env.option("linked").map(ToOwned::to_owned);
    let choice = Choice {
        services: services.as_deref(),
        linked: linked.as_deref(),
    };
    let mut supervisor = Supervisor::new(Resources {
        machine: Machine::from_handle(OwnedHandle::from_raw(boot.info().system)),
        archive,
        image,
        debug: boot.info().debug,
        command_line: env.command_line,
        devices,
        random,
        clocks: Clocks::read(boot.info()),
    });
    if choice.is_linked() {
        log::info!("the network belongs to one program; there is no {NETWORK_SERVICE}");
        supervisor.names.rule_out(NETWORK_SERVICE);
    } else if let Some(name) = choice.linked {
        log::warn!("no program {name} brings its own network");
    }
    for program in PROGRAMS {
        if choice.starts(program) {
            supervisor.start_own(program.name, 0);
        }
    }
    supervisor.run()
}

/// Finds the devices, and randomness on the way.
fn find_devices(boot: Boot) -> (Devices, Generator) {
    let info = boot.info();
    let mut pool = Pool::new();
    pool.mix_weak(clock::now());
    let given = usize::try_from(info.seed_bytes).unwrap_or(usize::MAX);
    pool.mix(info.seed.get(..given).unwrap_or(&info.seed));
    let devices = Devices::find(info, &mut |bytes| pool.mix(bytes));
    pool.mix_weak(clock::now());
    (devices, pool.finish())
}
