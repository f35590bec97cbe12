//! Entries.
use crate::arch::Context;
use core::ptr::NonNull;
pub fn syscall(_cpu: usize) -> NonNull<Context> {
    panic!()
}
pub fn interrupt(_cpu: usize) -> NonNull<Context> {
    panic!()
}
pub fn fault(_cpu: usize, _syndrome: u64, _address: u64) -> NonNull<Context> {
    panic!()
}
