//! Tables: rows of a fixed layout, several in a reply.
//!
//! A table is read by cursor: the request says where to go on (0 at first), the reply where the
//! next one goes on ([`END`] when there is nothing more). netd remembers nothing between requests;
//! a row that comes or goes meanwhile may be missed or seen, never torn.

use core::marker::PhantomData;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::Malformed;
use crate::field::{
    Body, Field, FixedDescription, at, body_of, fixed, layout, put_body, word_enum,
};
use crate::group::GroupRow;
use crate::message::{Address, Message};
use crate::operation::{Operation, operations};

/// Cursor after the last row.
pub const END: u32 = u32::MAX;
/// Bytes of rows in one reply.
const ROWS_BYTES: usize = 192;

/// Rows of `R` that fit a reply.
const fn rows_per_reply<R>() -> usize {
    assert!(size_of::<R>() <= ROWS_BYTES);
    ROWS_BYTES / size_of::<R>()
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RowsBody {
    next: U32,
    count: U32,
    rows: [u8; ROWS_BYTES],
}

const _: () = assert!(size_of::<RowsBody>() == 200);

/// Some rows of a table.
#[derive(Clone, Copy)]
pub struct Rows<R> {
    body: RowsBody,
    row: PhantomData<R>,
}

impl<R: Body> Rows<R> {
    /// Reads rows from a table: `next` gives the row at or after a cursor and the cursor after it.
    #[must_use]
    pub fn collect(cursor: u32, mut next: impl FnMut(u32) -> Option<(R, u32)>) -> Self {
        let mut rows = [0; ROWS_BYTES];
        let (mut at, mut count) = (cursor, 0u32);
        for slot in rows.chunks_exact_mut(size_of::<R>()) {
            let Some((row, after)) = next(at) else {
                at = END;
                break;
            };
            slot.copy_from_slice(row.as_bytes());
            at = after;
            count = count.saturating_add(1);
        }
        let body = RowsBody {
            next: U32::new(at),
            count: U32::new(count),
            rows,
        };
        Self {
            body,
            row: PhantomData,
        }
    }

    /// Where to go on; [`END`] after the last row.
    #[must_use]
    pub fn next(&self) -> u32 {
        self.body.next.get()
    }

    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = R> + '_ {
        let count = usize::try_from(self.body.count.get()).unwrap_or(usize::MAX);
        self.body
            .rows
            .chunks_exact(size_of::<R>())
            .take(count)
            .filter_map(|bytes| R::read_from_bytes(bytes).ok())
    }
}

impl<R: Body> core::fmt::Debug for Rows<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} rows, next {}", self.body.count, self.body.next)
    }
}

impl<R: Body> PartialEq for Rows<R> {
    fn eq(&self, other: &Self) -> bool {
        self.body.as_bytes() == other.body.as_bytes()
    }
}

impl<R: Body> Eq for Rows<R> {}

impl<R: Body> Field<at::Body> for Rows<R> {
    const PLACE: &'static str = {
        assert!(rows_per_reply::<R>() > 0);
        "inline: u32 where to go on, u32 count, rows"
    };
    const LENGTH: bool = true;
    const FIXED: Option<FixedDescription> = Some(R::DESCRIPTION);
    fn put(&self, message: &mut Message) {
        put_body(&self.body, message);
    }
    fn take(message: &Message) -> Result<Self, Malformed> {
        let bytes = body_of(message, size_of::<RowsBody>())?;
        let body = RowsBody::read_from_bytes(bytes).map_err(|_| Malformed::Short)?;
        Ok(Self {
            body,
            row: PhantomData,
        })
    }
}

fixed! {
    /// An interface.
    pub struct InterfaceRow: 56 {
        /// Number of the interface.
        pub interface: U32,
        /// Largest packet in bytes.
        pub mtu: U16,
        /// Hardware address, zero for loopback.
        pub mac: [u8; 6],
        /// 1: up.
        pub up: u8,
        /// 1: loopback.
        pub loopback: u8,
        /// Number of the VLAN whose frames it has; zero for those without a tag.
        pub vlan: U16,
        /// Frames received.
        pub received_frames: U64,
        /// Bytes received.
        pub received_bytes: U64,
        /// Frames sent.
        pub sent_frames: U64,
        /// Bytes sent.
        pub sent_bytes: U64,
        /// Received frames thrown away.
        pub dropped: U64,
    }
}

fixed! {
    /// An address of an interface.
    pub struct AddressRow: 32 {
        /// Number of the interface.
        pub interface: U32,
        /// 0 being probed, 1 in use, 2 somebody else has it, 3 in use while it is being probed, 4 in use,
        /// but others are preferred to it.
        pub state: u8,
        /// Number of a [`crate::Source`].
        pub source: u8,
        /// Zero.
        pub reserved: U16,
        /// Address and prefix.
        pub address: Address,
    }
}

fixed! {
    /// A route.
    pub struct RouteRow: 56 {
        /// Destination and prefix.
        pub destination: Address,
        /// Next router; family 0 when on the link.
        pub gateway: Address,
        /// Number of the interface.
        pub interface: U32,
        /// The smaller, the better.
        pub metric: U32,
    }
}

fixed! {
    /// What holds for addresses with a prefix when one is chosen (RFC 6724 section 2.1).
    pub struct PolicyRow: 32 {
        /// The prefix. Those of IPv4 are ones of IPv6: ::ffff:0:0/96 and below.
        pub network: Address,
        /// Destinations with more of it are preferred.
        pub precedence: u8,
        /// Sources and destinations with the same go well together.
        pub label: u8,
        /// Zero.
        pub reserved: [u8; 6],
    }
}

word_enum! {
    /// What is known of a neighbour (RFC 4861 7.3.2).
    NeighbourState {
        /// Asked for, not known yet.
        Incomplete = 0,
        /// Heard recently.
        Reachable = 1,
        /// Not heard recently.
        Stale = 2,
        /// In use although stale.
        Delay = 3,
        /// Being asked again.
        Probe = 4,
        /// Does not answer.
        Failed = 5,
        /// Given by a person.
        Permanent = 6,
    }
}

fixed! {
    /// A neighbour on a link.
    pub struct NeighbourRow: 40 {
        /// Its address.
        pub address: Address,
        /// Its hardware address, zero while unknown.
        pub mac: [u8; 6],
        /// Number of a [`NeighbourState`].
        pub state: u8,
        /// Packets that wait for it.
        pub waiting: u8,
        /// Number of the interface.
        pub interface: U32,
        /// Seconds since it was last confirmed.
        pub age: U32,
    }
}

fixed! {
    /// A socket.
    pub struct SocketRow: 80 {
        /// Its id; zero for connections that nobody holds any more.
        pub socket: U32,
        /// Number of the client; zero as above.
        pub client: U32,
        /// Number of a [`crate::SocketKind`].
        pub kind: u8,
        /// Number of a [`crate::State`].
        pub state: u8,
        /// One: it takes part in both families.
        pub is_dual: u8,
        /// Zero.
        pub reserved: u8,
        /// Bytes not told to the client yet; listening: connections that wait to be accepted.
        pub receive_queued: U32,
        /// Bytes not yet acknowledged; listening: the backlog.
        pub send_queued: U32,
        /// Segments sent again.
        pub retransmits: U32,
        /// Smoothed round-trip time in microseconds.
        pub round_trip: U32,
        /// Congestion window in bytes.
        pub window: U32,
        /// Own address; the protocol of a raw socket stands in the port's place.
        pub local: Address,
        /// Peer.
        pub remote: Address,
    }
}

/// Bits of [`ConnectionRow::options`].
pub mod agreed {
    /// Segments carry timestamps (RFC 7323).
    pub const TIMESTAMPS: u8 = 1;
    /// Selective acknowledgements (RFC 2018).
    pub const SACK: u8 = 2;
    /// Explicit congestion notification (RFC 3168).
    pub const ECN: u8 = 4;
}

fixed! {
    /// A TCP connection, from inside.
    pub struct ConnectionRow: 160 {
        /// Its socket's id; zero for connections that nobody holds any more.
        pub socket: U32,
        /// Number of the client; zero as above.
        pub client: U32,
        /// Number of a [`crate::State`].
        pub state: u8,
        /// Bits of [`agreed`].
        pub options: u8,
        /// How far the peer's windows are shifted.
        pub send_scale: u8,
        /// How far ours are.
        pub receive_scale: u8,
        /// Largest payload of a segment, in bytes.
        pub segment: U16,
        /// Largest packet that the path is known to take, in bytes.
        pub path_mtu: U16,
        /// Name of the congestion control, padded with zeros.
        pub congestion_control: [u8; 8],
        /// Congestion window in bytes.
        pub congestion_window: U32,
        /// Where slow start ends, in bytes; `u32::MAX` before the first loss.
        pub slow_start_threshold: U32,
        /// Window that the peer offers, in bytes.
        pub send_window: U32,
        /// Window that we offer, in bytes.
        pub receive_window: U32,
        /// Bytes sent and not acknowledged.
        pub in_flight: U32,
        /// Smoothed round-trip time in microseconds; zero before it was measured.
        pub round_trip: U32,
        /// Its mean deviation in microseconds.
        pub round_trip_variation: U32,
        /// Retransmission timeout in microseconds, backed off as it is now.
        pub retransmission_timeout: U32,
        /// Segments sent again.
        pub retransmits: U32,
        /// Bytes queued for sending and not acknowledged.
        pub send_queued: U32,
        /// Bytes not told to the client yet.
        pub receive_queued: U32,
        /// Bytes per second that the peer has lately acknowledged; zero before it was measured.
        pub delivery_rate: U32,
        /// Bytes that the peer has acknowledged.
        pub bytes_sent: U64,
        /// Bytes received in order.
        pub bytes_received: U64,
        /// Zero.
        pub reserved: [u8; 24],
        /// Own address.
        pub local: Address,
        /// Peer.
        pub remote: Address,
    }
}

fixed! {
    /// A named count.
    pub struct CounterRow: 48 {
        /// Name, padded with zeros; cut.
        pub name: [u8; 40],
        /// Count since netd started.
        pub count: U64,
    }
}

/// Text in a fixed field: padded with zeros, cut at a character's boundary.
#[must_use]
pub fn fixed_text<const N: usize>(text: &str) -> [u8; N] {
    let mut out = [0; N];
    let mut end = text.len().min(N);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    for (to, from) in out.iter_mut().zip(text.as_bytes().iter().take(end)) {
        *to = *from;
    }
    out
}

/// The text of a fixed field; what is not UTF-8 is left out.
#[must_use]
pub fn text_of(field: &[u8]) -> &str {
    let used = field.split(|byte| *byte == 0).next().unwrap_or(&[]);
    match core::str::from_utf8(used) {
        Ok(text) => text,
        Err(error) => {
            core::str::from_utf8(used.get(..error.valid_up_to()).unwrap_or(&[])).unwrap_or("")
        }
    }
}

/// An operation that reads a table.
pub trait Table: Operation {
    /// The table's rows.
    type Row: Body;

    /// The request for the rows from `cursor` on.
    fn from_cursor(cursor: u32) -> Self;

    /// The rows of a reply.
    fn rows(reply: &Self::Reply) -> &Rows<Self::Row>;
}

macro_rules! tables {
    ($($request:ident $reply:ident $row:ident)*) => {
        $(impl Table for $request {
            type Row = $row;
            fn from_cursor(cursor: u32) -> Self {
                Self { cursor }
            }
            fn rows(reply: &$reply) -> &Rows<$row> {
                &reply.rows
            }
        })*

        layout! {$(
            /// Reads rows of a table.
            pub struct $request {
                /// Where to go on; zero at first.
                cursor: u32 => at::Argument,
            }

            /// Rows of the table.
            pub struct $reply {
                /// The rows.
                rows: Rows<$row> => at::Body,
            }
        )*}
    };
}

tables! {
    Interfaces InterfacesReply InterfaceRow
    Addresses AddressesReply AddressRow
    Routes RoutesReply RouteRow
    Neighbours NeighboursReply NeighbourRow
    Sockets SocketsReply SocketRow
    Connections ConnectionsReply ConnectionRow
    Groups GroupsReply GroupRow
    Policies PoliciesReply PolicyRow
    Drops DropsReply CounterRow
    Counters CountersReply CounterRow
}

operations! {
    45 "NET_INTERFACES" Interfaces -> InterfacesReply, ObserveError,
        Anyone, Promptly, idempotent: true,
        "Reads the table of interfaces.", restart: "Ask again.";
    46 "NET_ROUTES" Routes -> RoutesReply, ObserveError,
        Anyone, Promptly, idempotent: true,
        "Reads the table of routes.", restart: "Ask again.";
    47 "NET_NEIGHBOURS" Neighbours -> NeighboursReply, ObserveError,
        Anyone, Promptly, idempotent: true,
        "Reads the table of neighbours.", restart: "Ask again.";
    48 "NET_SOCKETS" Sockets -> SocketsReply, ObserveError,
        Anyone, Promptly, idempotent: true,
        "Reads the table of sockets, all clients'.", restart: "Ask again.";
    49 "NET_DROPS" Drops -> DropsReply, ObserveError,
        Anyone, Promptly, idempotent: true,
        "Reads how often packets were thrown away, by reason.", restart: "Counts start at zero.";
    50 "NET_COUNTERS" Counters -> CountersReply, ObserveError,
        Anyone, Promptly, idempotent: true,
        "Reads all counters that are not drops.", restart: "Counts start at zero.";
    51 "NET_ADDRESSES" Addresses -> AddressesReply, ObserveError,
        Anyone, Promptly, idempotent: true,
        "Reads the table of the interfaces' addresses.", restart: "Ask again.";
    52 "NET_CONNECTIONS" Connections -> ConnectionsReply, ObserveError,
        Anyone, Promptly, idempotent: true,
        "Reads what TCP knows of its connections, all clients'.", restart: "Ask again.";
    54 "NET_GROUPS" Groups -> GroupsReply, ObserveError,
        Anyone, Promptly, idempotent: true,
        "Reads the table of the groups that interfaces listen to.", restart: "Ask again.";
    55 "NET_POLICIES" Policies -> PoliciesReply, ObserveError,
        Anyone, Promptly, idempotent: true,
        "Reads the table by which addresses are chosen (RFC 6724), the longest prefixes first.",
        restart: "Ask again.";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(count: u64) -> CounterRow {
        CounterRow {
            name: fixed_text("bad checksum"),
            count: U64::new(count),
        }
    }

    #[test]
    fn a_table_is_read_to_its_end_by_cursor() {
        let table: [u64; 10] = core::array::from_fn(|i| i as u64 * 3);
        let (mut cursor, mut seen, mut replies) = (0, 0, 0);
        while cursor != END {
            let rows = Rows::collect(cursor, |at| {
                table.get(at as usize).map(|count| (row(*count), at + 1))
            });
            for found in rows.iter() {
                assert_eq!(found, row(table[seen]));
                seen += 1;
            }
            cursor = rows.next();
            replies += 1;
        }
        assert_eq!((seen, replies), (10, 3));
    }

    #[test]
    fn a_lying_count_reads_no_more_than_there_is() {
        let mut rows = Rows::collect(0, |_| Some((row(1), 1)));
        rows.body.count.set(u32::MAX);
        assert_eq!(rows.iter().count(), rows_per_reply::<CounterRow>());
    }

    #[test]
    fn text_is_cut_at_characters() {
        assert_eq!(text_of(&fixed_text::<4>("abcdef")), "abcd");
        assert_eq!(text_of(&fixed_text::<4>("abcä")), "abc");
        assert_eq!(text_of(&[0xff, b'a', 0]), "");
        assert_eq!(text_of(b"a\xffb\0"), "a");
    }
}
