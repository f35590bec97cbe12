//! The kernel lock, and the order of all locks on one page.
//!
//! | order | lock | protects | held |
//! | --- | --- | --- | --- |
//! | 1 | [`KERNEL`] | every object, run queue, address space, frame and the interrupt controller | for one entry |
//! | 2 | heap (`mm::heap`) | the kernel's heap | for one allocation |
//! | 3 | console (`arch::uart`) | the debug UART | for one line |
//!
//! A lock may be taken while locks of a smaller number are held, never the other way round; no lock
//! is taken twice. Interrupts are masked whenever the kernel runs, so no handler can interfere. A
//! CPU that has nothing to run sleeps without any lock.
//!
//! One lock for all objects is what makes the kernel a function: the code above `arch` sees a
//! plain `&mut Kernel`, and entries are short. Two kinds of data need no lock: what belongs to one
//! CPU (`arch::Local`) and registers of the thread that this CPU runs.

use crate::object::Kernel;
use spin::mutex::{SpinMutex, SpinMutexGuard};

/// Everything. Not a ticket lock: where a hypervisor or emulator has fewer CPUs than the guest, the next
/// in line is often not running, and everybody behind it would spin for a time slice of the host.
pub static KERNEL: SpinMutex<Kernel> = SpinMutex::new(Kernel::new());

/// The right to touch everything.
pub type Guard = SpinMutexGuard<'static, Kernel>;
