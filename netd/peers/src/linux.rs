//! The other end as the host's kernel has it: ordinary sockets, two threads for each connection.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sim::programs::pattern;

use crate::plan::{Digests, OURS, Plan, Side, THEIRS};

/// How long a read or write may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of one read or write.
const CHUNK: u64 = 32_768;

/// The kernel's ends of some plans, being carried out.
pub struct Linux {
    ends: Vec<JoinHandle<io::Result<[u8; 32]>>>,
}

impl Linux {
    /// Listens where we are to connect, and connects where we listen, at once.
    ///
    /// # Panics
    /// If an address or port cannot be had.
    #[must_use]
    pub fn start(plans: &[Plan]) -> Self {
        let start = |plan: &Plan| {
            let plan = *plan;
            let listener = (plan.opens == Side::Ours).then(|| {
                TcpListener::bind((THEIRS, plan.port)).expect("the kernel's address and a port")
            });
            thread::spawn(move || {
                let stream = match listener {
                    Some(listener) => listener.accept()?.0,
                    None => {
                        let to = SocketAddr::from((OURS, plan.port));
                        TcpStream::connect_timeout(&to, PATIENCE)?
                    }
                };
                carry_out(&plan, &stream)
            })
        };
        Self {
            ends: plans.iter().map(start).collect(),
        }
    }

    /// Whether all have come to an end, one way or the other.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.ends.iter().all(JoinHandle::is_finished)
    }

    /// SHA-256 of what was received, once all is done.
    ///
    /// # Panics
    /// If an end has failed.
    #[must_use]
    pub fn digests(self) -> Digests {
        let digest = |end: JoinHandle<io::Result<[u8; 32]>>| {
            let result = end.join().expect("no panic");
            result.expect("a connection without errors")
        };
        self.ends.into_iter().map(digest).collect()
    }
}

fn carry_out(plan: &Plan, stream: &TcpStream) -> io::Result<[u8; 32]> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            send(plan, stream)?;
            if plan.closes == Side::Theirs {
                stream.shutdown(Shutdown::Write)?;
            }
            io::Result::Ok(())
        });
        let digest = receive(stream)?;
        sender.join().expect("no panic")?;
        if plan.closes == Side::Ours {
            stream.shutdown(Shutdown::Write)?;
        }
        Ok(digest)
    })
}

fn send(plan: &Plan, mut stream: &TcpStream) -> io::Result<()> {
    let flow = plan.flow(Side::Theirs);
    let mut sent = 0;
    while sent < plan.theirs {
        let end = plan.theirs.min(sent + CHUNK);
        let chunk: Vec<u8> = (sent..end).map(|place| pattern(flow, place)).collect();
        stream.write_all(&chunk)?;
        sent = end;
    }
    Ok(())
}

fn receive(mut stream: &TcpStream) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; usize::try_from(CHUNK).unwrap_or(usize::MAX)];
    loop {
        let len = stream.read(&mut chunk)?;
        if len == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(&chunk[..len]);
    }
}
