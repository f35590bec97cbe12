//! The cards of the machine, and the interfaces that are made of them.
//!
//! *Owns* them in the order of their numbers: what is done with one is done with each, in turn. A card's
//! frames come to its interface; those with a tag to the interface of their VLAN, which leaves by the same
//! card. *Never* moves a frame from one card to another: that would be a router.

use alloc::vec::Vec;

use device::{Device, Offload, Offloads};
use stack::{ClientMemory, Instant, InterfaceId, LinkFacts, MacAddress, Stack};

use crate::crossing::Crossing;
use crate::nic::{Lends, Nic};
use crate::settings::{Link, Settings};

/// All cards; none for loopback only.
pub struct Links<D> {
    nics: Vec<Nic<D>>,
}

impl<D: Device> Links<D> {
    /// Makes each device an interface of the stack, and then each VLAN that the settings name.
    pub fn attach(
        stack: &mut Stack,
        devices: impl IntoIterator<Item = D>,
        settings: &Settings,
        now: Instant,
    ) -> Self {
        let attached = |device| attach(stack, device, settings, now);
        let nics = devices.into_iter().filter_map(attached).collect();
        let mut links = Self { nics };
        for (number, link) in settings.links() {
            if let Some(vlan) = link.vlan {
                links.add_vlan(stack, (number, link), vlan, now);
            }
        }
        links
    }

    /// The interface of a VLAN on one of the cards.
    fn add_vlan(
        &mut self,
        stack: &mut Stack,
        (number, link): (u8, &Link),
        (id, on): (u16, u8),
        now: Instant,
    ) {
        let carrier = InterfaceId::from_raw(on);
        let nic = self.nics.iter_mut().find(|it| it.interface() == carrier);
        let is_next = stack.interfaces().count() == usize::from(number);
        let (Some(nic), true) = (nic, is_next) else {
            log::warn!("command line: vlan= of link {number} is not behind all cards, or on none");
            return;
        };
        match stack.add_vlan(carrier, id, link.plan, now) {
            Ok(interface) => {
                begin(stack, interface, link, now);
                nic.carry(interface);
            }
            Err(error) => log::warn!("command line: no VLAN {id}: {error:?}"),
        }
    }

    /// The first card: the only one that several loops share.
    pub fn first(&self) -> Option<&Nic<D>> {
        self.nics.first()
    }

    /// What the first card does for us.
    pub fn offloads(&self) -> Offloads {
        self.first().map_or(Offloads::NONE, Nic::offloads)
    }

    /// There are other loops: what is theirs is handed over.
    pub fn join(&mut self, crossing: Crossing) {
        if let Some(nic) = self.nics.first_mut() {
            nic.join(crossing);
        }
    }

    /// Whether other loops have given frames.
    pub fn has_frames(&mut self) -> bool {
        self.nics.first_mut().is_some_and(Nic::has_frames)
    }

    /// Hands a burst of received frames of each card to the stack, but not of one that would have
    /// interrupted if the loop has `rested`. Returns how many there were.
    #[inline]
    pub fn receive<M: ClientMemory>(
        &mut self,
        rested: bool,
        stack: &mut Stack,
        memory: &mut M,
        now: Instant,
    ) -> usize {
        let mut received = 0;
        for nic in &mut self.nics {
            if !(rested && nic.is_watched()) {
                received += nic.receive(stack, memory, now);
            }
        }
        received
    }

    /// Lets the stack write a burst of frames for each card. Returns how many there were.
    #[inline]
    pub fn transmit<M: Lends>(&mut self, stack: &mut Stack, memory: &mut M, now: Instant) -> usize {
        let mut sent = 0;
        for nic in &mut self.nics {
            sent += nic.transmit(stack, memory, now);
        }
        sent
    }

    /// Takes back what was sent of clients' memory, so that they can be told.
    #[inline]
    pub fn collect<M: Lends>(&mut self, stack: &mut Stack, memory: &mut M) {
        for nic in &mut self.nics {
            nic.collect(stack, memory);
        }
    }

    /// Whether the stack has frames for a card.
    pub fn has_output(&self, stack: &Stack) -> bool {
        let mut interfaces = self.nics.iter().flat_map(Nic::interfaces);
        interfaces.any(|id| stack.has_output(*id))
    }

    /// Whether a card still has frames to send.
    pub fn are_transmitting<M: Lends>(&mut self, stack: &mut Stack, memory: &mut M) -> bool {
        let mut any = false;
        for nic in &mut self.nics {
            any |= nic.is_transmitting(stack, memory);
        }
        any
    }

    /// Before sleeping, as [`Nic::arm`]: true when something has come meanwhile.
    pub fn arm(&mut self, are_missed: bool) -> bool {
        let mut more = false;
        for nic in &mut self.nics {
            more |= nic.arm(are_missed);
        }
        more
    }

    /// After the interrupt of a card, by its place.
    pub fn interrupt(&mut self, place: usize) {
        if let Some(nic) = self.nics.get_mut(place) {
            nic.interrupt();
        }
    }

    /// Tells the stack of links that went up or down since the last look. Gives the state of the last
    /// of them.
    pub fn look(&mut self, stack: &mut Stack, now: Instant) -> Option<bool> {
        let mut state = None;
        for nic in &mut self.nics {
            let Some(up) = nic.link_change() else {
                continue;
            };
            log::info!(
                "link {} is {}",
                nic.interface().raw(),
                if up { "up" } else { "down" }
            );
            for interface in nic.interfaces() {
                stack.link_changed(*interface, up, now);
            }
            state = Some(up);
        }
        state
    }

    /// What the devices did wrong since the start.
    pub fn faults(&self) -> u64 {
        self.nics.iter().map(Nic::faults).sum()
    }
}

/// Makes the device an interface of the stack.
fn attach<D: Device>(
    stack: &mut Stack,
    device: D,
    settings: &Settings,
    now: Instant,
) -> Option<Nic<D>> {
    let number = u8::try_from(stack.interfaces().count()).ok()?;
    let link = settings.link(number);
    let facts = device.facts();
    let made = LinkFacts {
        mac: MacAddress(facts.mac),
        mtu: facts.mtu,
        up: device.link_up(),
        checksum_transmit: facts.offloads.has(Offload::ChecksumOut),
    };
    match stack.add_interface(made, link.plan, now) {
        Ok(interface) => {
            // Long segments have no room in a buffer. The stack does not ask by which family they leave.
            if facts.places > 0 && facts.cuts.tcp4 && facts.cuts.tcp6 {
                stack.offload_segments(interface, u32::MAX);
            }
            begin(stack, interface, link, now);
            Some(Nic::new(device, interface))
        }
        Err(error) => {
            log::error!("network device not usable: {error:?}");
            None
        }
    }
}

/// Starts what an interface does beside IPv4.
fn begin(stack: &mut Stack, interface: InterfaceId, link: &Link, now: Instant) {
    if let Some(plan) = link.ipv6
        && let Err(error) = stack.start_ipv6(interface, plan, now)
    {
        log::warn!("no IPv6: {error:?}");
    }
    if link.answers_names
        && let Err(error) = stack.answer_names(interface, now)
    {
        log::warn!("names are not answered for: {error:?}");
    }
}
