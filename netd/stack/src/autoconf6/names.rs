//! Whom routers and DHCP servers say to ask for names, and where to look for short ones.
//!
//! *Owns* both lists of an interface, each bounded, with the end of each entry and who has said it.
//!
//! Spec: RFC 8106 sections 5 and 6 (routers); RFC 3646 (DHCP).

use crate::config::NAME_SERVERS;
use crate::id::InterfaceId;
use crate::stack::Stack;
use ::tcp::Instant;
use alloc::vec::Vec;
use core::net::Ipv6Addr;
use wire::dhcp6;
use wire::dns::Name;
use wire::ndp::{Addresses, Names};

/// Domains of an interface at most.
const DOMAINS: usize = 4;

/// Who has said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Router,
    Lease,
}

/// Something that is good for a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<T> {
    pub(crate) value: T,
    by: By,
    pub(crate) until: Option<Instant>,
}

/// The lists of an interface.
#[derive(Debug, Default)]
pub(crate) struct Advice {
    /// Name servers.
    pub(crate) servers: Vec<Said<Ipv6Addr>>,
    /// Domains in which names without a dot are looked for.
    pub(crate) domains: Vec<Said<Name>>,
}

/// Keeps what is said now until its end; `is_over`: it is not good any more.
fn keep<T: PartialEq>(list: &mut Vec<Said<T>>, most: usize, said: Said<T>, is_over: bool) {
    if is_over {
        list.retain(|it| it.value != said.value);
    } else if let Some(known) = list.iter_mut().find(|it| it.value == said.value) {
        *known = said;
    } else if list.len() < most {
        list.push(said);
    }
}

impl Advice {
    /// When the first entry ends.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        let servers = self.servers.iter().filter_map(|it| it.until);
        let domains = self.domains.iter().filter_map(|it| it.until);
        servers.chain(domains).min()
    }

    fn retain(&mut self, servers: impl Fn(By, Option<Instant>) -> bool) {
        self.servers.retain(|it| servers(it.by, it.until));
        self.domains.retain(|it| servers(it.by, it.until));
    }

    fn is_same(&self, before: &(Vec<Ipv6Addr>, Vec<Name>)) -> bool {
        let servers = self.servers.iter().map(|it| &it.value);
        let domains = self.domains.iter().map(|it| &it.value);
        servers.eq(before.0.iter()) && domains.eq(before.1.iter())
    }

    fn values(&self) -> (Vec<Ipv6Addr>, Vec<Name>) {
        let servers = self.servers.iter().map(|it| it.value);
        let domains = self.domains.iter().map(|it| it.value);
        (servers.collect(), domains.collect())
    }
}

impl Stack {
    /// Changes the lists of an interface; what others have answered is forgotten if they are others
    /// now.
    fn advise(&mut self, id: InterfaceId, change: impl FnOnce(&mut Advice)) {
        let Some(auto) = self.autoconf6.get_mut(id.index()) else {
            return;
        };
        let before = auto.advice.values();
        change(&mut auto.advice);
        if !auto.advice.is_same(&before) {
            self.names.resolver.flush();
            self.generation += 1;
        }
    }

    /// A router says whom to ask for names; `lifetime` zero: not any more.
    pub(crate) fn heed_servers(
        &mut self,
        id: InterfaceId,
        (lifetime, until): (u32, Option<Instant>),
        addresses: Addresses<'_>,
    ) {
        self.advise(id, |advice| {
            for value in addresses.iter().filter(is_server).take(NAME_SERVERS) {
                let by = By::Router;
                let said = Said { value, by, until };
                keep(&mut advice.servers, NAME_SERVERS, said, lifetime == 0);
            }
        });
    }

    /// A router says where to look for short names.
    pub(crate) fn heed_domains(
        &mut self,
        id: InterfaceId,
        (lifetime, until): (u32, Option<Instant>),
        names: Names<'_>,
    ) {
        self.advise(id, |advice| {
            for value in names.iter().take(DOMAINS) {
                let by = By::Router;
                let said = Said { value, by, until };
                keep(&mut advice.domains, DOMAINS, said, lifetime == 0);
            }
        });
    }

    /// A DHCP server says both: whatever it said before does not count.
    pub(crate) fn heed_leased_names(&mut self, id: InterfaceId, options: &dhcp6::Options<'_>) {
        let (by, until) = (By::Lease, None);
        self.advise(id, |advice| {
            advice.retain(|said_by, _| said_by != By::Lease);
            let servers = options.dns_servers.as_slice().iter().copied();
            for value in servers.filter(is_server) {
                keep(
                    &mut advice.servers,
                    NAME_SERVERS,
                    Said { value, by, until },
                    false,
                );
            }
            for value in options.domains.iter().take(DOMAINS) {
                keep(
                    &mut advice.domains,
                    DOMAINS,
                    Said { value, by, until },
                    false,
                );
            }
        });
    }

    /// What one of them has said does not hold any more.
    pub(crate) fn forget_names(&mut self, id: InterfaceId, by: By) {
        self.advise(id, |advice| advice.retain(|said_by, _| said_by != by));
    }

    /// Forgets what is over.
    pub(crate) fn forget_old_names(&mut self, id: InterfaceId, now: Instant) {
        self.advise(id, |advice| {
            advice.retain(|_, until| until.is_none_or(|until| until > now));
        });
    }
}

/// Whether somebody can be asked there.
fn is_server(address: &Ipv6Addr) -> bool {
    !(address.is_multicast() || address.is_unspecified() || address.is_loopback())
}
