//! Shared-memory rings and arenas.
#![no_std]
