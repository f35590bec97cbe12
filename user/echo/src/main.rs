//! `echo`: the small services every network test wants. TCP and UDP 7 send back what they get
//! (RFC 862), TCP 9 swallows it (RFC 863), TCP 19 sends without end (RFC 864), and TCP 1 tells in
//! one line how much memory is in use and how many connections there are: all over IPv4 and IPv6.

#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]
#![deny(unsafe_code)]

extern crate alloc;

mod source;

use alloc::{format, vec};

use embassy_futures::select::{Either, select};
use net::{Chunk, Error, Net, SocketOption, TcpListener, TcpStream, UdpSocket};
use rt::println;

rt::entry!(run);

const FIGURES_PORT: u16 = 1;
const ECHO_PORT: u16 = 7;
const DISCARD_PORT: u16 = 9;
const SOURCE_PORT: u16 = 19;

/// Arena: 32 connections at full speed, or hundreds of idle ones.
const ARENA_BYTES: usize = 8 << 20;
/// Connections that may wait to be taken.
const BACKLOG: u32 = 128;
/// Bytes that a connection moves at a time.
const CHUNK: usize = 16 * 1024;
/// Bytes that the source sends at a time: whole periods, some hundred KiB, so that what each request costs is
/// shared by many segments.
const SOURCE_BYTES: usize = 73 * source::PERIOD;
/// Bytes of the source that may wait for the peer: some requests, so that the next is there when one ends.
const SOURCE_BOUND: u64 = 4 * SOURCE_BYTES as u64;

fn run(_env: rt::Env) -> i32 {
    let outcome = rt::block_on(async {
        let net = Net::connect_with_arena(ARENA_BYTES).await?;
        let pattern = pattern(&net).await?;
        let source = move |stream| source(pattern.clone(), stream);
        let told = net.clone();
        let figures = move |stream| figures(told.clone(), stream);
        // Tasks of their own: who wakes one has the others left alone.
        let services = [
            rt::spawn(listen(net.clone(), ECHO_PORT, Small::AtOnce, echo)),
            rt::spawn(listen(net.clone(), DISCARD_PORT, Small::Gathered, discard)),
            rt::spawn(listen(net.clone(), SOURCE_PORT, Small::Gathered, source)),
            rt::spawn(listen(net.clone(), FIGURES_PORT, Small::Gathered, figures)),
            rt::spawn(echo_datagrams(net)),
        ];
        for service in services {
            service.await;
        }
        Ok::<(), Error>(())
    });
    match outcome {
        Ok(()) => println!("echo: all services have ended"),
        Err(error) => println!("echo: {error}"),
    }
    1
}

/// When small writes of a service leave.
#[derive(Clone, Copy)]
enum Small {
    AtOnce,
    /// As many as the peer's acknowledgement takes (Nagle).
    Gathered,
}

/// Takes connections on a port and gives each to a task of its own.
async fn listen<F>(net: Net, port: u16, small: Small, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = Result<(), Error>> + 'static,
{
    let ended = async {
        let listener = TcpListener::bind_both(&net, port, BACKLOG).await?;
        if let Small::AtOnce = small {
            // Once for all connections.
            listener.set_option(SocketOption::NoDelay, 1).await?;
        }
        loop {
            let stream = listener.accept().await?;
            let conversation = serve(stream);
            // A peer that goes away is no news.
            rt::spawn(async move { _ = conversation.await }).detach();
        }
    };
    let outcome: Result<(), Error> = ended.await;
    if let Err(error) = outcome {
        println!("echo: port {port}: {error}");
    }
}

/// RFC 862: what comes in goes out, from where it lies, until the peer has finished.
async fn echo(mut stream: TcpStream) -> Result<(), Error> {
    while let Some(chunk) = stream.read_chunk(CHUNK).await? {
        stream.send(chunk).await?;
    }
    // Nothing comes any more that would be answered by a reset: what was sent still leaves, and the end with it.
    Ok(())
}

/// RFC 863: what comes in is forgotten, where it lies.
async fn discard(mut stream: TcpStream) -> Result<(), Error> {
    while stream.read_chunk(usize::MAX).await?.is_some() {}
    Ok(())
}

/// What the source sends: written once, sent for ever, to all.
async fn pattern(net: &Net) -> Result<Chunk, Error> {
    let mut buffer = net.reserve(SOURCE_BYTES).await?;
    let period = source::pattern();
    while buffer.remaining() >= period.len() {
        buffer.append(&period);
    }
    Ok(buffer.freeze())
}

/// RFC 864: sends until the peer closes or resets; what comes in is forgotten.
async fn source(pattern: Chunk, stream: TcpStream) -> Result<(), Error> {
    stream
        .set_option(SocketOption::SendBuffer, SOURCE_BOUND)
        .await?;
    let (mut input, mut output) = stream.split();
    let sending = async {
        loop {
            output.send(pattern.clone()).await?;
        }
    };
    let receiving = async {
        while input.read_chunk(usize::MAX).await?.is_some() {}
        Ok(())
    };
    match select(sending, receiving).await {
        Either::First(outcome) | Either::Second(outcome) => outcome,
    }
}

/// One line: memory in use, and connections.
async fn figures(net: Net, mut stream: TcpStream) -> Result<(), Error> {
    let connections = net.stats().await?.connections;
    let used = rt::system::figures().map_or(0, |f| f.memory_total - f.memory_free);
    let line = format!("mem_used={used} conns={connections}\n");
    stream.write_all(line.as_bytes()).await?;
    stream.close().await
}

/// RFC 862, for datagrams.
async fn echo_datagrams(net: Net) {
    let ended: Result<(), Error> = async {
        let socket = UdpSocket::bind_both(&net, ECHO_PORT).await?;
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            match socket.receive_from(&mut buffer).await {
                Ok((count, from)) => _ = socket.send_to(&buffer[..count], from).await,
                // The socket is gone, and will not come back.
                Err(error @ (Error::ServerRestarted | Error::NoService | Error::Closed)) => {
                    return Err(error);
                }
                // An ICMP error for an answer of ours concerns that peer only.
                Err(_) => {}
            }
        }
    }
    .await;
    if let Err(error) = ended {
        println!("echo: datagrams: {error}");
    }
}
