//! VirtIO entropy driver without system calls.
#![no_std]
#![forbid(unsafe_code)]
