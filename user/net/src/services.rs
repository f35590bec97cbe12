//! Services that a program offers on the link, so that neighbours find them by their kind (RFC 6763).

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::net::IpAddr;

use protocol::{
    Browse, Code, Offer, OfferSubtype, ServiceBody, ServiceFound, ServiceKind, ServiceName,
    ServiceSubtype, ServiceText, SocketId, Withdraw, fixed_text, outcome, text_of,
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

    /// Tells that a service of this program is of a subtype of its kind as well, as `_printer` is one of
    /// `_http._tcp`, until it is withdrawn (RFC 6763 section 7.1).
    ///
    /// # Errors
    /// `Other(BadAddress)` for what is no subtype, `Other(NotFound)` when this program does not offer the
    /// service, `Other(Exists)`, `Other(Limit)`.
    pub async fn offer_subtype(&self, name: &str, kind: &str, subtype: &str) -> Result<(), Error> {
        let service = ServiceSubtype {
            name: padded(name)?,
            kind: padded(kind)?,
            subtype: padded(subtype)?,
        };
        self.call(OfferSubtype { service }).await?;
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
    /// What it says of itself: strings, each behind its length.
    pub text: Vec<u8>,
}

impl Instance {
    fn new(found: &ServiceFound, text: Vec<u8>) -> Self {
        Self {
            name: text_of(&found.name).to_string(),
            host: text_of(&found.host).to_string(),
            port: found.port.get(),
            addresses: found.addresses().collect(),
            text,
        }
    }

    /// What it says of itself, key by key; a key without `=` has no value. Of strings with the same key the
    /// first counts, and those without a key do not (RFC 6763 section 6.4). A stranger has written it: values
    /// may be any bytes, and keys have printable characters.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let mut known: Vec<&str> = Vec::new();
        strings(&self.text).filter_map(move |string| {
            let (key, value) = match string.iter().position(|byte| *byte == b'=') {
                Some(end) => (&string[..end], Some(&string[end + 1..])),
                None => (string, None),
            };
            let is_key = !key.is_empty() && key.iter().all(|byte| matches!(byte, b' '..=b'~'));
            let key = core::str::from_utf8(key).ok().filter(|_| is_key)?;
            if known.iter().any(|it| it.eq_ignore_ascii_case(key)) {
                return None;
            }
            known.push(key);
            Some((key, value))
        })
    }
}

impl Net {
    /// Looks for services of a kind, as `_http._tcp` is one, or of a subtype of it, as
    /// `_printer._sub._http._tcp`, on the link for some seconds.
    ///
    /// # Errors
    /// `Other(BadAddress)` for what is no kind, `Other(NotSupported)` where names of the link are not
    /// spoken of, `Other(Limit)`.
    pub async fn browse(&self, kind: &str) -> Result<Instances, Error> {
        // What was found is of the kind, whatever subtype was looked for.
        let whole = kind.rsplit_once("._sub.").map_or(kind, |(_, whole)| whole);
        let of = padded(whole)?;
        let kind = ServiceKind {
            kind: padded(kind)?,
        };
        self.room().await;
        Ok(Instances {
            net: self.clone(),
            kind: of,
            pending: self.submit(&Browse { kind }, SocketId(0), None, None)?,
        })
    }
}

/// Services as they are found. Dropped, they are looked for no longer.
pub struct Instances {
    net: Net,
    kind: [u8; 24],
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
        if !found.more {
            return Ok(None);
        }
        let service = ServiceName {
            name: found.service.name,
            kind: self.kind,
        };
        let text = match self.net.call(ServiceText { service }).await {
            Ok(reply) => {
                let length = usize::try_from(reply.text.length.get()).unwrap_or(0);
                reply.text.text.get(..length).unwrap_or_default().to_vec()
            }
            // The look-out was over sooner than it was asked.
            Err(Error::Other(Code::NotFound)) => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Some(Instance::new(&found.service, text)))
    }
}

/// Text with at least one zero behind it.
pub(crate) fn padded<const N: usize>(text: &str) -> Result<[u8; N], Error> {
    if text.len() >= N {
        return Err(Error::Other(Code::BadAddress));
    }
    Ok(fixed_text(text))
}

/// Strings, each behind its length, as far as they are whole.
fn strings(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (length, behind) = rest.split_first()?;
        let (string, behind) = behind.split_at_checked(usize::from(*length))?;
        rest = behind;
        Some(string)
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::Instance;

    fn attributes(strings: &[&[u8]]) -> Vec<(alloc::string::String, Option<Vec<u8>>)> {
        let mut text = Vec::new();
        for string in strings {
            text.push(u8::try_from(string.len()).unwrap());
            text.extend_from_slice(string);
        }
        let instance = Instance {
            name: "a".into(),
            host: "b.local".into(),
            port: 1,
            addresses: Vec::new(),
            text,
        };
        let all = instance.attributes();
        all.map(|(key, value)| (key.into(), value.map(<[u8]>::to_vec)))
            .collect()
    }

    // RFC 6763 sections 6.4 and 6.5.
    #[test]
    fn keys_count_once_and_values_may_be_anything() {
        let found = attributes(&[
            b"path=/a=b",
            b"",
            b"=no key",
            b"PATH=later",
            b"paper",
            b"empty=",
            b"bin=\x00\xff\x1b",
            b"\x1bkey=1",
        ]);
        let expected: [(&str, Option<&[u8]>); 4] = [
            ("path", Some(b"/a=b")),
            ("paper", None),
            ("empty", Some(b"")),
            ("bin", Some(b"\x00\xff\x1b")),
        ];
        let expected = expected.map(|(key, value)| (key.into(), value.map(<[u8]>::to_vec)));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_string_that_is_cut_off_is_none() {
        let instance = Instance {
            name: "a".into(),
            host: "b.local".into(),
            port: 1,
            addresses: Vec::new(),
            text: b"\x01a\x09bc".to_vec(),
        };
        assert!(instance.attributes().eq([("a", None)]));
    }
}
