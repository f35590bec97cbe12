//! Look-ups as the protocol lays them out.

use core::net::SocketAddr;

use protocol::{NAME_BYTES, Payload, RecordKind, Resolve, ResolveError};
use stack::{AddressKind, Lookup};

use super::Service;

impl<P> Service<'_, P> {
    /// The name that a request brings along, wherever it is; `bytes` is room for one from the arena.
    pub(super) fn name<'a>(
        &self,
        payload: &'a Payload,
        bytes: &'a mut [u8; NAME_BYTES],
    ) -> Result<&'a str, ResolveError> {
        let name = match payload {
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
        core::str::from_utf8(name).map_err(|_| ResolveError::BadAddress)
    }
}

/// What is to be looked up.
pub(super) fn lookup<'a>(name: &'a str, request: &Resolve) -> Lookup<'a> {
    let kind = match request.kind {
        RecordKind::A => AddressKind::V4,
        RecordKind::Aaaa => AddressKind::V6,
    };
    Lookup {
        name,
        kind,
        server: request.server.map(with_dns_port),
    }
}

/// A server without a port is asked at the usual one (RFC 1035 4.2).
fn with_dns_port(mut server: SocketAddr) -> SocketAddr {
    if server.port() == 0 {
        server.set_port(53);
    }
    server
}
