//! Programs: ELF images into address spaces.
//!
//! *Owns* the judgement of an image, which comes from a program and may change while it is read:
//! headers are copied out first, and every number in them is an allegation. Segments must
//! not share a page and cannot be writable and executable; anything odd is `BadImage`.

use crate::mm::space::{FREE_START, PROGRAM_START, STACK_TOP};
use crate::mm::{PAGE, pages};
use crate::object::memory::Memory;
use crate::object::process::Process;
use crate::object::slab::Key;
use crate::object::space::Target;
use crate::object::{Kernel, ObjectRef};
use abi::{Error, Protection, STACK_SIZE};
use alloc::vec;
use elf::abi::{EM_AARCH64, ET_EXEC, PF_W, PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use elf::file::{Class, FileHeader, parse_ident};
use elf::segment::{ProgramHeader, SegmentTable};

/// Headers must lie in the first page of the file.
const HEADERS: usize = PAGE;
const ELF_HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;

/// A part of the image.
struct Segment {
    start: usize,
    bytes: usize,
    /// Where the file's bytes go, relative to `start`.
    shift: usize,
    file_offset: usize,
    file_bytes: usize,
    protection: Protection,
}

impl Kernel {
    /// Loads the image at `offset..offset + bytes` of `image` into an empty process and gives it a
    /// stack. On failure the process is to be ended.
    pub fn load_program(
        &mut self,
        process: Key<Process>,
        image: Key<Memory>,
        offset: usize,
        bytes: usize,
    ) -> Result<(), Error> {
        self.admit(2 * HEADERS)?;
        let mut headers = vec![0; HEADERS.min(bytes)];
        self.memories[image].read(offset, &mut headers);
        let (entry, table) = parse(&headers)?;
        let mut found = false;
        for header in table.iter().filter(|header| header.p_type == PT_LOAD) {
            if header.p_memsz == 0 {
                continue;
            }
            let segment = judge(&header, bytes)?;
            let end = segment.start + segment.bytes;
            found |= (segment.start..end).contains(&entry)
                && segment.protection.contains(Protection::EXECUTE);
            self.load_segment(process, image, offset, &segment)?;
        }
        if !found {
            return Err(Error::BadImage);
        }
        self.processes[process].entry = entry as u64;
        let protection = Protection::READ | Protection::WRITE;
        let stack = self.create_memory(process, STACK_SIZE, false)?;
        self.place(
            process,
            stack,
            STACK_TOP - STACK_SIZE,
            STACK_SIZE,
            protection,
        )
    }

    /// Maps a whole Memory at an address and leaves it to the mapping.
    fn place(
        &mut self,
        process: Key<Process>,
        memory: Key<Memory>,
        start: usize,
        bytes: usize,
        protection: Protection,
    ) -> Result<(), Error> {
        let target = Target {
            object: ObjectRef::Memory(memory),
            offset: 0,
            bytes,
            protection,
            place: Some(start),
        };
        let mapped = self.map_object(process, &target);
        self.release_memory(memory);
        mapped.map(|_| ())
    }

    fn load_segment(
        &mut self,
        process: Key<Process>,
        image: Key<Memory>,
        offset: usize,
        segment: &Segment,
    ) -> Result<(), Error> {
        let memory = self.create_memory(process, segment.bytes, false)?;
        self.memories[image].copy_to(
            offset + segment.file_offset,
            &self.memories[memory],
            segment.shift,
            segment.file_bytes,
        );
        self.place(
            process,
            memory,
            segment.start,
            segment.bytes,
            segment.protection,
        )
    }
}

/// Entry point and program headers of an image that this system can run.
fn parse(headers: &[u8]) -> Result<(usize, SegmentTable<'_, LittleEndian>), Error> {
    let bad = |_| Error::BadImage;
    let start = headers.get(..ELF_HEADER).ok_or(Error::BadImage)?;
    let (ident, tail) = start.split_at(elf::abi::EI_NIDENT);
    let ident = parse_ident::<LittleEndian>(ident).map_err(bad)?;
    if ident.1 != Class::ELF64 {
        return Err(Error::BadImage);
    }
    let header = FileHeader::parse_tail(ident, tail).map_err(bad)?;
    let usable = header.e_type == ET_EXEC
        && header.e_machine == EM_AARCH64
        && usize::from(header.e_phentsize) == PROGRAM_HEADER;
    if !usable {
        return Err(Error::BadImage);
    }
    let first = usize::try_from(header.e_phoff).map_err(|_| Error::BadImage)?;
    let end = first.checked_add(usize::from(header.e_phnum) * PROGRAM_HEADER);
    let table = end
        .and_then(|end| headers.get(first..end))
        .ok_or(Error::BadImage)?;
    let entry = usize::try_from(header.e_entry).map_err(|_| Error::BadImage)?;
    Ok((entry, SegmentTable::new(LittleEndian, Class::ELF64, table)))
}

/// The segment, if it is one that may be loaded from a file of `file_bytes`.
fn judge(header: &ProgramHeader, file_bytes: usize) -> Result<Segment, Error> {
    let number = |value: u64| usize::try_from(value).map_err(|_| Error::BadImage);
    let (address, size) = (number(header.p_vaddr)?, number(header.p_memsz)?);
    let (from, copied) = (number(header.p_offset)?, number(header.p_filesz)?);
    let end = address.checked_add(size).ok_or(Error::BadImage)?;
    let file_end = from.checked_add(copied).ok_or(Error::BadImage)?;
    let writable_code = header.p_flags & PF_W != 0 && header.p_flags & PF_X != 0;
    let fits = address >= PROGRAM_START && end <= FREE_START;
    if !fits || copied > size || file_end > file_bytes || writable_code {
        return Err(Error::BadImage);
    }
    let shift = address % PAGE;
    let pages = pages(shift + size).ok_or(Error::BadImage)?;
    let mut protection = Protection::READ;
    protection.set(Protection::WRITE, header.p_flags & PF_W != 0);
    protection.set(Protection::EXECUTE, header.p_flags & PF_X != 0);
    Ok(Segment {
        start: address - shift,
        bytes: pages * PAGE,
        shift,
        file_offset: from,
        file_bytes: copied,
        protection,
    })
}
