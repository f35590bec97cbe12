//! Frames that leave together: those of a super-segment are written in a row.
//!
//! *Owns* [`OutputBurst`], the call that lasts for many frames. Who holds one holds the stack, so that
//! nothing can happen between two frames: what was true of a connection, its way and its client's
//! memory when the first segment of a super-segment was cut is true of the others. They are written
//! without another look, as long as they come from the same send. *Never* changes what leaves, or in
//! which order: whatever else waits for the link ends a row before it begins.

use crate::config::TransmitMeta;
use crate::id::InterfaceId;
use crate::loans::Loan;
use crate::memory::ClientMemory;
use crate::pieces::{Draft, Extent, Gathered, Pieces};
use crate::stack::Stack;
use crate::tcp::cut::Row;
use ::tcp::Instant;
use core::net::{Ipv4Addr, Ipv6Addr};

/// The super-segment whose frames are being written.
#[derive(Debug)]
enum Rowing {
    None,
    V4(Row<Ipv4Addr>),
    V6(Row<Ipv6Addr>),
}

/// Frames for one interface, written one after the other.
#[derive(Debug)]
pub struct OutputBurst<'a, M: ClientMemory> {
    stack: &'a mut Stack,
    interface: InterfaceId,
    memory: &'a mut M,
    now: Instant,
    row: Rowing,
}

impl Stack {
    /// Begins to write frames that leave together.
    pub fn output_burst<'a, M: ClientMemory>(
        &'a mut self,
        id: InterfaceId,
        memory: &'a mut M,
        now: Instant,
    ) -> OutputBurst<'a, M> {
        OutputBurst {
            stack: self,
            interface: id,
            memory,
            now,
            row: Rowing::None,
        }
    }
}

impl<M: ClientMemory> OutputBurst<'_, M> {
    /// Whether somebody waits to be asked: see [`Stack::has_output`].
    #[inline]
    #[must_use]
    pub fn has_output(&self) -> bool {
        !matches!(self.row, Rowing::None) || self.stack.has_output(self.interface)
    }

    /// The memory of clients.
    pub fn memory(&mut self) -> &mut M {
        self.memory
    }

    /// See [`Stack::end_loan`].
    pub fn end_loan(&mut self, loan: Loan) {
        self.stack.end_loan(loan);
    }

    /// Writes the next frame into `frame`: see [`Stack::output`].
    #[inline]
    pub fn output(&mut self, frame: &mut [u8]) -> Option<(usize, TransmitMeta)> {
        let mut draft = Draft {
            buffer: frame,
            pieces: None,
        };
        let (extent, meta) = self.write(&mut draft)?;
        Some((extent.head, meta))
    }

    /// Writes the next frame for a device that gathers: see [`Stack::output_gathered`].
    #[inline]
    pub fn output_gathered(&mut self, buffer: &mut [u8], pieces: &mut Pieces) -> Option<Gathered> {
        pieces.clear();
        let mut draft = Draft {
            buffer,
            pieces: self.stack.loans.has_room().then_some(&mut *pieces),
        };
        let (extent, meta) = self.write(&mut draft)?;
        Some(self.stack.gathered(pieces, extent, meta))
    }

    #[inline]
    fn write(&mut self, draft: &mut Draft<'_>) -> Option<(Extent, TransmitMeta)> {
        let (stack, memory) = (&mut *self.stack, &*self.memory);
        let sent = match &mut self.row {
            Rowing::None => None,
            Rowing::V4(row) => row.write(stack, memory, draft),
            Rowing::V6(row) => row.write(stack, memory, draft),
        };
        if let Some(sent) = sent {
            stack.take_turns();
            let (frame, extent) = (&mut *draft.buffer, sent.extent);
            let extent = stack.finish_frame(self.interface, sent.ethertype, frame, extent)?;
            return Some((extent, sent.meta));
        }
        self.write_first(draft)
    }

    /// Writes a frame that is looked for, behind which a row may begin.
    fn write_first(&mut self, draft: &mut Draft<'_>) -> Option<(Extent, TransmitMeta)> {
        self.end_row();
        let id = self.interface;
        let stack = &mut *self.stack;
        let written = stack.output_draft(id, draft, self.memory, self.now)?;
        // What has a tag is written one by one.
        let is_plain = stack
            .interfaces
            .get(id.index())
            .is_some_and(|it| it.tag.is_none());
        if is_plain && stack.is_cutting(id) && !stack.has_questions(id) && !stack.has_packets(id) {
            self.row = stack.row(id);
        }
        Some(written)
    }

    /// What is left of a super-segment is the link's again.
    fn end_row(&mut self) {
        let rest = match core::mem::replace(&mut self.row, Rowing::None) {
            Rowing::None => return,
            Rowing::V4(row) => row.rest(),
            Rowing::V6(row) => row.rest(),
        };
        if let Some(interface) = self.stack.interfaces.get_mut(self.interface.index()) {
            interface.cut = rest;
        }
    }
}

impl Stack {
    /// The frames that may be written in a row behind the one that was just cut.
    fn row(&mut self, id: InterfaceId) -> Rowing {
        let v4 = self.take_cut::<Ipv4Addr>(id).map(Rowing::V4);
        let any = v4.or_else(|| self.take_cut::<Ipv6Addr>(id).map(Rowing::V6));
        any.unwrap_or(Rowing::None)
    }
}

impl<M: ClientMemory> core::ops::Drop for OutputBurst<'_, M> {
    fn drop(&mut self) {
        self.end_row();
    }
}
