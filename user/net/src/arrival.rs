//! What has come, for sockets that are told more than the bytes.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use protocol::{Code, Details, reported};

/// What has come, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A packet, or a datagram.
    Packet {
        /// Who has sent it; raw sockets: port zero.
        from: SocketAddr,
        /// Which address of ours, or which group, it was for.
        to: SocketAddr,
        /// How many routers it might still have passed.
        hops: u8,
    },
    /// What has become of one that was sent; as much as is quoted of its payload came with this.
    Failed(Report),
}

/// An error of ICMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Who says so.
    pub from: IpAddr,
    /// To whom the packet was that it is about.
    pub about: SocketAddr,
    /// Its type, which differs between the families (RFC 792, RFC 4443).
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// Its second word: an MTU, or what is at fault.
    pub word: u32,
}

/// What an error of ICMP means, in both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It has passed as many routers as it was allowed to.
    TimeExceeded,
    /// Nobody there has the port.
    Port,
    /// Nobody there speaks the protocol.
    Protocol,
    /// The host is not reached.
    Host,
    /// No route leads there.
    Network,
    /// Somebody forbids it.
    Prohibited,
    /// It is too long for a link on the way.
    TooBig,
    /// Anything else.
    Other,
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimeExceeded => Code::TimeExceeded.text(),
            Self::Port => "port unreachable",
            Self::Protocol => "protocol unreachable",
            Self::Host => Code::Unreachable.text(),
            Self::Network => Code::NoRoute.text(),
            Self::Prohibited => Code::Prohibited.text(),
            Self::TooBig => Code::TooBig.text(),
            Self::Other => "refused",
        })
    }
}

impl Report {
    /// What it means.
    #[must_use]
    pub const fn meaning(&self) -> Meaning {
        match (self.about, self.kind, self.code) {
            (SocketAddr::V4(_), 11, 0) | (SocketAddr::V6(_), 3, 0) => Meaning::TimeExceeded,
            (SocketAddr::V4(_), 3, 3) | (SocketAddr::V6(_), 1, 4) => Meaning::Port,
            (SocketAddr::V4(_), 3, 2) | (SocketAddr::V6(_), 4, 1) => Meaning::Protocol,
            (SocketAddr::V4(_), 3, 4) | (SocketAddr::V6(_), 2, _) => Meaning::TooBig,
            (SocketAddr::V4(_), 3, 0 | 6 | 11) | (SocketAddr::V6(_), 1, 0 | 2) => Meaning::Network,
            (SocketAddr::V4(_), 3, 9 | 10 | 13) | (SocketAddr::V6(_), 1, 1 | 5 | 6) => {
                Meaning::Prohibited
            }
            (SocketAddr::V4(_), 3, _) | (SocketAddr::V6(_), 1, _) => Meaning::Host,
            _ => Meaning::Other,
        }
    }
}

impl Arrival {
    /// What the details say; `None` when they make no sense.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (details, _) = Details::split(bytes)?;
        let (source, destination) = details.ends()?;
        Some(match details.kind {
            reported::PACKET => Self::Packet {
                from: source,
                to: destination,
                hops: details.hops,
            },
            reported::ERROR => Self::Failed(Report {
                from: source.ip(),
                about: destination,
                kind: details.icmp_type,
                code: details.icmp_code,
                word: details.icmp_word.get(),
            }),
            _ => return None,
        })
    }
}
