//! The figures on the page.
//!
//! Field names are those of `info.json`: the page's script and the tests read them.

use alloc::{
    format,
    string::{String, ToString},
};
use core::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr},
};

use net::Error;

use crate::server::Server;

/// What the system does right now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Milliseconds since the machine started.
    pub uptime_ms: u64,
    /// Own address and prefix length, if there is one.
    pub address: Option<(Ipv4Addr, u8)>,
    /// Default gateway, if there is one.
    pub gateway: Option<Ipv4Addr>,
    /// Hardware address.
    pub mac: [u8; 6],
    /// Largest packet in bytes.
    pub mtu: u16,
    /// Seconds that the lease still runs; `None` for a static address.
    pub lease_s: Option<u64>,
    /// Frames received.
    pub received_frames: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Frames sent.
    pub sent_frames: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Frames discarded, for whatever reason.
    pub discarded: u64,
    /// TCP connections.
    pub tcp_sockets: u64,
    /// UDP sockets.
    pub udp_sockets: u64,
    /// Requests that this server has answered.
    pub requests: u64,
    /// CPUs.
    pub cpus: u32,
    /// Bytes of memory in use.
    pub memory_used: u64,
    /// Bytes of memory there are.
    pub memory_total: u64,
    /// Processes.
    pub processes: u32,
    /// System calls since the start.
    pub syscalls: u64,
}

/// Looks at everything.
///
/// # Errors
///
/// If netd does not answer.
pub async fn collect(server: &Server) -> Result<Figures, Error> {
    let stats = server.net.stats().await?;
    let info = server.net.info().await?;
    let lease = server.net.lease().await?;
    let machine = rt::system::figures().unwrap_or_default();
    let v4 = |address: &net::protocol::Address| match address.ip() {
        Some(IpAddr::V4(ip)) => Some(ip),
        _ => None,
    };
    Ok(Figures {
        uptime_ms: rt::clock::now() / 1_000_000,
        address: v4(&info.address).map(|ip| (ip, info.address.prefix)),
        gateway: v4(&info.gateway),
        mac: info.mac,
        mtu: info.mtu.get(),
        lease_s: lease.map(|lease| lease.remaining.get().into()),
        received_frames: stats.received_frames.get(),
        received_bytes: stats.received_bytes.get(),
        sent_frames: stats.sent_frames.get(),
        sent_bytes: stats.sent_bytes.get(),
        discarded: stats.dropped.get(),
        tcp_sockets: stats.connections.get(),
        udp_sockets: stats.datagram_sockets.get(),
        requests: server.requests(),
        cpus: machine.cpus,
        memory_used: machine.memory_total - machine.memory_free,
        memory_total: machine.memory_total,
        processes: machine.processes,
        syscalls: machine.syscalls,
    })
}

impl Figures {
    /// One JSON object.
    pub fn to_json(&self) -> String {
        let mut object = Object(String::from("{"));
        let [a, b, c, d, e, f] = self.mac;
        object.number("uptime_ms", self.uptime_ms);
        object.text(
            "address",
            self.address
                .map(|(address, prefix)| format!("{address}/{prefix}")),
        );
        object.text("gateway", self.gateway.map(|gateway| gateway.to_string()));
        object.text(
            "mac",
            Some(format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")),
        );
        object.number("mtu", self.mtu.into());
        object.optional("lease_s", self.lease_s);
        object.number("received_frames", self.received_frames);
        object.number("received_bytes", self.received_bytes);
        object.number("sent_frames", self.sent_frames);
        object.number("sent_bytes", self.sent_bytes);
        object.number("discarded", self.discarded);
        object.number("tcp_sockets", self.tcp_sockets);
        object.number("udp_sockets", self.udp_sockets);
        object.number("requests", self.requests);
        object.number("cpus", self.cpus.into());
        object.number("memory_used", self.memory_used);
        object.number("memory_total", self.memory_total);
        object.number("processes", self.processes.into());
        object.number("syscalls", self.syscalls);
        object.0.push_str("}\n");
        object.0
    }
}

/// A JSON object under construction. Names and texts are ours and need no escapes.
struct Object(String);

impl Object {
    fn field(&mut self, name: &str, value: core::fmt::Arguments<'_>) {
        let comma = if self.0.len() > 1 { "," } else { "" };
        // Writing to a string cannot fail.
        _ = write!(self.0, "{comma}\"{name}\":{value}");
    }

    fn number(&mut self, name: &str, value: u64) {
        self.field(name, format_args!("{value}"));
    }

    fn optional(&mut self, name: &str, value: Option<u64>) {
        match value {
            Some(value) => self.number(name, value),
            None => self.field(name, format_args!("null")),
        }
    }

    fn text(&mut self, name: &str, value: Option<String>) {
        self.field(
            name,
            format_args!("\"{}\"", value.as_deref().unwrap_or("none")),
        );
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::Figures;

    #[test]
    fn json_has_every_figure() {
        let figures = Figures {
            uptime_ms: 1500,
            address: Some((Ipv4Addr::new(10, 0, 2, 15), 24)),
            mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
            mtu: 1500,
            requests: 7,
            ..Figures::default()
        };
        let json = figures.to_json();
        assert!(
            json.starts_with(
                "{\"uptime_ms\":1500,\"address\":\"10.0.2.15/24\",\"gateway\":\"none\","
            )
        );
        assert!(json.contains("\"mac\":\"52:54:00:12:34:56\",\"mtu\":1500,\"lease_s\":null,"));
        assert!(json.contains("\"requests\":7,"));
        assert!(json.ends_with("\"syscalls\":0}\n"));
        assert_eq!(json.matches(':').count(), 20 + 5 - 1);
    }
}
