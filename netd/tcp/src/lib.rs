//! One TCP connection: no addresses, no tables, no clock.
#![no_std]
