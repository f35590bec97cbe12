//! Memory: frames, the kernel's heap, translation tables, address spaces, access to user memory.
//!
//! *Never* follows a user address with the CPU's own translation: user memory is reached through
//! the owner's tables in software and the linear map (`user`), so PAN stays set for ever and no
//! kernel access can fault.

pub mod frame;
pub mod heap;
pub mod physical;
pub mod space;
pub mod table;
pub mod user;

/// Bytes of a page and of a frame.
pub const PAGE: usize = abi::PAGE_SIZE;

/// A physical address.
pub type Physical = u64;

/// Pages that hold `bytes`; `None` on overflow.
pub const fn pages(bytes: usize) -> Option<usize> {
    match bytes.checked_add(PAGE - 1) {
        Some(sum) => Some(sum / PAGE),
        None => None,
    }
}
