//! Copying, filling and comparing memory.
//!
//! The compiler calls these by name. Its own versions copy by bytes or words; these use pairs of
//! 128-bit registers, which is what both emulators and processors do fastest.

core::arch::global_asm!(include_str!("memory_functions.s"));
