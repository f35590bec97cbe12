//! Wire formats: bytes to validated values and back.
#![no_std]
