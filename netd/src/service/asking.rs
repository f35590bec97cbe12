//! What is asked of others: names and echoes.

use core::time::Duration;

use protocol::{Answer, Payload, Ping, Progress, RecordKind, Resolve, ResolveBack, ResolveError};
use stack::{AddressKind, Lookup};

use super::Service;
use super::completion::Ticket;
use super::errors::Told;

/// Time a ping waits when the client does not say.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

impl<P> Service<'_, P> {
    /// Looks a name up.
    pub(super) fn look_up(&mut self, id: u32, request: &Resolve) -> Answer<Resolve> {
        let mut bytes = [0; protocol::NAME_BYTES];
        let name = match &request.name {
            Payload::Inline(inline) => inline.as_slice(),
            Payload::Arena(range) => {
                self.range::<ResolveError>(*range)?;
                let length = usize::try_from(range.length).unwrap_or(usize::MAX);
                let into = bytes.get_mut(..length).ok_or(ResolveError::BadAddress)?;
                let arena = self.arenas.get(self.client).ok_or(ResolveError::BadArena)?;
                arena
                    .read(range.offset, into)
                    .map_err(|_| ResolveError::BadRange)?;
                into
            }
        };
        let name = core::str::from_utf8(name).map_err(|_| ResolveError::BadAddress)?;
        let kind = match request.kind {
            RecordKind::A => AddressKind::V4,
            RecordKind::Aaaa => AddressKind::V6,
        };
        let lookup = Lookup {
            name,
            kind,
            server: request.server.map(with_dns_port),
        };
        let token = Ticket::new::<Resolve>(id).token();
        let outcome = self.stack.resolve(self.client, lookup, token, self.now);
        outcome.map_err(Told::told)?;
        Ok(Progress::Pending)
    }

    /// Looks the name of an address up.
    pub(super) fn look_up_back(&mut self, id: u32, request: &ResolveBack) -> Answer<ResolveBack> {
        let address = request.back.address.ip();
        let address = address.ok_or(ResolveError::BadAddress)?;
        let asked = (address, request.server.map(with_dns_port));
        let token = Ticket::new::<ResolveBack>(id).token();
        let outcome = self.stack.name_of(self.client, asked, token, self.now);
        outcome.map_err(Told::told)?;
        Ok(Progress::Pending)
    }

    /// Sends an echo request.
    pub(super) fn echo(&mut self, id: u32, request: &Ping) -> Answer<Ping> {
        let how = request.how;
        let timeout = match how.timeout.get() {
            0 => PING_TIMEOUT,
            milliseconds => Duration::from_millis(milliseconds.into()),
        };
        let ping = stack::Ping {
            address: request.to,
            link: how.link,
            size: how.size.get(),
            sequence: how.sequence.get(),
            ttl: (how.ttl != 0).then_some(how.ttl),
            timeout,
        };
        let token = Ticket::new::<Ping>(id).token();
        self.stack
            .ping(self.client, ping, token, self.now)
            .map_err(Told::told)?;
        Ok(Progress::Pending)
    }
}

/// A server without a port is asked at the usual one (RFC 1035 4.2).
fn with_dns_port(mut server: core::net::SocketAddr) -> core::net::SocketAddr {
    if server.port() == 0 {
        server.set_port(53);
    }
    server
}
