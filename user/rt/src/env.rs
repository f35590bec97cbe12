//! What a program is given at its start.

use alloc::{collections::VecDeque, string::String, vec::Vec};

use crate::{
    boot::Boot,
    handle::{Device, Interrupt, Memory, OwnedHandle},
};

/// What a handle that a program is started with is for. Travels as the tag of the handle, with an
/// argument in the upper bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum HandleTag {
    /// Debug console; the run-time keeps it.
    Debug = 1,
    /// Registers of a device; the argument is their physical address.
    Registers = 2,
    /// Interrupt of the device before.
    Interrupt = 3,
    /// Memory that outlives the program.
    Memory = 4,
    /// Page of the wall clock; the run-time maps it.
    Clock = 5,
}

impl HandleTag {
    /// The number that travels.
    #[must_use]
    pub const fn with(self, argument: u64) -> u64 {
        self as u64 | argument << 8
    }

    /// Back from [`Self::with`]; `None` for unknown tags.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<(Self, u64)> {
        let tag = match number & 0xff {
            1 => Self::Debug,
            2 => Self::Registers,
            3 => Self::Interrupt,
            4 => Self::Memory,
            5 => Self::Clock,
            _ => return None,
        };
        Some((tag, number >> 8))
    }
}

/// A device that a program was given.
#[derive(Debug)]
pub struct GivenDevice {
    /// The pages that hold its registers.
    pub registers: Device,
    /// Physical address of the registers: they start at its remainder by the page size.
    pub physical: u64,
    /// Its interrupt.
    pub interrupt: Interrupt,
}

/// What a program is given at its start.
#[derive(Debug)]
pub struct Env {
    /// Arguments.
    pub args: Args,
    /// Random bytes for this program alone, to seed a generator.
    pub seed: [u8; 32],
    /// The seed is really random. If not, nothing secret may be derived from it.
    pub seeded: bool,
    /// How often the program has been started anew after it had ended.
    pub restarts: u32,
    /// The kernel's command line.
    pub command_line: String,
    /// For the first process: what the kernel told it.
    pub boot: Option<Boot>,
    /// Handles by tag, in the order in which they were sent.
    pub(crate) handles: VecDeque<(u64, OwnedHandle)>,
}

impl Env {
    /// The first handle with this tag, and its argument.
    pub fn take_handle(&mut self, wanted: HandleTag) -> Option<(OwnedHandle, u64)> {
        let is_wanted =
            |number| matches!(HandleTag::from_number(number), Some((tag, _)) if tag == wanted);
        let place = self
            .handles
            .iter()
            .position(|(number, _)| is_wanted(*number))?;
        let (number, handle) = self.handles.remove(place)?;
        Some((handle, HandleTag::from_number(number)?.1))
    }

    /// The next device.
    pub fn take_device(&mut self) -> Option<GivenDevice> {
        let (registers, physical) = self.take_handle(HandleTag::Registers)?;
        let (interrupt, _) = self.take_handle(HandleTag::Interrupt)?;
        Some(GivenDevice {
            registers: Device::from_handle(registers),
            physical,
            interrupt: Interrupt::from_handle(interrupt),
        })
    }

    /// The next memory that outlives the program.
    pub fn take_memory(&mut self) -> Option<Memory> {
        self.take_handle(HandleTag::Memory)
            .map(|(memory, _)| Memory::from_handle(memory))
    }

    /// The value of `key=value` in the kernel's command line.
    #[must_use]
    pub fn option(&self, key: &str) -> Option<&str> {
        option(&self.command_line, key)
    }
}

/// The value of `key=value` in a command line; the first one counts. A value in double quotes may
/// hold spaces.
#[must_use]
pub fn option<'a>(command_line: &'a str, key: &str) -> Option<&'a str> {
    let mut rest = command_line.trim_start();
    while !rest.is_empty() {
        let mut quoted = false;
        let end = rest.find(|character: char| {
            quoted ^= character == '"';
            character.is_ascii_whitespace() && !quoted
        });
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        let bare = word
            .strip_prefix('"')
            .and_then(|word| word.strip_suffix('"'))
            .unwrap_or(word);
        if let Some((name, value)) = bare.split_once('=')
            && name == key
        {
            let inner = value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'));
            return Some(inner.unwrap_or(value));
        }
        rest = after.trim_start();
    }
    None
}

/// The words a program was started with.
#[derive(Clone, Debug, Default)]
pub struct Args {
    program: String,
    words: Vec<String>,
}

impl Args {
    /// Reads words that each end with a zero byte, the program's name first. What is not UTF-8 is
    /// replaced.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut words = bytes
            .split_inclusive(|byte| *byte == 0)
            .map(|word| word.strip_suffix(&[0]).unwrap_or(word))
            .map(|word| String::from_utf8_lossy(word).into_owned());
        Self {
            program: words.next().unwrap_or_default(),
            words: words.collect(),
        }
    }

    /// The program's name.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The arguments after the name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// Argument number `index`, from zero.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&str> {
        self.words.get(index).map(String::as_str)
    }

    /// How many arguments there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.words.len()
    }

    /// There are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, HandleTag, option};

    #[test]
    fn words_end_with_zero() {
        let args = Args::parse(b"ping\0-c\0\x003\0");
        assert_eq!(args.program(), "ping");
        assert_eq!(args.iter().collect::<Vec<_>>(), ["-c", "", "3"]);
        assert_eq!(Args::parse(b"").program(), "");
        assert_eq!(Args::parse(b"ps\0").len(), 0);
    }

    #[test]
    fn options_are_whole_words() {
        let line = "ip=dhcp run=\"ping 10.0.2.2; ps\" \"hostname=a b\" ip=none x";
        assert_eq!(option(line, "ip"), Some("dhcp"));
        assert_eq!(option(line, "run"), Some("ping 10.0.2.2; ps"));
        assert_eq!(option(line, "hostname"), Some("a b"));
        assert_eq!(option(line, "host"), None);
        assert_eq!(option(line, "x"), None);
        assert_eq!(option("run=\"open", "run"), Some("\"open"));
    }

    #[test]
    fn tags_carry_an_argument() {
        let number = HandleTag::Registers.with(0x0a00_3e00);
        assert_eq!(
            HandleTag::from_number(number),
            Some((HandleTag::Registers, 0x0a00_3e00))
        );
        assert_eq!(HandleTag::from_number(0), None);
    }
}
