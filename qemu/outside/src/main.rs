//! Makes an ARP question and reads it back, with nothing but the formats of `netd/wire`.

use std::net::Ipv4Addr;

use wire::arp::Packet;
use wire::{Headroom, MacAddress};

fn main() {
    let question = Packet::request(
        MacAddress([2, 0, 0, 0, 0, 1]),
        Ipv4Addr::new(192, 0, 2, 1),
        Ipv4Addr::new(192, 0, 2, 2),
    );
    let mut bytes = [0; 28];
    let emitted = question.emit(&mut Headroom::new(&mut bytes));
    if emitted.is_ok() && Packet::parse(&bytes) == Ok(question) {
        println!("read back");
    }
}
