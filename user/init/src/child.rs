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
    system::{
        Start,
        message::{DATA_BYTES, MAX_DATA, Note},
    },
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

/// What a new process gets.
pub struct Gifts<'a> {
    /// Who started it.
    pub parent: u32,
    /// Most memory in bytes.
    pub memory: u64,
    /// Handles by tag.
    pub handles: Handles,
    /// Everything that travels in messages.
    pub start: &'a Start,
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
        gifts: Gifts<'_>,
    ) -> Result<Self, Error> {
        let process = Process::create(image, place.offset, place.length, name, gifts.memory)?;
        let (mut link, first) = Link::create(SLOTS)?;
        for (tag, handle) in gifts.handles {
            link.send_handle(handle, tag)
                .map_err(|(_handle, error)| error)?;
        }
        gifts
            .start
            .send(&mut link)
            .map_err(|_full| Error::BadArgument)?;
        process.start(first.into_handle(), program.priority)?;
        Ok(Self {
            number: gifts.start.process,
            parent: gifts.parent,
            name: name.into(),
            program,
            restart: false,
            restarts: gifts.start.restarts,
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

/// The debug console for a process, if it can be had.
pub fn debug_handle(debug: abi::Handle) -> Option<(u64, OwnedHandle)> {
    let rights = Rights::WRITE | Rights::TRANSFER;
    let handle = crate::devices::duplicate(debug, rights).ok()?;
    Some((HandleTag::Debug.with(0), handle))
}
