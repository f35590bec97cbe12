//! The lower halves of our addresses.
//!
//! *Owns* how they are made: of a secret, so that they stay on one network and tell nothing on others
//! (RFC 7217), of nothing but chance (RFC 8981), or of the hardware address (RFC 4291 appendix A).

use crate::rng::Rng;
use core::hash::Hasher as _;
use core::net::Ipv6Addr;
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use wire::{MacAddress, VlanId};

/// Identifiers that have a meaning of their own (RFC 5453): that of all routers, and those of the
/// highest 128 for anycast (RFC 2526).
fn is_reserved(identifier: u64) -> bool {
    const ANYCAST: u64 = 0xfdff_ffff_ffff_ff80;
    const PROXY_MOBILE: u64 = 0x0200_5eff_fe00_5212;
    identifier == 0
        || identifier == PROXY_MOBILE
        || (ANYCAST..=ANYCAST + 0x7f).contains(&identifier)
}

/// RFC 7217 section 5: the same whenever this interface comes to this network, and another when
/// somebody else had the one before.
pub(crate) fn stable(
    secret: u128,
    prefix: Ipv6Addr,
    (mac, vlan): (MacAddress, Option<VlanId>),
    collisions: u8,
) -> u64 {
    let numbers = (0..=u8::MAX).map(|attempt| {
        let mut hasher = SipHasher24::new_with_key(&secret.to_be_bytes());
        hasher.write(&prefix.octets());
        hasher.write(&mac.0);
        if let Some(vlan) = vlan {
            hasher.write(&vlan.get().to_be_bytes());
        }
        hasher.write(&[collisions, attempt]);
        hasher.finish128().h1
    });
    numbers
        .into_iter()
        .find(|it| !is_reserved(*it))
        .unwrap_or(1)
}

/// A number that tells nothing (RFC 8981 section 3.3.1).
pub(crate) fn random(rng: &mut Rng) -> u64 {
    let numbers = core::iter::repeat_with(|| rng.u64());
    numbers.take(8).find(|it| !is_reserved(*it)).unwrap_or(1)
}

/// The hardware address, stretched, and with the bit turned that says who has chosen it. A VLAN's number
/// stands where there is else nothing of meaning.
pub(crate) fn of_hardware((mac, vlan): (MacAddress, Option<VlanId>)) -> u64 {
    let [a, b, c, d, e, f] = mac.0;
    let [high, low] = vlan.map_or([0xff, 0xfe], |vlan| vlan.get().to_be_bytes());
    u64::from_be_bytes([a ^ 2, b, c, high, low, d, e, f])
}

/// An address of such an upper and a lower half.
pub(crate) fn join(prefix: Ipv6Addr, identifier: u64) -> Ipv6Addr {
    Ipv6Addr::from_bits(prefix.to_bits() >> 64 << 64 | u128::from(identifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: (MacAddress, Option<VlanId>) = (MAC, None);
    const MAC: MacAddress = MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    const PREFIX: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 0);

    #[test]
    fn of_the_hardware_address_as_everybody_makes_it() {
        let address = join(PREFIX, of_hardware(LINK));
        assert_eq!(
            address,
            "2001:db8:0:1:5054:ff:fe12:3456"
                .parse::<Ipv6Addr>()
                .unwrap()
        );
    }

    #[test]
    fn links_of_one_card_are_told_apart() {
        let of = |number| of_hardware((MAC, VlanId::new(number)));
        assert_eq!(of(0x123), 0x5054_0001_2312_3456);
        assert!(of(1) != of(2) && of(1) != of_hardware(LINK));
    }

    #[test]
    fn stable_on_one_network_and_unlike_on_others() {
        let one = stable(7, PREFIX, LINK, 0);
        assert_eq!(one, stable(7, PREFIX, LINK, 0));
        let other = Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 0);
        let others = [
            stable(8, PREFIX, LINK, 0),
            stable(7, other, LINK, 0),
            stable(7, PREFIX, (MacAddress([2; 6]), None), 0),
            stable(7, PREFIX, (MAC, VlanId::new(1)), 0),
            stable(7, PREFIX, LINK, 1),
        ];
        assert!(!others.contains(&one), "{others:x?}");
    }

    #[test]
    fn reserved_ones_are_known() {
        for (identifier, reserved) in [
            (0, true),
            (1, false),
            (0xfdff_ffff_ffff_ff7f, false),
            (0xfdff_ffff_ffff_ff80, true),
            (0xfdff_ffff_ffff_ffff, true),
            (0xfe00_0000_0000_0000, false),
        ] {
            assert_eq!(is_reserved(identifier), reserved, "{identifier:x}");
        }
    }
}
