//! A capture as text: when, where, which way, and what the frame says.
//!
//! *Owns* the form of a line. The words about a frame are [`wire::Summary`]'s.

use std::fmt::Write as _;

use pcap_file::PcapError;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use wire::Summary;

/// A line for each frame of a capture: seconds since the start of the world, the name of the
/// station, and the frame.
///
/// # Errors
/// What is wrong with the file, if it is no capture of a world.
pub fn trace_lines(capture: &[u8]) -> Result<String, PcapError> {
    let mut reader = PcapNgReader::new(capture)?;
    let mut names = Vec::new();
    let mut lines = String::new();
    while let Some(block) = reader.next_block() {
        match block? {
            Block::InterfaceDescription(interface) => {
                names.push(interface.options.iter().find_map(|option| match option {
                    InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
                    _ => None,
                }));
            }
            Block::EnhancedPacket(packet) => {
                let index = usize::try_from(packet.interface_id).unwrap_or(usize::MAX);
                let name = names.get(index).and_then(Option::as_deref).unwrap_or("?");
                let is_inbound = packet.options.iter().any(
                    |option| matches!(option, EnhancedPacketOption::Flags(flags) if flags & 3 == 1),
                );
                let way = if is_inbound { "in " } else { "out" };
                let seconds = packet.timestamp.as_secs_f64();
                let frame = Summary(&packet.data);
                writeln!(lines, "{seconds:14.6} {name} {way} {frame}").unwrap_or_default();
            }
            _ => {}
        }
    }
    Ok(lines)
}
