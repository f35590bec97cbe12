//! Messages between a program and the console service.
//!
//! Layout, little endian: 0 operation u16 | 2 length u16 | 4 request u32 | 8 data.

use ring::{MESSAGE_BYTES, Message};

/// The service's name.
pub const NAME: &str = "CONSOLE:";

/// Where the data starts.
const DATA_AT: usize = 8;
/// Bytes of data in one message.
pub const DATA_BYTES: usize = MESSAGE_BYTES - DATA_AT;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Operation {
    /// Program to console: text to show.
    Write = 1,
    /// Program to console: answer when everything before has left. Reply: the same.
    Flush = 2,
    /// Program to console: the program wants input. Stands until input comes.
    Read = 3,
    /// Console to program: input.
    Input = 4,
    /// Program to console: the program wants to be told of Ctrl-C. Console to such a program, and
    /// to the one that controls the terminal: Ctrl-C was typed. For the latter the request is 1 if
    /// another program was told too, else 0.
    Interrupt = 5,
}

impl Operation {
    const fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Write,
            2 => Self::Flush,
            3 => Self::Read,
            4 => Self::Input,
            5 => Self::Interrupt,
            _ => return None,
        })
    }
}

/// Writes a message; data beyond [`DATA_BYTES`] is cut.
#[must_use]
pub fn emit(operation: Operation, request: u32, data: &[u8]) -> Message {
    let mut message = Message::ZERO;
    let (head, room) = message.as_bytes_mut().split_at_mut(DATA_AT);
    let length = data.len().min(room.len());
    room[..length].copy_from_slice(&data[..length]);
    head[0..2].copy_from_slice(&(operation as u16).to_le_bytes());
    head[2..4].copy_from_slice(&u16::try_from(length).unwrap_or(0).to_le_bytes());
    head[4..8].copy_from_slice(&request.to_le_bytes());
    message
}

/// Reads a message; `None` for an unknown operation. A length beyond the message is cut.
#[must_use]
pub fn parse(message: &Message) -> Option<(Operation, u32, &[u8])> {
    let bytes = message.as_bytes();
    let operation = Operation::from_number(u16::from_le_bytes([bytes[0], bytes[1]]))?;
    let length = usize::from(u16::from_le_bytes([bytes[2], bytes[3]])).min(DATA_BYTES);
    let request = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    Some((operation, request, &bytes[DATA_AT..DATA_AT + length]))
}

#[cfg(test)]
mod tests {
    use super::{DATA_BYTES, Operation, emit, parse};

    #[test]
    fn messages_round_trip() {
        let message = emit(Operation::Input, 9, b"ls\n");
        assert_eq!(parse(&message), Some((Operation::Input, 9, &b"ls\n"[..])));
    }

    #[test]
    fn nonsense_is_bounded() {
        let mut message = emit(Operation::Write, 0, &[b'x'; 300]);
        assert_eq!(parse(&message).unwrap().2.len(), DATA_BYTES);
        message.as_bytes_mut()[2..4].fill(0xff);
        assert_eq!(parse(&message).unwrap().2.len(), DATA_BYTES);
        message.as_bytes_mut()[0] = 99;
        assert_eq!(parse(&message), None);
    }
}
