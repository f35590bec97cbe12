//! What no host may do in a neighbourhood, judged by the frames that it sends.

use std::cell::RefCell;
use std::net::Ipv6Addr;
use std::rc::Rc;

use wire::{EtherType, Protocol, ethernet, ipv6};

use super::address::{CLAIMANT, FALSE, FAR, LIAR, OLD, is_of};
use crate::world::Meddler;

/// What is so at this time.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// The old prefix is not to be preferred: nothing begins from it.
    pub(super) is_deprecated: bool,
    /// The old prefix is nobody's any more.
    pub(super) is_gone: bool,
    /// An address that is somebody else's.
    pub(super) taken: Option<Ipv6Addr>,
    /// The host whose address is taken has no other to prefer.
    pub(super) without: Option<u8>,
}

/// An oracle for the host of this number.
pub(super) fn oracle(truth: &Rc<RefCell<Truth>>, number: u8) -> Meddler {
    let truth = Rc::clone(truth);
    Box::new(move |frame| truth.borrow().judge(frame, number))
}

impl Truth {
    fn judge(&self, frame: &[u8], number: u8) -> Result<(), String> {
        let Ok(frame) = ethernet::Frame::parse(frame) else {
            return Ok(());
        };
        // Neither has an address of its own.
        if [LIAR, CLAIMANT].contains(&frame.header.destination) {
            return Err("traffic is a liar's".into());
        }
        if frame.header.ethertype != EtherType::IPV6 {
            return Ok(());
        }
        let Ok(packet) = ipv6::Packet::parse(frame.payload) else {
            return Ok(());
        };
        let ipv6::Header {
            source,
            destination,
            ..
        } = packet.header;
        if is_of(FALSE, source) {
            return Err("an address of a false prefix is used".into());
        }
        if Some(source) == self.taken {
            return Err("an address of somebody else is used".into());
        }
        if self.is_gone && is_of(OLD, source) {
            return Err("an address outlives its prefix".into());
        }
        let has_better = self.without != Some(number);
        if self.is_deprecated && has_better && is_of(OLD, source) && begins(&packet, destination) {
            return Err("something begins from a deprecated address".into());
        }
        Ok(())
    }
}

/// Whether a packet is the first of a conversation: a question to somebody far away, or a SYN.
fn begins(packet: &ipv6::Packet<'_>, destination: Ipv6Addr) -> bool {
    let Ok(ipv6::Content::Whole(whole)) = packet.content() else {
        return false;
    };
    let flags = whole.payload.get(13).copied().unwrap_or(0);
    destination == FAR || whole.protocol == Protocol::TCP && flags & 0x12 == 0x02
}

#[cfg(test)]
mod tests {
    use super::super::address::{NEW, four, local, mac, number, six};
    use super::super::frames::{arp, echo_reply};
    use super::*;
    use wire::arp::Operation;
    use wire::icmp6;

    /// An echo to somebody far away, from an address of host 0, as it leaves for `link`.
    fn echo(from: Ipv6Addr, link: wire::MacAddress) -> Vec<u8> {
        let header = icmp6::Header::EchoRequest {
            identifier: 1,
            sequence: 1,
        };
        echo_reply((mac(0), link), (from, FAR), header, &[])
    }

    #[test]
    fn each_rule_sees_what_breaks_it() {
        let truth = Truth {
            is_deprecated: true,
            is_gone: false,
            taken: Some(six(NEW, 0)),
            without: Some(number(1)),
        };
        let judge = |frame: &[u8], number| truth.judge(frame, number).err().unwrap_or_default();
        let own = number(0);
        assert_eq!(judge(&echo(local(0), mac(1)), own), "");
        let taken = judge(&echo(six(NEW, 0), mac(1)), own);
        assert_eq!(taken, "an address of somebody else is used");
        let old = echo(six(OLD, 0), mac(1));
        assert_eq!(
            judge(&old, own),
            "something begins from a deprecated address"
        );
        assert_eq!(judge(&old, number(1)), "", "it has no other");
        let lie = arp(Operation::Reply, (mac(0), LIAR), four(0), four(1));
        for frame in [echo(local(0), LIAR), lie] {
            assert_eq!(judge(&frame, own), "traffic is a liar's");
        }
        let wrong = judge(&echo(six(FALSE, 0), mac(1)), own);
        assert_eq!(wrong, "an address of a false prefix is used");
        let late = Truth {
            is_gone: true,
            ..truth
        };
        let outlived = late.judge(&old, number(1)).err().unwrap_or_default();
        assert_eq!(outlived, "an address outlives its prefix");
    }
}
