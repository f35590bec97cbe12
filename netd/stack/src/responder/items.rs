//! Which sets of records there can be, and some of them at a time.
//!
//! *Owns* what a set is called and how long its records are kept. *Never* knows what they say.
//!
//! Spec: RFC 6762 sections 10 (how long) and 10.2 (what others may have too).

/// Services at a time.
pub(crate) const SERVICES: usize = 16;
/// Those and the host's own name.
pub(super) const CLAIMS: usize = SERVICES + 1;
/// Subtypes that a service may have.
pub(crate) const SUBTYPES: usize = 4;

/// Seconds for which records are kept that have to do with a host, and others (RFC 6762 section 10).
const HOST_TTL: u32 = 120;
const OTHER_TTL: u32 = 4_500;

/// A set of records of one name and type, of one claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    A,
    Aaaa,
    /// Which of the types the name has.
    Nsec,
    Srv,
    Txt,
    /// From the kind of service to the service.
    Ptr,
    /// From all kinds to the kind.
    Kind,
    /// From the addresses back to the host's name (RFC 6762 section 4).
    Reverse,
    /// From each subtype of its kind to the service (RFC 6763 section 7.1).
    Sub0,
    Sub1,
    Sub2,
    Sub3,
}

impl Part {
    pub(super) const ALL: [Self; 8 + SUBTYPES] = [
        Self::A,
        Self::Aaaa,
        Self::Nsec,
        Self::Srv,
        Self::Txt,
        Self::Ptr,
        Self::Kind,
        Self::Reverse,
        Self::Sub0,
        Self::Sub1,
        Self::Sub2,
        Self::Sub3,
    ];
    /// Those of subtypes, in their order.
    pub(super) const SUBTYPES: [Self; SUBTYPES] = [Self::Sub0, Self::Sub1, Self::Sub2, Self::Sub3];

    /// Of which subtype it is, by its place.
    pub(super) fn subtype(self) -> Option<usize> {
        Self::SUBTYPES.iter().position(|it| *it == self)
    }

    /// Others may have records of this name and type too.
    pub(super) fn is_shared(self) -> bool {
        matches!(self, Self::Ptr | Self::Kind) || self.subtype().is_some()
    }

    pub(super) fn ttl(self) -> u32 {
        match self {
            Self::A | Self::Aaaa | Self::Nsec | Self::Srv | Self::Reverse => HOST_TTL,
            Self::Txt | Self::Ptr | Self::Kind => OTHER_TTL,
            Self::Sub0 | Self::Sub1 | Self::Sub2 | Self::Sub3 => OTHER_TTL,
        }
    }
}

/// A set, of a claim by its number: the host's is 0, those of services follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) claim: usize,
    pub(super) part: Part,
}

impl Item {
    pub(super) const COUNT: usize = CLAIMS * Part::ALL.len();

    pub(super) fn place(self) -> usize {
        self.claim * Part::ALL.len() + self.part as usize
    }

    pub(super) fn at(place: usize) -> Option<Self> {
        let part = *Part::ALL.get(place % Part::ALL.len())?;
        let claim = place / Part::ALL.len();
        Some(Self { claim, part })
    }
}

/// Some sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Items([u16; CLAIMS]);

impl Items {
    pub(super) const NONE: Self = Self([0; CLAIMS]);

    pub(super) fn insert(&mut self, item: Item) {
        if let Some(parts) = self.0.get_mut(item.claim) {
            *parts |= 1 << item.part as u16;
        }
    }

    pub(super) fn remove(&mut self, item: Item) {
        if let Some(parts) = self.0.get_mut(item.claim) {
            *parts &= !(1 << item.part as u16);
        }
    }

    pub(super) fn remove_claim(&mut self, claim: usize) {
        if let Some(parts) = self.0.get_mut(claim) {
            *parts = 0;
        }
    }

    pub(super) fn contains(&self, item: Item) -> bool {
        let parts = self.0.get(item.claim);
        parts.is_some_and(|parts| parts & 1 << item.part as u16 != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|parts| *parts == 0)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Item> {
        (0..Item::COUNT)
            .filter_map(Item::at)
            .filter(move |item| self.contains(*item))
    }
}
