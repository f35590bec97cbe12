//! The stack's tests, each file about one promise: one program, since what is generic is compiled anew for each.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers in tests are small"
)]

mod world;

mod adopt;
mod along;
mod answering;
mod arp;
mod back;
mod both_families;
mod browsing;
mod bursts;
mod calls;
mod config;
mod congestion;
mod cut;
mod datagrams;
mod dhcp6;
mod ether;
mod fast6;
mod fast_open;
mod fast_open_connect;
mod flood;
mod following;
mod fragments;
mod gathered;
mod groups;
mod hostile;
mod house;
mod ipv4;
mod ipv6;
mod joined;
mod jumbo;
mod laws;
mod link_names;
mod links;
mod loans;
mod memberships;
mod mld;
mod multicast;
mod narrow;
mod ndp;
mod no_alloc;
mod offering;
mod offload;
mod options;
mod overtaken;
mod parts;
mod path_mtu;
mod raw;
mod redirects;
mod reports;
mod reverse;
mod rfc9293;
mod scattered;
mod shards;
mod stores;
mod tcp;
mod tcp6;
mod temporary;
mod vlan;
