//! Programs and their sockets on the loopback address, where all that begins a test has to work.

use std::net::SocketAddr;

use net::{Error, Net, TcpListener, TcpStream};

use super::World;

/// Runs a test of one ordinary program.
pub fn alone<T>(test: impl AsyncFnOnce(Net) -> T) -> T {
    let world = World::new();
    world.run(async {
        let (net, _life) = world.client(false).await;
        test(net).await
    })
}

/// Runs a test between two ordinary programs: one that serves and one that asks.
pub fn between<T>(test: impl AsyncFnOnce(Net, Net) -> T) -> T {
    let world = World::new();
    world.run(async {
        let (server, _one) = world.client(false).await;
        let (client, _other) = world.client(false).await;
        test(server, client).await
    })
}

/// A port of the loopback address; zero: one that is free.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Listens there.
pub async fn listen(net: &Net, port: u16) -> TcpListener {
    let listening = TcpListener::bind(net, loopback(port), 128).await;
    listening.expect("a listener")
}

/// Connects to who listens there.
pub async fn connect(net: &Net, port: u16) -> TcpStream {
    let connected = TcpStream::connect(net, loopback(port)).await;
    connected.expect("a connection")
}

/// A connection: the end of the client, which has asked for it, and the server's.
pub async fn connected(server: &Net, client: &Net) -> (TcpStream, TcpStream) {
    let listener = listen(server, 7).await;
    let stream = connect(client, 7).await;
    (stream, listener.accept().await.expect("a connection"))
}

/// Reads to the end.
pub async fn read_all(stream: &mut TcpStream) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    let mut buffer = vec![0; 10_000];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}
