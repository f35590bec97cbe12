//! VirtIO entropy driver without system calls.
#![no_std]
