//! Sockets that take a right of their own: for a protocol of IP, and for frames.

use protocol::{Prompt, RawError, SocketCreated, SocketEthernet, SocketId, SocketRaw};

use super::Service;
use super::errors::Told;

impl<P> Service<'_, P> {
    fn may_be_raw(&self) -> Result<(), RawError> {
        let may = self.privileges.raw;
        may.then_some(()).ok_or(RawError::Denied)
    }

    /// A socket for a protocol.
    pub(super) fn open_raw(&mut self, request: &SocketRaw) -> Prompt<SocketRaw> {
        self.may_be_raw()?;
        let protocol = u8::try_from(request.protocol).map_err(|_| RawError::BadAddress)?;
        let made = self
            .stack
            .socket_raw(self.client, protocol, request.local)
            .map_err(Told::told)?;
        Ok(SocketCreated {
            socket: SocketId(made.raw()),
        })
    }

    /// A socket for frames of a type on a link.
    pub(super) fn open_ethernet(&mut self, request: &SocketEthernet) -> Prompt<SocketEthernet> {
        self.may_be_raw()?;
        let ethertype = u16::try_from(request.ethertype).map_err(|_| RawError::BadAddress)?;
        let link = self.interface(request.body.interface.get());
        let link = link.map_err(|_| RawError::AddressNotAvailable)?;
        let group = request.body.group;
        let group = (group != [0; 6]).then_some(stack::MacAddress(group));
        let made = self
            .stack
            .socket_frames(self.client, link, ethertype, group)
            .map_err(Told::told)?;
        Ok(SocketCreated {
            socket: SocketId(made.raw()),
        })
    }
}
