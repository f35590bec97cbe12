//! ELF executables in the two forms that travel: stripped, and flat.
//!
//! Both keep only what is loaded. Symbols stay in the files that cargo built, for the debugger.

use anyhow::{Context, Result, ensure};
use elf::ElfBytes;
use elf::abi::{PF_W, PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;

const FILE_HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;

fn loaded(file: &[u8]) -> Result<(ElfBytes<'_, LittleEndian>, Vec<ProgramHeader>)> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).context("not an ELF file")?;
    let segments: Vec<_> = elf
        .segments()
        .context("no program headers")?
        .iter()
        .filter(|segment| segment.p_type == PT_LOAD)
        .collect();
    ensure!(!segments.is_empty(), "nothing to load");
    Ok((elf, segments))
}

/// What reads an executable copies it, and copies whole lines of a cache fastest.
const ALIGNMENT: u64 = 64;

/// The executable with its loadable segments and nothing else: not the padding either by which a
/// loader could map pages of the file. Ours copies, and so does QEMU's.
pub fn strip(file: &[u8]) -> Result<Vec<u8>> {
    let (elf, segments) = loaded(file)?;
    let mut out = file.get(..FILE_HEADER).context("short file")?.to_vec();
    out[32..40].copy_from_slice(&(FILE_HEADER as u64).to_le_bytes()); // e_phoff
    out[40..48].fill(0); // e_shoff
    out[56..58].copy_from_slice(&u16::try_from(segments.len())?.to_le_bytes()); // e_phnum
    out[58..64].fill(0); // e_shentsize, e_shnum, e_shstrndx

    let mut offset = (FILE_HEADER + PROGRAM_HEADER * segments.len()) as u64;
    let mut contents = Vec::new();
    for segment in &segments {
        let align = segment.p_align.clamp(1, ALIGNMENT);
        if segment.p_filesz > 0 {
            let padding = (segment.p_vaddr % align + align - offset % align) % align;
            contents.resize(contents.len() + usize::try_from(padding)?, 0);
            offset += padding;
        }
        out.extend(segment.p_type.to_le_bytes());
        out.extend(segment.p_flags.to_le_bytes());
        for field in [
            offset,
            segment.p_vaddr,
            segment.p_paddr,
            segment.p_filesz,
            segment.p_memsz,
            align,
        ] {
            out.extend(field.to_le_bytes());
        }
        contents.extend(elf.segment_data(segment)?);
        offset += segment.p_filesz;
    }
    out.extend(contents);
    Ok(out)
}

/// The loadable segments laid out by physical address, from the lowest: what a boot loader that
/// knows no ELF copies to memory.
pub fn flatten(file: &[u8]) -> Result<Vec<u8>> {
    let (elf, segments) = loaded(file)?;
    let present = || segments.iter().filter(|segment| segment.p_filesz > 0);
    let base = present().map(|segment| segment.p_paddr).min();
    let base = base.context("nothing but zeros")?;
    let mut out = Vec::new();
    for segment in present() {
        let start = usize::try_from(segment.p_paddr - base)?;
        let data = elf.segment_data(segment)?;
        ensure!(start < 1 << 28, "segments are too far apart");
        if out.len() < start + data.len() {
            out.resize(start + data.len(), 0);
        }
        out[start..start + data.len()].copy_from_slice(data);
    }
    Ok(out)
}

/// Names of all symbols.
pub fn symbols(file: &[u8]) -> Result<Vec<String>> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).context("not an ELF file")?;
    let (table, names) = elf
        .symbol_table()
        .context("bad symbol table")?
        .context("no symbol table")?;
    Ok(table
        .iter()
        .filter_map(|symbol| names.get(symbol.st_name as usize).ok())
        .filter(|name| !name.is_empty())
        .map(|name| format!("{:#}", rustc_demangle::demangle(name)))
        .collect())
}

/// Whether some segment can be both written and executed.
pub fn has_writable_code(file: &[u8]) -> Result<bool> {
    let (_, segments) = loaded(file)?;
    Ok(segments
        .iter()
        .any(|segment| segment.p_flags & (PF_W | PF_X) == PF_W | PF_X))
}

#[cfg(test)]
mod tests {
    use super::{flatten, has_writable_code, strip};

    /// An ELF with one segment (address, flags, bytes) per item, data straight after the headers.
    fn build(segments: &[(u64, u32, &[u8])]) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
        file[16..18].copy_from_slice(&2u16.to_le_bytes());
        file[18..20].copy_from_slice(&183u16.to_le_bytes());
        file[20..24].copy_from_slice(&1u32.to_le_bytes());
        file[32..40].copy_from_slice(&64u64.to_le_bytes());
        file[52..54].copy_from_slice(&64u16.to_le_bytes());
        file[54..56].copy_from_slice(&56u16.to_le_bytes());
        file[56..58].copy_from_slice(&u16::try_from(segments.len()).unwrap().to_le_bytes());
        let mut offset = 64 + 56 * segments.len() as u64;
        for (address, flags, bytes) in segments {
            file.extend(1u32.to_le_bytes());
            file.extend(flags.to_le_bytes());
            let length = bytes.len() as u64;
            for field in [offset, *address, *address, length, length + 8, 1] {
                file.extend(field.to_le_bytes());
            }
            offset += length;
        }
        for (_, _, bytes) in segments {
            file.extend(*bytes);
        }
        file
    }

    #[test]
    fn flat_form_is_laid_out_by_address() {
        let file = build(&[(0x1010, 6, b"data"), (0x1000, 5, b"code")]);
        let flat = flatten(&file).unwrap();
        assert_eq!(flat.len(), 0x14);
        assert_eq!(&flat[..4], b"code");
        assert_eq!(&flat[0x10..], b"data");
        assert!(flat[4..0x10].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn stripped_form_loads_the_same_bytes() {
        let mut file = build(&[(0x1000, 5, b"code"), (0x1010, 6, b"data")]);
        file.extend([0xee; 1000]);
        let stripped = strip(&file).unwrap();
        assert!(stripped.len() < file.len() - 900);
        assert_eq!(flatten(&stripped).unwrap(), flatten(&file).unwrap());
        assert_eq!(strip(&stripped).unwrap(), stripped);
    }

    #[test]
    fn writable_code_is_seen() {
        assert!(!has_writable_code(&build(&[(0, 5, b"a"), (8, 6, b"b")])).unwrap());
        assert!(has_writable_code(&build(&[(0, 7, b"a")])).unwrap());
    }

    #[test]
    fn rubbish_is_an_error() {
        assert!(strip(b"not an executable").is_err());
        assert!(flatten(&build(&[])).is_err());
    }
}
