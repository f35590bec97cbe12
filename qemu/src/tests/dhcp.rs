//! The DHCP client against a server whose every word is scripted, on the raw cable.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dhcproto::v4::{DhcpOption, MessageType, OptionCode};

use super::{Group, no_stage, tests};
use crate::frames::{Arp, Cable, GUEST, GUEST_MAC, OUR_MAC, US, arp_reply};
use crate::guest::{BOOT, Guest};
use crate::machine::{Card, Machine};
use crate::peers::dhcp::{Terms, answer, hear, is_ours, lease};

pub fn group() -> Group {
    Group {
        name: "dhcp",
        stage: no_stage,
        tests: tests![Alone:
            the_whole_exchange,
            questions_are_repeated_ever_more_slowly,
            a_refused_request_starts_again,
            a_taken_address_is_declined,
            renewal_asks_the_server_alone,
            rebinding_asks_everybody,
            an_expired_lease_is_given_up,
            no_server_leads_to_the_fixed_address,
            power_off_releases,
        ],
    }
}

fn start(name: &str) -> Result<(Guest, Cable)> {
    let cable = Cable::new(name)?;
    let machine = Machine {
        cards: vec![Card::new(cable.link())],
        append: "ip=dhcp".into(),
        ..Machine::default()
    };
    Ok((Guest::start(machine)?, cable))
}

fn has_address(guest: &mut Guest, address: &str) -> Result<bool> {
    Ok(guest.must("net")?.contains(address))
}

/// Waits until `net` shows the address, or until it no longer does.
fn wait_address(guest: &mut Guest, address: &str, wanted: bool, limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    while has_address(guest, address)? != wanted {
        ensure!(Instant::now() < deadline, "{address}: still not {wanted}");
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn the_whole_exchange() -> Result<()> {
    let (mut guest, cable) = start("dhcp-whole")?;
    let discover = hear(&cable, MessageType::Discover, BOOT)?;
    ensure!(is_ours(&discover) && discover.to_everybody, "{discover:?}");
    ensure!(discover.source.is_unspecified() && discover.destination.is_broadcast());
    let wanted = match discover
        .message
        .opts()
        .get(OptionCode::ParameterRequestList)
    {
        Some(DhcpOption::ParameterRequestList(list)) => list.clone(),
        _ => Vec::new(),
    };
    for option in [
        OptionCode::SubnetMask,
        OptionCode::Router,
        OptionCode::DomainNameServer,
    ] {
        ensure!(wanted.contains(&option), "{option:?} is not asked for");
    }
    answer(&cable, &discover, MessageType::Offer, Terms::default())?;
    let request = hear(&cable, MessageType::Request, BOOT)?;
    ensure!(
        request.requested() == Some(GUEST),
        "it asks for {:?}",
        request.requested()
    );
    ensure!(
        request.message.opts().get(OptionCode::ServerIdentifier)
            == Some(&DhcpOption::ServerIdentifier(US)),
        "it does not name the server"
    );
    answer(&cable, &request, MessageType::Ack, Terms::default())?;
    // Before use: does anybody have it (RFC 5227)? After: this is where it is.
    cable.expect("announcement of the address", BOOT, |frame| {
        Arp::parse(frame).filter(|arp| arp.sender == GUEST && arp.target == GUEST)
    })?;
    guest.first_prompt()?;
    wait_address(&mut guest, "192.0.2.2/24", true, Duration::from_secs(10))?;
    let lease = guest.must("net lease")?;
    for fact in [
        "address   192.0.2.2/24",
        "server    192.0.2.1",
        "router    192.0.2.1",
        "dns       192.0.2.3",
    ] {
        ensure!(lease.contains(fact), "no {fact:?} in\n{lease}");
    }
    ensure!(lease.contains("s of 3600 s left"), "{lease}");
    let summary = guest.must("net")?;
    ensure!(
        summary.contains("192.0.2.2/24 dhcp") && summary.contains("mtu 1400"),
        "{summary}"
    );
    Ok(())
}

fn questions_are_repeated_ever_more_slowly() -> Result<()> {
    let (_guest, cable) = start("dhcp-repeat")?;
    let first = hear(&cable, MessageType::Discover, BOOT)?;
    let mut times = vec![Instant::now()];
    for _ in 0..3 {
        let again = hear(&cable, MessageType::Discover, Duration::from_secs(30))?;
        ensure!(again.message.chaddr() == first.message.chaddr());
        times.push(Instant::now());
    }
    let gaps: Vec<f64> = times
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64())
        .collect();
    ensure!(
        gaps[0] > 0.5 && gaps[2] > gaps[0] * 1.2,
        "gaps of {gaps:.1?} s"
    );
    Ok(())
}

fn a_refused_request_starts_again() -> Result<()> {
    let (mut guest, cable) = start("dhcp-refused")?;
    let discover = hear(&cable, MessageType::Discover, BOOT)?;
    answer(&cable, &discover, MessageType::Offer, Terms::default())?;
    let request = hear(&cable, MessageType::Request, BOOT)?;
    answer(&cable, &request, MessageType::Nak, Terms::default())?;
    lease(&cable, Terms::default(), BOOT).context("after the refusal")?;
    guest.first_prompt()?;
    wait_address(&mut guest, "192.0.2.2/24", true, Duration::from_secs(10))
}

fn a_taken_address_is_declined() -> Result<()> {
    let (_guest, cable) = start("dhcp-taken")?;
    lease(&cable, Terms::default(), BOOT)?;
    let probe = cable.expect("probe for the address", BOOT, |frame| {
        Arp::parse(frame).filter(|arp| arp.target == GUEST && arp.sender.is_unspecified())
    })?;
    ensure!(probe.sender_mac == GUEST_MAC);
    let owner = [0x02, 0, 0, 0, 0, 0x55];
    let deadline = Instant::now() + BOOT;
    // An owner who insists: should his first answer be late, the guest uses the address already, and defends it once.
    let decline = loop {
        cable.send(&arp_reply(owner, GUEST, GUEST_MAC, US))?;
        match hear(&cable, MessageType::Decline, Duration::from_millis(50)) {
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => {}
            Ok(decline) => break decline,
        }
    };
    ensure!(
        decline.requested() == Some(GUEST),
        "it declines {:?}",
        decline.requested()
    );
    hear(&cable, MessageType::Discover, BOOT).context("and starts again")?;
    Ok(())
}

const SHORT: Terms = Terms {
    lease: 12,
    renewal: 3,
    rebinding: 7,
};

fn renewal_asks_the_server_alone() -> Result<()> {
    let (mut guest, cable) = start("dhcp-renewal")?;
    lease(&cable, SHORT, BOOT)?;
    for _ in 0..2 {
        let renewal = hear(&cable, MessageType::Request, Duration::from_secs(10))?;
        ensure!(
            renewal.source == GUEST && renewal.destination == US,
            "{renewal:?}"
        );
        ensure!(!renewal.to_everybody, "a renewal to everybody");
        ensure!(renewal.message.ciaddr() == GUEST && renewal.requested().is_none());
        answer(&cable, &renewal, MessageType::Ack, SHORT)?;
    }
    guest.first_prompt()?;
    ensure!(
        has_address(&mut guest, "192.0.2.2/24")?,
        "the address is gone"
    );
    Ok(())
}

fn rebinding_asks_everybody() -> Result<()> {
    let (mut guest, cable) = start("dhcp-rebinding")?;
    lease(&cable, SHORT, BOOT)?;
    let started = Instant::now();
    let rebinding = loop {
        let request = hear(&cable, MessageType::Request, Duration::from_secs(10))?;
        if request.to_everybody {
            break request;
        }
        ensure!(
            started.elapsed() < Duration::from_secs(11),
            "it asks only the server"
        );
    };
    ensure!(started.elapsed() > Duration::from_secs(5), "too early");
    answer(&cable, &rebinding, MessageType::Ack, SHORT)?;
    guest.first_prompt()?;
    ensure!(
        has_address(&mut guest, "192.0.2.2/24")?,
        "the address is gone"
    );
    Ok(())
}

fn an_expired_lease_is_given_up() -> Result<()> {
    let (mut guest, cable) = start("dhcp-expired")?;
    let terms = Terms {
        lease: 6,
        renewal: 2,
        rebinding: 4,
    };
    lease(&cable, terms, BOOT)?;
    guest.first_prompt()?;
    wait_address(&mut guest, "192.0.2.2/24", true, Duration::from_secs(5))?;
    wait_address(&mut guest, "192.0.2.2/24", false, Duration::from_secs(15))?;
    // Nobody answers for it any more, and the search begins anew.
    cable.drain()?;
    cable.send(&crate::frames::arp_request(OUR_MAC, US, GUEST))?;
    let answered = cable
        .collect(Duration::from_millis(400))?
        .iter()
        .any(|frame| Arp::parse(frame).is_some_and(|arp| !arp.is_request));
    ensure!(!answered, "the old address still answers");
    hear(&cable, MessageType::Discover, BOOT)?;
    Ok(())
}

fn no_server_leads_to_the_fixed_address() -> Result<()> {
    let (mut guest, _cable) = start("dhcp-nobody")?;
    guest.first_prompt()?;
    wait_address(&mut guest, "10.0.2.15/24", true, Duration::from_secs(60))
}

fn power_off_releases() -> Result<()> {
    let (mut guest, cable) = start("dhcp-release")?;
    lease(&cable, Terms::default(), BOOT)?;
    guest.first_prompt()?;
    wait_address(&mut guest, "192.0.2.2/24", true, Duration::from_secs(10))?;
    // A server that the guest has talked to since.
    cable.introduce()?;
    guest.type_line("poweroff")?;
    let release = hear(&cable, MessageType::Release, Duration::from_secs(10))?;
    ensure!(
        release.message.ciaddr() == GUEST && release.destination == US,
        "{release:?}"
    );
    Ok(())
}
