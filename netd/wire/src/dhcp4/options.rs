//! DHCP options: their places in a message, and the ones that are understood.
//!
//! *Owns*: the walk over the up to three areas that hold options, the joining of split ones, and
//! the values. Unknown options are skipped (RFC 2132 section 2 leaves no other choice).
//!
//! *Invariant*: an option that is understood and has a wrong length refuses the message.

use core::net::Ipv4Addr;

use super::Text;
use crate::list::Blank;
use crate::{Cidr4, Drop, List, NoRoom};

/// The number of an option (RFC 2132).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u8);

impl Code {
    const PAD: Self = Self(0);
    /// Subnet mask, section 3.3.
    pub const SUBNET_MASK: Self = Self(1);
    /// Routers, section 3.5.
    pub const ROUTERS: Self = Self(3);
    /// Domain name servers, section 3.8.
    pub const DNS_SERVERS: Self = Self(6);
    /// Host name, section 3.14.
    pub const HOST_NAME: Self = Self(12);
    /// Domain name, section 3.17.
    pub const DOMAIN_NAME: Self = Self(15);
    /// Interface MTU, section 5.1.
    pub const MTU: Self = Self(26);
    /// Broadcast address, section 5.3.
    pub const BROADCAST: Self = Self(28);
    /// Network time servers, section 8.3.
    pub const NTP_SERVERS: Self = Self(42);
    /// Requested address, section 9.1.
    pub const REQUESTED_ADDRESS: Self = Self(50);
    /// Lease time, section 9.2.
    pub const LEASE_TIME: Self = Self(51);
    const OVERLOAD: Self = Self(52);
    /// Message type, section 9.6.
    pub const MESSAGE_TYPE: Self = Self(53);
    /// Server identifier, section 9.7.
    pub const SERVER_ID: Self = Self(54);
    /// Parameter request list, section 9.8.
    pub const PARAMETER_REQUEST: Self = Self(55);
    /// Error message, section 9.9.
    pub const MESSAGE: Self = Self(56);
    /// Longest message that the client takes, section 9.10.
    pub const MAX_MESSAGE_SIZE: Self = Self(57);
    /// Renewal time T1, section 9.11.
    pub const RENEWAL_TIME: Self = Self(58);
    /// Rebinding time T2, section 9.12.
    pub const REBINDING_TIME: Self = Self(59);
    /// Client identifier, section 9.14.
    pub const CLIENT_ID: Self = Self(61);
    /// Classless static routes, RFC 3442.
    pub const CLASSLESS_ROUTES: Self = Self(121);
    const END: Self = Self(255);
}

/// A route from the classless static routes (RFC 3442).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub destination: Cidr4,
    /// By which router; unspecified when the destination is on the link.
    pub router: Ipv4Addr,
}

impl Blank for Route {
    const BLANK: Self = Self {
        destination: Cidr4::ALL,
        router: Ipv4Addr::UNSPECIFIED,
    };
}

impl Blank for Code {
    const BLANK: Self = Self::PAD;
}

/// Addresses of servers or routers, the preferred one first.
pub type Addresses = List<Ipv4Addr, 8>;

/// The options of a message. Absent ones are `None` or empty; of lists longer than ours the
/// first, preferred, elements are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Mask of the client's network.
    pub subnet_mask: Option<Ipv4Addr>,
    /// Broadcast address of the client's network.
    pub broadcast: Option<Ipv4Addr>,
    /// Routers on the client's network.
    pub routers: Addresses,
    /// Routes. When there are any, `routers` must be ignored (RFC 3442, client behaviour).
    pub classless_routes: List<Route, 16>,
    /// Name servers.
    pub dns_servers: Addresses,
    /// Time servers.
    pub ntp_servers: Addresses,
    /// Domain of the client.
    pub domain_name: Text,
    /// Name of the client.
    pub host_name: Text,
    /// MTU of the client's link in bytes, at least 68.
    pub mtu: Option<u16>,
    /// The address the client would like.
    pub requested_address: Option<Ipv4Addr>,
    /// Lease, in seconds; all ones for ever.
    pub lease_time: Option<u32>,
    /// T1, when to ask the server for more, in seconds.
    pub renewal_time: Option<u32>,
    /// T2, when to ask any server for more, in seconds.
    pub rebinding_time: Option<u32>,
    /// The server that speaks or is spoken to.
    pub server_id: Option<Ipv4Addr>,
    /// By what the server knows the client, if not by its hardware address.
    pub client_id: List<u8, 64>,
    /// Options that the client would like to be told.
    pub parameter_request: List<Code, 32>,
    /// The longest message that the client takes, in bytes, IP and UDP headers included.
    pub max_message_size: Option<u16>,
    /// Why the other refuses.
    pub message: Text,
}

impl Options {
    pub(super) fn parse(areas: &Areas<'_>) -> Result<Self, Drop> {
        Ok(Self {
            subnet_mask: areas.one(Code::SUBNET_MASK, Ipv4Addr::from_octets)?,
            broadcast: areas.one(Code::BROADCAST, Ipv4Addr::from_octets)?,
            routers: areas.addresses(Code::ROUTERS)?,
            classless_routes: areas.routes()?,
            dns_servers: areas.addresses(Code::DNS_SERVERS)?,
            ntp_servers: areas.addresses(Code::NTP_SERVERS)?,
            domain_name: areas.text(Code::DOMAIN_NAME)?,
            host_name: areas.text(Code::HOST_NAME)?,
            // RFC 2132 section 5.1: the least legal value is 68; a smaller one says nothing.
            mtu: areas
                .one(Code::MTU, u16::from_be_bytes)?
                .filter(|mtu| *mtu >= 68),
            requested_address: areas.one(Code::REQUESTED_ADDRESS, Ipv4Addr::from_octets)?,
            lease_time: areas.one(Code::LEASE_TIME, u32::from_be_bytes)?,
            renewal_time: areas.one(Code::RENEWAL_TIME, u32::from_be_bytes)?,
            rebinding_time: areas.one(Code::REBINDING_TIME, u32::from_be_bytes)?,
            server_id: areas.one(Code::SERVER_ID, Ipv4Addr::from_octets)?,
            client_id: List::from_slice(areas.joined(Code::CLIENT_ID)?.as_slice())
                .ok_or(Drop::DhcpOption)?,
            parameter_request: areas
                .joined(Code::PARAMETER_REQUEST)?
                .as_slice()
                .iter()
                .map(|code| Code(*code))
                .collect(),
            max_message_size: areas.one(Code::MAX_MESSAGE_SIZE, u16::from_be_bytes)?,
            message: areas.text(Code::MESSAGE)?,
        })
    }

    pub(super) fn emit(&self, writer: &mut Writer<'_>) -> Result<(), NoRoom> {
        writer.put_address(Code::SERVER_ID, self.server_id)?;
        writer.put_address(Code::REQUESTED_ADDRESS, self.requested_address)?;
        writer.put_u32(Code::LEASE_TIME, self.lease_time)?;
        writer.put_u32(Code::RENEWAL_TIME, self.renewal_time)?;
        writer.put_u32(Code::REBINDING_TIME, self.rebinding_time)?;
        writer.put_address(Code::SUBNET_MASK, self.subnet_mask)?;
        writer.put_address(Code::BROADCAST, self.broadcast)?;
        writer.put_routes(&self.classless_routes)?;
        writer.put_addresses(Code::ROUTERS, &self.routers)?;
        writer.put_addresses(Code::DNS_SERVERS, &self.dns_servers)?;
        writer.put_addresses(Code::NTP_SERVERS, &self.ntp_servers)?;
        writer.put(Code::DOMAIN_NAME, self.domain_name.as_bytes())?;
        writer.put(Code::HOST_NAME, self.host_name.as_bytes())?;
        writer.put_u16(Code::MTU, self.mtu)?;
        writer.put(Code::CLIENT_ID, self.client_id.as_slice())?;
        let request: List<u8, 32> = self
            .parameter_request
            .as_slice()
            .iter()
            .map(|code| code.0)
            .collect();
        writer.put(Code::PARAMETER_REQUEST, request.as_slice())?;
        writer.put_u16(Code::MAX_MESSAGE_SIZE, self.max_message_size)?;
        writer.put(Code::MESSAGE, self.message.as_bytes())
    }
}

/// The areas of a message that hold options, in the order in which split options are joined
/// (RFC 3396 section 5). Areas that do not count are empty.
pub(super) struct Areas<'a>([&'a [u8]; 3]);

/// An option, joined from its parts.
type Joined = List<u8, 255>;

impl<'a> Areas<'a> {
    /// Finds the areas and checks that no option in them is cut off.
    pub(super) fn new(options: &'a [u8], file: &'a [u8], sname: &'a [u8]) -> Result<Self, Drop> {
        let alone = Self([options, &[], &[]]);
        // RFC 2132 section 9.3: 1 is the file field, 2 the sname field, 3 both.
        let (file, sname): (&[u8], &[u8]) =
            match alone.one(Code::OVERLOAD, |[overload]: [u8; 1]| overload)? {
                None => (&[], &[]),
                Some(1) => (file, &[]),
                Some(2) => (&[], sname),
                Some(3) => (file, sname),
                Some(_) => return Err(Drop::DhcpOption),
            };
        Ok(Self([options, file, sname]))
    }

    pub(super) fn message_type(&self) -> Result<Option<u8>, Drop> {
        self.one(Code::MESSAGE_TYPE, |[kind]: [u8; 1]| kind)
    }

    /// All bytes of the option, in the order of its parts; none when it is absent.
    fn joined(&self, wanted: Code) -> Result<Joined, Drop> {
        let mut joined = Joined::NONE;
        for area in self.0 {
            let mut rest = area;
            while let [code, behind @ ..] = rest {
                rest = match (Code(*code), behind) {
                    (Code::END, _) => break,
                    (Code::PAD, _) => behind,
                    (code, [length, behind @ ..]) => {
                        let (value, behind) = behind
                            .split_at_checked(usize::from(*length))
                            .ok_or(Drop::DhcpOption)?;
                        if code == wanted && !value.iter().all(|byte| joined.push(*byte)) {
                            return Err(Drop::DhcpOption);
                        }
                        behind
                    }
                    (_, []) => return Err(Drop::DhcpOption),
                };
            }
        }
        Ok(joined)
    }

    /// The option of exactly `N` bytes.
    fn one<const N: usize, T>(
        &self,
        code: Code,
        read: impl FnOnce([u8; N]) -> T,
    ) -> Result<Option<T>, Drop> {
        match self.joined(code)?.as_slice() {
            [] => Ok(None),
            value => {
                let value = value.try_into().map_err(|_| Drop::DhcpOption)?;
                Ok(Some(read(value)))
            }
        }
    }

    fn addresses(&self, code: Code) -> Result<Addresses, Drop> {
        match self.joined(code)?.as_slice().as_chunks() {
            (addresses, []) => Ok(addresses
                .iter()
                .copied()
                .map(Ipv4Addr::from_octets)
                .collect()),
            _ => Err(Drop::DhcpOption),
        }
    }

    fn text(&self, code: Code) -> Result<Text, Drop> {
        Text::new(self.joined(code)?.as_slice()).ok_or(Drop::DhcpOption)
    }

    /// RFC 3442: a width, as many bytes of the destination as it needs, a router; repeated.
    fn routes(&self) -> Result<List<Route, 16>, Drop> {
        let joined = self.joined(Code::CLASSLESS_ROUTES)?;
        let mut routes = List::NONE;
        let mut rest = joined.as_slice();
        while let [width, behind @ ..] = rest {
            let significant = usize::from(width.div_ceil(8));
            let (prefix, behind) = behind
                .split_at_checked(significant)
                .ok_or(Drop::DhcpOption)?;
            let (router, behind) = behind.split_first_chunk().ok_or(Drop::DhcpOption)?;
            let mut octets = [0; 4];
            octets
                .get_mut(..significant)
                .ok_or(Drop::DhcpOption)?
                .copy_from_slice(prefix);
            let destination = Cidr4::new(octets.into(), *width)
                .map_err(|_| Drop::DhcpOption)?
                .network();
            routes.push(Route {
                destination,
                router: Ipv4Addr::from_octets(*router),
            });
            rest = behind;
        }
        Ok(routes)
    }
}

/// Writes options one behind the other.
pub(super) struct Writer<'a> {
    rest: &'a mut [u8],
}

impl<'a> Writer<'a> {
    pub(super) fn new(area: &'a mut [u8]) -> Self {
        Self { rest: area }
    }

    /// Writes an option of at most 255 bytes; an empty one is left out.
    pub(super) fn put(&mut self, code: Code, value: &[u8]) -> Result<(), NoRoom> {
        if value.is_empty() {
            return Ok(());
        }
        let length = u8::try_from(value.len()).map_err(|_| NoRoom)?;
        self.raw(&[code.0, length])?;
        self.raw(value)
    }

    fn put_u16(&mut self, code: Code, value: Option<u16>) -> Result<(), NoRoom> {
        value.map_or(Ok(()), |value| self.put(code, &value.to_be_bytes()))
    }

    fn put_u32(&mut self, code: Code, value: Option<u32>) -> Result<(), NoRoom> {
        value.map_or(Ok(()), |value| self.put(code, &value.to_be_bytes()))
    }

    fn put_address(&mut self, code: Code, value: Option<Ipv4Addr>) -> Result<(), NoRoom> {
        value.map_or(Ok(()), |value| self.put(code, &value.octets()))
    }

    fn put_addresses(&mut self, code: Code, addresses: &Addresses) -> Result<(), NoRoom> {
        let octets: List<u8, 32> = addresses
            .as_slice()
            .iter()
            .flat_map(|address| address.octets())
            .collect();
        self.put(code, octets.as_slice())
    }

    fn put_routes(&mut self, routes: &List<Route, 16>) -> Result<(), NoRoom> {
        let mut value = Joined::NONE;
        for Route {
            destination,
            router,
        } in routes.as_slice()
        {
            let significant = usize::from(destination.prefix().div_ceil(8));
            let octets = destination.network().address().octets();
            let prefix = octets.into_iter().take(significant);
            for byte in [destination.prefix()]
                .into_iter()
                .chain(prefix)
                .chain(router.octets())
            {
                value.push(byte);
            }
        }
        self.put(Code::CLASSLESS_ROUTES, value.as_slice())
    }

    /// Ends the options and gives the number of bytes left behind them.
    pub(super) fn finish(mut self) -> Result<usize, NoRoom> {
        self.raw(&[Code::END.0])?;
        Ok(self.rest.len())
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        let rest = core::mem::take(&mut self.rest);
        let (slot, rest) = rest.split_at_mut_checked(bytes.len()).ok_or(NoRoom)?;
        slot.copy_from_slice(bytes);
        self.rest = rest;
        Ok(())
    }
}
