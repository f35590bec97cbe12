//! Owner of the serial line: shows what programs print and gives them what is typed.
//!
//! The loop takes what sessions send, what the line has received and what may be sent to it, and
//! sleeps when there is nothing of either. See `screen` for who may write where and `keyboard` for
//! who gets the input.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

extern crate alloc;

mod keyboard;
mod screen;
mod service;

use alloc::vec::Vec;

use abi::{Signals, WaitItem};
use pl011::Pl011;
use ring::Look;
use rt::{Env, console::message, handle::Interrupt, system};

use crate::service::Service;

rt::entry!(run);

fn run(mut env: Env) -> i32 {
    let Some(device) = env.take_device() else {
        log::error!("there is no serial line");
        return 1;
    };
    let registers = device.registers.into_registers();
    let uart = registers
        .ok()
        .and_then(|registers| Pl011::new(registers).ok());
    let Some(uart) = uart else {
        log::error!("the serial line is not a PL011");
        return 1;
    };
    if let Err(refused) = system::register(message::NAME) {
        log::error!("{}: {refused}", message::NAME);
        return 1;
    }
    serve(uart, &device.interrupt)
}

/// Serves for ever, or until the first process is gone.
fn serve(mut uart: Pl011, interrupt: &Interrupt) -> i32 {
    let mut service = Service::new();
    let mut items: Vec<WaitItem> = Vec::new();
    // A line is masked until its owner is ready for it.
    interrupt.acknowledge().ok();
    loop {
        loop {
            match system::next_client() {
                Ok(Some(client)) => service.connect(client),
                Ok(None) => break,
                Err(_) => return 0,
            }
        }
        let mut busy = service.receive();
        busy |= read(&mut uart, &mut service);
        busy |= write(&mut uart, &mut service);
        service.deliver();
        if busy {
            continue;
        }
        uart.interrupt_on_room(service.screen.backlog() > 0);
        items.clear();
        items.push(WaitItem::new(interrupt.raw(), Signals::INTERRUPT));
        items.push(system::wait_item());
        let looks = (system::announce_sleep(), service.announce_sleep(&mut items));
        if looks == (Look::Sleep, Look::Sleep) {
            // Only a deadline could make this fail, and there is none.
            rt::wait(&mut items, None).ok();
            if items.first().is_some_and(|item| !item.signals().is_empty()) {
                uart.clear_interrupts();
                interrupt.acknowledge().ok();
            }
        }
        system::awake();
        service.awake(&items);
    }
}

/// Takes what the line has received.
fn read(uart: &mut Pl011, service: &mut Service) -> bool {
    let mut bytes = [0; 64];
    let count = uart.read(&mut bytes);
    service.typed(bytes.get(..count).unwrap_or_default());
    count > 0
}

/// Sends what the line has room for.
fn write(uart: &mut Pl011, service: &mut Service) -> bool {
    let mut any = false;
    loop {
        let count = uart.write(service.screen.output());
        if count == 0 {
            return any;
        }
        any = true;
        service.screen.sent(count);
    }
}
