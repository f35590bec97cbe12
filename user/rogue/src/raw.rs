//! System calls with any number and any arguments.

use abi::Error;

/// Enters the kernel and gives back what `x0` to `x2` hold then.
#[cfg(target_os = "none")]
pub fn call(number: u64, arguments: [u64; 6]) -> (i64, u64, u64) {
    let (status, first, second): (i64, u64, u64);
    // SAFETY: callers pass no address at which this program keeps anything, so whatever the kernel
    // reads or writes there is not relied upon; registers are declared as the interface says.
    unsafe {
        core::arch::asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") arguments[0] => status,
            inlateout("x1") arguments[1] => first,
            inlateout("x2") arguments[2] => second,
            in("x3") arguments[3],
            in("x4") arguments[4],
            in("x5") arguments[5],
            options(nostack),
        );
    }
    (status, first, second)
}

/// There is no kernel of ours on the host.
#[cfg(not(target_os = "none"))]
pub const fn call(_number: u64, _arguments: [u64; 6]) -> (i64, u64, u64) {
    (-Error::NotSupported.code(), 0, 0)
}

/// Whether the kernel refused with that error.
pub fn refused(status: i64, error: Error) -> bool {
    status == -error.code()
}
