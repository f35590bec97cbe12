//! A simulated machine for tests on the host.
