//! Services that a program offers on the link, so that neighbours find them by their kind (RFC 6763).

use protocol::{Code, Offer, ServiceBody, ServiceName, Withdraw, fixed_text};

use crate::error::Error;
use crate::net::Net;

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

/// Text with at least one zero behind it.
pub(crate) fn padded<const N: usize>(text: &str) -> Result<[u8; N], Error> {
    if text.len() >= N {
        return Err(Error::Other(Code::BadAddress));
    }
    Ok(fixed_text(text))
}
