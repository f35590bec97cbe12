//! Every reason for which a packet may be discarded.
//!
//! *Owns*: the one list, for all layers, so that "received = delivered + sum of drops" can be
//! checked and every discard has a counter with a name.
//! *Never*: errors of callers (each operation has its own enum) or our own mistakes.
//!
//! To add a reason, add a line: its meaning, its variant, the name of its counter.

use core::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $reason:ident = $name:literal,)+) => {
        /// Why a packet was discarded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Drop {
            $($(#[doc = $doc])+ $reason,)+
        }

        impl Drop {
            /// All reasons, in the order of their counters.
            pub const ALL: &'static [Self] = &[$(Self::$reason,)+];

            /// The name of the reason's counter: `layer.reason`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$reason => $name,)+
                }
            }
        }
    };
}

impl Drop {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The place of the reason in [`Drop::ALL`] and in a table of counters.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

reasons! {
    // Link.
    /// A frame shorter than its header.
    EthernetShort = "ethernet.short",
    /// The type field is a length: an IEEE 802.3 frame, which nothing here speaks.
    EthernetLength = "ethernet.length",
    /// The source is a group address.
    EthernetSource = "ethernet.source",
    /// The destination is neither ours, nor broadcast, nor a group we have joined.
    EthernetNotForUs = "ethernet.not_for_us",
    /// In several slices, no TCP segment, and longer than any link's frames.
    EthernetLong = "ethernet.long",
    /// An EtherType that nothing here speaks.
    EthernetUnknownType = "ethernet.unknown_type",
    /// A tagged frame that ends before its type.
    VlanShort = "vlan.short",
    /// Of a VLAN that we are not in.
    VlanForeign = "vlan.foreign",
    /// A tag within a tag.
    VlanDouble = "vlan.double",

    // ARP.
    /// Shorter than an Ethernet/IPv4 ARP packet.
    ArpShort = "arp.short",
    /// Not about IPv4 over Ethernet.
    ArpForeign = "arp.foreign",
    /// Neither a request nor a reply.
    ArpOperation = "arp.operation",
    /// The sender's addresses cannot belong to one host.
    ArpSender = "arp.sender",
    /// Says nothing that concerns us.
    ArpNotForUs = "arp.not_for_us",
    /// Would change an entry in a way that smells of poisoning.
    ArpSuspicious = "arp.suspicious",
    /// Somebody else claims an address of ours.
    ArpConflict = "arp.conflict",

    // IPv4.
    /// Shorter than its header.
    Ipv4Short = "ipv4.short",
    /// The version is not 4.
    Ipv4Version = "ipv4.version",
    /// The header length is below five words or beyond the packet.
    Ipv4HeaderLength = "ipv4.header_length",
    /// The total length is below the header's or beyond the frame.
    Ipv4TotalLength = "ipv4.total_length",
    /// The header's checksum is wrong.
    Ipv4Checksum = "ipv4.checksum",
    /// The reserved flag is set.
    Ipv4ReservedFlag = "ipv4.reserved_flag",
    /// An option's length is wrong.
    Ipv4Option = "ipv4.option",
    /// Asks for source routing.
    Ipv4SourceRoute = "ipv4.source_route",
    /// The source cannot be a host's address.
    Ipv4Source = "ipv4.source",
    /// A loopback address on a wire.
    Ipv4Loopback = "ipv4.loopback",
    /// The destination is not an address of ours.
    Ipv4NotForUs = "ipv4.not_for_us",
    /// Arrived with no time to live.
    Ipv4TimeToLive = "ipv4.time_to_live",
    /// A protocol that nothing here speaks.
    Ipv4UnknownProtocol = "ipv4.unknown_protocol",

    // ICMP for IPv4.
    /// Shorter than its header.
    Icmp4Short = "icmp4.short",
    /// The checksum is wrong.
    Icmp4Checksum = "icmp4.checksum",
    /// A type or code that nothing here speaks.
    Icmp4UnknownType = "icmp4.unknown_type",
    /// The packet quoted by an error is too short or senseless.
    Icmp4Quote = "icmp4.quote",
    /// An error about nothing that we have sent.
    Icmp4Unrelated = "icmp4.unrelated",
    /// A redirect by who is not asked, to who is not on the link, or about what we have not sent (RFC 1122
    /// section 3.2.2.2).
    Icmp4Redirect = "icmp4.redirect",
    /// An echo request to a group or broadcast address.
    Icmp4EchoToGroup = "icmp4.echo_to_group",
    /// Automatic answers to echo requests are switched off.
    Icmp4EchoDisabled = "icmp4.echo_disabled",

    // IPv6.
    /// Shorter than its header.
    Ipv6Short = "ipv6.short",
    /// The version is not 6.
    Ipv6Version = "ipv6.version",
    /// The payload's length is beyond the frame.
    Ipv6PayloadLength = "ipv6.payload_length",
    /// The source cannot be a host's address.
    Ipv6Source = "ipv6.source",
    /// Longer than 65,535 bytes, or says so.
    Ipv6Jumbo = "ipv6.jumbo",
    /// A header behind the fixed one is cut off.
    Ipv6ExtensionShort = "ipv6.extension_short",
    /// Hop-by-hop options behind another header.
    Ipv6ExtensionPlace = "ipv6.extension_place",
    /// Too many headers, or too long ones.
    Ipv6ExtensionLimit = "ipv6.extension_limit",
    /// An option's length is wrong.
    Ipv6Option = "ipv6.option",
    /// More options or more padding than anybody needs.
    Ipv6OptionLimit = "ipv6.option_limit",
    /// An option that nothing here speaks, and that must not be skipped.
    Ipv6UnknownOption = "ipv6.unknown_option",
    /// A routing header that wants the packet to be sent on.
    Ipv6Routing = "ipv6.routing",
    /// A fragment of no bytes, or of a number that cannot be.
    Ipv6FragmentLength = "ipv6.fragment_length",
    /// A fragment that lies beyond the end of any packet.
    Ipv6FragmentOffset = "ipv6.fragment_offset",
    /// A first fragment without all of the packet's headers.
    Ipv6FragmentChain = "ipv6.fragment_chain",

    // ICMP for IPv6.
    /// Shorter than its header.
    Icmp6Short = "icmp6.short",
    /// The checksum is wrong.
    Icmp6Checksum = "icmp6.checksum",
    /// A type or code that nothing here speaks.
    Icmp6UnknownType = "icmp6.unknown_type",
    /// The packet quoted by an error is too short or senseless.
    Icmp6Quote = "icmp6.quote",

    // Neighbour discovery.
    /// Shorter than its fixed part.
    NdpShort = "ndp.short",
    /// The code is not zero.
    NdpCode = "ndp.code",
    /// A router has passed it on: the hop limit is not 255.
    NdpHopLimit = "ndp.hop_limit",
    /// It came with a fragment header (RFC 6980).
    NdpFragment = "ndp.fragment",
    /// An option of no length, or cut off.
    NdpOption = "ndp.option",
    /// The sender's address is not one that may say so.
    NdpSource = "ndp.source",
    /// Addressed in a way that its kind must not be.
    NdpDestination = "ndp.destination",
    /// What it is about is a group, or not on the link.
    NdpTarget = "ndp.target",

    // Groups and who listens to them.
    /// Shorter than it says.
    IgmpShort = "igmp.short",
    /// The checksum is wrong.
    IgmpChecksum = "igmp.checksum",
    /// A type that nothing here speaks.
    IgmpUnknownType = "igmp.unknown_type",
    /// About what is no group, or about sources of none.
    IgmpGroup = "igmp.group",
    /// A router may have passed it on: the time to live is not 1.
    IgmpTimeToLive = "igmp.time_to_live",
    /// It does not ask routers to look at it.
    IgmpRouterAlert = "igmp.router_alert",
    /// A question about all groups that was not put to all.
    IgmpDestination = "igmp.destination",
    /// About a group that nobody here listens to, or for routers.
    IgmpNotForUs = "igmp.not_for_us",
    /// More questions than are heeded.
    IgmpFlood = "igmp.flood",
    /// Shorter than it says.
    MldShort = "mld.short",
    /// It may have been passed on: the hop limit is not 1.
    MldHopLimit = "mld.hop_limit",
    /// The sender's address is not one of this link.
    MldSource = "mld.source",
    /// It does not ask routers to look at it.
    MldRouterAlert = "mld.router_alert",
    /// About what is no group, or about sources of none.
    MldGroup = "mld.group",
    /// About a group that nobody here listens to, or for routers.
    MldNotForUs = "mld.not_for_us",
    /// More questions than are heeded.
    MldFlood = "mld.flood",
    /// For a group that is listened to, from a source that nobody wants to hear.
    GroupSource = "group.source",

    // Parts of packets, of either family.
    /// Of no bytes, or of a number that only the last may have.
    FragmentLength = "fragment.length",
    /// It makes the packet longer than any.
    FragmentTooLong = "fragment.too_long",
    /// The first, without all of the transport's header.
    FragmentTiny = "fragment.tiny",
    /// The packet comes in more parts than anybody needs.
    FragmentTooMany = "fragment.too_many",
    /// All of it had come before.
    FragmentDuplicate = "fragment.duplicate",
    /// It contradicts those that have come, or is of a packet of which some did (RFC 5722).
    FragmentOverlap = "fragment.overlap",
    /// Some of its fragments say that the network was congested, others that it cannot say.
    FragmentMark = "fragment.mark",
    /// Its packet made way for one of another source.
    FragmentNoRoom = "fragment.no_room",
    /// The others did not come in time.
    FragmentTimeout = "fragment.timeout",
    /// Its packet is whole, and for a socket of another core's stack, which cannot have it.
    FragmentElsewhere = "fragment.elsewhere",

    // UDP.
    /// Shorter than its header.
    UdpShort = "udp.short",
    /// The length is below the header's or beyond the packet.
    UdpLength = "udp.length",
    /// The checksum is wrong.
    UdpChecksum = "udp.checksum",
    /// No checksum where one is required.
    UdpNoChecksum = "udp.no_checksum",
    /// The destination port is zero.
    UdpPort = "udp.port",
    /// No socket is bound to the destination.
    UdpNoSocket = "udp.no_socket",
    /// The socket's queue is full.
    UdpQueueFull = "udp.queue_full",
    /// Only raw sockets hear the protocol, and none has given enough room.
    RawQueueFull = "raw.queue_full",

    // TCP: the segment.
    /// Shorter than its header.
    TcpShort = "tcp.short",
    /// The data offset is below five words or beyond the segment.
    TcpDataOffset = "tcp.data_offset",
    /// The checksum is wrong.
    TcpChecksum = "tcp.checksum",
    /// A port is zero.
    TcpPort = "tcp.port",
    /// An option's length is wrong.
    TcpOption = "tcp.option",
    // TCP: the connection.
    /// No connection and no listener.
    TcpNoSocket = "tcp.no_socket",
    /// Addressed to or from a group or broadcast address.
    TcpGroupAddress = "tcp.group_address",
    /// The sequence number lies outside the window (RFC 9293 section 3.10.7.4, first).
    TcpOutOfWindow = "tcp.out_of_window",
    /// Everything in it had arrived before.
    TcpDuplicate = "tcp.duplicate",
    /// Within the window, but there is no room for it.
    TcpBeyondRoom = "tcp.beyond_room",
    /// Out of order, and no further hole can be kept track of.
    TcpTooManyHoles = "tcp.too_many_holes",
    /// Data for a socket that its user has closed.
    TcpNobodyReads = "tcp.nobody_reads",
    /// No acknowledgment where one must be.
    TcpNoAck = "tcp.no_ack",
    /// Acknowledges what was never sent.
    TcpAckUnsent = "tcp.ack_unsent",
    /// Acknowledges what was acknowledged long ago (RFC 5961 section 5.2).
    TcpAckOld = "tcp.ack_old",
    /// A reset whose number is not exactly the next (RFC 5961 section 3.2).
    TcpBadReset = "tcp.bad_reset",
    /// A SYN in a connection that is open (RFC 5961 section 4.2).
    TcpSynInConnection = "tcp.syn_in_connection",
    /// An older timestamp than was seen before (RFC 7323 section 5.3).
    TcpOldTimestamp = "tcp.old_timestamp",
    /// No timestamp, although timestamps were agreed (RFC 7323 section 3.2).
    TcpNoTimestamp = "tcp.no_timestamp",
    /// The wrong flags or acknowledgment for this step of a handshake.
    TcpBadHandshake = "tcp.bad_handshake",
    /// Too many half-open connections.
    TcpSynOverflow = "tcp.syn_overflow",
    /// Too many connections that nobody has accepted.
    TcpAcceptOverflow = "tcp.accept_overflow",
    /// For a connection that is over, and answered as such.
    TcpTimeWait = "tcp.time_wait",
    /// A segment for nobody, while those that it may be for are still coming back after a crash.
    TcpAdoption = "tcp.adoption",

    // DHCP.
    /// Shorter than its fixed part.
    DhcpShort = "dhcp.short",
    /// Plain BOOTP, not about Ethernet, or neither a request nor a reply.
    DhcpForeign = "dhcp.foreign",
    /// An option's length is wrong.
    DhcpOption = "dhcp.option",
    /// Without a message type that we know.
    DhcpMessageType = "dhcp.message_type",
    /// Not an answer to what we have asked.
    DhcpUnexpected = "dhcp.unexpected",
    /// Shorter than its fixed part, over IPv6.
    Dhcp6Short = "dhcp6.short",
    /// An option's length is wrong.
    Dhcp6Option = "dhcp6.option",
    /// Of no type that is spoken between clients and servers.
    Dhcp6MessageType = "dhcp6.message_type",
    /// Not an answer to what we have asked.
    Dhcp6Unexpected = "dhcp6.unexpected",

    // DNS.
    /// Shorter than its header, or than what its header announces.
    DnsShort = "dns.short",
    /// A name with a bad label, too long, or with a pointer that does not lead backwards.
    DnsName = "dns.name",
    /// A record whose data do not have the form of their type.
    DnsRecord = "dns.record",
    /// Not an answer to what we have asked: address, port, id or question differ.
    DnsUnexpected = "dns.unexpected",
    /// Multicast DNS from beyond the link, or an answer by another port than its own.
    MdnsStranger = "mdns.stranger",
    /// More questions than are answered to their askers alone.
    MdnsFlood = "mdns.flood",
    /// An opcode or a response code that multicast DNS does not have.
    MdnsUnknown = "mdns.unknown",

    // Limits of ours.
    /// For an address or group that is not ours, over IPv6.
    Ipv6NotForUs = "ipv6.not_for_us",
    /// The interface takes no part in IPv6.
    Ipv6Disabled = "ipv6.disabled",
    /// The loopback address, off loopback.
    Ipv6Loopback = "ipv6.loopback",
    /// Nothing here speaks what it carries.
    Ipv6UnknownProtocol = "ipv6.unknown_protocol",
    /// It says that it carries nothing.
    Ipv6NoContent = "ipv6.no_content",
    /// About nothing that we have sent, or that still waits.
    Icmp6Unrelated = "icmp6.unrelated",
    /// More echo requests to groups than are answered.
    Icmp6EchoToGroup = "icmp6.echo_to_group",
    /// Automatic answers to echo requests are switched off.
    Icmp6EchoDisabled = "icmp6.echo_disabled",
    /// About an address that is not ours, or for routers.
    NdpNotForUs = "ndp.not_for_us",
    /// Somebody else has, or wants, an address of ours.
    NdpConflict = "ndp.conflict",
    /// About nobody whom we have asked, or from nobody who may say so.
    NdpUnrelated = "ndp.unrelated",
    /// Contradicts what is known of a neighbour, which is being verified.
    NdpSuspicious = "ndp.suspicious",

    /// A packet waiting for its neighbour's address was displaced by a newer one.
    NeighbourQueueFull = "neighbour.queue_full",
    /// The neighbour did not answer.
    NeighbourUnreachable = "neighbour.unreachable",
    /// No route leads to the destination.
    NoRoute = "route.none",
    /// The interface is down, or there is none.
    InterfaceDown = "interface.down",
    /// No packet buffer was free.
    NoBuffer = "packet.no_buffer",
    /// The memory that the client gave is not there any more.
    ClientMemoryGone = "client.memory_gone",
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn counters_are_dense_and_have_names_of_their_own() {
        let mut names = HashSet::new();
        for (place, reason) in Drop::ALL.iter().enumerate() {
            assert_eq!(reason.index(), place);
            let (layer, rest) = reason.name().split_once('.').expect("layer.reason");
            assert!(!layer.is_empty() && !rest.is_empty());
            assert!(names.insert(reason.name()), "{reason} twice");
        }
        assert_eq!(names.len(), Drop::COUNT);
    }
}
