//! The head of a response: status line and fields (RFC 9112 sections 4 and 5).

use alloc::{string::String, vec::Vec};

use embedded_io_async::Read;

use crate::{body::Framing, buffered::Buffered, fetch::FetchError};

/// Most fields of a head.
const MAX_FIELDS: usize = 100;

/// Status line and fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Minor version: 0 or 1.
    pub minor: u8,
    /// Status code.
    pub status: u16,
    /// What the server says about the code.
    pub reason: String,
    /// Names as they came, values without white space around them.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Where the body ends.
    pub framing: Framing,
}

impl Head {
    /// Waits for the head of the final response; interim ones (1xx) are passed over.
    ///
    /// # Errors
    ///
    /// If the stream fails or ends, or what comes is not a head.
    pub async fn read<S: Read<Error = net::Error>>(
        stream: &mut Buffered<S>,
        is_head: bool,
    ) -> Result<Self, FetchError> {
        loop {
            match Self::parse(stream.held(), is_head)? {
                Some((used, head)) => {
                    stream.consume(used);
                    if head.status >= 200 {
                        return Ok(head);
                    }
                }
                None => stream.fill().await?,
            }
        }
    }

    /// The value of a field; names are compared without regard to case.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self
            .fields
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// Where the server sends us instead (RFC 9110 section 15.4); `None` if it does not.
    pub fn location(&self) -> Option<&str> {
        if !matches!(self.status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        core::str::from_utf8(self.field("location")?).ok()
    }

    /// The head at the start of `bytes` and its length; `None` if more must come.
    fn parse(bytes: &[u8], is_head: bool) -> Result<Option<(usize, Self)>, FetchError> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let config = {
            let mut config = httparse::ParserConfig::default();
            // Obsolete line folding is accepted and read as white space (RFC 9112 section 5.2).
            config.allow_obsolete_multiline_headers_in_responses(true);
            config
        };
        let used = match config.parse_response(&mut response, bytes) {
            Ok(httparse::Status::Complete(used)) => used,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(FetchError::Malformed),
        };
        let (Some(minor), Some(status)) = (response.version, response.code) else {
            return Err(FetchError::Malformed);
        };
        let framing =
            Framing::of(is_head, status, response.headers).ok_or(FetchError::Malformed)?;
        let head = Self {
            minor,
            status,
            reason: response.reason.unwrap_or_default().into(),
            fields: response
                .headers
                .iter()
                .map(|field| (field.name.into(), field.value.into()))
                .collect(),
            framing,
        };
        Ok(Some((used, head)))
    }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
