//! Messages between every process and the first one.
//!
//! Layout, little endian: 0 operation u16 | 2 status u16 | 4 request u32 | 8 value u64 |
//! 16 extra u64 | 24 length u16 | 26 more u16 | 28 zero u32 | 32 data. A reply carries its
//! request's operation plus [`REPLY`] and the same request number. Data longer than a message
//! continues in the next ones; `more` is 1 in all but the last.

use ring::{MESSAGE_BYTES, Message};

/// Where the data starts.
const DATA_AT: usize = 32;
/// Bytes of data in one message.
pub const DATA_BYTES: usize = MESSAGE_BYTES - DATA_AT;
/// Added to an operation in its reply.
pub const REPLY: u16 = 0x80;
/// Most bytes of data that one request may spread over several messages.
pub const MAX_DATA: usize = 2048;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Operation {
    /// First process to a new one, before it runs; see [`super::Start`].
    Start = 1,
    /// Arguments, each followed by a zero byte, the program's name first.
    Arguments = 2,
    /// The kernel's command line.
    CommandLine = 3,
    /// End of the start messages; value is the process's number.
    Run = 4,
    /// Publishes a service under the name in data.
    Register = 16,
    /// Data names a service; the channel's far end waits in the handle queue with the request
    /// number as tag. Value 1: wait until there is such a service.
    Connect = 17,
    /// Starts a program; data as for `Arguments`. Reply: value is the process's number.
    Spawn = 18,
    /// Answered when process `value` has ended: value is the exit code, extra the process state.
    Wait = 19,
    /// Asks for the process after number `value`. Reply: a [`super::ProcessRecord`] in data;
    /// `NotFound` after the last.
    Next = 20,
    /// Ends process `value` with code `extra`.
    Kill = 21,
    /// Powers off with code `value`.
    PowerOff = 22,
    /// Resets the machine.
    Reset = 23,
    /// Figures of the machine: [`super::Figures`] in data.
    Figures = 24,
    /// Answered when the machine is about to go down: the process has a moment to finish, and ends.
    Linger = 25,
    /// Sets the wall clock: value is what it showed when the counter was zero, in nanoseconds since 1970.
    SetClock = 26,
    /// First process to a server: process `value` wants to talk; the channel waits in the handle
    /// queue with `request` as tag; extra holds the client's [`super::Permissions`], data its name.
    Client = 32,
}

impl Operation {
    /// The operation for a number; `None` for unknown ones.
    #[must_use]
    pub const fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Start,
            2 => Self::Arguments,
            3 => Self::CommandLine,
            4 => Self::Run,
            16 => Self::Register,
            17 => Self::Connect,
            18 => Self::Spawn,
            19 => Self::Wait,
            20 => Self::Next,
            21 => Self::Kill,
            22 => Self::PowerOff,
            23 => Self::Reset,
            24 => Self::Figures,
            25 => Self::Linger,
            26 => Self::SetClock,
            32 => Self::Client,
            _ => return None,
        })
    }
}

/// A message taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    /// Number of an [`Operation`], plus [`REPLY`] in a reply.
    pub operation: u16,
    /// Zero or the number of a [`super::Refused`].
    pub status: u16,
    /// Chosen by who asks.
    pub request: u32,
    /// By operation.
    pub value: u64,
    /// By operation.
    pub extra: u64,
    /// The data goes on in the next message.
    pub more: bool,
    /// By operation; at most [`DATA_BYTES`].
    pub data: &'a [u8],
}

impl<'a> Note<'a> {
    /// A note without data.
    #[must_use]
    pub const fn new(operation: Operation, request: u32) -> Self {
        Self {
            operation: operation as u16,
            status: 0,
            request,
            value: 0,
            extra: 0,
            more: false,
            data: &[],
        }
    }

    /// The answer to this note, without data.
    #[must_use]
    pub const fn reply(&self) -> Note<'static> {
        Note {
            operation: self.operation | REPLY,
            status: 0,
            request: self.request,
            value: 0,
            extra: 0,
            more: false,
            data: &[],
        }
    }

    /// Reads a message; a length beyond the message counts as the most there is.
    #[must_use]
    pub fn parse(message: &'a Message) -> Self {
        let bytes = message.as_bytes();
        let (head, data) = bytes.split_at(DATA_AT);
        let length = usize::from(u16::from_le_bytes(field(head, 24))).min(data.len());
        Self {
            operation: u16::from_le_bytes(field(head, 0)),
            status: u16::from_le_bytes(field(head, 2)),
            request: u32::from_le_bytes(field(head, 4)),
            value: u64::from_le_bytes(field(head, 8)),
            extra: u64::from_le_bytes(field(head, 16)),
            more: u16::from_le_bytes(field(head, 26)) != 0,
            data: data.get(..length).unwrap_or_default(),
        }
    }

    /// Writes a message; data beyond [`DATA_BYTES`] is cut.
    #[must_use]
    pub fn emit(&self) -> Message {
        let mut message = Message::ZERO;
        let (head, room) = message.as_bytes_mut().split_at_mut(DATA_AT);
        let length = self.data.len().min(room.len());
        for (to, from) in room.iter_mut().zip(self.data) {
            *to = *from;
        }
        head[0..2].copy_from_slice(&self.operation.to_le_bytes());
        head[2..4].copy_from_slice(&self.status.to_le_bytes());
        head[4..8].copy_from_slice(&self.request.to_le_bytes());
        head[8..16].copy_from_slice(&self.value.to_le_bytes());
        head[16..24].copy_from_slice(&self.extra.to_le_bytes());
        head[24..26].copy_from_slice(&u16::try_from(length).unwrap_or(0).to_le_bytes());
        head[26..28].copy_from_slice(&u16::from(self.more).to_le_bytes());
        message
    }

    /// As many messages as `data` needs, all with this note's head; at least one.
    pub fn emit_long(self, data: &[u8]) -> impl Iterator<Item = Message> {
        let count = data.len().div_ceil(DATA_BYTES).max(1);
        (0..count).map(move |index| {
            let rest = data.get(index * DATA_BYTES..).unwrap_or_default();
            let part = rest.get(..DATA_BYTES.min(rest.len())).unwrap_or_default();
            Note {
                more: index + 1 < count,
                data: part,
                ..self
            }
            .emit()
        })
    }
}

/// `N` bytes of the head at a fixed place.
fn field<const N: usize>(head: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&head[at..at + N]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::{DATA_BYTES, Note, Operation};

    #[test]
    fn notes_round_trip() {
        let note = Note {
            operation: Operation::Spawn as u16,
            status: 3,
            request: 0x1234_5678,
            value: u64::MAX - 1,
            extra: 77,
            more: true,
            data: b"ping\0gateway\0",
        };
        assert_eq!(Note::parse(&note.emit()), note);
    }

    #[test]
    fn a_length_beyond_the_message_is_cut() {
        let mut message = Note::new(Operation::Register, 1).emit();
        message.as_bytes_mut()[24..26].fill(0xff);
        assert_eq!(Note::parse(&message).data.len(), DATA_BYTES);
    }

    #[test]
    fn long_data_spreads_over_messages() {
        for length in [0, 1, DATA_BYTES, DATA_BYTES + 1, 3 * DATA_BYTES] {
            let data: Vec<u8> = (0..length)
                .map(|n| u8::try_from(n % 251).unwrap())
                .collect();
            let messages: Vec<_> = Note::new(Operation::Arguments, 0)
                .emit_long(&data)
                .collect();
            let mut back = Vec::new();
            for (index, message) in messages.iter().enumerate() {
                let note = Note::parse(message);
                assert_eq!(note.more, index + 1 < messages.len());
                back.extend_from_slice(note.data);
            }
            assert_eq!(back, data);
        }
    }
}
