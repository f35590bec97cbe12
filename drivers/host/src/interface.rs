//! Questions about an interface of the host, and the request that carries them.
//!
//! *Spec*: netdevice(7).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A request about the interface of this name, everything else zero.
///
/// # Errors
/// The name is empty, too long, or not one.
pub fn request(name: &str) -> io::Result<libc::ifreq> {
    let bad = || io::Error::new(io::ErrorKind::InvalidInput, "not an interface's name");
    // SAFETY: integers, arrays and unions of them, and pointers that may be null: zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let bytes = name.as_bytes();
    // A zero must remain at the end.
    if bytes.is_empty() || bytes.len() >= request.ifr_name.len() || bytes.contains(&0) {
        return Err(bad());
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(bytes) {
        *place = libc::c_char::from_ne_bytes([*byte]);
    }
    Ok(request)
}

/// Asks: an `ioctl` whose argument is an interface request, answered in place.
///
/// # Errors
/// What the operating system says.
pub fn ask(to: BorrowedFd<'_>, number: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: every request of this crate takes an `ifreq`, which is borrowed for the whole call.
    checked(unsafe { libc::ioctl(to.as_raw_fd(), number, std::ptr::from_mut(request)) })
}

/// Tells: an `ioctl` whose argument is a number.
///
/// # Errors
/// What the operating system says.
pub fn tell(to: BorrowedFd<'_>, number: libc::Ioctl, value: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the request takes a plain number.
    checked(unsafe { libc::ioctl(to.as_raw_fd(), number, value) })
}

/// What a call of the operating system that gives no more than this has said.
pub fn checked(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A new socket, non-blocking and closed when a program is started.
///
/// # Errors
/// What the operating system says.
pub fn socket(
    family: libc::c_int,
    kind: libc::c_int,
    protocol: libc::c_int,
) -> io::Result<OwnedFd> {
    let kind = kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: plain numbers go in, a number comes out.
    let number = unsafe { libc::socket(family, kind, protocol) };
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, open, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Any socket will do to ask about interfaces.
pub fn any_socket() -> io::Result<OwnedFd> {
    socket(libc::AF_INET, libc::SOCK_DGRAM, 0)
}

/// The interface's MTU, in bytes.
pub fn mtu(of: BorrowedFd<'_>, name: &str) -> io::Result<u16> {
    let mut request = request(name)?;
    ask(of, libc::SIOCGIFMTU, &mut request)?;
    // SAFETY: the request has just been answered with this member of the union.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    // Loopback has 65536; packets are no longer than this.
    Ok(u16::try_from(mtu).unwrap_or(u16::MAX))
}

/// The interface's number.
pub fn index(of: BorrowedFd<'_>, name: &str) -> io::Result<i32> {
    let mut request = request(name)?;
    ask(of, libc::SIOCGIFINDEX, &mut request)?;
    // SAFETY: the request has just been answered with this member of the union.
    Ok(unsafe { request.ifr_ifru.ifru_ifindex })
}

/// Whether the interface is up and connected.
pub fn is_up(of: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    let mut request = request(name)?;
    ask(of, libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: the request has just been answered with this member of the union.
    let flags = libc::c_int::from(unsafe { request.ifr_ifru.ifru_flags });
    let both = libc::IFF_UP | libc::IFF_RUNNING;
    Ok(flags & both == both)
}

#[cfg(test)]
mod tests {
    use super::request;

    #[test]
    fn names_are_checked() {
        for bad in ["", "sixteen-letters!", "with\0zero"] {
            assert!(request(bad).is_err(), "{bad:?}");
        }
        let request = request("fifteen-letters").unwrap();
        assert_eq!(request.ifr_name.last(), Some(&0));
    }
}
