//! Resource records.
//!
//! *Owns*: the data of the types that are understood; others are kept as bytes (RFC 3597).
//!
//! *Spec*: RFC 1035 sections 3.2.1 and 3.3; RFC 2782; RFC 3596; RFC 6891.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::{Class, Name, Reader, Type};
use crate::Drop;

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Whose it is.
    pub name: Name,
    /// Its class; for [`Data::Opt`] the longest UDP payload the sender takes.
    pub class: Class,
    /// For how many seconds it may be kept; for [`Data::Opt`] more flags.
    pub ttl: u32,
    /// What it says.
    pub data: Data<'a>,
}

/// What a record says.
#[expect(
    clippy::large_enum_variant,
    reason = "a record is read, looked at and forgotten"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// The name has this address.
    A(Ipv4Addr),
    /// The name has this address.
    Aaaa(Ipv6Addr),
    /// The name is another name for this one.
    Cname(Name),
    /// This host is responsible for the zone.
    Ns(Name),
    /// The address that the name stands for has this name.
    Ptr(Name),
    /// A zone starts here.
    Soa(Soa),
    /// Takes mail for the name.
    Mx {
        /// Lower is preferred.
        preference: u16,
        /// The host.
        exchange: Name,
    },
    /// Texts.
    Txt(Strings<'a>),
    /// Offers the service that the name stands for.
    Srv {
        /// Lower is preferred.
        priority: u16,
        /// Share among those of the same priority.
        weight: u16,
        /// Port of the service.
        port: u16,
        /// The host.
        target: Name,
    },
    /// Options of EDNS(0); see [`Record::edns`] for the rest.
    Opt(&'a [u8]),
    /// Of a type that is not understood.
    Other {
        /// The type.
        kind: Type,
        /// The data.
        data: &'a [u8],
    },
}

/// The start of a zone (RFC 1035 section 3.3.13). Times are in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Soa {
    /// The primary server.
    pub primary: Name,
    /// The mailbox of the person responsible.
    pub mailbox: Name,
    /// Version.
    pub serial: u32,
    /// When secondaries look for changes.
    pub refresh: u32,
    /// When they look again after a failure.
    pub retry: u32,
    /// When they give up.
    pub expire: u32,
    /// For how long "there is no such thing" may be kept (RFC 2308 section 4).
    pub minimum: u32,
}

/// Character strings, each behind its length (RFC 1035 section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strings<'a>(&'a [u8]);

/// One string, which is empty.
impl Default for Strings<'_> {
    fn default() -> Self {
        Self(&[0])
    }
}

/// What a message's OPT record says about its sender (RFC 6891 section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// The longest UDP payload that the sender takes, in bytes, at least 512.
    pub payload_size: u16,
    /// The high eight bits of the response code.
    pub extended_code: u8,
    /// Version; zero is the only one.
    pub version: u8,
    /// The sender wants signatures (RFC 3225).
    pub dnssec_ok: bool,
}

impl<'a> Record<'a> {
    /// The OPT record that says what `edns` says, without options.
    #[must_use]
    pub fn from_edns(edns: Edns) -> Self {
        let flags = if edns.dnssec_ok { 0x80 } else { 0 };
        Self {
            name: Name::ROOT,
            class: Class(edns.payload_size),
            ttl: u32::from_be_bytes([edns.extended_code, edns.version, flags, 0]),
            data: Data::Opt(&[]),
        }
    }

    /// What this record says, if it is an OPT record.
    #[must_use]
    pub fn edns(&self) -> Option<Edns> {
        let Data::Opt(_) = self.data else { return None };
        let [extended_code, version, flags, _] = self.ttl.to_be_bytes();
        Some(Edns {
            // RFC 6891 section 6.2.3: lower values must be treated as 512.
            payload_size: self.class.0.max(512),
            extended_code,
            version,
            dnssec_ok: flags & 0x80 != 0,
        })
    }

    /// The record's type.
    #[must_use]
    pub const fn kind(&self) -> Type {
        match self.data {
            Data::A(_) => Type::A,
            Data::Aaaa(_) => Type::AAAA,
            Data::Cname(_) => Type::CNAME,
            Data::Ns(_) => Type::NS,
            Data::Ptr(_) => Type::PTR,
            Data::Soa(_) => Type::SOA,
            Data::Mx { .. } => Type::MX,
            Data::Txt(_) => Type::TXT,
            Data::Srv { .. } => Type::SRV,
            Data::Opt(_) => Type::OPT,
            Data::Other { kind, .. } => kind,
        }
    }

    pub(super) fn parse(reader: &mut Reader<'a>) -> Result<Self, Drop> {
        let name = reader.name()?;
        let kind = Type(reader.u16()?);
        let class = Class(reader.u16()?);
        let ttl = match (kind, reader.u32()?) {
            (Type::OPT, flags) => flags,
            // RFC 2181 section 8: the top bit set means zero.
            (_, ttl @ 0..=0x7fff_ffff) => ttl,
            _ => 0,
        };
        let length = usize::from(reader.u16()?);
        let start = reader.at;
        let bytes = reader.bytes(length)?;
        // Names in the data may point back to anywhere in the message; nothing lies behind it.
        let message = reader.message.get(..reader.at).ok_or(Drop::DnsShort)?;
        let data = Data::parse(kind, bytes, Reader { message, at: start });
        let data = data.map_err(|reason| match reason {
            Drop::DnsShort => Drop::DnsRecord,
            reason => reason,
        })?;
        Ok(Self {
            name,
            class,
            ttl,
            data,
        })
    }
}

impl<'a> Data<'a> {
    /// Reads the data of a record of the given type: `bytes`, which are what is left to `reader`.
    fn parse(kind: Type, bytes: &'a [u8], mut reader: Reader<'a>) -> Result<Self, Drop> {
        let data = match kind {
            Type::A => Self::A(reader.array().map(Ipv4Addr::from_octets)?),
            Type::AAAA => Self::Aaaa(reader.array().map(Ipv6Addr::from_octets)?),
            Type::CNAME => Self::Cname(reader.name()?),
            Type::NS => Self::Ns(reader.name()?),
            Type::PTR => Self::Ptr(reader.name()?),
            Type::SOA => Self::Soa(Soa {
                primary: reader.name()?,
                mailbox: reader.name()?,
                serial: reader.u32()?,
                refresh: reader.u32()?,
                retry: reader.u32()?,
                expire: reader.u32()?,
                minimum: reader.u32()?,
            }),
            Type::MX => Self::Mx {
                preference: reader.u16()?,
                exchange: reader.name()?,
            },
            Type::SRV => Self::Srv {
                priority: reader.u16()?,
                weight: reader.u16()?,
                port: reader.u16()?,
                target: reader.name()?,
            },
            Type::TXT => {
                return Strings::new(bytes).map(Self::Txt).ok_or(Drop::DnsRecord);
            }
            Type::OPT => return Ok(Self::Opt(bytes)),
            kind => return Ok(Self::Other { kind, data: bytes }),
        };
        // Data that go on behind what they should hold are not of their type.
        if reader.at == reader.message.len() {
            Ok(data)
        } else {
            Err(Drop::DnsRecord)
        }
    }
}

impl<'a> Strings<'a> {
    /// The strings in `bytes`, if there is one at least and none is cut off.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        while let [length, behind @ ..] = rest {
            rest = behind.get(usize::from(*length)..)?;
        }
        if bytes.is_empty() {
            None
        } else {
            Some(Self(bytes))
        }
    }

    /// The strings as they stand in the record.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The strings one by one.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (length, behind) = rest.split_first()?;
            let (string, behind) = behind.split_at_checked(usize::from(*length))?;
            rest = behind;
            Some(string)
        })
    }
}
