//! The messages between netd and its clients.
#![no_std]
