//! A running process, as its supervisor knows it.
//!
//! *Owns* the process's handle and our end of its first channel. *Never* decides anything.

use alloc::{string::String, vec::Vec};

use abi::{Error, Rights};
use ring::Message;
use rt::{
    HandleTag,
    handle::{Memory, OwnedHandle, Process},
    link::Link,
    system::message::{DATA_BYTES, MAX_DATA, Note, Operation, START_RESTARTS, START_SEEDED},
};

use crate::{archive::Place, devices::Handles, manifest::Program};

/// Slots of the rings of a first channel: start messages and requests under way.
const SLOTS: usize = 32;

/// A running process.
pub struct Child {
    /// Its number.
    pub number: u32,
    /// Who started it.
    pub parent: u32,
    /// Its program's file.
    pub name: String,
    /// What it may do.
    pub program: Program,
    /// It is started anew when it ends.
    pub restart: bool,
    /// How often that has happened.
    pub restarts: u32,
    /// When it was started, in nanoseconds since boot.
    pub started: u64,
    /// The process.
    pub process: Process,
    /// Our end of its first channel.
    pub link: Link,
    /// Data of a request that is still coming in.
    partial: Vec<u8>,
}

/// What a new process is told.
pub struct Start<'a> {
    /// Its number.
    pub number: u32,
    /// Who started it.
    pub parent: u32,
    /// Its words, each followed by a zero byte, the program's name first.
    pub words: &'a [u8],
    /// The kernel's command line.
    pub command_line: &'a str,
    /// A seed of its own.
    pub seed: [u8; 32],
    /// The seed is really random.
    pub seeded: bool,
    /// Nanoseconds since 1970 when the counter was zero; zero if not known.
    pub wall_at_zero: u64,
    /// How often it has been started anew.
    pub restarts: u32,
    /// Handles by tag.
    pub handles: Handles,
    /// Most memory in bytes.
    pub memory: u64,
}

impl Child {
    /// Loads a program and starts it.
    ///
    /// # Errors
    ///
    /// Those of the system calls.
    pub fn start(
        image: &Memory,
        place: Place,
        name: &str,
        program: Program,
        start: Start<'_>,
    ) -> Result<Self, Error> {
        let process = Process::create(image, place.offset, place.length, name, start.memory)?;
        let (mut link, first) = Link::create(SLOTS)?;
        let (number, parent, restarts) = (start.number, start.parent, start.restarts);
        tell(&mut link, start)?;
        process.start(first.into_handle(), program.priority)?;
        Ok(Self {
            number,
            parent,
            name: name.into(),
            program,
            restart: false,
            restarts,
            started: rt::clock::now(),
            process,
            link,
            partial: Vec::new(),
        })
    }

    /// Joins the parts of a long request; `None` until the last one is there. A request that is
    /// too long is cut, which makes it malformed.
    pub fn join(&mut self, note: &Note<'_>) -> Option<Vec<u8>> {
        if self.partial.len() + note.data.len() <= MAX_DATA + DATA_BYTES {
            self.partial.extend_from_slice(note.data);
        }
        (!note.more).then(|| core::mem::take(&mut self.partial))
    }

    /// Sends a reply. Who does not read replies loses them.
    pub fn answer(&mut self, message: &Message) {
        if self.link.send(message).is_err() {
            log::debug!("{} ({}) does not read its replies", self.name, self.number);
        }
    }
}

/// Hands over what a new process finds when it starts.
fn tell(link: &mut Link, start: Start<'_>) -> Result<(), Error> {
    for (tag, handle) in start.handles {
        link.send_handle(handle, tag)
            .map_err(|(_handle, error)| error)?;
    }
    let first = Note {
        value: start.wall_at_zero,
        extra: u64::from(start.restarts) << START_RESTARTS
            | if start.seeded { START_SEEDED } else { 0 },
        data: &start.seed,
        ..Note::new(Operation::Start, 0)
    };
    let last = Note {
        value: start.number.into(),
        ..Note::new(Operation::Run, 0)
    };
    let words = Note::new(Operation::Arguments, 0).emit_long(start.words);
    let line = Note::new(Operation::CommandLine, 0).emit_long(start.command_line.as_bytes());
    let messages = core::iter::once(first.emit()).chain(words).chain(line);
    for message in messages.chain(core::iter::once(last.emit())) {
        link.push(&message).map_err(|_full| Error::BadArgument)?;
    }
    Ok(())
}

/// The debug console for a process, if it can be had.
pub fn debug_handle(debug: abi::Handle) -> Option<(u64, OwnedHandle)> {
    let rights = Rights::WRITE | Rights::TRANSFER;
    let handle = crate::devices::duplicate(debug, rights).ok()?;
    Some((HandleTag::Debug.with(0), handle))
}
