//! Sleeping until a device has something, or until a deadline.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Descriptors that can be waited for at once.
const LIMIT: usize = 8;

/// Waits until one of the descriptors can be read, but no longer than `limit` (`None`: as long as it
/// takes). Returns whether one can; `false` also after a signal. Of more than eight descriptors the
/// first eight count.
///
/// # Errors
/// What the operating system says.
pub fn wait(descriptors: &[BorrowedFd<'_>], limit: Option<Duration>) -> io::Result<bool> {
    let Some(first) = descriptors.first() else {
        std::thread::sleep(limit.unwrap_or_default());
        return Ok(false);
    };
    let mut fds: [PollFd<'_>; LIMIT] = std::array::from_fn(|place| {
        // Places that are not used repeat the first; they are not handed over.
        let descriptor = *descriptors.get(place).unwrap_or(first);
        PollFd::from_borrowed_fd(descriptor, PollFlags::IN)
    });
    let used = descriptors.len().min(LIMIT);
    let limit = limit.map(|limit| Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    });
    match poll(fds.get_mut(..used).unwrap_or_default(), limit.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
