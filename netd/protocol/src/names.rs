//! Name resolution.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use zerocopy::little_endian::{U16, U32};

use crate::field::{Payload, at, fixed, layout, word_enum};
use crate::message::{Address, flag};
use crate::operation::operations;
use crate::socket::Done;

word_enum! {
    /// Kind of record, with the numbers of RFC 1035 3.2.2 and RFC 3596 2.1.
    RecordKind {
        /// IPv4 address.
        A = 1,
        /// IPv6 address.
        Aaaa = 28,
    }
}

/// Most bytes of a name in text form, without the last dot (RFC 1035 3.1).
pub const NAME_BYTES: usize = 253;
/// Most addresses in an answer.
pub const ANSWER_ADDRESSES: usize = 8;

fixed! {
    /// The answer to a question for addresses.
    pub struct AnswerBody: 140 {
        /// Seconds for which the answer may be kept.
        pub ttl: U32,
        /// Microseconds from the question to the answer.
        pub microseconds: U32,
        /// How many of `addresses` count.
        pub count: u8,
        /// Aliases (CNAME) that were followed.
        pub aliases: u8,
        /// Zero.
        pub reserved: [u8; 2],
        /// The addresses; IPv4 in the first four bytes.
        pub addresses: [[u8; 16]; ANSWER_ADDRESSES],
    }
}

/// Room for the name of an address, and a zero behind it.
pub const BACK_BYTES: usize = 136;

fixed! {
    /// The name of an address.
    pub struct BackBody: 148 {
        /// The name as text, padded with zeros; what is not printable is written in digits.
        pub name: [u8; BACK_BYTES],
        /// Seconds for which the answer may be kept.
        pub ttl: U32,
        /// Microseconds from the question to the answer.
        pub microseconds: U32,
        /// Aliases (CNAME) that were followed.
        pub aliases: U32,
    }
}

fixed! {
    /// An address whose name is asked for.
    pub struct BackOf: 24 {
        /// Which.
        pub address: Address,
    }
}

fixed! {
    /// Which service of the link is meant.
    pub struct ServiceName: 88 {
        /// What people see, padded with zeros; empty: as the host is called.
        pub name: [u8; 64],
        /// `_http._tcp`, padded with zeros.
        pub kind: [u8; 24],
    }
}

fixed! {
    /// A service that a program offers on the link.
    pub struct ServiceBody: 192 {
        /// What people see, padded with zeros; empty: as the host is called.
        pub name: [u8; 64],
        /// `_http._tcp`, padded with zeros.
        pub kind: [u8; 24],
        /// Where it is.
        pub port: U16,
        /// How many bytes of `text` count.
        pub length: u8,
        /// Zero.
        pub reserved: u8,
        /// What else is to be known of it: strings, each behind its length (RFC 6763 section 6).
        pub text: [u8; 100],
    }
}

fixed! {
    /// A kind of services.
    pub struct ServiceKind: 96 {
        /// `_http._tcp`, or a subtype of it as `_printer._sub._http._tcp`, padded with zeros.
        pub kind: [u8; 96],
    }
}

fixed! {
    /// A subtype of its kind that a service is of.
    pub struct ServiceSubtype: 152 {
        /// What people see, padded with zeros; empty: as the host is called.
        pub name: [u8; 64],
        /// `_http._tcp`, padded with zeros.
        pub kind: [u8; 24],
        /// `_printer`, padded with zeros.
        pub subtype: [u8; 64],
    }
}

/// Most bytes of what a service says of itself.
pub const TEXT_BYTES: usize = 196;

fixed! {
    /// What a service says of itself.
    pub struct TextBody: 200 {
        /// Strings, each behind its length (RFC 6763 section 6); as many of them as have room.
        pub text: [u8; TEXT_BYTES],
        /// How many bytes of `text` count.
        pub length: U32,
    }
}

/// Most addresses of a service's host.
pub const SERVICE_ADDRESSES: usize = 3;

fixed! {
    /// A service of somebody on the link.
    pub struct ServiceFound: 188 {
        /// What people see, padded with zeros; empty: that was all.
        pub name: [u8; 64],
        /// The host, padded with zeros.
        pub host: [u8; 72],
        /// Its port there.
        pub port: U16,
        /// How many of `addresses` are of IPv4; they come first.
        pub v4: u8,
        /// How many behind them are of IPv6.
        pub v6: u8,
        /// The host's addresses; IPv4 in the first four bytes.
        pub addresses: [[u8; 16]; SERVICE_ADDRESSES],
    }
}

impl ServiceFound {
    /// Nothing more is found.
    pub const END: Self = Self {
        name: [0; 64],
        host: [0; 72],
        port: U16::ZERO,
        v4: 0,
        v6: 0,
        addresses: [[0; 16]; SERVICE_ADDRESSES],
    };

    /// Puts in as many addresses as fit, those of IPv4 first.
    #[must_use]
    pub fn with_addresses(mut self, addresses: &[IpAddr]) -> Self {
        let v4 = addresses.iter().filter(|it| it.is_ipv4());
        let v6 = addresses.iter().filter(|it| it.is_ipv6());
        for (slot, address) in self.addresses.iter_mut().zip(v4.chain(v6)) {
            put_address(slot, *address);
            match address {
                IpAddr::V4(_) => self.v4 = self.v4.saturating_add(1),
                IpAddr::V6(_) => self.v6 = self.v6.saturating_add(1),
            }
        }
        self
    }

    /// The host's addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let (v4, v6) = (usize::from(self.v4), usize::from(self.v6));
        let used = self.addresses.iter().take(v4.saturating_add(v6));
        used.enumerate().map(move |(place, octets)| {
            let is_v4 = place < v4;
            address_of(octets, is_v4)
        })
    }
}

fn put_address(slot: &mut [u8; 16], address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            if let Some(first) = slot.first_chunk_mut() {
                *first = v4.octets();
            }
        }
        IpAddr::V6(v6) => *slot = v6.octets(),
    }
}

fn address_of(octets: &[u8; 16], is_v4: bool) -> IpAddr {
    let [a, b, c, d, ..] = *octets;
    if is_v4 {
        Ipv4Addr::new(a, b, c, d).into()
    } else {
        Ipv6Addr::from(*octets).into()
    }
}

impl AnswerBody {
    /// An answer with as many of `addresses` as fit.
    #[must_use]
    pub fn new(ttl: u32, microseconds: u32, aliases: u8, addresses: &[IpAddr]) -> Self {
        let mut body = Self {
            ttl: U32::new(ttl),
            microseconds: U32::new(microseconds),
            count: 0,
            aliases,
            reserved: [0; 2],
            addresses: [[0; 16]; ANSWER_ADDRESSES],
        };
        for (slot, address) in body.addresses.iter_mut().zip(addresses) {
            put_address(slot, *address);
            body.count = body.count.saturating_add(1);
        }
        body
    }

    /// The addresses, which are of the kind that was asked for.
    pub fn addresses(&self, kind: RecordKind) -> impl Iterator<Item = IpAddr> + '_ {
        let used = self.addresses.iter().take(usize::from(self.count));
        used.map(move |octets| address_of(octets, kind == RecordKind::A))
    }
}

layout! {
    /// Asks for a name's addresses.
    pub struct Resolve {
        /// The name as text, at most 253 bytes.
        name: Payload => at::Payload,
        /// Which addresses.
        kind: RecordKind => at::Argument,
        /// Ask this server only; none: the configured ones.
        server: Option<SocketAddr> => at::Address,
    }

    /// A name's addresses.
    pub struct Resolved {
        /// The answer.
        answer: AnswerBody => at::Body,
        /// The server that answered; none when it was the cache.
        server: Option<SocketAddr> => at::Address,
    }
}

layout! {
    /// Asks for the name of an address.
    pub struct ResolveBack {
        /// Which address.
        back: BackOf => at::Body,
        /// Ask this server only; none: who should know.
        server: Option<SocketAddr> => at::Address,
    }

    /// The name of an address.
    pub struct ResolvedBack {
        /// The answer.
        answer: BackBody => at::Body,
        /// Who answered; none when it was known.
        server: Option<SocketAddr> => at::Address,
    }
}

layout! {
    /// Offers a service on the link, under the host's name in `local`.
    pub struct Offer {
        /// Which.
        service: ServiceBody => at::Body,
    }

    /// Offers it no longer.
    pub struct Withdraw {
        /// Which.
        service: ServiceName => at::Body,
    }
}

layout! {
    /// Tells that a service is of a subtype of its kind as well.
    pub struct OfferSubtype {
        /// Which.
        service: ServiceSubtype => at::Body,
    }
}

layout! {
    /// Asks what a service that was found says of itself.
    pub struct ServiceText {
        /// Which.
        service: ServiceName => at::Body,
    }

    /// What it says.
    pub struct ServiceTextReply {
        /// Strings.
        text: TextBody => at::Body,
    }
}

layout! {
    /// Looks for services of a kind on the link.
    pub struct Browse {
        /// Which.
        kind: ServiceKind => at::Body,
    }

    /// A service that was found.
    pub struct Browsed {
        /// Which; in the last completion none.
        service: ServiceFound => at::Body,
        /// Others may follow.
        more: bool => at::Flag<{ flag::MORE }>,
    }
}

operations! {
    20 "NET_DNS_RESOLVE" Resolve -> Resolved, ResolveError,
        Anyone, Later, idempotent: true,
        "Asks for a name's addresses.", restart: "Ask again.";
    21 "NET_SERVICE_OFFER" Offer -> Done, OfferError,
        Anyone, Promptly, idempotent: false,
        "Offers a service on the link, until it is withdrawn or the session ends.",
        restart: "It is offered no longer; offer it again.";
    22 "NET_SERVICE_WITHDRAW" Withdraw -> Done, OfferError,
        Anyone, Promptly, idempotent: false,
        "Offers a service no longer.", restart: "It is offered no longer.";
    23 "NET_SERVICE_BROWSE" Browse -> Browsed, BrowseError,
        Anyone, Stream, idempotent: true,
        "Looks for services of a kind on the link, for four seconds; each is told once.",
        restart: "Ask again.";
    26 "NET_DNS_BACK" ResolveBack -> ResolvedBack, ResolveError,
        Anyone, Later, idempotent: true,
        "Asks for the name of an address: servers, and the link of a neighbour.", restart: "Ask again.";
    27 "NET_SERVICE_SUBTYPE" OfferSubtype -> Done, OfferError,
        Anyone, Promptly, idempotent: false,
        "Tells that a service is of a subtype of its kind as well, until it is withdrawn.",
        restart: "It is offered no longer; offer it again.";
    28 "NET_SERVICE_TEXT" ServiceText -> ServiceTextReply, ObserveError,
        Anyone, Promptly, idempotent: true,
        "Tells what a service says of itself that a look-out which is not over has found.",
        restart: "Look for it again.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_hold_eight_addresses_of_either_kind() {
        let v4 = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(|n| IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)));
        let body = AnswerBody::new(60, 1, 0, &v4);
        assert!(body.addresses(RecordKind::A).eq(v4[..8].iter().copied()));
        let v6: [IpAddr; 1] = [Ipv6Addr::LOCALHOST.into()];
        let body = AnswerBody::new(60, 1, 0, &v6);
        assert!(body.addresses(RecordKind::Aaaa).eq(v6));
    }

    #[test]
    fn a_service_has_addresses_of_both_families_within_its_room() {
        let four = |last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
        let six = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let mut found = ServiceFound::END.with_addresses(&[six, four(1), six, four(2)]);
        assert!(found.addresses().eq([four(1), four(2), six]));
        (found.v4, found.v6) = (u8::MAX, u8::MAX);
        assert_eq!(found.addresses().count(), SERVICE_ADDRESSES);
    }

    #[test]
    fn a_lying_count_yields_no_more_than_there_are() {
        let mut body = AnswerBody::new(0, 0, 0, &[]);
        body.count = u8::MAX;
        assert_eq!(body.addresses(RecordKind::A).count(), ANSWER_ADDRESSES);
    }
}
