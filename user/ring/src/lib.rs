//! Memory that two processes share: rings of messages, the sleep/wake step, arenas.
//!
//! *Owns* every access to memory that a peer may write at the same time. *Never* trusts what it
//! finds there, makes a system call, or hands out a reference into it.
//!
//! A channel's memory holds two rings, one for each direction. A ring has one producer and one
//! consumer; who may write which word is fixed:
//!
//! | word                | written by                                   | read by  |
//! | ------------------- | -------------------------------------------- | -------- |
//! | slots               | producer, before it moves `produced`         | consumer |
//! | `produced`          | producer                                     | consumer |
//! | `consumed`          | consumer, after it has copied the slot       | producer |
//! | `consumer sleeps`   | raised by the consumer, lowered by either    | producer |
//! | `producer sleeps`   | raised by the producer, lowered by either    | consumer |
//!
//! Invariants:
//! - Both indices count messages since the beginning and are never reduced; the slot is the index
//!   modulo the number of slots. `consumed <= produced <= consumed + slots` holds for honest peers.
//! - Each end works with private shadows: of its own index, so that the peer cannot move it, and
//!   of the peer's, so that a step back shows. The number of slots comes from the size of the
//!   region that the kernel told, never from shared memory.
//! - A peer that breaks the rule is a [`Violation`]: final for this end, whose owner disconnects.
//! - An index is stored with Release after the bytes it stands for and loaded with Acquire before
//!   them. Sleeping needs one full fence on each side as well; see [`Look`].
//! - A sleeping consumer wants to be woken for anything, or for all but [quiet](Wish) messages.
#![no_std]

extern crate alloc;
#[cfg(loom)]
extern crate std;

mod arena;
mod consumer;
mod endpoint;
mod handover;
mod layout;
mod message;
mod producer;
mod region;
mod summed;
mod wake;

pub use arena::{Arena, OutOfArena};
pub use consumer::{Consumer, Violation};
pub use endpoint::{Endpoint, Side};
pub use handover::{Giver, Taker, handover};
pub use layout::region_bytes;
pub use message::{MESSAGE_BYTES, MESSAGE_WORDS, Message};
pub use producer::{Full, Producer};
pub use region::{BadRegion, Keeper, Region};
pub use wake::{Flag, Look, Wish};
