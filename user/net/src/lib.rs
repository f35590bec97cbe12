//! Sockets for programs.
#![no_std]
