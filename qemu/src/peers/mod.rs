//! Programs of the host that the guest talks to.
