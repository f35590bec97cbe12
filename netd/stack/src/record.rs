//! The durable record of a connection: what a netd that starts anew needs of it, in 128 bytes.
//!
//! *Owns* the layout, version 1. The first half is [`tcp::Record`], which has its own check; this is
//! what the connection core does not know: who talks to whom, and what the client calls it. *Never*
//! holds what the client knows as well: sends and rooms are asked of it again.
//!
//! *Invariant*: like its first half, it is committed before anything that depends on it leaves.
//!
//! All numbers are little endian, addresses and ports in network order.
//!
//! | offset | size | what |
//! | --- | --- | --- |
//! | 0 | 64 | the connection core's record |
//! | 64 | 16 | own address; IPv4: the first four bytes, the rest zero |
//! | 80 | 16 | the peer's address, likewise |
//! | 96 | 2 | own port |
//! | 98 | 2 | the peer's port |
//! | 100 | 1 | family: 4 or 6 |
//! | 101 | 1 | time to live of packets sent; zero: the default |
//! | 102 | 1 | differentiated services codepoint of packets sent |
//! | 103 | 1 | what the client has of it: 0 nothing, 1 nothing yet: it waits to be accepted, 2 a socket, 3 a close that has not completed, 4 a socket that it is being told of |
//! | 104 | 4 | the client, by the number that outlives netd; zero for nobody's |
//! | 108 | 4 | the name of the socket; else zero |
//! | 112 | 8 | the token of the close; else zero |
//! | 120 | 4 | zero |
//! | 124 | 4 | check: a hash of bytes 64 to 123 |

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::id::{SocketId, Token};
use ::tcp::BadRecord;

/// Bytes of the owner's half.
const HALF: usize = 64;
/// Largest differentiated services codepoint (RFC 2474 section 3).
const MAX_DSCP: u8 = 63;

/// What a client has of a connection, by names that outlive a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Nothing: it has left, or knows already that the connection is closed.
    Nobody,
    /// Nothing yet: the connection waits to be accepted, at whichever of the client's listeners has
    /// its port.
    Waiting,
    /// A socket that the client is being told of: if it does not know it, the connection still waits
    /// to be accepted.
    Offered(SocketId),
    /// A socket.
    Socket(SocketId),
    /// A close that has not completed.
    Closing(Token),
}

/// A connection as it is kept for a netd that starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the connection core has promised.
    pub tcp: ::tcp::Record,
    /// Our end.
    pub local: SocketAddr,
    /// The peer's end; of the same family.
    pub remote: SocketAddr,
    /// Time to live of packets sent; zero: the default.
    pub ttl: u8,
    /// Differentiated services codepoint of packets sent.
    pub dscp: u8,
    /// The client, by the number that outlives netd; zero for nobody's.
    pub client: u32,
    /// What the client has of it.
    pub owner: Owner,
}

impl Record {
    /// Bytes of a record.
    pub const LEN: usize = ::tcp::Record::LEN + HALF;

    /// The bytes to keep. IPv6 scopes are not kept: a connection has its path's interface.
    #[must_use]
    #[inline(never)]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let mut half = [0; HALF];
        let mut rest = half.as_mut_slice();
        let mut put = |bytes: &[u8]| {
            if let Some((place, behind)) =
                core::mem::take(&mut rest).split_at_mut_checked(bytes.len())
            {
                place.copy_from_slice(bytes);
                rest = behind;
            }
        };
        put(&octets(self.local.ip()));
        put(&octets(self.remote.ip()));
        put(&self.local.port().to_be_bytes());
        put(&self.remote.port().to_be_bytes());
        let (kind, name, token) = self.owner.parts();
        let family = if self.local.is_ipv4() { 4 } else { 6 };
        put(&[family, self.ttl, self.dscp, kind]);
        put(&self.client.to_le_bytes());
        put(&name.to_le_bytes());
        put(&token.to_le_bytes());
        let check = check(&half);
        if let Some(place) = half.last_chunk_mut() {
            *place = check.to_le_bytes();
        }
        let mut bytes = [0; Self::LEN];
        let (core, own) = bytes.split_at_mut(::tcp::Record::LEN);
        core.copy_from_slice(self.tcp.as_bytes());
        own.copy_from_slice(&half);
        bytes
    }

    /// A record as it was kept. The connection core's half is checked when it is restored.
    ///
    /// # Errors
    /// It was not written whole, or says what no record of ours says.
    pub fn parse(bytes: &[u8; Self::LEN]) -> Result<Self, BadRecord> {
        let (core, own) = bytes.split_at(::tcp::Record::LEN);
        let core: [u8; ::tcp::Record::LEN] = core.try_into().map_err(|_| BadRecord::Check)?;
        let own: [u8; HALF] = own.try_into().map_err(|_| BadRecord::Check)?;
        if own.last_chunk() != Some(&check(&own).to_le_bytes()) {
            return Err(BadRecord::Check);
        }
        let mut rest = own.as_slice();
        let (local, remote): ([u8; 16], [u8; 16]) = (take(&mut rest)?, take(&mut rest)?);
        let local_port = u16::from_be_bytes(take(&mut rest)?);
        let remote_port = u16::from_be_bytes(take(&mut rest)?);
        let [family, ttl, dscp, kind] = take(&mut rest)?;
        let client = u32::from_le_bytes(take(&mut rest)?);
        let name = u32::from_le_bytes(take(&mut rest)?);
        let token = u64::from_le_bytes(take(&mut rest)?);
        let zero = u32::from_le_bytes(take(&mut rest)?);
        let owner = Owner::from_parts(kind, name, token).ok_or(BadRecord::Contradiction)?;
        let has_ports = local_port != 0 && remote_port != 0;
        let is_owned = (client != 0) == (owner != Owner::Nobody);
        if !has_ports || !is_owned || dscp > MAX_DSCP || zero != 0 {
            return Err(BadRecord::Contradiction);
        }
        Ok(Self {
            tcp: ::tcp::Record::from_bytes(core),
            local: SocketAddr::new(address(family, local)?, local_port),
            remote: SocketAddr::new(address(family, remote)?, remote_port),
            ttl,
            dscp,
            client,
            owner,
        })
    }
}

impl Owner {
    /// Kind, name and token as they are written.
    fn parts(self) -> (u8, u32, u64) {
        match self {
            Self::Nobody => (0, 0, 0),
            Self::Waiting => (1, 0, 0),
            Self::Socket(socket) => (2, socket.raw(), 0),
            Self::Closing(token) => (3, 0, token.0),
            Self::Offered(socket) => (4, socket.raw(), 0),
        }
    }

    fn from_parts(kind: u8, name: u32, token: u64) -> Option<Self> {
        match (kind, name, token) {
            (0, 0, 0) => Some(Self::Nobody),
            (1, 0, 0) => Some(Self::Waiting),
            (2, name, 0) => SocketId::from_raw(name).map(Self::Socket),
            (3, 0, _) => Some(Self::Closing(Token(token))),
            (4, name, 0) => SocketId::from_raw(name).map(Self::Offered),
            _ => None,
        }
    }
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn address(family: u8, octets: [u8; 16]) -> Result<IpAddr, BadRecord> {
    match (family, octets) {
        (4, [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) => {
            Ok(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
        }
        (6, octets) => Ok(IpAddr::V6(Ipv6Addr::from(octets))),
        _ => Err(BadRecord::Contradiction),
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], BadRecord> {
    let (front, behind) = rest.split_first_chunk::<N>().ok_or(BadRecord::Check)?;
    *rest = behind;
    Ok(*front)
}

/// A fast hash of all but the check itself: it finds torn and stray writes, not forgeries.
#[expect(
    clippy::cast_possible_truncation,
    reason = "both halves of the hash are in the lower"
)]
fn check(half: &[u8; HALF]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, _) = half.as_chunks::<8>();
    let last = words.len() - 1;
    let hash = (0..).zip(words).fold(!FACTOR, |hash, (place, word)| {
        let word = u64::from_le_bytes(*word);
        // The last word's upper half is the check itself.
        let mask = if place == last {
            u64::from(u32::MAX)
        } else {
            u64::MAX
        };
        (hash ^ word & mask).wrapping_mul(FACTOR).rotate_left(29)
    });
    (hash ^ hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::{Owner, Record};
    use crate::id::{SocketId, Token};
    use ::tcp::BadRecord;

    fn name(raw: u32) -> SocketId {
        SocketId::from_raw(raw).unwrap()
    }

    fn record(local: &str, remote: &str) -> Record {
        Record {
            tcp: ::tcp::Record::from_bytes([0x5a; ::tcp::Record::LEN]),
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            ttl: 64,
            dscp: 10,
            client: 7,
            owner: Owner::Socket(name(0x0102_0304)),
        }
    }

    #[test]
    fn records_survive_for_both_families() {
        for (local, remote) in [
            ("10.0.2.15:80", "10.0.2.2:40000"),
            ("[fd00::2]:80", "[fd00::1]:40000"),
        ] {
            for (client, owner) in [
                (0, Owner::Nobody),
                (1, Owner::Waiting),
                (u32::MAX, Owner::Socket(name(1))),
                (3, Owner::Closing(Token(u64::MAX))),
                (3, Owner::Closing(Token(0))),
                (3, Owner::Offered(name(u32::MAX))),
            ] {
                let record = Record {
                    client,
                    owner,
                    ..record(local, remote)
                };
                assert_eq!(Record::parse(&record.emit()), Ok(record));
            }
        }
    }

    #[test]
    fn every_byte_stands_where_the_table_says() {
        let bytes = record("10.0.2.15:80", "10.0.2.2:40000").emit();
        assert_eq!(bytes[..64], [0x5a; 64]);
        assert_eq!(
            bytes[64..80],
            [10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(bytes[80..84], [10, 0, 2, 2]);
        assert_eq!(bytes[96..104], [0, 80, 0x9c, 0x40, 4, 64, 10, 2]);
        assert_eq!(bytes[104..112], [7, 0, 0, 0, 4, 3, 2, 1]);
        assert_eq!(bytes[112..124], [0; 12]);
        let closing = Record {
            owner: Owner::Closing(Token(0x0102_0304_0506_0708)),
            ..record("10.0.2.15:80", "10.0.2.2:40000")
        };
        let bytes = closing.emit();
        assert_eq!(bytes[103], 3);
        assert_eq!(
            bytes[108..124],
            [0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 0]
        );
    }

    #[test]
    fn a_changed_bit_is_seen() {
        let whole = record("10.0.2.15:80", "10.0.2.2:40000").emit();
        for place in 64..Record::LEN {
            for bit in 0..8 {
                let mut bytes = whole;
                bytes[place] ^= 1 << bit;
                assert_eq!(Record::parse(&bytes), Err(BadRecord::Check), "byte {place}");
            }
        }
    }

    #[test]
    fn what_no_record_says_is_not_believed() {
        for (local, remote) in [
            ("10.0.2.15:0", "10.0.2.2:40000"),
            ("10.0.2.15:80", "10.0.2.2:0"),
            // One end's family decides for both: the other's bytes make no IPv4 address.
            ("10.0.2.15:80", "[fd00::1]:40000"),
        ] {
            let bytes = record(local, remote).emit();
            assert_eq!(Record::parse(&bytes), Err(BadRecord::Contradiction));
        }
        let whole = record("10.0.2.15:80", "10.0.2.2:40000");
        for strange in [
            Record { client: 0, ..whole },
            Record {
                owner: Owner::Nobody,
                ..whole
            },
            Record { dscp: 64, ..whole },
        ] {
            let bytes = strange.emit();
            assert_eq!(Record::parse(&bytes), Err(BadRecord::Contradiction));
        }
    }
}
