//! The body of a response: how long it is, and its bytes without what frames them (RFC 9112
//! sections 6 and 7).

use alloc::vec::Vec;

use embedded_io_async::Read;

use crate::{
    buffered::{Buffered, ReadError},
    fetch::FetchError,
};

/// Trailer fields that are understood; more are an error.
const MAX_TRAILERS: usize = 32;

/// What tells where the body ends (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

impl Framing {
    /// How the body of a response is framed; `None` if its fields contradict each other, which is
    /// how requests and responses are smuggled (RFC 9112 section 6.1).
    pub fn of(is_head: bool, status: u16, headers: &[httparse::Header<'_>]) -> Option<Self> {
        let mut length = None;
        let mut chunked = false;
        for header in headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                let value = decimal(header.value)?;
                if length
                    .replace(value)
                    .is_some_and(|earlier| earlier != value)
                {
                    return None;
                }
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                // No other coding was offered, so none may be used.
                chunked = header.value.trim_ascii().eq_ignore_ascii_case(b"chunked");
                if !chunked {
                    return None;
                }
            }
        }
        if chunked && length.is_some() {
            return None;
        }
        if is_head || matches!(status, 100..=199 | 204 | 304) {
            return Some(Self::Empty);
        }
        Some(match (chunked, length) {
            (true, _) => Self::Chunked,
            (false, Some(length)) => Self::Length(length),
            (false, None) => Self::UntilClose,
        })
    }
}

/// A number as `Content-Length` may carry it: digits only.
fn decimal(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(digits).ok()?.parse().ok()
}

/// A trailer field: name and value.
pub type Trailer = (Vec<u8>, Vec<u8>);

/// Reads a whole body and hands its bytes to `visit`. Returns the trailer fields.
///
/// # Errors
///
/// If the stream fails or ends too early, if the chunks are malformed, or what `visit` says.
pub async fn read<S: Read<Error = net::Error>>(
    stream: &mut Buffered<S>,
    framing: Framing,
    visit: &mut dyn FnMut(&[u8]) -> Result<(), FetchError>,
) -> Result<Vec<Trailer>, FetchError> {
    match framing {
        Framing::Empty => {}
        Framing::Length(length) => block(stream, length, visit).await?,
        Framing::Chunked => {
            while let Some(size) = chunk_size(stream).await? {
                block(stream, size, visit).await?;
                line_end(stream).await?;
            }
            return trailers(stream).await;
        }
        Framing::UntilClose => loop {
            let held = stream.held();
            visit(held)?;
            let count = held.len();
            stream.consume(count);
            match stream.fill().await {
                Ok(()) => {}
                Err(ReadError::End) => break,
                Err(other) => return Err(other.into()),
            }
        },
    }
    Ok(Vec::new())
}

/// Hands exactly `length` bytes to `visit`.
async fn block<S: Read<Error = net::Error>>(
    stream: &mut Buffered<S>,
    length: u64,
    visit: &mut dyn FnMut(&[u8]) -> Result<(), FetchError>,
) -> Result<(), FetchError> {
    let mut left = length;
    while left > 0 {
        let held = stream.held();
        let count = usize::try_from(left).map_or(held.len(), |left| left.min(held.len()));
        if count == 0 {
            stream.fill().await?;
            continue;
        }
        visit(&held[..count])?;
        stream.consume(count);
        left -= count as u64;
    }
    Ok(())
}

/// Size of the next chunk; `None` for the last one (RFC 9112 section 7.1). Extensions are passed
/// over, as section 7.1.1 asks.
async fn chunk_size<S: Read<Error = net::Error>>(
    stream: &mut Buffered<S>,
) -> Result<Option<u64>, FetchError> {
    loop {
        match httparse::parse_chunk_size(stream.held()) {
            Ok(httparse::Status::Complete((used, size))) => {
                stream.consume(used);
                return Ok((size > 0).then_some(size));
            }
            Ok(httparse::Status::Partial) => stream.fill().await?,
            Err(_) => return Err(FetchError::Malformed),
        }
    }
}

/// The line end behind a chunk's data.
async fn line_end<S: Read<Error = net::Error>>(stream: &mut Buffered<S>) -> Result<(), FetchError> {
    while stream.held().len() < 2 {
        stream.fill().await?;
    }
    if !stream.held().starts_with(b"\r\n") {
        return Err(FetchError::Malformed);
    }
    stream.consume(2);
    Ok(())
}

/// The fields behind the last chunk (RFC 9112 section 7.1.2).
async fn trailers<S: Read<Error = net::Error>>(
    stream: &mut Buffered<S>,
) -> Result<Vec<Trailer>, FetchError> {
    loop {
        let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILERS];
        match httparse::parse_headers(stream.held(), &mut fields) {
            Ok(httparse::Status::Complete((used, fields))) => {
                let kept = fields
                    .iter()
                    .map(|field| (field.name.into(), field.value.into()))
                    .collect();
                stream.consume(used);
                return Ok(kept);
            }
            Ok(httparse::Status::Partial) => stream.fill().await?,
            Err(_) => return Err(FetchError::Malformed),
        }
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
