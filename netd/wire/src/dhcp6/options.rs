//! The options of DHCP for IPv6 that are understood.
//!
//! *Owns*: the walk over them, also inside one another, and their values. Unknown ones are skipped
//! (RFC 8415 section 16). Of one that may be there once, the first counts.
//!
//! *Invariant*: an option that is understood and has a wrong length refuses the message.

use core::net::Ipv6Addr;

use crate::list::Blank;
use crate::ndp::Names;
use crate::{Drop, List, MacAddress, NoRoom};

/// The number of an option (RFC 8415 section 21).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u16);

impl Code {
    const CLIENT_ID: Self = Self(1);
    const SERVER_ID: Self = Self(2);
    const IDENTITY: Self = Self(3);
    const ADDRESS: Self = Self(5);
    const REQUEST: Self = Self(6);
    const PREFERENCE: Self = Self(7);
    const ELAPSED: Self = Self(8);
    const STATUS: Self = Self(13);
    const RAPID_COMMIT: Self = Self(14);
    /// Name servers (RFC 3646 section 3).
    pub const DNS_SERVERS: Self = Self(23);
    /// Domains in which short names are looked for (RFC 3646 section 4).
    pub const DOMAINS: Self = Self(24);
    /// When to ask again for what is no address, section 21.23.
    pub const REFRESH_TIME: Self = Self(32);
    /// The longest wait between solicitations, section 21.24.
    pub const SOLICIT_MAX: Self = Self(82);
    /// The longest wait between requests for information, section 21.25.
    pub const INFORMATION_MAX: Self = Self(83);
}

impl Blank for Code {
    const BLANK: Self = Self(0);
}

/// How it went (section 21.13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    /// Well.
    pub const SUCCESS: Self = Self(0);
    /// There is no address to be had.
    pub const NO_ADDRESSES: Self = Self(2);
    /// The server knows nothing of these.
    pub const NO_BINDING: Self = Self(3);
    /// These are no addresses of the link.
    pub const NOT_ON_LINK: Self = Self(4);
}

/// Who somebody is, whatever address or interface it has (section 11). At most 130 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Duid(List<u8, 130>);

impl Duid {
    /// Of a link-layer address (section 11.4).
    #[must_use]
    pub fn of_link(MacAddress(mac): MacAddress) -> Self {
        let head = [0, 3, 0, 1];
        Self(head.into_iter().chain(mac).collect())
    }

    /// These bytes, if they are as many as one has.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        // A type, and something behind it (section 11.1).
        let list = List::from_slice(bytes).filter(|it| it.len() > 2);
        list.map(Self)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// An address, and for how long (section 21.6). Times are in seconds; all ones: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leased {
    /// The address.
    pub address: Ipv6Addr,
    /// For how long it is preferred to others.
    pub preferred: u32,
    /// For how long it may be used; not less than the other.
    pub valid: u32,
}

impl Blank for Leased {
    const BLANK: Self = Self {
        address: Ipv6Addr::UNSPECIFIED,
        preferred: 0,
        valid: 0,
    };
}

/// The addresses of one interface of a client (IA_NA, section 21.4). Times are in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The client's name for it.
    pub iaid: u32,
    /// T1: when the server is asked for more; zero: the client chooses.
    pub renew_after: u32,
    /// T2: when any server is asked for more; zero: the client chooses.
    pub rebind_after: u32,
    /// The first of its addresses that are in order.
    pub addresses: List<Leased, 4>,
    /// How it went.
    pub status: Status,
}

/// The options that are understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// Who the client is.
    pub client: Option<Duid>,
    /// Who the server is.
    pub server: Option<Duid>,
    /// The client's addresses; the first such option.
    pub identity: Option<Identity>,
    /// What the client would like to be told.
    pub wanted: List<Code, 16>,
    /// The servers' own order: the highest is asked first.
    pub preference: u8,
    /// Hundredths of a second since the client began.
    pub elapsed: Option<u16>,
    /// How it went.
    pub status: Status,
    /// Two messages instead of four.
    pub rapid_commit: bool,
    /// Name servers, the preferred one first.
    pub dns_servers: List<Ipv6Addr, 4>,
    /// Domains in which short names are looked for.
    pub domains: Names<'a>,
    /// Seconds after which the client asks again for what is no address.
    pub refresh_time: Option<u32>,
    /// The longest wait between solicitations, in seconds.
    pub solicit_max: Option<u32>,
    /// The longest wait between requests for information, in seconds.
    pub information_max: Option<u32>,
}

/// The next option and what is behind it.
fn split(bytes: &[u8]) -> Result<(Code, &[u8], &[u8]), Drop> {
    let (&[a, b, c, d], rest) = bytes.split_first_chunk().ok_or(Drop::Dhcp6Option)?;
    let len = usize::from(u16::from_be_bytes([c, d]));
    let (value, behind) = rest.split_at_checked(len).ok_or(Drop::Dhcp6Option)?;
    Ok((Code(u16::from_be_bytes([a, b])), value, behind))
}

fn array<const N: usize>(value: &[u8]) -> Result<[u8; N], Drop> {
    value.try_into().map_err(|_| Drop::Dhcp6Option)
}

/// A time in seconds within what section 21.24 and 21.25 allow.
fn longest_wait(value: &[u8]) -> Result<Option<u32>, Drop> {
    let seconds = u32::from_be_bytes(array(value)?);
    Ok(Some(seconds).filter(|it| (60..=86_400).contains(it)))
}

fn status(value: &[u8]) -> Result<Status, Drop> {
    let (code, _said) = value.split_first_chunk().ok_or(Drop::Dhcp6Option)?;
    Ok(Status(u16::from_be_bytes(*code)))
}

fn duid(value: &[u8]) -> Result<Option<Duid>, Drop> {
    Duid::from_bytes(value).map(Some).ok_or(Drop::Dhcp6Option)
}

impl Leased {
    /// `None` for one that is not in order: somebody has refused it, or it contradicts itself.
    fn parse(value: &[u8]) -> Result<Option<Self>, Drop> {
        let (address, rest) = value.split_first_chunk::<16>().ok_or(Drop::Dhcp6Option)?;
        let (times, mut options) = rest.split_first_chunk::<8>().ok_or(Drop::Dhcp6Option)?;
        let [a, b, c, d, e, f, g, h] = *times;
        let leased = Self {
            address: Ipv6Addr::from_octets(*address),
            preferred: u32::from_be_bytes([a, b, c, d]),
            valid: u32::from_be_bytes([e, f, g, h]),
        };
        let mut is_in_order = leased.preferred <= leased.valid;
        while !options.is_empty() {
            let (code, value, behind) = split(options)?;
            options = behind;
            if code == Code::STATUS {
                is_in_order &= status(value)? == Status::SUCCESS;
            }
        }
        Ok(is_in_order.then_some(leased))
    }
}

impl Identity {
    fn parse(value: &[u8]) -> Result<Self, Drop> {
        let (fixed, mut options) = value.split_first_chunk::<12>().ok_or(Drop::Dhcp6Option)?;
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *fixed;
        let mut identity = Self {
            iaid: u32::from_be_bytes([a, b, c, d]),
            renew_after: u32::from_be_bytes([e, f, g, h]),
            rebind_after: u32::from_be_bytes([i, j, k, l]),
            ..Self::default()
        };
        while !options.is_empty() {
            let (code, value, behind) = split(options)?;
            options = behind;
            match code {
                Code::ADDRESS => {
                    if let Some(leased) = Leased::parse(value)? {
                        identity.addresses.push(leased);
                    }
                }
                Code::STATUS => identity.status = status(value)?,
                _ => {}
            }
        }
        Ok(identity)
    }

    fn emit(&self, writer: &mut Writer<'_>) -> Result<(), NoRoom> {
        writer.nested(Code::IDENTITY, |writer| {
            for number in [self.iaid, self.renew_after, self.rebind_after] {
                writer.bytes(&number.to_be_bytes())?;
            }
            for leased in self.addresses.as_slice() {
                writer.nested(Code::ADDRESS, |writer| {
                    writer.bytes(&leased.address.octets())?;
                    writer.bytes(&leased.preferred.to_be_bytes())?;
                    writer.bytes(&leased.valid.to_be_bytes())
                })?;
            }
            writer.status(self.status)
        })
    }
}

impl<'a> Options<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Drop> {
        let mut options = Self::default();
        let (mut seen, mut rest) = (0_u128, bytes);
        while !rest.is_empty() {
            let (code, value, behind) = split(rest)?;
            rest = behind;
            let bit = 1_u128.checked_shl(code.0.into()).unwrap_or(0);
            if seen & bit == 0 {
                seen |= bit;
                options.take(code, value)?;
            }
        }
        Ok(options)
    }

    fn take(&mut self, code: Code, value: &'a [u8]) -> Result<(), Drop> {
        match code {
            Code::CLIENT_ID => self.client = duid(value)?,
            Code::SERVER_ID => self.server = duid(value)?,
            Code::IDENTITY => self.identity = Some(Identity::parse(value)?),
            Code::REQUEST => {
                let (codes, odd) = value.as_chunks();
                if !odd.is_empty() {
                    return Err(Drop::Dhcp6Option);
                }
                self.wanted = codes
                    .iter()
                    .map(|it| Code(u16::from_be_bytes(*it)))
                    .collect();
            }
            Code::PREFERENCE => [self.preference] = array(value)?,
            Code::ELAPSED => self.elapsed = Some(u16::from_be_bytes(array(value)?)),
            Code::STATUS => self.status = status(value)?,
            Code::RAPID_COMMIT => {
                array::<0>(value)?;
                self.rapid_commit = true;
            }
            Code::DNS_SERVERS => {
                let (servers, odd) = value.as_chunks();
                if !odd.is_empty() {
                    return Err(Drop::Dhcp6Option);
                }
                self.dns_servers = servers.iter().copied().map(Ipv6Addr::from_octets).collect();
            }
            Code::DOMAINS => self.domains = Names::from_bytes(value),
            Code::REFRESH_TIME => self.refresh_time = Some(u32::from_be_bytes(array(value)?)),
            Code::SOLICIT_MAX => self.solicit_max = longest_wait(value)?,
            Code::INFORMATION_MAX => self.information_max = longest_wait(value)?,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn emit(&self, writer: &mut Writer<'_>) -> Result<(), NoRoom> {
        for (code, who) in [
            (Code::CLIENT_ID, &self.client),
            (Code::SERVER_ID, &self.server),
        ] {
            if let Some(duid) = who {
                writer.put(code, duid.as_bytes())?;
            }
        }
        if let Some(identity) = &self.identity {
            identity.emit(writer)?;
        }
        if !self.wanted.is_empty() {
            writer.nested(Code::REQUEST, |writer| {
                let mut codes = self.wanted.as_slice().iter();
                codes.try_for_each(|code| writer.bytes(&code.0.to_be_bytes()))
            })?;
        }
        if self.preference > 0 {
            writer.put(Code::PREFERENCE, &[self.preference])?;
        }
        if let Some(elapsed) = self.elapsed {
            writer.put(Code::ELAPSED, &elapsed.to_be_bytes())?;
        }
        writer.status(self.status)?;
        if self.rapid_commit {
            writer.put(Code::RAPID_COMMIT, &[])?;
        }
        if !self.dns_servers.is_empty() {
            writer.nested(Code::DNS_SERVERS, |writer| {
                let mut servers = self.dns_servers.as_slice().iter();
                servers.try_for_each(|it| writer.bytes(&it.octets()))
            })?;
        }
        if self.domains.iter().next().is_some() {
            writer.nested(Code::DOMAINS, |writer| {
                self.domains
                    .iter()
                    .try_for_each(|it| writer.bytes(it.as_bytes()))
            })?;
        }
        for (code, seconds) in [
            (Code::REFRESH_TIME, self.refresh_time),
            (Code::SOLICIT_MAX, self.solicit_max),
            (Code::INFORMATION_MAX, self.information_max),
        ] {
            if let Some(seconds) = seconds {
                writer.put(code, &seconds.to_be_bytes())?;
            }
        }
        Ok(())
    }
}

/// Writes options one behind the other.
pub(super) struct Writer<'a> {
    room: &'a mut [u8],
    used: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(room: &'a mut [u8]) -> Self {
        Self { room, used: 0 }
    }

    /// Bytes of room that nothing was written to.
    pub(super) fn left(&self) -> usize {
        self.room.len().saturating_sub(self.used)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        let end = self.used.checked_add(bytes.len()).ok_or(NoRoom)?;
        let place = self.room.get_mut(self.used..end).ok_or(NoRoom)?;
        place.copy_from_slice(bytes);
        self.used = end;
        Ok(())
    }

    fn put(&mut self, code: Code, value: &[u8]) -> Result<(), NoRoom> {
        self.nested(code, |writer| writer.bytes(value))
    }

    fn status(&mut self, status: Status) -> Result<(), NoRoom> {
        match status {
            Status::SUCCESS => Ok(()),
            Status(code) => self.put(Code::STATUS, &code.to_be_bytes()),
        }
    }

    /// An option whose value is written by `write`.
    fn nested(
        &mut self,
        code: Code,
        write: impl FnOnce(&mut Self) -> Result<(), NoRoom>,
    ) -> Result<(), NoRoom> {
        self.bytes(&code.0.to_be_bytes())?;
        let field = self.used;
        self.bytes(&[0; 2])?;
        let start = self.used;
        write(self)?;
        let len = u16::try_from(self.used.saturating_sub(start)).map_err(|_| NoRoom)?;
        let place = self.room.get_mut(field..start).ok_or(NoRoom)?;
        place.copy_from_slice(&len.to_be_bytes());
        Ok(())
    }
}
