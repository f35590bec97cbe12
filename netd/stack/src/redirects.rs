//! Destinations that a router has sent elsewhere.
//!
//! *Owns* which they are, and their routes: as many as there is room for, the oldest makes way. Whoever is
//! asked for a destination now may say that another is better, and nobody else (RFC 1122 section 3.2.2.2,
//! RFC 4861 section 8.1). *Never* reads the message.

use crate::family::Family;
use crate::id::InterfaceId;
use crate::info::Origin;
use crate::route::Route;
use crate::stack::Stack;

/// Of each family, so many are kept.
const REDIRECTS: usize = 32;

/// A destination that a router has sent elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redirected<A> {
    pub(crate) link: InterfaceId,
    destination: A,
    pub(crate) by: A,
    pub(crate) to: A,
}

impl<A: Family> Redirected<A> {
    /// Whether a route is there because of it.
    pub(crate) fn is_of(&self, route: &Route<A>) -> bool {
        route.origin == Origin::Redirected
            && route.interface == self.link
            && route.network == self.destination
    }
}

impl Stack {
    /// A router says that `to` is a better first hop, or the destination itself. `false`: it is not the one
    /// that is asked.
    pub(crate) fn redirect<A: Family>(
        &mut self,
        link: InterfaceId,
        by: A,
        (to, destination): (A, A),
    ) -> bool {
        let usable = |interface: InterfaceId| interface == link;
        let route = self.net::<A>().routes.lookup(destination, usable);
        if route.is_none_or(|route| route.gateway != Some(by)) || self.is_own(to) {
            return false;
        }
        self.forget_redirects::<A>(&|it| it.link == link && it.destination == destination);
        let known = &mut self.net_mut::<A>().redirected;
        let oldest = known.first().filter(|_| known.len() >= REDIRECTS).copied();
        known.push(Redirected {
            link,
            destination,
            by,
            to,
        });
        if let Some(oldest) = oldest {
            let is_it =
                |it: &Redirected<A>| it.link == oldest.link && it.destination == oldest.destination;
            self.forget_redirects(&is_it);
        }
        self.add_route_quietly(Route {
            network: destination,
            prefix: A::WIDTH,
            gateway: (to != destination).then_some(to),
            interface: link,
            metric: 0,
            origin: Origin::Redirected,
        });
        self.configuration_changed();
        true
    }

    /// What routers have said of some destinations does not hold any more.
    pub(crate) fn forget_redirects<A: Family>(
        &mut self,
        unwanted: &dyn Fn(&Redirected<A>) -> bool,
    ) {
        let net = self.net_mut::<A>();
        let mut is_any = false;
        while let Some(place) = net.redirected.iter().position(unwanted) {
            let gone = net.redirected.remove(place);
            net.routes.remove(|route| gone.is_of(route));
            is_any = true;
        }
        if is_any {
            self.configuration_changed();
        }
    }
}
