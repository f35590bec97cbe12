//! The way back from addresses to the host's name on a link.

use crate::world::ip;
use crate::world::neighbours::{ASK, Link, message, name, question, record};
use crate::world::six::{local, own_local};
use std::net::IpAddr;
use wire::dns::{Class, Data, Name, Section, Type};

const HOST: &str = "skerry.local";

/// RFC 6762 section 4: whoever asks for the name of one of its addresses is told, and of no other's.
#[test]
fn the_name_of_its_addresses_is_told_to_who_asks() {
    let mut link = Link::begins_in_both();
    link.pass(10_000);
    let own = [IpAddr::from(ip(1)), own_local(1).into()];
    let back = |address: IpAddr| Name::of_address(address).to_string();
    for address in own {
        link.asks(question(&back(address), Type::PTR));
        let said = link.pass(200);
        assert!(!said.is_empty() && said[0].is_answer(), "{address}");
        let mut records = said[0].records().into_iter();
        let found = records.find(|(_, it)| it.name == Name::of_address(address));
        let (section, told) = found.expect("its name");
        assert_eq!(
            (section, told.data),
            (Section::Answer, Data::Ptr(name(HOST)))
        );
        assert_eq!((told.ttl, told.class), (120, Class::IN.with_top()));
        // And the addresses of that name beside it.
        assert_eq!(said[0].kinds(Section::Additional).len(), 2);
        // It is not said again to who has just heard it; nor to who knows all of it.
        link.pass(2_000);
        let known = own.map(|it| {
            (
                Section::Answer,
                record(&back(it), 120, Data::Ptr(name(HOST))),
            )
        });
        link.hear(&message(
            ASK,
            &[question(&back(address), Type::PTR)],
            &known,
        ));
        assert!(link.pass(2_000).is_empty());
    }
    for (asked, kind) in [
        (back(ip(2).into()), Type::PTR),
        (back(local(9).into()), Type::PTR),
        (back(ip(1).into()), Type::A),
        ("in-addr.arpa".into(), Type::PTR),
    ] {
        link.asks(question(&asked, kind));
        assert!(link.pass(2_000).is_empty(), "{asked}");
    }
    // Nobody is told unasked, and another who says so has not our name.
    link.tells(record(
        &back(ip(1).into()),
        120,
        Data::Ptr(name("other.local")),
    ));
    assert!(link.pass(5_000).is_empty());
    link.host.assert_balance();
}
