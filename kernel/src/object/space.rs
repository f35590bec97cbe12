//! Mapping objects into processes: address spaces, references and charges together.

use super::device::Device;
use super::process::Process;
use super::slab::Key;
use super::{Kernel, ObjectRef};
use crate::mm::space::{MapError, Mapping};
use crate::mm::table::Attributes;
use crate::mm::{PAGE, physical};
use abi::{Error, Protection};

/// What is to be mapped.
pub struct Target {
    /// Memory or Device.
    pub object: ObjectRef,
    /// First byte of it, a multiple of the page size.
    pub offset: usize,
    /// How much, a multiple of the page size, not zero, inside the object.
    pub bytes: usize,
    /// How.
    pub protection: Protection,
    /// Where; `None`: wherever there is room.
    pub place: Option<usize>,
}

impl Kernel {
    /// Maps an object and returns the address. The caller has checked rights and range; the mapping
    /// holds a reference to the object, its tables are charged to the process.
    pub fn map_object(&mut self, process: Key<Process>, target: &Target) -> Result<usize, Error> {
        self.admit(1024)?;
        let budget = usize::try_from(self.budget(process) / PAGE as u64).unwrap_or(usize::MAX);
        let device = matches!(target.object, ObjectRef::Device(_));
        if target.protection.contains(Protection::EXECUTE)
            && let ObjectRef::Memory(memory) = target.object
        {
            for (start, length) in self.memories[memory].pieces(target.offset, target.bytes) {
                physical::synchronise_code(start, length);
            }
        }
        let space = &mut self.processes[process].space;
        let start = match target.place {
            Some(start) => start,
            None => space.find_gap(target.bytes).ok_or(Error::NoMemory)?,
        };
        let mapping = Mapping {
            start,
            bytes: target.bytes,
            object: target.object,
        };
        let attributes = Attributes::user(target.protection, device);
        let tables = space.tables();
        let mapped = match target.object {
            ObjectRef::Memory(memory) => {
                let pieces = self.memories[memory].pieces(target.offset, target.bytes);
                space.map(&mut self.frames, budget, mapping, pieces, attributes)
            }
            ObjectRef::Device(device) => {
                let Device::Registers { start, .. } = self.devices[device] else {
                    return Err(Error::BadHandle);
                };
                let piece = (start + target.offset as u64, target.bytes);
                let pieces = core::iter::once(piece);
                space.map(&mut self.frames, budget, mapping, pieces, attributes)
            }
            _ => return Err(Error::BadHandle),
        };
        let taken = self.processes[process].space.tables() - tables;
        // The budget was asked before, and nobody else has spent it.
        let charged = self.charge(process, (taken * PAGE) as u64);
        match (mapped, charged) {
            (Ok(()), Ok(())) => {
                self.retain(target.object);
                Ok(start)
            }
            (Err(MapError::Occupied), _) => Err(Error::BadImage),
            _ => Err(Error::NoMemory),
        }
    }

    /// Takes away the mapping of exactly this range.
    pub fn unmap_object(
        &mut self,
        process: Key<Process>,
        start: usize,
        bytes: usize,
    ) -> Result<(), Error> {
        let mapping = self.processes[process]
            .space
            .unmap(start, bytes)
            .ok_or(Error::BadArgument)?;
        self.release(mapping.object);
        Ok(())
    }
}
