//! `nc`: a conversation with whoever is at the other end: what is typed is sent line by line, what comes
//! is shown. Calls or waits, by a connection or by datagrams, over IPv4 or IPv6.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod options;

use alloc::{string::String, vec};
use core::net::SocketAddr;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use net::{
    Error, Family, Net, ReadHalf, TcpListener, TcpStream, UdpSocket, WriteHalf, end_on, within,
};
use rt::{
    console::{self, ReadError},
    println,
};

use crate::options::Options;

/// Exit code: the command makes no sense.
const USAGE: i32 = 2;
/// Exit code: there was no conversation, or it ended badly.
const FAILED: i32 = 1;

/// Bytes that are shown at a time.
const CHUNK: usize = 4096;
/// Bytes of the longest datagram.
const LONGEST: usize = u16::MAX as usize;

/// The program; its result is the exit code.
pub fn run(env: rt::Env) -> i32 {
    let options = match Options::parse(env.args.iter()) {
        Ok(options) => options,
        Err(reason) => {
            println!("nc: {reason}");
            println!("{}", options::USAGE);
            return USAGE;
        }
    };
    let conversation = async {
        let net = Net::connect().await?;
        match options.is_datagram {
            true => datagrams(&net, &options).await,
            false => connection(&net, &options).await,
        }
    };
    let outcome = rt::block_on(conversation);
    console::flush();
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            println!("nc: {error}");
            FAILED
        }
    }
}

/// All addresses of a family.
fn any(family: Family, port: u16) -> SocketAddr {
    SocketAddr::new(family.unspecified(), port)
}

/// Lines to send: the one that the command line has, or what is typed.
struct Lines<'a> {
    only: Option<&'a str>,
    is_over: bool,
}

impl<'a> Lines<'a> {
    const fn new(options: &Options<'a>) -> Self {
        Self {
            only: options.message,
            is_over: false,
        }
    }

    /// The next line with its end; `None` when there are no more: Ctrl-C was typed, or there is no
    /// console.
    async fn next(&mut self) -> Option<String> {
        if self.is_over {
            return None;
        }
        let line = match self.only {
            Some(only) => {
                self.is_over = true;
                Ok(only.into())
            }
            None => console::read_line().await,
        };
        match line {
            Ok(mut line) => {
                line.push('\n');
                Some(line)
            }
            Err(ReadError::Interrupted | ReadError::Closed) => {
                self.is_over = true;
                None
            }
        }
    }
}

/// Opens a connection, or takes one.
async fn open(net: &Net, options: &Options<'_>) -> Result<TcpStream, Error> {
    match (options.host, options.family) {
        (Some(host), None) if options.link == 0 => {
            TcpStream::connect_by_name(net, host, options.port).await
        }
        (Some(host), family) => {
            let addresses = net.addresses_of(host, family).await?;
            let address = addresses.first().copied().ok_or(Error::NoSuchRecord)?;
            TcpStream::connect(net, end_on(address, options.port, options.link)).await
        }
        (None, None) => {
            TcpListener::bind_both(net, options.port, 1)
                .await?
                .accept()
                .await
        }
        (None, Some(family)) => {
            let local = any(family, options.port);
            TcpListener::bind(net, local, 1).await?.accept().await
        }
    }
}

/// A conversation by a connection: ends when the peer has said everything, and we have.
async fn connection(net: &Net, options: &Options<'_>) -> Result<(), Error> {
    let stream = match select(open(net, options), console::interrupt()).await {
        Either::First(stream) => stream?,
        Either::Second(_) => return Ok(()),
    };
    stream.set_no_delay(true).await?;
    let (input, output) = stream.split();
    let Some(line) = options.message else {
        // When the peer has finished nobody is there any more who would listen to what is typed.
        let (Either::First(ended) | Either::Second(ended)) =
            select(show(input, options), say(output, options)).await;
        return ended;
    };
    // The one line is said even to who has finished before.
    let both = join(show(input, options), tell(output, line));
    match select(both, console::interrupt()).await {
        Either::First((shown, told)) => shown.and(told),
        Either::Second(_) => Ok(()),
    }
}

/// Shows what comes, until the peer has finished.
async fn show(mut input: ReadHalf, options: &Options<'_>) -> Result<(), Error> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let reading = input.read(&mut buffer);
        let count = match options.patience {
            Some(patience) => within(patience, reading).await?,
            None => reading.await?,
        };
        if count == 0 {
            return Ok(());
        }
        console::write_bytes(&buffer[..count]);
    }
}

/// Sends one line and says that there are no more.
async fn tell(mut output: WriteHalf, line: &str) -> Result<(), Error> {
    output.write_all([line, "\n"].concat().as_bytes()).await?;
    output.finish().await
}

/// Sends what is typed until Ctrl-C, and then says that there is no more.
async fn say(mut output: WriteHalf, options: &Options<'_>) -> Result<(), Error> {
    let mut lines = Lines::new(options);
    while let Some(line) = lines.next().await {
        output.write_all(line.as_bytes()).await?;
    }
    output.finish().await
}

/// A conversation by datagrams: a line each. Who waits answers to whoever has spoken last.
async fn datagrams(net: &Net, options: &Options<'_>) -> Result<(), Error> {
    let (socket, mut peer) = match (options.host, options.family) {
        (Some(host), _) => {
            let addresses = net.addresses_of(host, options.family).await?;
            let address = addresses.first().copied().ok_or(Error::NoSuchRecord)?;
            let mut socket = UdpSocket::bind(net, any(Family::of(address), 0)).await?;
            let peer = end_on(address, options.port, options.link);
            // What the network says of the peer is ours to hear.
            socket.connect(peer).await?;
            (socket, Some(peer))
        }
        (None, None) => (UdpSocket::bind_both(net, options.port).await?, None),
        (None, Some(family)) => {
            let local = any(family, options.port);
            (UdpSocket::bind(net, local).await?, None)
        }
    };
    let mut lines = Lines::new(options);
    let mut buffer = vec![0; LONGEST];
    loop {
        // Without a peer there is nobody to say anything to.
        let speaks = peer.is_some() && !lines.is_over;
        let line = async {
            if speaks {
                return lines.next().await;
            }
            console::interrupt().await;
            None
        };
        let hearing = socket.receive_from(&mut buffer);
        let hearing = async {
            match options.patience {
                Some(patience) => within(patience, hearing).await,
                None => hearing.await,
            }
        };
        match select(line, hearing).await {
            Either::First(Some(line)) => {
                if let Some(peer) = peer {
                    socket.send_to(line.as_bytes(), peer).await?;
                }
            }
            Either::First(None) => {
                socket.flush().await?;
                return Ok(());
            }
            Either::Second(heard) => {
                let (count, from) = match heard {
                    // Nothing more will come; who asked has been answered, or not.
                    Err(Error::TimedOut) if options.patience.is_some() => return Ok(()),
                    heard => heard?,
                };
                console::write_bytes(&buffer[..count]);
                peer = peer.filter(|_| options.host.is_some()).or(Some(from));
            }
        }
    }
}
