//! Whom a listener to a group wants to hear, and what many listeners want together.
//!
//! *Owns* filters and their merging. *Never* knows sockets, interfaces or time. A list of sources has a
//! bound; what would be longer hears everybody, who has a filter of its own still refuses the others.
//!
//! Spec: RFC 3376 section 3; RFC 3810 section 4.

use alloc::vec::Vec;

/// Sources in a filter, at most: so many fit into a report on every link, of both families.
pub(crate) const SOURCES: usize = 64;

/// What the sources of a filter are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterMode {
    /// The only ones that are heard.
    Include,
    /// The only ones that are not.
    Exclude,
}

/// Whom somebody wants to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter<A> {
    pub(crate) mode: FilterMode,
    /// Each once, in no order.
    sources: Vec<A>,
}

impl<A: Copy + Eq> Filter<A> {
    /// Everybody.
    pub(crate) const ALL: Self = Self {
        mode: FilterMode::Exclude,
        sources: Vec::new(),
    };

    /// Nobody: to want that is not to listen.
    pub(crate) const NONE: Self = Self {
        mode: FilterMode::Include,
        sources: Vec::new(),
    };

    /// Only this one.
    pub(crate) fn only(source: A) -> Self {
        Self {
            mode: FilterMode::Include,
            sources: alloc::vec![source],
        }
    }

    pub(crate) fn sources(&self) -> &[A] {
        &self.sources
    }

    /// Whether it is nobody.
    pub(crate) fn is_none(&self) -> bool {
        self.mode == FilterMode::Include && self.sources.is_empty()
    }

    /// Whether the source is named.
    pub(crate) fn names(&self, source: A) -> bool {
        self.sources.contains(&source)
    }

    /// Whether the source is heard.
    #[inline]
    pub(crate) fn accepts(&self, source: A) -> bool {
        self.names(source) == (self.mode == FilterMode::Include)
    }

    /// Names a source; `false` when it is named already, or too many are.
    pub(crate) fn name(&mut self, source: A) -> bool {
        let may = self.sources.len() < SOURCES && !self.names(source);
        if may {
            self.sources.push(source);
        }
        may
    }

    /// Names a source no more; `false` when it was not named.
    pub(crate) fn unname(&mut self, source: A) -> bool {
        let place = self.sources.iter().position(|named| *named == source);
        if let Some(place) = place {
            self.sources.swap_remove(place);
        }
        place.is_some()
    }

    /// What listeners want together (RFC 3376 section 3.2): whom one of them wants is heard.
    pub(crate) fn merge<'a>(filters: impl Iterator<Item = &'a Self> + Clone) -> Self
    where
        A: 'a,
    {
        let of = |mode| filters.clone().filter(move |filter| filter.mode == mode);
        let Some(first) = of(FilterMode::Exclude).next() else {
            return Self::union(of(FilterMode::Include));
        };
        let mut merged = first.clone();
        let is_refused = |source: &A| filters.clone().all(|filter| !filter.accepts(*source));
        merged.sources.retain(is_refused);
        merged
    }

    /// All that are named by filters that include; everybody when they are too many to name.
    fn union<'a>(filters: impl Iterator<Item = &'a Self>) -> Self
    where
        A: 'a,
    {
        let mut merged = Self::NONE;
        for source in filters.flat_map(|filter| filter.sources.iter()) {
            if !merged.name(*source) && !merged.names(*source) {
                return Self::ALL;
            }
        }
        merged
    }

    /// The sources that are heard by one of two filters of the same mode and not by the other.
    pub(crate) fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = A> + 'a {
        let gone = self.sources.iter().filter(|source| !other.names(**source));
        let new = other.sources.iter().filter(|source| !self.names(**source));
        gone.chain(new).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn filter() -> impl Strategy<Value = Filter<u8>> {
        (any::<bool>(), prop::collection::vec(0_u8..80, 0..70)).prop_map(|(includes, named)| {
            let mode = match includes {
                true => FilterMode::Include,
                false => FilterMode::Exclude,
            };
            let mut filter = Filter {
                mode,
                ..Filter::NONE
            };
            for source in named {
                filter.name(source);
            }
            filter
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(3_376),
            failure_persistence: None,
            ..ProptestConfig::with_cases(2_000)
        })]

        /// The model asks every listener about every source there is.
        #[test]
        fn together_they_hear_whom_one_of_them_hears(
            filters in prop::collection::vec(filter(), 0..6),
        ) {
            let merged = Filter::merge(filters.iter());
            let one_hears = |source: u8| filters.iter().any(|filter| filter.accepts(source));
            prop_assert!(merged.sources.len() <= SOURCES);
            let wanted = (0..=u8::MAX).filter(|source| one_hears(*source)).count();
            for source in 0..=u8::MAX {
                // Too many to name are all.
                let expected = one_hears(source) || wanted > SOURCES && merged == Filter::ALL;
                prop_assert_eq!(merged.accepts(source), expected, "{}", source);
            }
        }

        #[test]
        fn what_differs_is_what_one_hears_and_the_other_does_not(
            one in filter(), mut other in filter(),
        ) {
            other.mode = one.mode;
            let mut named: Vec<u8> = one.difference(&other).collect();
            named.sort_unstable();
            let differs = |source: &u8| one.accepts(*source) != other.accepts(*source);
            let expected: Vec<u8> = (0..=u8::MAX).filter(differs).collect();
            prop_assert_eq!(named, expected);
        }
    }

    // RFC 3376 section 3.2, the example of three sockets.
    #[test]
    fn the_example_of_the_rfc() {
        let with = |mode, sources: &[u8]| Filter {
            mode,
            sources: sources.to_vec(),
        };
        let (a, b, c, d, e, f) = (1, 2, 3, 4, 5, 6);
        let sockets = [
            with(FilterMode::Exclude, &[a, b, c, d]),
            with(FilterMode::Exclude, &[b, c, d, e]),
            with(FilterMode::Include, &[d, e, f]),
        ];
        let merged = Filter::merge(sockets.iter());
        assert_eq!(merged, with(FilterMode::Exclude, &[b, c]));
        let two = [
            with(FilterMode::Include, &[a, b]),
            with(FilterMode::Include, &[b, c]),
        ];
        assert_eq!(
            Filter::merge(two.iter()),
            with(FilterMode::Include, &[a, b, c])
        );
        assert!(Filter::<u8>::merge([].iter()).is_none());
    }

    #[test]
    fn lists_are_bounded_and_name_nobody_twice() {
        let mut filter = Filter::only(0_u16);
        assert!(!filter.name(0));
        let named = (1..1_000).filter(|source| filter.name(*source)).count();
        assert_eq!(named, SOURCES - 1);
        assert!(filter.unname(5) && !filter.unname(5));
        assert!(filter.name(999));
    }
}
