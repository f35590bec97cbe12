//! The server: takes connections, each served by a task of its own.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use net::{Chunk, Error, Net, Service, SocketOption, TcpListener};

use crate::answers::Answers;
use crate::connection;
use crate::known::{Known, Step};
use crate::request::HEAD_LIMIT;

/// Connections that may wait to be taken.
const BACKLOG: u32 = 128;
/// Clients served at once; further ones wait in the backlog.
const MAX_CLIENTS: usize = 256;

/// What all connections share.
pub struct Server {
    /// The network.
    pub net: Net,
    /// What it has ready.
    pub answers: Answers,
    known: RefCell<Known>,
    /// Where what arrives is looked at.
    desk: RefCell<[u8; HEAD_LIMIT]>,
    requests: Cell<u64>,
    clients: Cell<usize>,
}

impl Server {
    /// Takes connections at a port, over IPv4 and IPv6.
    ///
    /// # Errors
    ///
    /// What keeps it from doing so.
    pub async fn run(net: Net, port: u16) -> Result<(), Error> {
        let listener = TcpListener::bind_both(&net, port, BACKLOG).await?;
        // Once for all connections.
        listener.set_option(SocketOption::NoDelay, 1).await?;
        let service = Service {
            name: "",
            kind: "_http._tcp",
            port,
            text: &[],
        };
        // Who is not found by its kind is by its address.
        _ = net.offer(&service).await;
        let server = Rc::new(Self {
            answers: Answers::new(&net).await?,
            known: RefCell::new(Known::new()),
            desk: RefCell::new([0; HEAD_LIMIT]),
            net,
            requests: Cell::new(0),
            clients: Cell::new(0),
        });
        loop {
            while server.clients.get() >= MAX_CLIENTS {
                rt::time::sleep(core::time::Duration::from_millis(10)).await;
            }
            let stream = listener.accept().await?;
            let client = Client::new(&server);
            // A client that goes away in the middle is no news.
            rt::spawn(async move { _ = connection::serve(&client.0, stream).await }).detach();
        }
    }

    /// What is to be done about what has come, behind what had and is not answered yet: at most
    /// [`HEAD_LIMIT`] bytes together. What that does not concern is then what had come.
    pub fn look(&self, rest: &mut Vec<u8>, came: Option<Chunk>) -> Step {
        let mut desk = self.desk.borrow_mut();
        let kept = rest.len().min(HEAD_LIMIT);
        desk[..kept].copy_from_slice(&rest[..kept]);
        let count = came.map_or(0, |chunk| chunk.copy_to(&mut desk[kept..]));
        let bytes = &desk[..kept + count];
        let (used, step) = self.known.borrow_mut().step(bytes);
        rest.clear();
        rest.extend_from_slice(&bytes[used..]);
        step
    }

    /// A request is being answered.
    pub fn count_request(&self) {
        self.requests.set(self.requests.get() + 1);
    }

    /// Requests answered so far.
    pub fn requests(&self) -> u64 {
        self.requests.get()
    }
}

/// One of the clients that are served at once.
struct Client(Rc<Server>);

impl Client {
    fn new(server: &Rc<Server>) -> Self {
        server.clients.set(server.clients.get() + 1);
        Self(Rc::clone(server))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.0.clients.set(self.0.clients.get() - 1);
    }
}
