//! Operations that change the machine's network. The right to do so is given to a session when it
//! is opened; it is not a matter of the message.

use core::net::IpAddr;

use zerocopy::little_endian::U32;

use crate::field::{at, fixed, layout};
use crate::message::Address;
use crate::operation::operations;
use crate::socket::Done;
use crate::table::PolicyRow;

fixed! {
    /// A network and how it is reached.
    pub struct RouteBody: 56 {
        /// Destination and prefix.
        pub destination: Address,
        /// Next router; family 0: on the link.
        pub gateway: Address,
        /// Number of the interface; zero: the first that is not loopback.
        pub interface: U32,
        /// The smaller, the better.
        pub metric: U32,
    }
}

fixed! {
    /// An interface's address.
    pub struct AddressBody: 24 {
        /// Address and prefix.
        pub address: Address,
    }
}

fixed! {
    /// A neighbour's hardware address.
    pub struct MacBody: 8 {
        /// Hardware address; ignored when deleting.
        pub mac: [u8; 6],
        /// Zero.
        pub reserved: [u8; 2],
    }
}

layout! {
    /// Gives an interface an address.
    pub struct AddressAdd {
        /// Number of the interface; zero: the first that is not loopback.
        interface: u32 => at::Argument,
        /// The address.
        address: AddressBody => at::Body,
    }

    /// Takes an address away.
    pub struct AddressDelete {
        /// Number of the interface; zero: the first that is not loopback.
        interface: u32 => at::Argument,
        /// The address.
        address: AddressBody => at::Body,
    }

    /// Adds a route.
    pub struct RouteAdd {
        /// The route.
        route: RouteBody => at::Body,
    }

    /// Deletes a route.
    pub struct RouteDelete {
        /// The route.
        route: RouteBody => at::Body,
    }

    /// Fixes a neighbour's hardware address.
    pub struct NeighbourAdd {
        /// Number of the interface; zero: the first that is not loopback.
        interface: u32 => at::Argument,
        /// The neighbour.
        neighbour: IpAddr => at::Address,
        /// Its hardware address.
        mac: MacBody => at::Body,
    }

    /// Adds a policy for a prefix that has none.
    pub struct PolicyAdd {
        /// The policy.
        policy: PolicyRow => at::Body,
    }

    /// Removes a prefix's policy.
    pub struct PolicyDelete {
        /// The prefix; what else is in it does not matter.
        policy: PolicyRow => at::Body,
    }

    /// Forgets a neighbour.
    pub struct NeighbourDelete {
        /// Number of the interface; zero: the first that is not loopback.
        interface: u32 => at::Argument,
        /// The neighbour.
        neighbour: IpAddr => at::Address,
    }
}

operations! {
    60 "NET_ADDRESS_ADD" AddressAdd -> Done, ChangeError,
        Administrators, Promptly, idempotent: false,
        "Gives an interface an address.", restart: "Done, or not; look, then repeat.";
    61 "NET_ADDRESS_DELETE" AddressDelete -> Done, ChangeError,
        Administrators, Promptly, idempotent: false,
        "Takes an address away.", restart: "Done, or not; look, then repeat.";
    62 "NET_ROUTE_ADD" RouteAdd -> Done, ChangeError,
        Administrators, Promptly, idempotent: false,
        "Adds a route.", restart: "Done, or not; look, then repeat.";
    63 "NET_ROUTE_DELETE" RouteDelete -> Done, ChangeError,
        Administrators, Promptly, idempotent: false,
        "Deletes a route.", restart: "Done, or not; look, then repeat.";
    64 "NET_NEIGHBOUR_ADD" NeighbourAdd -> Done, ChangeError,
        Administrators, Promptly, idempotent: true,
        "Fixes a neighbour's hardware address.", restart: "Done, or not; repeat.";
    65 "NET_NEIGHBOUR_DELETE" NeighbourDelete -> Done, ChangeError,
        Administrators, Promptly, idempotent: true,
        "Forgets a neighbour.", restart: "Done, or not; repeat.";
    66 "NET_POLICY_ADD" PolicyAdd -> Done, ChangeError,
        Administrators, Promptly, idempotent: false,
        "Adds to the table by which addresses are chosen.",
        restart: "The table is as at the start; look, then repeat.";
    67 "NET_POLICY_DELETE" PolicyDelete -> Done, ChangeError,
        Administrators, Promptly, idempotent: false,
        "Removes from it.", restart: "The table is as at the start; look, then repeat.";
}
