//! Names without a dot, which are looked for in the domains that the network says.
//!
//! *Owns* the order: domain after domain, those of DHCP over IPv4 first, and then the name as it is
//! (RFC 1535 section 6: a name with a dot is never looked for anywhere else).

use crate::stack::Stack;
use alloc::string::{String, ToString as _};
use wire::dns::Name;

/// A name that is being looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    name: Name,
    /// So many domains have been tried.
    tried: usize,
}

impl Search {
    /// A look-up of what a person has written; `None` if it is to be taken as it is.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let name: Name = text.parse().ok().filter(|_| !text.contains(['.', ':']))?;
        let is_local = name.is_root() || text.eq_ignore_ascii_case("localhost");
        (!is_local).then_some(Self { name, tried: 0 })
    }
}

impl Stack {
    /// The domains in which names without a dot are looked for.
    pub fn search_domains(&self) -> impl Iterator<Item = Name> + '_ {
        let leases = self
            .autoconf
            .iter()
            .filter_map(|it| it.dhcp.as_ref()?.lease());
        let v4 = leases.filter_map(|lease| {
            let text = core::str::from_utf8(lease.domain.as_bytes()).ok()?;
            text.parse().ok().filter(|name: &Name| !name.is_root())
        });
        let v6 = self.autoconf6.iter().flat_map(|auto| &auto.advice.domains);
        v4.chain(v6.map(|said| said.value))
    }

    /// The next name to ask for, as text; `None`: all have been asked for.
    pub(crate) fn next_candidate(&self, search: &mut Search) -> Option<String> {
        let count = self.search_domains().count();
        while search.tried < count {
            let domain = self.search_domains().nth(search.tried)?;
            search.tried += 1;
            if let Ok(name) = search.name.within(&domain) {
                return Some(name.to_string());
            }
        }
        let is_left = search.tried == count;
        search.tried += 1;
        is_left.then(|| search.name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_one_label_are_looked_for() {
        for text in ["printer", "a-b", "PRINTER"] {
            assert!(Search::new(text).is_some(), "{text}");
        }
        for text in [
            "printer.lan",
            "printer.",
            "localhost",
            "LocalHost",
            "",
            ".",
            "::1",
            "1.2.3.4",
        ] {
            assert!(Search::new(text).is_none(), "{text}");
        }
    }
}
