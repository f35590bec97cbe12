//! Frames of Ethernet, for programs that may have them.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::poll_fn;

use protocol::{EthernetBody, SocketEthernet};

use crate::datagrams::Datagrams;
use crate::error::Error;
use crate::mac::Mac;
use crate::net::Net;
use crate::poller::{Pollable, Registration};

/// Bytes of the header: to whom, from whom, of which type.
const HEADER: usize = 14;

/// A socket for frames of one type on one link. Others may have such a socket as well, and each gets its
/// copy.
pub struct EthernetSocket {
    shared: Rc<Datagrams>,
}

impl EthernetSocket {
    /// A socket for the frames of a type on the link of this number, zero for the first: those to its
    /// address, to everybody, and to the group if one is named.
    ///
    /// # Errors
    /// [`Error::Denied`] when the program lacks the right to raw sockets; `Other(BadAddress)` for a type
    /// that netd speaks itself, and for what is none; `Other(AddressNotAvailable)` when there is no such
    /// link, or the group is none; `Other(Limit)`.
    pub async fn open(
        net: &Net,
        ethertype: u16,
        link: u32,
        group: Option<Mac>,
    ) -> Result<Self, Error> {
        let ethertype = ethertype.into();
        let body = EthernetBody {
            interface: link.into(),
            group: group.map_or([0; 6], |group| group.0),
            reserved: [0; 6],
        };
        let socket = net.call(SocketEthernet { ethertype, body }).await?.socket;
        let shared = Datagrams::open(net, socket).await?;
        Ok(Self { shared })
    }

    /// Sends a frame with this payload. Where it is from netd says. Why one did not leave, [`Self::flush`]
    /// tells.
    ///
    /// # Errors
    /// `Other(TooBig)` beyond the link's MTU; what [`Self::flush`] would tell, which is then told.
    pub async fn send_to(&self, payload: &[u8], to: Mac) -> Result<(), Error> {
        let mut frame = Vec::with_capacity(HEADER + payload.len());
        frame.extend(to.0);
        frame.resize(HEADER, 0);
        frame.extend(payload);
        poll_fn(|context| self.shared.poll_send(&frame, None, context)).await
    }

    /// Waits until all have left.
    ///
    /// # Errors
    /// As [`crate::UdpSocket::flush`].
    pub async fn flush(&self) -> Result<(), Error> {
        self.shared.flush().await
    }

    /// Takes the oldest frame: the length of its payload, to its padding's end, and from whom to whom it
    /// was. What does not fit `into` is lost.
    ///
    /// # Errors
    /// [`Error::ServerRestarted`], ...
    pub async fn receive(&self, into: &mut [u8]) -> Result<(usize, Mac, Mac), Error> {
        let (mut chunk, _) = self.shared.receive_chunk().await?;
        let mut header = [0; HEADER];
        chunk.copy_to(&mut header);
        chunk.advance(HEADER);
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = header;
        let (to, from) = (Mac([a, b, c, d, e, f]), Mac([g, h, i, j, k, l]));
        Ok((chunk.copy_to(into), from, to))
    }
}

impl Pollable for EthernetSocket {
    fn registration(&self) -> Registration {
        Registration::of(&self.shared)
    }
}
