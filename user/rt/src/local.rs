//! State of the program: one value for the whole process.
//!
//! A program has one thread; on the host, where tests run in many, each has a value of its own.

use core::cell::RefCell;

/// A value that only the program's thread reaches.
pub struct Local<T: 'static> {
    #[cfg(target_os = "none")]
    value: RefCell<T>,
    #[cfg(not(target_os = "none"))]
    value: &'static std::thread::LocalKey<RefCell<T>>,
}

// SAFETY: this library offers no way to start a second thread, so the cell is reached by one
// thread only.
#[cfg(target_os = "none")]
unsafe impl<T> Sync for Local<T> {}

impl<T> Local<T> {
    /// Wraps the value.
    #[cfg(target_os = "none")]
    pub const fn new(value: T) -> Self {
        Self {
            value: RefCell::new(value),
        }
    }

    /// Wraps the thread's value.
    #[cfg(not(target_os = "none"))]
    pub const fn new(value: &'static std::thread::LocalKey<RefCell<T>>) -> Self {
        Self { value }
    }

    /// Works with the value. Must not be nested for the same value.
    #[inline]
    pub fn with<R>(&'static self, work: impl FnOnce(&mut T) -> R) -> R {
        #[cfg(target_os = "none")]
        return work(&mut self.value.borrow_mut());
        #[cfg(not(target_os = "none"))]
        return self.value.with_borrow_mut(work);
    }

    /// As [`Self::with`], but nothing is done when the value is gone: on the host, when the thread ends.
    #[inline]
    pub fn try_with(&'static self, work: impl FnOnce(&mut T)) {
        #[cfg(target_os = "none")]
        work(&mut self.value.borrow_mut());
        #[cfg(not(target_os = "none"))]
        self.value
            .try_with(|value| work(&mut value.borrow_mut()))
            .ok();
    }
}

/// Declares a [`Local`].
macro_rules! local {
    ($(#[$doc:meta])* static $name:ident: $type:ty = $value:expr;) => {
        #[cfg(target_os = "none")]
        $(#[$doc])*
        static $name: $crate::local::Local<$type> = $crate::local::Local::new($value);
        #[cfg(not(target_os = "none"))]
        $(#[$doc])*
        static $name: $crate::local::Local<$type> = {
            std::thread_local! {
                static VALUE: core::cell::RefCell<$type> = const { core::cell::RefCell::new($value) };
            }
            $crate::local::Local::new(&VALUE)
        };
    };
}
pub(crate) use local;
