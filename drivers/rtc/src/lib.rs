//! PL031 real-time clock driver without system calls.
#![no_std]
