//! System call stubs: one function for each call, typed, checked.
//!
//! *Owns* the `svc` instruction. *Never* keeps state. A kernel error comes back as
//! [`abi::Error`]; on the host every call answers [`Error::NotSupported`].

use core::ptr::NonNull;

use abi::{
    Error, Handle, ObjectInfo, ProcessInfo, Protection, Rights, Syscall, SystemInfo,
    SystemOperation, WaitFlags, WaitItem,
};

/// Result registers `x1` and `x2`.
pub(crate) type Answer = Result<(u64, u64), Error>;

/// Enters the kernel.
///
/// # Safety
///
/// Every argument that the call takes as a pointer must be valid for what the call does with it.
#[cfg(target_os = "none")]
#[inline]
unsafe fn enter(call: Syscall, a: [u64; 6]) -> Answer {
    let (status, first, second): (i64, u64, u64);
    // SAFETY: the kernel keeps all registers but x0 to x2 and writes only through the pointers
    // that the call takes, which the caller vouches for. Memory is taken as clobbered.
    unsafe {
        core::arch::asm!(
            "svc #0",
            in("x8") call as u64,
            inlateout("x0") a[0] => status,
            inlateout("x1") a[1] => first,
            inlateout("x2") a[2] => second,
            in("x3") a[3],
            in("x4") a[4],
            in("x5") a[5],
            options(nostack),
        );
    }
    if status == 0 {
        Ok((first, second))
    } else {
        // A code that this program does not know yet is still an error.
        Err(Error::from_code(status.wrapping_neg()).unwrap_or(Error::NotSupported))
    }
}

/// There is no kernel of ours on the host.
#[cfg(not(target_os = "none"))]
unsafe fn enter(_call: Syscall, _a: [u64; 6]) -> Answer {
    Err(Error::NotSupported)
}

/// A call without pointers.
#[inline]
fn plain(call: Syscall, a: [u64; 6]) -> Answer {
    // SAFETY: no argument is a pointer.
    unsafe { enter(call, a) }
}

/// A handle number as the kernel returned it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the kernel's handles have 32 bits"
)]
const fn handle(number: u64) -> Handle {
    Handle(number as u32)
}

/// Does nothing, as quickly as possible.
///
/// # Errors
///
/// None in the guest.
pub fn null() -> Result<(), Error> {
    plain(Syscall::Null, [0; 6]).map(drop)
}

pub(crate) fn handle_close(object: Handle) -> Result<(), Error> {
    plain(Syscall::HandleClose, [object.0.into(), 0, 0, 0, 0, 0]).map(drop)
}

pub(crate) fn handle_duplicate(object: Handle, rights: Rights) -> Result<Handle, Error> {
    let arguments = [object.0.into(), rights.bits().into(), 0, 0, 0, 0];
    plain(Syscall::HandleDuplicate, arguments).map(|(new, _)| handle(new))
}

pub(crate) fn object_info(object: Handle) -> Result<ObjectInfo, Error> {
    let mut info = ObjectInfo::default();
    let arguments = [object.0.into(), address_of(&mut info), 0, 0, 0, 0];
    // SAFETY: `info` is ours alone and has the layout that the call fills in.
    unsafe { enter(Syscall::ObjectInfo, arguments) }?;
    Ok(info)
}

/// Returns how many items have signals, and if it is one, which and what: see [`Syscall::Wait`].
#[inline]
pub(crate) fn wait(
    items: &mut [WaitItem],
    deadline: u64,
    ring: Handle,
    flags: WaitFlags,
) -> Answer {
    let arguments = [
        items.as_mut_ptr() as u64,
        items.len() as u64,
        deadline,
        ring.0.into(),
        flags.bits(),
        0,
    ];
    // SAFETY: the slice is ours alone and its length is told.
    unsafe { enter(Syscall::Wait, arguments) }
}

pub(crate) fn channel_create(bytes: usize) -> Result<(Handle, Handle), Error> {
    let (creator, peer) = plain(Syscall::ChannelCreate, [bytes as u64, 0, 0, 0, 0, 0])?;
    Ok((handle(creator), handle(peer)))
}

pub(crate) fn channel_map(channel: Handle) -> Result<(NonNull<u8>, usize), Error> {
    let (address, bytes) = plain(Syscall::ChannelMap, [channel.0.into(), 0, 0, 0, 0, 0])?;
    Ok((
        pointer(address)?,
        usize::try_from(bytes).map_err(|_| Error::BadArgument)?,
    ))
}

pub(crate) fn channel_ring(channel: Handle) -> Result<(), Error> {
    plain(Syscall::ChannelRing, [channel.0.into(), 0, 0, 0, 0, 0]).map(drop)
}

pub(crate) fn channel_send_handle(channel: Handle, object: Handle, tag: u64) -> Result<(), Error> {
    let arguments = [channel.0.into(), object.0.into(), tag, 0, 0, 0];
    plain(Syscall::ChannelSendHandle, arguments).map(drop)
}

pub(crate) fn channel_receive_handle(channel: Handle) -> Result<(Handle, u64), Error> {
    let arguments = [channel.0.into(), 0, 0, 0, 0, 0];
    let (object, tag) = plain(Syscall::ChannelReceiveHandle, arguments)?;
    Ok((handle(object), tag))
}

/// For `device` to read and write, if it is a handle.
pub(crate) fn memory_create(bytes: usize, device: Handle) -> Result<Handle, Error> {
    let arguments = [bytes as u64, device.0.into(), 0, 0, 0, 0];
    plain(Syscall::MemoryCreate, arguments).map(|(memory, _)| handle(memory))
}

pub(crate) fn memory_map(
    object: Handle,
    offset: u64,
    bytes: usize,
    protection: Protection,
) -> Result<NonNull<u8>, Error> {
    let arguments = [
        object.0.into(),
        offset,
        bytes as u64,
        protection.bits(),
        0,
        0,
    ];
    let (address, _) = plain(Syscall::MemoryMap, arguments)?;
    pointer(address)
}

/// Takes a mapping away.
///
/// # Safety
///
/// Nothing may use the memory afterwards.
pub(crate) unsafe fn memory_unmap(base: NonNull<u8>, bytes: usize) -> Result<(), Error> {
    let arguments = [base.as_ptr() as u64, bytes as u64, 0, 0, 0, 0];
    // SAFETY: the caller vouches that the memory is not used any more.
    unsafe { enter(Syscall::MemoryUnmap, arguments) }.map(drop)
}

/// The address of a byte, and how many lie there without a gap.
pub(crate) fn memory_physical(
    memory: Handle,
    offset: u64,
    device: Handle,
) -> Result<(u64, u64), Error> {
    let arguments = [memory.0.into(), offset, device.0.into(), 0, 0, 0];
    plain(Syscall::MemoryPhysical, arguments)
}

pub(crate) fn interrupt_acknowledge(interrupt: Handle) -> Result<(), Error> {
    plain(
        Syscall::InterruptAcknowledge,
        [interrupt.0.into(), 0, 0, 0, 0, 0],
    )
    .map(drop)
}

pub(crate) fn process_create(
    image: Handle,
    offset: u64,
    bytes: u64,
    name: &str,
    memory_limit: u64,
) -> Result<Handle, Error> {
    let name_address = name.as_ptr() as u64;
    let arguments = [
        image.0.into(),
        offset,
        bytes,
        name_address,
        name.len() as u64,
        memory_limit,
    ];
    // SAFETY: the kernel only reads the name, whose length is told.
    unsafe { enter(Syscall::ProcessCreate, arguments) }.map(|(process, _)| handle(process))
}

pub(crate) fn process_start(process: Handle, first: Handle, priority: u64) -> Result<(), Error> {
    let arguments = [process.0.into(), first.0.into(), priority, 0, 0, 0];
    plain(Syscall::ProcessStart, arguments).map(drop)
}

pub(crate) fn process_kill(process: Handle, code: i32) -> Result<(), Error> {
    let arguments = [process.0.into(), sign_extended(code), 0, 0, 0, 0];
    plain(Syscall::ProcessKill, arguments).map(drop)
}

pub(crate) fn process_info(process: Handle) -> Result<ProcessInfo, Error> {
    let mut info = ProcessInfo::default();
    let arguments = [process.0.into(), address_of(&mut info), 0, 0, 0, 0];
    // SAFETY: `info` is ours alone and has the layout that the call fills in.
    unsafe { enter(Syscall::ProcessInfo, arguments) }?;
    Ok(info)
}

/// Ends this process.
#[cfg(target_os = "none")]
pub(crate) fn process_exit(code: i32) -> ! {
    loop {
        // Does not return; should it ever, there is nothing left to do but ask again.
        plain(Syscall::ProcessExit, [sign_extended(code), 0, 0, 0, 0, 0]).ok();
    }
}

/// Ends this process.
#[cfg(not(target_os = "none"))]
pub(crate) fn process_exit(code: i32) -> ! {
    std::process::exit(code)
}

/// Starts a thread, which does not return from `entry`.
///
/// # Safety
///
/// `bytes` from `stack` must be mapped, aligned to 16 and nobody else's for as long as the thread runs,
/// and `entry` must take `argument`, once.
pub(crate) unsafe fn thread_create(
    entry: extern "C" fn(*mut u8) -> !,
    stack: NonNull<u8>,
    bytes: usize,
    argument: *mut u8,
    priority: u64,
) -> Result<Handle, Error> {
    let top = stack.as_ptr() as u64 + bytes as u64;
    let arguments = [entry as usize as u64, top, argument as u64, priority, 0, 0];
    // SAFETY: the caller vouches for them.
    unsafe { enter(Syscall::ThreadCreate, arguments) }.map(|(thread, _)| handle(thread))
}

/// Ends this thread.
pub(crate) fn thread_exit() -> ! {
    loop {
        // Does not return; should it ever, there is nothing left to do but ask again.
        plain(Syscall::ThreadExit, [0; 6]).ok();
    }
}

pub(crate) fn debug_write(console: Handle, text: &[u8]) -> Result<(), Error> {
    let arguments = [
        console.0.into(),
        text.as_ptr() as u64,
        text.len() as u64,
        0,
        0,
        0,
    ];
    // SAFETY: the kernel only reads the text, whose length is told.
    unsafe { enter(Syscall::DebugWrite, arguments) }.map(drop)
}

pub(crate) fn system_info(system: Handle) -> Result<SystemInfo, Error> {
    let mut info = SystemInfo::default();
    let arguments = [system.0.into(), address_of(&mut info), 0, 0, 0, 0];
    // SAFETY: `info` is ours alone and has the layout that the call fills in.
    unsafe { enter(Syscall::SystemInfo, arguments) }?;
    Ok(info)
}

pub(crate) fn system_control(
    system: Handle,
    operation: SystemOperation,
    code: i32,
) -> Result<(), Error> {
    let arguments = [
        system.0.into(),
        operation as u64,
        sign_extended(code),
        0,
        0,
        0,
    ];
    plain(Syscall::SystemControl, arguments).map(drop)
}

/// Exit codes travel as 64-bit numbers with their sign.
#[expect(clippy::cast_sign_loss, reason = "the bits are what travels")]
const fn sign_extended(code: i32) -> u64 {
    code as i64 as u64
}

fn address_of<T>(value: &mut T) -> u64 {
    (&raw mut *value) as u64
}

fn pointer(address: u64) -> Result<NonNull<u8>, Error> {
    NonNull::new(address as *mut u8).ok_or(Error::BadAddress)
}
