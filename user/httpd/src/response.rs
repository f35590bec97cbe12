//! The head of a response (RFC 9112 section 4).

use alloc::{format, string::String};

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

/// The head for a body of `length` bytes.
pub fn head(
    status: Status,
    content_type: &str,
    length: usize,
    freshness: Freshness,
    persistence: Persistence,
) -> String {
    let cache = match freshness {
        Freshness::Live => "no-store",
        Freshness::Fixed => "max-age=60",
    };
    let connection = match persistence {
        Persistence::KeepAlive => "keep-alive",
        Persistence::Close => "close",
    };
    // RFC 9110 section 15.5.6: a 405 names what is allowed.
    let allow = if status == Status::MethodNotAllowed {
        "Allow: GET, HEAD\r\n"
    } else {
        ""
    };
    format!(
        "HTTP/1.1 {}\r\nServer: skerry\r\nContent-Type: {content_type}\r\n\
         Content-Length: {length}\r\nCache-Control: {cache}\r\n{allow}\
         X-Content-Type-Options: nosniff\r\nConnection: {connection}\r\n\r\n",
        status.line(),
    )
}

#[cfg(test)]
mod tests {
    use super::{Freshness, Status, head};
    use crate::request::Persistence;

    #[test]
    fn a_head_is_complete() {
        let text = head(
            Status::MethodNotAllowed,
            "text/plain",
            12,
            Freshness::Live,
            Persistence::Close,
        );
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut response = httparse::Response::new(&mut fields);
        assert!(response.parse(text.as_bytes()).unwrap().is_complete());
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
}
