//! Names of services, and clients on their way to one.
//!
//! *Owns* the table of names and the queue of clients that cannot be handed over yet: because there
//! is no such service, or because the server is behind. *Never* looks into a channel it passes on.

use alloc::{string::String, vec::Vec};

use rt::{handle::OwnedHandle, system::Refused};

/// Most bytes of a name.
const MAX_NAME: usize = 32;
/// Most names.
const MAX_NAMES: usize = 64;
/// Most clients on their way, all together and of one process.
const MAX_WAITING: usize = 256;
const MAX_WAITING_EACH: usize = 16;

/// The table.
#[derive(Default)]
pub struct Names {
    servers: Vec<(String, u32)>,
    waiting: Vec<Waiting>,
    /// What there will never be.
    ruled_out: Vec<&'static str>,
}

/// A client on its way.
#[derive(Debug)]
pub struct Waiting {
    /// The client's number.
    pub client: u32,
    /// Number of its request.
    pub request: u32,
    /// Whom it wants.
    pub name: String,
    /// It is content to wait until there is such a service.
    pub patient: bool,
    /// The far end of its channel.
    pub channel: OwnedHandle,
}

impl Names {
    /// An empty table.
    pub const fn new() -> Self {
        Self {
            servers: Vec::new(),
            waiting: Vec::new(),
            ruled_out: Vec::new(),
        }
    }

    /// There will be no such service: nobody waits for it, nobody can publish it.
    pub fn rule_out(&mut self, name: &'static str) {
        self.ruled_out.push(name);
    }

    /// Whether there may be such a service, now or later.
    pub fn may_come(&self, name: &str) -> bool {
        !self.ruled_out.contains(&name)
    }

    /// Publishes a process under a name.
    ///
    /// # Errors
    ///
    /// [`Refused::Taken`], [`Refused::Malformed`] for names that are too long or do not end with a
    /// colon, [`Refused::Busy`] when the table is full.
    pub fn register(&mut self, name: &[u8], server: u32) -> Result<(), Refused> {
        let name = str::from_utf8(name).map_err(|_| Refused::Malformed)?;
        if name.len() < 2 || name.len() > MAX_NAME || !name.ends_with(':') {
            return Err(Refused::Malformed);
        }
        if self.find(name).is_some() || !self.may_come(name) {
            return Err(Refused::Taken);
        }
        if self.servers.len() >= MAX_NAMES {
            return Err(Refused::Busy);
        }
        self.servers.push((name.into(), server));
        Ok(())
    }

    /// The process behind a name.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.servers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, server)| *server)
    }

    /// A process is gone: its names are free, its requests forgotten.
    pub fn forget(&mut self, process: u32) {
        self.servers.retain(|(_, server)| *server != process);
        self.waiting.retain(|waiting| waiting.client != process);
    }

    /// Takes a client that is to be handed over.
    ///
    /// # Errors
    ///
    /// [`Refused::Busy`] if too many are on their way.
    pub fn enqueue(&mut self, waiting: Waiting) -> Result<(), Refused> {
        let own = self
            .waiting
            .iter()
            .filter(|other| other.client == waiting.client)
            .count();
        if self.waiting.len() >= MAX_WAITING || own >= MAX_WAITING_EACH {
            return Err(Refused::Busy);
        }
        self.waiting.push(waiting);
        Ok(())
    }

    /// Takes all who wait, in order; who cannot be handed over is enqueued again.
    pub fn take_waiting(&mut self) -> Vec<Waiting> {
        core::mem::take(&mut self.waiting)
    }

    /// Somebody waits for a server that is there, and only behind.
    pub fn is_pressed(&self) -> bool {
        self.waiting
            .iter()
            .any(|waiting| self.find(&waiting.name).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_WAITING_EACH, Names, Waiting};
    use abi::Handle;
    use rt::{handle::OwnedHandle, system::Refused};

    fn waiting(client: u32, name: &str) -> Waiting {
        Waiting {
            client,
            request: 1,
            name: name.into(),
            patient: true,
            channel: OwnedHandle::from_raw(Handle::NONE),
        }
    }

    #[test]
    fn a_name_belongs_to_the_first_who_takes_it() {
        let mut names = Names::new();
        assert_eq!(names.register(b"NETD:", 3), Ok(()));
        assert_eq!(names.register(b"NETD:", 4), Err(Refused::Taken));
        assert_eq!(names.find("NETD:"), Some(3));
        names.forget(3);
        assert_eq!(names.find("NETD:"), None);
        assert_eq!(names.register(b"NETD:", 4), Ok(()));
    }

    #[test]
    fn odd_names_are_refused() {
        let mut names = Names::new();
        for name in [&b""[..], b":", b"NETD", b"\xff:", &[b':'; 33]] {
            assert_eq!(names.register(name, 3), Err(Refused::Malformed), "{name:?}");
        }
        for number in 0..64 {
            assert_eq!(names.register(format!("N{number}:").as_bytes(), 3), Ok(()));
        }
        assert_eq!(names.register(b"ONE_MORE:", 3), Err(Refused::Busy));
    }

    #[test]
    fn what_will_never_come_nobody_waits_for_and_nobody_takes() {
        let mut names = Names::new();
        names.rule_out("NETD:");
        assert!(!names.may_come("NETD:") && names.may_come("ECHO:"));
        assert_eq!(names.register(b"NETD:", 3), Err(Refused::Taken));
        assert_eq!(names.find("NETD:"), None);
    }

    #[test]
    fn one_client_cannot_fill_the_queue() {
        let mut names = Names::new();
        for _ in 0..MAX_WAITING_EACH {
            assert!(names.enqueue(waiting(7, "X:")).is_ok());
        }
        assert_eq!(names.enqueue(waiting(7, "X:")), Err(Refused::Busy));
        assert!(names.enqueue(waiting(8, "Y:")).is_ok());
        assert!(!names.is_pressed());
        names.register(b"Y:", 2).unwrap();
        assert!(names.is_pressed());
        names.forget(7);
        assert_eq!(names.take_waiting().len(), 1);
    }
}
