//! Lies to the network server, on sessions opened properly.

use core::time::Duration;

use abi::{PAGE_SIZE, Signals, Syscall, WaitItem};
use protocol::{ARENA_TAG, REPLY};
use ring::Message;
use rt::handle::{Channel, Memory};
use rt::link::Link;
use rt::{block_on, println, system, time};

use crate::raw::call;

type Verdict = Result<(), &'static str>;

const SERVICE: &str = "NETD:";
const PATIENCE: Duration = Duration::from_secs(5);

/// Numbers of operations that the lies need.
const CREATE: u16 = 1;
const SEND: u16 = 6;
const RECEIVE: u16 = 7;
const STATUS: u16 = 10;
const ATTACH_ARENA: u16 = 11;
const SUBSCRIBE: u16 = 43;
const RAW: u16 = 24;
const ETHERNET: u16 = 25;
/// Arguments of these: a protocol, and a type.
const OSPF: u32 = 89;
const LOCAL: u32 = 0x88b5;
/// Status of what takes a right.
const DENIED: u32 = 4;
/// Argument of `CREATE`: datagrams.
const DATAGRAM: u32 = 2;

fn connect() -> Result<Link, &'static str> {
    system::connect_blocking(SERVICE, 64, true).map_err(|_| "there is no network server")
}

fn put(message: &mut Message, at: usize, bytes: &[u8]) {
    message.as_bytes_mut()[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A request: its number and id, the rest zero.
fn request(operation: u16, id: u32) -> Message {
    let mut message = Message::ZERO;
    put(&mut message, 0, &operation.to_le_bytes());
    put(&mut message, 4, &id.to_le_bytes());
    message
}

fn word(message: &Message, at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&message.as_bytes()[at..at + 4]);
    u32::from_le_bytes(bytes)
}

/// Sends and waits for the reply: its status and socket.
fn ask(link: &mut Link, message: &Message) -> Result<(u32, u32), &'static str> {
    link.send_blocking(message)
        .map_err(|_| "the session broke")?;
    loop {
        let reply = block_on(time::with_timeout(PATIENCE, link.receive()))
            .map_err(|_| "no reply")?
            .map_err(|_| "the session broke")?;
        if word(&reply, 4) == word(message, 4) {
            return Ok((word(&reply, 12), word(&reply, 8)));
        }
    }
}

/// Bits without meaning, the same every time.
struct Noise(u64);

impl Noise {
    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Messages that are noise from the first byte to the last.
pub fn garbage(count: u32) -> Verdict {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut link = connect()?;
    let mut answers = 0u32;
    for number in 0..count {
        let mut message = Message::ZERO;
        for word in message.words_mut() {
            *word = noise.next();
        }
        // Every other one has a number that netd knows.
        if number % 2 == 0 {
            put(
                &mut message,
                0,
                &u16::try_from(number / 2 % 66).unwrap_or(0).to_le_bytes(),
            );
        }
        if link.send_blocking(&message).is_err() {
            break;
        }
        while let Ok(Some(_)) = link.try_receive() {
            answers += 1;
        }
    }
    while let Ok(Ok(_)) = block_on(time::with_timeout(
        Duration::from_millis(300),
        link.receive(),
    )) {
        answers += 1;
    }
    println!("{answers} answers to {count} messages");
    if answers == 0 { Err("silence") } else { Ok(()) }
}

/// Every number, known or not, with nothing in the message and with everything set: a reply each.
/// A subscription to nothing is the one request that is right so and answered by events alone.
pub fn numbers() -> Verdict {
    let mut link = connect()?;
    let mut id = 0;
    for operation in (0..=0x90u16).chain([0xff, 0x100, 0x7fff, 0xffff]) {
        for filler in [0, 0xff] {
            if (operation, filler) == (SUBSCRIBE, 0) {
                continue;
            }
            id += 1;
            let mut message = request(operation, id);
            message.as_bytes_mut()[8..].fill(filler);
            link.send_blocking(&message)
                .map_err(|_| "the session broke")?;
            let reply = loop {
                let Ok(reply) = block_on(time::with_timeout(PATIENCE, link.receive())) else {
                    println!("operation {operation} filled with {filler:#x}");
                    return Err("no reply");
                };
                let reply = reply.map_err(|_| "the session broke")?;
                if word(&reply, 4) == id {
                    break reply;
                }
            };
            if word(&reply, 0) & 0xffff != u32::from(operation | REPLY) {
                println!(
                    "{operation:#x} was answered by {:#x}",
                    word(&reply, 0) & 0xffff
                );
                return Err("a reply with another number");
            }
        }
    }
    println!("{id} replies");
    Ok(())
}

/// Numbers of sockets that others have, and of sockets that nobody has.
pub fn sockets() -> Verdict {
    let mut link = connect()?;
    let mut tried = 0;
    for high in 0..8u32 {
        for low in 0..256 {
            for socket in [
                high << 16 | low,
                high << 20 | low,
                high << 24 | low,
                low << 16 | high,
            ] {
                tried += 1;
                let mut message = request(STATUS, tried);
                put(&mut message, 8, &socket.to_le_bytes());
                if ask(&mut link, &message)?.0 == 0 {
                    println!("socket {socket:#x} was shown");
                    return Err("a foreign socket was shown");
                }
            }
        }
    }
    println!("{tried} foreign sockets: refused");
    // Those that take a right which no stranger has.
    let mut message = request(RAW, tried + 1);
    put(&mut message, 28, &OSPF.to_le_bytes());
    put(&mut message, 50, &[4]);
    if ask(&mut link, &message)?.0 != DENIED {
        return Err("a raw socket was made");
    }
    println!("raw socket: refused");
    let mut message = request(ETHERNET, tried + 2);
    put(&mut message, 28, &LOCAL.to_le_bytes());
    put(&mut message, 24, &16_u32.to_le_bytes());
    if ask(&mut link, &message)?.0 != DENIED {
        return Err("a socket for frames was made");
    }
    println!("ethernet socket: refused");
    Ok(())
}

/// Whether netd cuts the session off, in time.
fn is_cut_off(channel: &Channel) -> bool {
    let mut items = [WaitItem::new(channel.raw(), Signals::PEER_CLOSED)];
    rt::wait(&mut items, Some(time::after(PATIENCE))).is_ok()
}

/// Indices of the ring that no honest end writes.
pub fn ring() -> Verdict {
    // The creator's index is the first word of the memory.
    for (what, index) in [
        ("an index far ahead", 1u64 << 40),
        ("an index just too far", 1000),
        ("the largest index", u64::MAX),
    ] {
        let (channel, peer) = Channel::create(64 << 10).map_err(|_| "no channel")?;
        let map = [channel.raw().0.into(), 0, 0, 0, 0, 0];
        let (status, address, _) = call(Syscall::ChannelMap as u64, map);
        if status != 0 {
            return Err("the channel cannot be mapped");
        }
        block_on(system::connect_channel(SERVICE, peer, true)).map_err(|_| "no network server")?;
        write_index(address, index);
        channel.ring().map_err(|_| "no doorbell")?;
        if !is_cut_off(&channel) {
            println!("{what}: still connected");
            return Err("a liar is still connected");
        }
        println!("{what}: disconnected");
    }
    Ok(())
}

/// Writes the first word of a channel's shared memory.
fn write_index(base: u64, index: u64) {
    let word = base as *mut u64;
    // SAFETY: the mapping is 64 KiB long and stays until the program ends; only netd reads it at
    // the same time, and it expects anything there.
    unsafe { word.write_volatile(index) };
}

/// Bytes that lie outside the arena, before, behind and around it.
pub fn arena() -> Verdict {
    const SIZE: u64 = 16 * PAGE_SIZE as u64;
    let mut link = connect()?;
    let memory = Memory::create(16 * PAGE_SIZE).map_err(|_| "no memory")?;
    link.send_handle(memory.into_handle(), ARENA_TAG)
        .map_err(|_| "the arena was not sent")?;
    let mut message = request(ATTACH_ARENA, 1);
    put(&mut message, 28, &(16 * 4096u32).to_le_bytes());
    if ask(&mut link, &message)?.0 != 0 {
        return Err("the arena was refused");
    }
    let mut message = request(CREATE, 2);
    put(&mut message, 28, &DATAGRAM.to_le_bytes());
    let (status, socket) = ask(&mut link, &message)?;
    if status != 0 {
        return Err("no socket");
    }
    let mut id = 2;
    for operation in [SEND, RECEIVE] {
        for (offset, length) in [
            (SIZE, 1),
            (SIZE - 1, 2),
            (u64::MAX, 1),
            (u64::MAX - 10, u32::MAX),
            (0, u32::MAX),
            (1 << 63, 4096),
        ] {
            id += 1;
            let mut message = request(operation, id);
            put(&mut message, 8, &socket.to_le_bytes());
            put(&mut message, 16, &offset.to_le_bytes());
            put(&mut message, 24, &length.to_le_bytes());
            if ask(&mut link, &message)?.0 == 0 {
                println!("operation {operation}, {length} bytes at {offset:#x} was accepted");
                return Err("bytes outside the arena were accepted");
            }
        }
    }
    println!("bytes outside the arena: refused");
    Ok(())
}
