//! The durable record of a connection: what a netd that starts anew needs of it, in 128 bytes.
//!
//! *Owns* the layout, version 1. The first half is [`tcp::Record`], which has its own check; this is
//! what the connection core does not know: who talks to whom, for whom, and where in the client's
//! memory the streams stand. *Never* holds what the client knows as well: sends and rooms beyond the
//! ones in progress are asked of it again.
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
//! | 102 | 2 | zero |
//! | 104 | 4 | the client, by the number that outlives netd |
//! | 108 | 4 | the client's name for the socket |
//! | 112 | 4 | place of byte RCV.NXT in the client's arena |
//! | 116 | 4 | place of byte SND.UNA in the client's arena |
//! | 120 | 4 | zero |
//! | 124 | 4 | check: a hash of bytes 64 to 123 |

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ::tcp::BadRecord;

/// Bytes of the owner's half.
const HALF: usize = 64;
/// Where the check stands in the owner's half.
const CHECK_AT: usize = HALF - 4;

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
    /// The client, by the number that outlives netd.
    pub client: u32,
    /// The client's name for the socket.
    pub socket: u32,
    /// Place of byte RCV.NXT in the client's arena.
    pub receive_at: u32,
    /// Place of byte SND.UNA in the client's arena.
    pub send_at: u32,
}

impl Record {
    /// Bytes of a record.
    pub const LEN: usize = ::tcp::Record::LEN + HALF;

    /// The bytes to keep. IPv6 scopes are not kept: a connection has its path's interface.
    #[must_use]
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
        put(&[if self.local.is_ipv4() { 4 } else { 6 }, self.ttl, 0, 0]);
        for word in [self.client, self.socket, self.receive_at, self.send_at, 0] {
            put(&word.to_le_bytes());
        }
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
        let [family, ttl, zero, zero_too] = take(&mut rest)?;
        let mut word = || take(&mut rest).map(u32::from_le_bytes);
        let (client, socket, receive_at, send_at) = (word()?, word()?, word()?, word()?);
        let is_sound = local_port != 0 && remote_port != 0 && word()? == 0;
        if !is_sound || zero != 0 || zero_too != 0 {
            return Err(BadRecord::Contradiction);
        }
        Ok(Self {
            tcp: ::tcp::Record::from_bytes(core),
            local: SocketAddr::new(address(family, local)?, local_port),
            remote: SocketAddr::new(address(family, remote)?, remote_port),
            ttl,
            client,
            socket,
            receive_at,
            send_at,
        })
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

/// FNV-1a over all but the check itself: it finds torn and stray writes, not forgeries.
fn check(half: &[u8; HALF]) -> u32 {
    half.iter().take(CHECK_AT).fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::Record;
    use ::tcp::BadRecord;

    fn record(local: &str, remote: &str) -> Record {
        Record {
            tcp: ::tcp::Record::from_bytes([0x5a; ::tcp::Record::LEN]),
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            ttl: 64,
            client: 7,
            socket: 0x0102_0304,
            receive_at: 0x0010_0000,
            send_at: 0x0020_0001,
        }
    }

    #[test]
    fn records_survive_for_both_families() {
        for (local, remote) in [
            ("10.0.2.15:80", "10.0.2.2:40000"),
            ("[fd00::2]:80", "[fd00::1]:40000"),
        ] {
            let record = record(local, remote);
            assert_eq!(Record::parse(&record.emit()), Ok(record));
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
        assert_eq!(bytes[96..104], [0, 80, 0x9c, 0x40, 4, 64, 0, 0]);
        assert_eq!(bytes[104..112], [7, 0, 0, 0, 4, 3, 2, 1]);
        assert_eq!(bytes[112..124], [0, 0, 0x10, 0, 1, 0, 0x20, 0, 0, 0, 0, 0]);
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
    }
}
