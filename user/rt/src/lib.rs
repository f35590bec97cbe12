//! Run-time of programs: start-up, heap, system calls, executor.
#![no_std]
