//! Who listens to which group: sockets, and the interface itself.
//!
//! *Owns* what each socket wants to hear, and the calls that change it. What they want together is told
//! to routers; a socket that ends wants nothing any more. *Never* lets a client take more than its
//! share of the places.
//!
//! Spec: RFC 3376 sections 2 and 3; RFC 3678 section 5 (what is asked of a socket).

use crate::client::Role;
use crate::error::GroupError;
use crate::family::Family;
use crate::id::{ClientId, InterfaceId, SocketId};
use crate::info::GroupInfo;
use crate::interface::{Interface, Medium};
use crate::multicast::filter::{Filter, FilterMode};
use crate::stack::Stack;
use ::tcp::Instant;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a socket wants from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// To hear everybody in the group.
    Join,
    /// To hear nobody.
    Leave,
    /// To hear this source, and no others but those that it has named so.
    Include(IpAddr),
    /// Not to hear this source that it has named.
    Remove(IpAddr),
    /// Not to hear this source, while it hears all others.
    Block(IpAddr),
    /// To hear this source that it has blocked.
    Unblock(IpAddr),
}

/// What one socket wants of one group on one interface.
#[derive(Debug)]
struct Member<A> {
    socket: u32,
    interface: InterfaceId,
    group: A,
    filter: Filter<A>,
}

/// What all sockets want, in one family.
#[derive(Debug)]
pub(crate) struct Members<A> {
    members: Vec<Member<A>>,
    limit: usize,
    share: usize,
}

impl<A: Copy + Eq> Members<A> {
    /// So many wishes, and so many of one client.
    pub(crate) fn new(limit: u16, share: u16) -> Self {
        Self {
            members: Vec::with_capacity(limit.into()),
            limit: limit.into(),
            share: share.into(),
        }
    }

    fn of(
        &self,
        interface: InterfaceId,
        group: A,
    ) -> impl Iterator<Item = &Member<A>> + Clone + '_ {
        let is_it = move |it: &&Member<A>| it.interface == interface && it.group == group;
        self.members.iter().filter(is_it)
    }

    /// Whether the socket wants to hear the source in this group.
    pub(crate) fn hears(
        &self,
        socket: u32,
        interface: InterfaceId,
        (source, group): (A, A),
    ) -> bool {
        let mut all = self.of(interface, group);
        all.any(|member| member.socket == socket && member.filter.accepts(source))
    }

    fn position(&self, socket: u32, interface: Option<InterfaceId>, group: A) -> Option<usize> {
        self.members.iter().position(|member| {
            member.socket == socket
                && member.group == group
                && interface.is_none_or(|interface| interface == member.interface)
        })
    }
}

/// What the socket's filter becomes; `None`: it listens no more (RFC 3678 section 5.1).
fn changed<A: Copy + Eq>(
    filter: Option<&Filter<A>>,
    change: Change<A>,
) -> Result<Option<Filter<A>>, GroupError> {
    let Some(filter) = filter else {
        return match change {
            Change::Join => Ok(Some(Filter::ALL)),
            Change::Include(source) => Ok(Some(Filter::only(source))),
            _ => Err(GroupError::NotMember),
        };
    };
    let wanted = match change {
        Change::Include(_) | Change::Remove(_) => FilterMode::Include,
        Change::Block(_) | Change::Unblock(_) => FilterMode::Exclude,
        Change::Join => return Err(GroupError::AlreadyMember),
        Change::Leave => return Ok(None),
    };
    if filter.mode != wanted {
        return Err(GroupError::WrongMode);
    }
    let mut filter = filter.clone();
    match change {
        Change::Include(source) | Change::Block(source) => {
            if filter.names(source) {
                return Err(GroupError::AlreadyMember);
            }
            if !filter.name(source) {
                return Err(GroupError::TooMany);
            }
        }
        Change::Remove(source) | Change::Unblock(source) => {
            if !filter.unname(source) {
                return Err(GroupError::NotMember);
            }
        }
        Change::Join | Change::Leave => {}
    }
    Ok((!filter.is_none()).then_some(filter))
}

/// [`Membership`] in one family.
#[derive(Clone, Copy, Debug)]
enum Change<A> {
    Join,
    Leave,
    Include(A),
    Remove(A),
    Block(A),
    Unblock(A),
}

impl Membership {
    /// The same with sources of one family only.
    fn of<A: Copy>(self, read: impl Fn(IpAddr) -> Option<A>) -> Result<Change<A>, GroupError> {
        let read = |source: IpAddr| {
            let is_host = !source.is_multicast() && !source.is_unspecified();
            let source = is_host.then(|| read(source)).flatten();
            source.ok_or(GroupError::BadSource)
        };
        Ok(match self {
            Self::Join => Change::Join,
            Self::Leave => Change::Leave,
            Self::Include(source) => Change::Include(read(source)?),
            Self::Remove(source) => Change::Remove(read(source)?),
            Self::Block(source) => Change::Block(read(source)?),
            Self::Unblock(source) => Change::Unblock(read(source)?),
        })
    }
}

impl Stack {
    /// Changes which datagrams to a group a socket hears, of those that come by `interface`; without
    /// one, by that which packets to the group would leave by.
    ///
    /// # Errors
    /// See [`GroupError`].
    pub fn membership(
        &mut self,
        (client, socket): (ClientId, SocketId),
        (group, interface): (IpAddr, Option<InterfaceId>),
        wanted: Membership,
        now: Instant,
    ) -> Result<(), GroupError> {
        let role = self.role(client, socket);
        let Role::Datagram(index) = role.map_err(|_| GroupError::BadSocket)? else {
            return Err(GroupError::WrongKind);
        };
        if !group.to_canonical().is_multicast() {
            return Err(GroupError::BadGroup);
        }
        match group.to_canonical() {
            IpAddr::V4(group) => {
                let change = wanted.of(|source| match source.to_canonical() {
                    IpAddr::V4(source) => Some(source),
                    IpAddr::V6(_) => None,
                })?;
                self.change_membership(index, (group, interface), change, now)
            }
            IpAddr::V6(group) => {
                let change = wanted.of(|source| match source.to_canonical() {
                    IpAddr::V4(_) => None,
                    IpAddr::V6(source) => Some(source),
                })?;
                self.change_membership(index, (group, interface), change, now)
            }
        }
    }

    fn change_membership<A: Family>(
        &mut self,
        index: u32,
        (group, interface): (A, Option<InterfaceId>),
        change: Change<A>,
        now: Instant,
    ) -> Result<(), GroupError> {
        let known = self.net::<A>().members.position(index, interface, group);
        let member = known.and_then(|known| self.net::<A>().members.members.get(known));
        let filter = changed(member.map(|member| &member.filter), change)?;
        let id = match member {
            Some(member) => member.interface,
            None => self.group_interface(index, group, interface)?,
        };
        match (known, filter) {
            (Some(known), Some(filter)) => {
                let member = self.net_mut::<A>().members.members.get_mut(known);
                if let Some(member) = member {
                    member.filter = filter;
                }
            }
            (Some(known), None) => {
                self.net_mut::<A>().members.members.swap_remove(known);
            }
            (None, Some(filter)) => {
                if !self.may_listen(index, id, group) {
                    return Err(GroupError::TooMany);
                }
                self.net_mut::<A>().members.members.push(Member {
                    socket: index,
                    interface: id,
                    group,
                    filter,
                });
            }
            (None, None) => {}
        }
        self.refilter(id, group, now);
        Ok(())
    }

    /// Whether there is a place for one more that listens.
    fn may_listen<A: Family>(&self, index: u32, id: InterfaceId, group: A) -> bool {
        let client = self.udp.sockets.at(index).map(|socket| socket.client);
        let Members {
            members,
            limit,
            share,
        } = &self.net::<A>().members;
        let is_own = |member: &&Member<A>| {
            let socket = self.udp.sockets.at(member.socket);
            socket.map(|socket| socket.client) == client
        };
        let has_place = |interface: &Interface| {
            let groups = A::groups(interface);
            groups.find(group).is_some() || groups.has_place()
        };
        members.len() < *limit
            && members.iter().filter(is_own).count() < *share
            && self.interfaces.get(id.index()).is_some_and(has_place)
    }

    /// The interface that is meant, if none is named: that which packets to the group leave by.
    fn group_interface<A: Family>(
        &self,
        index: u32,
        group: A,
        named: Option<InterfaceId>,
    ) -> Result<InterfaceId, GroupError> {
        let socket = self.udp.sockets.at(index).ok_or(GroupError::BadSocket)?;
        let is_wire = |it: &&Interface| it.medium == Medium::Ethernet;
        let chosen = named.or(socket.options.multicast_interface);
        let leaves_by = || A::next_hop(self, group, None).map(|(id, ..)| id);
        let first = || self.interfaces.iter().find(is_wire).map(|it| it.id);
        let id = chosen.or_else(leaves_by).or_else(first);
        let interface = id.and_then(|id| self.interfaces.get(id.index()));
        let interface = interface.filter(is_wire).ok_or(GroupError::NoInterface)?;
        Ok(interface.id)
    }

    /// The interface itself listens to a group, or does not any more.
    pub(crate) fn listen_by_itself<A: Family>(
        &mut self,
        id: InterfaceId,
        group: A,
        listens: bool,
        now: Instant,
    ) {
        let interface = self.interfaces.get_mut(id.index());
        let entry = interface.and_then(|it| A::groups_mut(it).entry(group));
        if let Some(entry) = entry {
            entry.is_own = listens;
        }
        self.refilter(id, group, now);
    }

    /// What is wanted of a group is summed up anew, and told if it is something else.
    fn refilter<A: Family>(&mut self, id: InterfaceId, address: A, now: Instant) {
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return;
        };
        let groups = A::groups_mut(interface);
        let robustness = groups.robustness;
        let Some(group) = groups.entry(address) else {
            return;
        };
        let (all, members) = (Filter::ALL, &self.nets.of::<A>().members);
        let own = group.is_own.then_some(&all);
        let of_sockets = members.of(id, address).map(|member| &member.filter);
        let filter = Filter::merge(own.into_iter().chain(of_sockets));
        if !group.want(filter, robustness) {
            groups.forget_over();
            return;
        }
        if address.is_reported() {
            self.tell_group(id, address, now);
        } else {
            group.told_all();
            groups.forget_over();
        }
    }

    /// A socket ends: it listens to nothing.
    pub(crate) fn leave_groups(&mut self, index: u32, now: Instant) {
        self.leave_groups_of::<Ipv4Addr>(index, now);
        self.leave_groups_of::<Ipv6Addr>(index, now);
    }

    fn leave_groups_of<A: Family>(&mut self, index: u32, now: Instant) {
        loop {
            let members = &mut self.net_mut::<A>().members.members;
            let found = members.iter().position(|member| member.socket == index);
            let Some(found) = found else { return };
            let member = members.swap_remove(found);
            self.refilter(member.interface, member.group, now);
        }
    }

    /// All groups that interfaces listen to: those of IPv4 first, and of each interface that of
    /// everybody first.
    pub fn groups(&self, now: Instant) -> impl Iterator<Item = GroupInfo> + '_ {
        self.groups_of::<Ipv4Addr>(now)
            .chain(self.groups_of::<Ipv6Addr>(now))
    }

    fn groups_of<A: Family>(&self, now: Instant) -> impl Iterator<Item = GroupInfo> + '_ {
        let takes_part = |it: &&Interface| it.medium == Medium::Ethernet && A::takes_part(it);
        self.interfaces
            .iter()
            .filter(takes_part)
            .flat_map(move |it| {
                let info = move |group: A, filter: &Filter<A>, is_own| GroupInfo {
                    interface: it.id,
                    group: group.into(),
                    mode: filter.mode,
                    sources: u16::try_from(filter.sources().len()).unwrap_or(u16::MAX),
                    sockets: u16::try_from(self.net::<A>().members.of(it.id, group).count())
                        .unwrap_or(u16::MAX),
                    is_own,
                    version: A::version(A::groups(it).speech(now)),
                };
                let everybody = core::iter::once(info(A::EVERYBODY, &Filter::ALL, true));
                let others = A::groups(it).iter();
                let others = others.filter(|it| it.address != A::EVERYBODY && !it.filter.is_none());
                let others = others.map(move |it| info(it.address, &it.filter, it.is_own));
                everybody.chain(others)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 3678 section 5.1: which change may follow which.
    #[test]
    fn changes_are_possible_or_refused() {
        let includes = Filter::only(1_u8);
        let mut excludes = Filter::ALL;
        excludes.name(1);
        let outcome = |filter: Option<&Filter<u8>>, change| changed(filter, change);
        assert_eq!(outcome(None, Change::Join), Ok(Some(Filter::ALL)));
        assert_eq!(
            outcome(None, Change::Include(1)),
            Ok(Some(includes.clone()))
        );
        for change in [
            Change::Leave,
            Change::Remove(1),
            Change::Block(1),
            Change::Unblock(1),
        ] {
            assert_eq!(outcome(None, change), Err(GroupError::NotMember));
        }
        let of_includes = [
            (Change::Join, Err(GroupError::AlreadyMember)),
            (Change::Leave, Ok(None)),
            (Change::Include(1), Err(GroupError::AlreadyMember)),
            (Change::Remove(1), Ok(None)),
            (Change::Remove(2), Err(GroupError::NotMember)),
            (Change::Block(2), Err(GroupError::WrongMode)),
            (Change::Unblock(1), Err(GroupError::WrongMode)),
        ];
        for (change, expected) in of_includes {
            assert_eq!(outcome(Some(&includes), change), expected, "{change:?}");
        }
        let of_excludes = [
            (Change::Leave, Ok(None)),
            (Change::Include(1), Err(GroupError::WrongMode)),
            (Change::Remove(1), Err(GroupError::WrongMode)),
            (Change::Block(1), Err(GroupError::AlreadyMember)),
            (Change::Unblock(1), Ok(Some(Filter::ALL))),
            (Change::Unblock(2), Err(GroupError::NotMember)),
        ];
        for (change, expected) in of_excludes {
            assert_eq!(outcome(Some(&excludes), change), expected, "{change:?}");
        }
    }
}
