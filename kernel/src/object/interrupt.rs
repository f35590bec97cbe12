//! Interrupt lines as objects.
//!
//! A line is masked when it fires and stays so until its holder acknowledges it: a driver that
//! dies or hangs cannot storm the system. Lines start masked; the first acknowledgement opens them.

use super::slab::Key;
use super::waiters::{Waiter, Waiters};
use super::{Kernel, ObjectRef};
use abi::Signals;

/// The object.
pub struct Interrupt {
    line: u32,
    pending: bool,
    /// How often it fired, going round.
    fired: u32,
    references: u32,
    /// Who sleeps for it.
    pub waiters: Waiters,
}

impl Interrupt {
    /// Whether it fired and was not acknowledged.
    pub const fn pending(&self) -> bool {
        self.pending
    }

    /// The latest firing of this line, whose key is `line`.
    #[inline]
    pub const fn firing(&self, line: Key<Self>) -> Firing {
        Firing {
            line,
            number: self.fired,
        }
    }
}

/// Names a firing of a line.
#[derive(Clone, Copy)]
pub struct Firing {
    /// The line.
    pub line: Key<Interrupt>,
    /// Which one.
    pub number: u32,
}

impl Kernel {
    /// A line of the controller, masked. Counts one reference.
    pub fn create_interrupt(&mut self, line: u32, edge: bool) -> Option<Key<Interrupt>> {
        let gic = self.gic.as_mut()?;
        if !gic.has_line(line) {
            return None;
        }
        gic.configure(line, edge);
        let interrupt = self.interrupts.insert(Interrupt {
            line,
            pending: false,
            fired: 0,
            references: 1,
            waiters: Waiters::new(),
        })?;
        let place = line as usize;
        if self.lines.len() <= place {
            self.lines.resize(place + 1, None);
        }
        self.lines[place] = Some(interrupt);
        Some(interrupt)
    }

    /// A shared line fired. Who is still to be told, if it is one, and of what: several are told here.
    #[inline]
    pub fn fire(&mut self, line: u32) -> Option<(Waiter, Firing)> {
        if let Some(gic) = self.gic.as_mut() {
            gic.enable(line, false);
        }
        let interrupt = self.lines.get(line as usize).copied().flatten()?;
        let object = &mut self.interrupts[interrupt];
        object.pending = true;
        object.fired = object.fired.wrapping_add(1);
        match object.waiters.first() {
            (first, false) => {
                let waiter = first.filter(|it| it.wanted.contains(Signals::INTERRUPT))?;
                Some((waiter, object.firing(interrupt)))
            }
            (_, true) => {
                self.raise(ObjectRef::Interrupt(interrupt));
                None
            }
        }
    }

    /// The device has been served: the line may fire again.
    pub fn acknowledge(&mut self, interrupt: Key<Interrupt>) {
        self.settle(interrupt, true);
    }

    /// Masks the line: who served it is gone.
    pub fn silence(&mut self, interrupt: Key<Interrupt>) {
        self.settle(interrupt, false);
    }

    /// Nothing is pending any more, and the line is open or masked.
    #[inline(never)]
    fn settle(&mut self, interrupt: Key<Interrupt>, is_open: bool) {
        let object = &mut self.interrupts[interrupt];
        object.pending = false;
        if let Some(gic) = self.gic.as_mut() {
            gic.enable(object.line, is_open);
        }
    }

    /// As [`Self::acknowledge`], of a firing, if it is still the latest. Whether it was.
    #[inline]
    pub fn acknowledge_firing(&mut self, firing: Firing) -> bool {
        let object = &mut self.interrupts[firing.line];
        if object.fired != firing.number {
            return false;
        }
        object.pending = false;
        if let Some(gic) = self.gic.as_mut() {
            gic.enable(object.line, true);
        }
        true
    }

    /// One more handle.
    pub fn retain_interrupt(&mut self, interrupt: Key<Interrupt>) {
        self.interrupts[interrupt].references += 1;
    }

    /// One handle less; with the last the line is masked for good.
    pub fn release_interrupt(&mut self, interrupt: Key<Interrupt>) {
        let object = &mut self.interrupts[interrupt];
        object.references -= 1;
        if object.references > 0 {
            return;
        }
        self.silence(interrupt);
        self.abandon_waiters(ObjectRef::Interrupt(interrupt));
        if let Some(object) = self.interrupts.remove(interrupt)
            && let Some(place) = self.lines.get_mut(object.line as usize)
        {
            *place = None;
        }
    }
}
