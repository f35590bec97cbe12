//! Services that a program offers on the link, so that neighbours find them by their kind (RFC 6763).

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::net::IpAddr;

use protocol::{
    Browse, Code, Offer, ServiceBody, ServiceFound, ServiceKind, ServiceName, SocketId, Withdraw,
    fixed_text, outcome, text_of,
};

use crate::error::Error;
use crate::net::Net;
use crate::pending::Pending;

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service<'a> {
    /// What people see, at most 63 bytes; empty: as the host is called.
    pub name: &'a str,
    /// `_http._tcp`
    pub kind: &'a str,
    /// Where it is.
    pub port: u16,
    /// What else is to be known of it: strings, each behind its length; may be empty.
    pub text: &'a [u8],
}

impl Net {
    /// Offers a service until it is withdrawn, or the program ends.
    ///
    /// # Errors
    /// `Other(BadAddress)` for what is no name, kind or text, `Other(Exists)`, `Other(Limit)`.
    pub async fn offer(&self, service: &Service<'_>) -> Result<(), Error> {
        let mut text = [0; 100];
        let room = text.get_mut(..service.text.len());
        room.ok_or(Error::Other(Code::BadAddress))?
            .copy_from_slice(service.text);
        let service = ServiceBody {
            name: padded(service.name)?,
            kind: padded(service.kind)?,
            port: service.port.into(),
            length: u8::try_from(service.text.len()).unwrap_or(u8::MAX),
            reserved: 0,
            text,
        };
        self.call(Offer { service }).await?;
        Ok(())
    }

    /// Offers a service no longer.
    ///
    /// # Errors
    /// `Other(NotFound)` when this program does not offer it.
    pub async fn withdraw(&self, name: &str, kind: &str) -> Result<(), Error> {
        let service = ServiceName {
            name: padded(name)?,
            kind: padded(kind)?,
        };
        self.call(Withdraw { service }).await?;
        Ok(())
    }
}

/// A service of somebody on the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// What people see.
    pub name: String,
    /// The host that it is at.
    pub host: String,
    /// Its port there.
    pub port: u16,
    /// The host's addresses.
    pub addresses: Vec<IpAddr>,
}

impl Instance {
    fn new(found: &ServiceFound) -> Self {
        Self {
            name: text_of(&found.name).to_string(),
            host: text_of(&found.host).to_string(),
            port: found.port.get(),
            addresses: found.addresses().collect(),
        }
    }
}

impl Net {
    /// Looks for services of a kind, as `_http._tcp` is one, on the link for some seconds.
    ///
    /// # Errors
    /// `Other(BadAddress)` for what is no kind, `Other(NotSupported)` where names of the link are not
    /// spoken of, `Other(Limit)`.
    pub async fn browse(&self, kind: &str) -> Result<Instances, Error> {
        let kind = ServiceKind {
            kind: padded(kind)?,
        };
        self.room().await;
        Ok(Instances {
            pending: self.submit(&Browse { kind }, SocketId(0), None, None)?,
        })
    }
}

/// Services as they are found. Dropped, they are looked for no longer.
pub struct Instances {
    pending: Pending,
}

impl Instances {
    /// The next one; `None` when that was all.
    ///
    /// # Errors
    /// Those of [`Net::browse`]; [`Error::ServerRestarted`].
    pub async fn next(&mut self) -> Result<Option<Instance>, Error> {
        let found = self.pending.until(|slot| {
            let event = slot.events.pop_front();
            event
                .map(Some)
                .or_else(|| slot.is_finished().then_some(None))
        });
        let message = found.await.ok_or(Error::ServerRestarted)?;
        let found = outcome::<Browse>(&message)?;
        Ok(found.more.then(|| Instance::new(&found.service)))
    }
}

/// Text with at least one zero behind it.
pub(crate) fn padded<const N: usize>(text: &str) -> Result<[u8; N], Error> {
    if text.len() >= N {
        return Err(Error::Other(Code::BadAddress));
    }
    Ok(fixed_text(text))
}
