//! The machine code of a program or of the kernel: where control may go from an address, and what the
//! address is called.

use std::path::Path;

use addr2line::Loader;
use anyhow::{Context, Result};
use elf::ElfBytes;
use elf::abi::{PF_X, PT_LOAD};
use elf::endian::LittleEndian;

/// Bytes of an instruction.
pub const INSTRUCTION: u64 = 4;

/// In the path of every file of the language's library.
const LIBRARY: &str = "/library/";

/// What the last instruction of a block does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Goes to an address.
    Jump(u64),
    /// Goes there or on.
    Branch(u64),
    /// Calls a function, if that is known here.
    Call(Option<u64>),
    /// Goes where a register says, and does not come back.
    Computed,
    Return,
    /// Enters or leaves the kernel.
    Exception,
}

/// A program's text.
pub struct Code {
    pub name: String,
    start: u64,
    instructions: Vec<u32>,
    symbols: Loader,
}

impl Code {
    /// Reads an executable with symbols.
    pub fn read(name: &str, path: &Path) -> Result<Self> {
        let file = std::fs::read(path).with_context(|| path.display().to_string())?;
        let elf = ElfBytes::<LittleEndian>::minimal_parse(&file)?;
        let segments = elf.segments().context("no program headers")?;
        let text = segments
            .iter()
            .find(|segment| segment.p_type == PT_LOAD && segment.p_flags & PF_X != 0)
            .context("no text")?;
        let bytes = elf.segment_data(&text)?;
        let (words, _) = bytes.as_chunks::<4>();
        let symbols = Loader::new(path)
            .map_err(|error| anyhow::anyhow!("symbols of {}: {error}", path.display()))?;
        Ok(Self {
            name: name.into(),
            start: text.p_vaddr,
            instructions: words.iter().map(|word| u32::from_le_bytes(*word)).collect(),
            symbols,
        })
    }

    fn at(&self, address: u64) -> Option<u32> {
        let index = address.checked_sub(self.start)? / INSTRUCTION;
        self.instructions.get(usize::try_from(index).ok()?).copied()
    }

    /// The address of the instruction that ends the block from here on, and what it does.
    pub fn block(&self, from: u64) -> Option<(u64, Flow)> {
        let mut address = from;
        loop {
            if let Some(flow) = flow(self.at(address)?, address) {
                return Some((address, flow));
            }
            address += INSTRUCTION;
        }
    }

    /// The function at an address and those that were built into it, outermost first. What comes from
    /// the language's own library and was built in is left to whoever uses it.
    pub fn names(&self, address: u64) -> Vec<String> {
        let mut names = Vec::new();
        if let Ok(mut frames) = self.symbols.find_frames(address) {
            while let Ok(Some(frame)) = frames.next() {
                let name = frame.function.as_ref().map(|name| name.demangle());
                let Some(Ok(name)) = name else {
                    continue;
                };
                let file = frame
                    .location
                    .and_then(|place| place.file)
                    .unwrap_or_default();
                names.push((short(&name), file));
            }
        }
        let last = names.len().saturating_sub(1);
        let mut kept: Vec<String> = names
            .into_iter()
            .enumerate()
            .filter(|(index, (_, file))| *index == last || !file.contains(LIBRARY))
            .map(|(_, (name, file))| in_module(&name, file))
            .collect();
        kept.reverse();
        if kept.is_empty() {
            let symbol = self.symbols.find_symbol(address);
            kept.extend(symbol.map(|symbol| short(&addr2line::demangle_auto(symbol.into(), None))));
        }
        if kept.is_empty() {
            kept.push("?".into());
        }
        kept
    }
}

/// A function's name, and before it the file's, or the folder's for a file that stands for it.
fn in_module(name: &str, file: &str) -> String {
    let path = Path::new(file);
    let stem = |path: &Path| Some(path.file_stem()?.to_str()?.to_owned());
    let module = match stem(path).as_deref() {
        Some("mod") => path.parent().and_then(stem),
        Some("lib") => path.parent().and_then(Path::parent).and_then(stem),
        Some(other) => Some(other.to_owned()),
        None => None,
    };
    module.map_or_else(|| name.to_owned(), |module| format!("{module}::{name}"))
}

/// A function's name without the hash at its end.
fn short(name: &str) -> String {
    let hash = name.rfind("::h").filter(|place| {
        let hash = &name[place + 3..];
        hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    name[..hash.unwrap_or(name.len())].to_owned()
}

/// What an instruction of A64 does if it ends a block (Arm ARM, C4.1, "Branches, Exception Generating
/// and System instructions").
fn flow(instruction: u32, address: u64) -> Option<Flow> {
    let offset = |shift: u32, bits: u32| {
        let field = (instruction >> shift) << (32 - bits);
        // Sign-extended, in instructions.
        let words = i64::from(field.cast_signed() >> (32 - bits));
        address.wrapping_add_signed(words * INSTRUCTION.cast_signed())
    };
    let is = |mask: u32, value: u32| instruction & mask == value;
    Some(if is(0xfc00_0000, 0x1400_0000) {
        Flow::Jump(offset(0, 26))
    } else if is(0xfc00_0000, 0x9400_0000) {
        Flow::Call(Some(offset(0, 26)))
    } else if is(0xff00_0010, 0x5400_0000) || is(0x7e00_0000, 0x3400_0000) {
        Flow::Branch(offset(5, 19))
    } else if is(0x7e00_0000, 0x3600_0000) {
        Flow::Branch(offset(5, 14))
    } else if is(0xffff_fc1f, 0xd61f_0000) {
        Flow::Computed
    } else if is(0xffff_fc1f, 0xd63f_0000) {
        Flow::Call(None)
    } else if is(0xffff_fc1f, 0xd65f_0000) {
        Flow::Return
    } else if is(0xff00_0000, 0xd400_0000) || is(0xffff_ffff, 0xd69f_03e0) {
        Flow::Exception
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::{Flow, flow, in_module, short};

    #[test]
    fn branches_are_told_apart() {
        let at = |instruction| flow(instruction, 0x1000);
        assert_eq!(at(0x1400_0002), Some(Flow::Jump(0x1008)));
        assert_eq!(at(0x17ff_ffff), Some(Flow::Jump(0x0ffc)));
        assert_eq!(at(0x9400_0001), Some(Flow::Call(Some(0x1004))));
        assert_eq!(at(0x5400_0041), Some(Flow::Branch(0x1008)), "b.ne");
        assert_eq!(at(0xb5ff_ffe3), Some(Flow::Branch(0x0ffc)), "cbnz x3");
        assert_eq!(at(0x3700_0040), Some(Flow::Branch(0x1008)), "tbnz w0, #0");
        assert_eq!(at(0xd61f_0120), Some(Flow::Computed), "br x9");
        assert_eq!(at(0xd63f_0100), Some(Flow::Call(None)), "blr x8");
        assert_eq!(at(0xd65f_03c0), Some(Flow::Return));
        assert_eq!(at(0xd400_0001), Some(Flow::Exception), "svc");
        assert_eq!(at(0xd69f_03e0), Some(Flow::Exception), "eret");
        assert_eq!(at(0xd503_201f), None, "nop");
        assert_eq!(at(0xf940_0000), None, "ldr");
    }

    #[test]
    fn functions_are_named_by_their_file() {
        assert_eq!(in_module("sum", "/a/wire/src/checksum.rs"), "checksum::sum");
        assert_eq!(in_module("run", "/a/netd/src/lib.rs"), "netd::run");
        assert_eq!(
            in_module("run", "/a/netd/src/service/mod.rs"),
            "service::run"
        );
        assert_eq!(in_module("run", ""), "run");
    }

    #[test]
    fn hashes_are_left_out() {
        assert_eq!(short("a::b::h0123456789abcdef"), "a::b");
        assert_eq!(short("a::hello"), "a::hello");
    }
}
