//! PL011 UART driver without system calls.
#![no_std]
