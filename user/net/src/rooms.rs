//! The rooms of a connection, in the order in which they are filled.
//!
//! *Owns* them. Many connections never have more than one: that one takes no memory of its own.

use alloc::collections::VecDeque;

use crate::pending::Pending;

/// First in, first out.
pub struct Rooms {
    first: Option<Pending>,
    /// None without a first.
    others: VecDeque<Pending>,
}

impl Rooms {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            first: None,
            others: VecDeque::new(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The one that is filled first.
    pub const fn first(&self) -> Option<&Pending> {
        self.first.as_ref()
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.first.iter().chain(&self.others)
    }

    /// One more, behind the others.
    pub fn push(&mut self, room: Pending) {
        if self.first.is_none() {
            self.first = Some(room);
        } else {
            self.others.push_back(room);
        }
    }

    /// Takes out the first.
    pub fn pop(&mut self) -> Option<Pending> {
        let next = self.others.pop_front();
        core::mem::replace(&mut self.first, next)
    }
}
