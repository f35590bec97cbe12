//! Writing DNS messages.
//!
//! *Owns*: the order of a message's parts and their counts.
//! *Never*: compresses more than a record's own name when it is the question's, which is what
//! most answers consist of.

use zerocopy::FromBytes;
use zerocopy::byteorder::big_endian::U16;

use super::record::{Data, Record, Soa};
use super::{HEADER_LEN, Header, Name, Question, Raw, Section};
use crate::NoRoom;

/// A message being written: questions first, then the records of each section in its turn.
#[derive(Debug)]
pub struct Builder<'a> {
    bytes: &'a mut [u8],
    len: usize,
    question: Option<Name>,
}

impl<'a> Builder<'a> {
    /// Begins a message at the start of `bytes`.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn new(bytes: &'a mut [u8], header: Header) -> Result<Self, NoRoom> {
        let (raw, _) = Raw::mut_from_prefix(bytes).map_err(|_| NoRoom)?;
        *raw = Raw::read_from_bytes(&[0; HEADER_LEN]).map_err(|_| NoRoom)?;
        raw.id = U16::new(header.id);
        raw.flags = U16::new(header.flags());
        Ok(Self {
            bytes,
            len: HEADER_LEN,
            question: None,
        })
    }

    /// Adds a question.
    ///
    /// # Errors
    /// [`NoRoom`]; the message is as it was before.
    pub fn question(&mut self, question: &Question) -> Result<(), NoRoom> {
        let before = (self.len, self.question);
        if self.len == HEADER_LEN {
            self.question = Some(question.name);
        }
        let added = self.add_question(question);
        if added.is_err() {
            (self.len, self.question) = before;
        }
        added
    }

    fn add_question(&mut self, question: &Question) -> Result<(), NoRoom> {
        self.put(question.name.as_bytes())?;
        self.put_u16(question.kind.0)?;
        self.put_u16(question.class.0)?;
        self.count(|raw| &mut raw.questions)
    }

    /// Adds a record. Sections must come in the order of [`Section`].
    ///
    /// # Errors
    /// [`NoRoom`]; the message is as it was before.
    pub fn record(&mut self, section: Section, record: &Record<'_>) -> Result<(), NoRoom> {
        let before = self.len;
        let added = self.add_record(section, record);
        if added.is_err() {
            self.len = before;
        }
        added
    }

    fn add_record(&mut self, section: Section, record: &Record<'_>) -> Result<(), NoRoom> {
        if self
            .question
            .is_some_and(|name| name.is_identical(&record.name))
        {
            // A pointer to the question, which stands behind the header.
            self.put(&[0xc0, 12])?;
        } else {
            self.put(record.name.as_bytes())?;
        }
        self.put_u16(record.kind().0)?;
        self.put_u16(record.class.0)?;
        self.put_u32(record.ttl)?;
        let length_at = self.len;
        self.put_u16(0)?;
        let start = self.len;
        self.data(&record.data)?;
        let length = u16::try_from(self.len.saturating_sub(start)).map_err(|_| NoRoom)?;
        self.bytes
            .get_mut(length_at..start)
            .ok_or(NoRoom)?
            .copy_from_slice(&length.to_be_bytes());
        self.count(|raw| match section {
            Section::Answer => &mut raw.answers,
            Section::Authority => &mut raw.authorities,
            Section::Additional => &mut raw.additionals,
        })
    }

    /// The length of the message in bytes.
    #[must_use]
    pub fn finish(self) -> usize {
        self.len
    }

    /// Writes what a record says by itself, without compression, as records are compared (RFC 6762
    /// section 8.2). Gives the length.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn data_alone(bytes: &mut [u8], data: &Data<'_>) -> Result<usize, NoRoom> {
        let mut alone = Builder {
            bytes,
            len: 0,
            question: None,
        };
        alone.data(data)?;
        Ok(alone.len)
    }

    fn data(&mut self, data: &Data<'_>) -> Result<(), NoRoom> {
        match data {
            Data::A(address) => self.put(&address.octets()),
            Data::Aaaa(address) => self.put(&address.octets()),
            Data::Cname(name) | Data::Ns(name) | Data::Ptr(name) => self.put(name.as_bytes()),
            Data::Soa(soa) => self.soa(soa),
            Data::Mx {
                preference,
                exchange,
            } => {
                self.put_u16(*preference)?;
                self.put(exchange.as_bytes())
            }
            Data::Txt(strings) => self.put(strings.as_bytes()),
            Data::Srv {
                priority,
                weight,
                port,
                target,
            } => {
                self.put_u16(*priority)?;
                self.put_u16(*weight)?;
                self.put_u16(*port)?;
                self.put(target.as_bytes())
            }
            Data::Opt(data) | Data::Other { data, .. } => self.put(data),
        }
    }

    fn soa(&mut self, soa: &Soa) -> Result<(), NoRoom> {
        let Soa {
            primary,
            mailbox,
            serial,
            refresh,
            retry,
            expire,
            minimum,
        } = soa;
        self.put(primary.as_bytes())?;
        self.put(mailbox.as_bytes())?;
        [serial, refresh, retry, expire, minimum]
            .into_iter()
            .try_for_each(|number| self.put_u32(*number))
    }

    fn count(&mut self, field: impl FnOnce(&mut Raw) -> &mut U16) -> Result<(), NoRoom> {
        let (raw, _) = Raw::mut_from_prefix(self.bytes).map_err(|_| NoRoom)?;
        let field = field(raw);
        field.set(field.get().checked_add(1).ok_or(NoRoom)?);
        Ok(())
    }

    fn put_u16(&mut self, value: u16) -> Result<(), NoRoom> {
        self.put(&value.to_be_bytes())
    }

    fn put_u32(&mut self, value: u32) -> Result<(), NoRoom> {
        self.put(&value.to_be_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        let end = self.len.checked_add(bytes.len()).ok_or(NoRoom)?;
        self.bytes
            .get_mut(self.len..end)
            .ok_or(NoRoom)?
            .copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }
}
