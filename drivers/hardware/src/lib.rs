//! What a driver is handed of the machine: memory for DMA and device registers.
//!
//! *Owns* the two types by which the run-time passes hardware to a driver: [`Dma`], memory that a
//! device may read and write, and [`Registers`], the registers of a device. Both are owned values:
//! whoever has one is alone with what it names, so that a driver needs no `unsafe` of its own.
//! *Never* allocates, maps or translates: that is done before, by whoever calls the two unsafe
//! constructors.
//! *Called by* `rt` (makes them of its mappings) and by every driver (consumes them).
#![no_std]

mod dma;
mod registers;

pub use dma::{Dma, Shared};
pub use registers::{OutOfRange, Registers};
