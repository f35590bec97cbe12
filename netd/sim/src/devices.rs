//! Scripted devices.

mod dhcp;

pub use dhcp::DhcpServer;
