//! The head of a response (RFC 9112 section 4).
//!
//! *Owns* its words. It is put together where it stays, from pieces that are known but for one number:
//! nothing is allocated or formatted for an answer.

use crate::request::Persistence;

/// What became of a request (RFC 9110 section 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Here it is.
    Ok,
    /// This is not a request.
    BadRequest,
    /// There is nothing under that path.
    NotFound,
    /// Only GET and HEAD are answered.
    MethodNotAllowed,
    /// The request took too long to arrive.
    RequestTimeout,
    /// The head is longer than this server reads.
    HeadTooLarge,
    /// Not HTTP/1.
    VersionNotSupported,
}

impl Status {
    /// Code and reason phrase.
    pub const fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::RequestTimeout => "408 Request Timeout",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }
}

/// Whether the answer may be kept by the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It is made anew each time.
    Live,
    /// It stays the same as long as the system runs.
    Fixed,
}

/// Bytes of the longest head.
const LONGEST: usize = 320;
/// Digits of the largest number of bytes.
const DIGITS: usize = 20;

/// A head, as it is sent.
pub struct Head {
    bytes: [u8; LONGEST],
    used: usize,
}

impl Head {
    /// The head for a body of `length` bytes.
    pub fn new(
        status: Status,
        content_type: &str,
        length: usize,
        freshness: Freshness,
        persistence: Persistence,
    ) -> Self {
        let mut head = Self {
            bytes: [0; LONGEST],
            used: 0,
        };
        head.push("HTTP/1.1 ");
        head.push(status.line());
        head.push("\r\nServer: skerry\r\nContent-Type: ");
        head.push(content_type);
        head.push("\r\nContent-Length: ");
        head.push_number(length);
        head.push(match freshness {
            Freshness::Live => "\r\nCache-Control: no-store\r\n",
            Freshness::Fixed => "\r\nCache-Control: max-age=60\r\n",
        });
        // RFC 9110 section 15.5.6: a 405 names what is allowed.
        if status == Status::MethodNotAllowed {
            head.push("Allow: GET, HEAD\r\n");
        }
        head.push(match persistence {
            Persistence::KeepAlive => {
                "X-Content-Type-Options: nosniff\r\nConnection: keep-alive\r\n\r\n"
            }
            Persistence::Close | Persistence::Linger => {
                "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
            }
        });
        head
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    fn push(&mut self, text: &str) {
        self.bytes[self.used..self.used + text.len()].copy_from_slice(text.as_bytes());
        self.used += text.len();
    }

    fn push_number(&mut self, mut number: usize) {
        let mut digits = [0; DIGITS];
        let mut first = DIGITS;
        loop {
            first -= 1;
            digits[first] = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
            if number == 0 {
                break;
            }
        }
        for digit in &digits[first..] {
            self.bytes[self.used] = *digit;
            self.used += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Freshness, Head, Status};
    use crate::request::Persistence;
    use crate::site;

    #[test]
    fn a_head_is_complete() {
        let head = Head::new(
            Status::MethodNotAllowed,
            "text/plain",
            12,
            Freshness::Live,
            Persistence::Close,
        );
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut response = httparse::Response::new(&mut fields);
        assert!(response.parse(head.bytes()).unwrap().is_complete());
        assert_eq!(response.code, Some(405));
        let field = |name| {
            response
                .headers
                .iter()
                .find(|field| field.name == name)
                .unwrap()
                .value
        };
        assert_eq!(field("Content-Length"), b"12");
        assert_eq!(field("Allow"), b"GET, HEAD");
        assert_eq!(field("Connection"), b"close");
    }

    #[test]
    fn numbers_are_written_out() {
        for length in [0, 7, 10, 1_234_567, usize::MAX] {
            let (live, close) = (Freshness::Live, Persistence::Close);
            let head = Head::new(Status::Ok, "a/b", length, live, close);
            let text = core::str::from_utf8(head.bytes()).unwrap();
            let line = std::format!("\r\nContent-Length: {length}\r\n");
            assert!(text.contains(&line), "{text}");
        }
    }

    #[test]
    fn the_longest_head_fits() {
        let keep = Persistence::KeepAlive;
        for status in [
            Status::Ok,
            Status::BadRequest,
            Status::NotFound,
            Status::MethodNotAllowed,
            Status::RequestTimeout,
            Status::HeadTooLarge,
            Status::VersionNotSupported,
        ] {
            for media in site::content_types() {
                let head = Head::new(status, media, usize::MAX, Freshness::Fixed, keep);
                assert!(head.bytes().ends_with(b"\r\n\r\n"));
            }
        }
    }
}
