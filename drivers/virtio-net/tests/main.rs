//! The driver against a device in memory, each file about one promise.

mod common;

mod configuration;
mod gathered;
mod hostile;
mod loopback;
mod merged;
mod pairs;
