//! The DHCP client against a server whose every word is scripted, on the raw cable.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dhcproto::v4::{DhcpOption, MessageType, OptionCode};

use super::{Group, no_stage, tests};
use crate::frames::{Arp, Cable, GUEST, GUEST_MAC, OUR_MAC, US, arp_reply};
use crate::guest::{BOOT, Guest};
use crate::machine::{Card, Machine};
use crate::peers::dhcp::{Heard, Terms, answer, hear, is_ours, lease};

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

/// Waits until the guest says where its address is: it is about to use it.
fn await_announcement(cable: &Cable) -> Result<()> {
    cable.expect("announcement of the address", BOOT, |frame| {
        Arp::parse(frame).filter(|arp| arp.sender == GUEST && arp.target == GUEST)
    })?;
    Ok(())
}

/// Waits until `net` shows the address, or until it no longer does.
fn wait_address(guest: &mut Guest, address: &str, wanted: bool) -> Result<()> {
    let deadline = Instant::now() + BOOT;
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
    await_announcement(&cable)?;
    guest.first_prompt()?;
    wait_address(&mut guest, "192.0.2.2/24", true)?;
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
    let mut last = Instant::now();
    let mut gaps = Vec::new();
    // Four seconds, eight and sixteen, one more or less of each; the last shows it where the host hid it before.
    while gaps.len() < 3 && !grow(&gaps) {
        let again = hear(&cable, MessageType::Discover, BOOT)?;
        ensure!(again.message.chaddr() == first.message.chaddr());
        gaps.push(last.elapsed().as_secs_f64());
        last = Instant::now();
    }
    ensure!(gaps[0] > 0.5 && grow(&gaps), "gaps of {gaps:.1?} s");
    Ok(())
}

/// Whether a later gap is clearly longer than the first.
fn grow(gaps: &[f64]) -> bool {
    gaps.iter().any(|gap| *gap > gaps[0] * 1.2)
}

fn a_refused_request_starts_again() -> Result<()> {
    let (mut guest, cable) = start("dhcp-refused")?;
    let discover = hear(&cable, MessageType::Discover, BOOT)?;
    answer(&cable, &discover, MessageType::Offer, Terms::default())?;
    let request = hear(&cable, MessageType::Request, BOOT)?;
    answer(&cable, &request, MessageType::Nak, Terms::default())?;
    lease(&cable, Terms::default(), BOOT).context("after the refusal")?;
    guest.first_prompt()?;
    wait_address(&mut guest, "192.0.2.2/24", true)
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

/// Renewed soon; the rest of it takes longer than the host ever stands still.
const SHORT: Terms = Terms {
    lease: 30,
    renewal: 3,
    rebinding: 15,
};

/// The next request of who has the address already. (The one for it comes again where we acknowledge it late.)
fn hear_from_lessee(cable: &Cable) -> Result<Heard> {
    let deadline = Instant::now() + BOOT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let request = hear(cable, MessageType::Request, left)?;
        if request.message.ciaddr() == GUEST {
            return Ok(request);
        }
    }
}

fn renewal_asks_the_server_alone() -> Result<()> {
    let (mut guest, cable) = start("dhcp-renewal")?;
    lease(&cable, SHORT, BOOT)?;
    for _ in 0..2 {
        let renewal = hear_from_lessee(&cable)?;
        ensure!(
            renewal.source == GUEST && renewal.destination == US,
            "{renewal:?}"
        );
        ensure!(!renewal.to_everybody, "a renewal to everybody");
        ensure!(renewal.requested().is_none(), "{renewal:?}");
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
    let terms = Terms {
        rebinding: 7,
        ..SHORT
    };
    let discover = hear(&cable, MessageType::Discover, BOOT)?;
    // Its time counts from its request, which comes after this, however late our word is.
    let started = Instant::now();
    answer(&cable, &discover, MessageType::Offer, terms)?;
    let request = hear(&cable, MessageType::Request, BOOT)?;
    answer(&cable, &request, MessageType::Ack, terms)?;
    // Until then it asks only the server.
    let rebinding = loop {
        let request = hear_from_lessee(&cable)?;
        if request.to_everybody {
            break request;
        }
    };
    let waited = started.elapsed();
    ensure!(waited > Duration::from_secs(6), "after {waited:?} already");
    answer(&cable, &rebinding, MessageType::Ack, terms)?;
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
        lease: 8,
        renewal: 2,
        rebinding: 4,
    };
    lease(&cable, terms, BOOT)?;
    await_announcement(&cable)?;
    guest.first_prompt()?;
    wait_address(&mut guest, "192.0.2.2/24", false)?;
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
    wait_address(&mut guest, "10.0.2.15/24", true)
}

fn power_off_releases() -> Result<()> {
    let (mut guest, cable) = start("dhcp-release")?;
    lease(&cable, Terms::default(), BOOT)?;
    guest.first_prompt()?;
    wait_address(&mut guest, "192.0.2.2/24", true)?;
    // A server that the guest has talked to since.
    cable.introduce()?;
    guest.type_line("poweroff")?;
    let release = hear(&cable, MessageType::Release, BOOT)?;
    ensure!(
        release.message.ciaddr() == GUEST && release.destination == US,
        "{release:?}"
    );
    Ok(())
}
