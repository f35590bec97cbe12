//! VirtIO network driver without system calls.
#![no_std]
