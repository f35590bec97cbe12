//! DNS messages.
//!
//! *Owns*: the header, questions, and the walk over the records; names and records have files of
//! their own.
//! *Never*: asks anybody or remembers an answer.
//!
//! *Spec*: RFC 1035 section 4; RFC 2181 (clarifications); RFC 6891 (EDNS(0)).

mod builder;
mod name;
mod record;

pub use builder::Builder;
pub use name::{BadName, Name};
pub use record::{Data, Edns, Record, Soa, Strings};

use core::fmt;

use zerocopy::byteorder::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Drop;

/// Port of servers, UDP and TCP.
pub const PORT: u16 = 53;

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 12;

/// The type of a record or question.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Type(pub u16);

impl Type {
    /// IPv4 address, RFC 1035.
    pub const A: Self = Self(1);
    /// Name server, RFC 1035.
    pub const NS: Self = Self(2);
    /// Alias, RFC 1035.
    pub const CNAME: Self = Self(5);
    /// Start of authority, RFC 1035.
    pub const SOA: Self = Self(6);
    /// Name of an address, RFC 1035.
    pub const PTR: Self = Self(12);
    /// Mail exchange, RFC 1035.
    pub const MX: Self = Self(15);
    /// Texts, RFC 1035.
    pub const TXT: Self = Self(16);
    /// IPv6 address, RFC 3596.
    pub const AAAA: Self = Self(28);
    /// Service, RFC 2782.
    pub const SRV: Self = Self(33);
    /// Extension of the message, RFC 6891.
    pub const OPT: Self = Self(41);
    /// Which types a name has, RFC 4034; over multicast DNS nothing more (RFC 6762 section 6.1).
    pub const NSEC: Self = Self(47);
    /// In questions: whatever there is, RFC 1035.
    pub const ANY: Self = Self(255);
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::A => "A",
            Self::NS => "NS",
            Self::CNAME => "CNAME",
            Self::SOA => "SOA",
            Self::PTR => "PTR",
            Self::MX => "MX",
            Self::TXT => "TXT",
            Self::AAAA => "AAAA",
            Self::SRV => "SRV",
            Self::OPT => "OPT",
            Self::NSEC => "NSEC",
            Self::ANY => "ANY",
            // RFC 3597 section 5.
            Self(number) => return write!(f, "TYPE{number}"),
        })
    }
}

/// The class of a record or question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Class(pub u16);

impl Class {
    /// The Internet.
    pub const IN: Self = Self(1);
    /// In questions: whatever there is, RFC 1035.
    pub const ANY: Self = Self(255);
    /// The bit that multicast DNS takes from classes: a question wants an answer for its asker alone, a
    /// record is all that there is of its name and type (RFC 6762 sections 18.12 and 18.13).
    const TOP: u16 = 0x8000;

    /// The class with multicast DNS's bit.
    #[must_use]
    pub const fn with_top(self) -> Self {
        Self(self.0 | Self::TOP)
    }

    /// The class and multicast DNS's bit.
    #[must_use]
    pub const fn split_top(self) -> (Self, bool) {
        (Self(self.0 & !Self::TOP), self.0 & Self::TOP != 0)
    }
}

/// How a query went: four bits of the header, eight more with EDNS(0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResponseCode(pub u8);

impl ResponseCode {
    /// It went well.
    pub const NO_ERROR: Self = Self(0);
    /// The server does not understand the query.
    pub const FORMAT_ERROR: Self = Self(1);
    /// The server has a problem.
    pub const SERVER_FAILURE: Self = Self(2);
    /// The name does not exist: NXDOMAIN.
    pub const NAME_ERROR: Self = Self(3);
    /// The server cannot do this.
    pub const NOT_IMPLEMENTED: Self = Self(4);
    /// The server will not do this.
    pub const REFUSED: Self = Self(5);
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    id: U16,
    flags: U16,
    questions: U16,
    answers: U16,
    authorities: U16,
    additionals: U16,
}

const _: () = assert!(size_of::<Raw>() == HEADER_LEN);

const RESPONSE: u16 = 0x8000;
const AUTHORITATIVE: u16 = 0x0400;
const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;
const RECURSION_AVAILABLE: u16 = 0x0080;
const AUTHENTIC_DATA: u16 = 0x0020;
const CHECKING_DISABLED: u16 = 0x0010;

/// The header of a message, without its counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Chosen by the client to recognise the answer.
    pub id: u16,
    /// This is an answer.
    pub is_response: bool,
    /// Kind of query, 4 bits; zero is the only one a resolver sends.
    pub opcode: u8,
    /// The server is responsible for the name.
    pub authoritative: bool,
    /// The message was cut: ask again over TCP.
    pub truncated: bool,
    /// The server shall do all the work.
    pub recursion_desired: bool,
    /// The server does all the work.
    pub recursion_available: bool,
    /// The server has verified the signatures (RFC 4035).
    pub authentic_data: bool,
    /// The server need not verify signatures (RFC 4035).
    pub checking_disabled: bool,
    /// How it went, 4 bits.
    pub response_code: ResponseCode,
}

impl Header {
    /// A query for a server that does all the work.
    #[must_use]
    pub const fn query(id: u16) -> Self {
        Self {
            id,
            is_response: false,
            opcode: 0,
            authoritative: false,
            truncated: false,
            recursion_desired: true,
            recursion_available: false,
            authentic_data: false,
            checking_disabled: false,
            response_code: ResponseCode::NO_ERROR,
        }
    }

    fn from_raw(raw: &Raw) -> Self {
        let flags = raw.flags.get();
        let [high, low] = flags.to_be_bytes();
        Self {
            id: raw.id.get(),
            is_response: flags & RESPONSE != 0,
            opcode: high >> 3 & 0x0f,
            authoritative: flags & AUTHORITATIVE != 0,
            truncated: flags & TRUNCATED != 0,
            recursion_desired: flags & RECURSION_DESIRED != 0,
            recursion_available: flags & RECURSION_AVAILABLE != 0,
            authentic_data: flags & AUTHENTIC_DATA != 0,
            checking_disabled: flags & CHECKING_DISABLED != 0,
            response_code: ResponseCode(low & 0x0f),
        }
    }

    fn flags(&self) -> u16 {
        let mut flags = u16::from_be_bytes([self.opcode << 3 & 0x78, self.response_code.0 & 0x0f]);
        for (is_set, flag) in [
            (self.is_response, RESPONSE),
            (self.authoritative, AUTHORITATIVE),
            (self.truncated, TRUNCATED),
            (self.recursion_desired, RECURSION_DESIRED),
            (self.recursion_available, RECURSION_AVAILABLE),
            (self.authentic_data, AUTHENTIC_DATA),
            (self.checking_disabled, CHECKING_DISABLED),
        ] {
            if is_set {
                flags |= flag;
            }
        }
        flags
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// About which name.
    pub name: Name,
    /// For which records.
    pub kind: Type,
    /// Of which class.
    pub class: Class,
}

/// A part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Answers the question.
    Answer,
    /// Names those who are responsible.
    Authority,
    /// May be useful.
    Additional,
}

/// A received message: a header and questions that are well-formed, and records that are checked
/// one by one as they are read.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its header.
    pub header: Header,
    questions: (u16, Reader<'a>),
    records: (Counts, Reader<'a>),
}

#[derive(Clone, Copy, Debug)]
struct Counts {
    answers: u16,
    authorities: u16,
    additionals: u16,
}

impl<'a> Message<'a> {
    /// Reads header and questions.
    ///
    /// # Errors
    /// [`Drop::DnsShort`], [`Drop::DnsName`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Drop> {
        let (raw, _) = Raw::ref_from_prefix(bytes).map_err(|_| Drop::DnsShort)?;
        let questions = (
            raw.questions.get(),
            Reader {
                message: bytes,
                at: HEADER_LEN,
            },
        );
        let mut reader = questions.1;
        for _ in 0..questions.0 {
            reader.question()?;
        }
        let counts = Counts {
            answers: raw.answers.get(),
            authorities: raw.authorities.get(),
            additionals: raw.additionals.get(),
        };
        Ok(Self {
            header: Header::from_raw(raw),
            questions,
            records: (counts, reader),
        })
    }

    /// The questions.
    pub fn questions(&self) -> impl Iterator<Item = Question> + use<'a> {
        let (count, mut reader) = self.questions;
        (0..count).map_while(move |_| reader.question().ok())
    }

    /// The question, if there is exactly one, as in all queries of a resolver and their answers
    /// (RFC 9619).
    #[must_use]
    pub fn question(&self) -> Option<Question> {
        let (1, mut reader) = self.questions else {
            return None;
        };
        reader.question().ok()
    }

    /// The records of all sections, in their order. The first one that is malformed is the last
    /// one given: there is no telling where the next begins.
    pub fn records(&self) -> impl Iterator<Item = Result<(Section, Record<'a>), Drop>> + use<'a> {
        let (left, reader) = self.records;
        Records {
            left,
            reader,
            is_broken: false,
        }
    }
}

/// The records that are still to be read.
struct Records<'a> {
    left: Counts,
    reader: Reader<'a>,
    is_broken: bool,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(Section, Record<'a>), Drop>;

    // Not copied into each of those who look for something: records are large, and names are seldom asked for.
    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        let sections = [
            (Section::Answer, &mut self.left.answers),
            (Section::Authority, &mut self.left.authorities),
            (Section::Additional, &mut self.left.additionals),
        ];
        let (section, left) = sections
            .into_iter()
            .find(|(_, left)| **left > 0 && !self.is_broken)?;
        *left = left.saturating_sub(1);
        let record = Record::parse(&mut self.reader);
        self.is_broken = record.is_err();
        Some(record.map(|record| (section, record)))
    }
}

/// A place in a message.
#[derive(Clone, Copy, Debug)]
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Drop> {
        let end = self.at.checked_add(count).ok_or(Drop::DnsShort)?;
        let bytes = self.message.get(self.at..end).ok_or(Drop::DnsShort)?;
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Drop> {
        self.bytes(N)?.try_into().map_err(|_| Drop::DnsShort)
    }

    fn u16(&mut self) -> Result<u16, Drop> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Drop> {
        self.array().map(u32::from_be_bytes)
    }

    fn name(&mut self) -> Result<Name, Drop> {
        let (name, end) = Name::parse(self.message, self.at)?;
        self.at = end;
        Ok(name)
    }

    fn question(&mut self) -> Result<Question, Drop> {
        Ok(Question {
            name: self.name()?,
            kind: Type(self.u16()?),
            class: Class(self.u16()?),
        })
    }
}

#[cfg(test)]
mod tests;
