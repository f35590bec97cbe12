//! The head of a request: what is wanted, and whether the connection stays (RFC 9112).
//!
//! *Owns* every decision on what a client may send. *Never* keeps anything of it: the answer to a
//! request depends on these few facts only.

use core::mem::MaybeUninit;

use crate::response::Status;

/// Longest head in bytes; longer ones are answered with 431.
pub const HEAD_LIMIT: usize = 8 * 1024;
/// Most fields of a head; more are answered with 431.
const MAX_FIELDS: usize = 64;

/// What is wanted of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Head and body.
    Get,
    /// The head only.
    Head,
}

/// Whether the connection serves another request afterwards (RFC 9112 section 9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It stays open.
    KeepAlive,
    /// It is closed behind the answer.
    Close,
    /// It is closed, but its client may still be sending what is not read: not before the answer has come.
    Linger,
}

/// A request that can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What is wanted.
    pub method: Method,
    /// Of what: the path, without the query.
    pub path: &'a str,
    /// What happens to the connection.
    pub persistence: Persistence,
}

/// What the bytes that have arrived so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// The start of a head.
    Partial,
    /// A head of so many bytes.
    Complete(usize, Request<'a>),
    /// Something that gets this answer, after which the connection is closed.
    Refused(Status),
}

impl<'a> Request<'a> {
    /// Looks for a head at the start of `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Parsed<'a> {
        let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut head = httparse::Request::new(&mut []);
        match head.parse_with_uninit_headers(bytes, &mut fields) {
            Ok(httparse::Status::Complete(used)) if used <= HEAD_LIMIT => {
                match Self::from_head(&head) {
                    Ok(request) => Parsed::Complete(used, request),
                    Err(status) => Parsed::Refused(status),
                }
            }
            Ok(httparse::Status::Partial) if bytes.len() < HEAD_LIMIT => Parsed::Partial,
            Ok(_) | Err(httparse::Error::TooManyHeaders) => Parsed::Refused(Status::HeadTooLarge),
            Err(httparse::Error::Version) => Parsed::Refused(Status::VersionNotSupported),
            Err(_) => Parsed::Refused(Status::BadRequest),
        }
    }

    fn from_head(head: &httparse::Request<'_, 'a>) -> Result<Self, Status> {
        let (Some(method), Some(target), Some(minor)) = (head.method, head.path, head.version)
        else {
            return Err(Status::BadRequest);
        };
        let fields = Fields::of(head);
        // Exactly one host in HTTP/1.1, at most one before (RFC 9112 section 3.2).
        if fields.hosts > 1 || (fields.hosts == 0 && minor == 1) {
            return Err(Status::BadRequest);
        }
        let method = match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            _ => return Err(Status::MethodNotAllowed),
        };
        // No resource here takes a body. One that came all the same would be read as the next
        // request, so the connection does not outlive this answer.
        let persistence = match (fields.wants_close, minor, fields.wants_keep_alive) {
            _ if fields.has_body => Persistence::Linger,
            (true, ..) | (_, 0, false) => Persistence::Close,
            _ => Persistence::KeepAlive,
        };
        Ok(Self {
            method,
            path: path_of(target).ok_or(Status::BadRequest)?,
            persistence,
        })
    }
}

/// The path of a target in origin form or absolute form (RFC 9112 section 3.2).
fn path_of(target: &str) -> Option<&str> {
    let target = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    };
    let path = target.split(['?', '#']).next()?;
    path.starts_with('/').then_some(path)
}

/// What the fields of a head say.
#[derive(Default)]
struct Fields {
    /// How many hosts are named.
    hosts: usize,
    has_body: bool,
    wants_close: bool,
    wants_keep_alive: bool,
}

impl Fields {
    fn of(head: &httparse::Request<'_, '_>) -> Self {
        let mut fields = Self::default();
        for field in head.headers.iter() {
            // Most fields are told apart by the length of their name.
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            match field.name.len() {
                4 if is("host") => fields.hosts += 1,
                10 if is("connection") => {
                    for word in field.value.split(|byte| *byte == b',') {
                        let word = word.trim_ascii();
                        fields.wants_close |= word.eq_ignore_ascii_case(b"close");
                        fields.wants_keep_alive |= word.eq_ignore_ascii_case(b"keep-alive");
                    }
                }
                14 if is("content-length") => fields.has_body |= field.value.trim_ascii() != b"0",
                17 if is("transfer-encoding") => fields.has_body = true,
                _ => {}
            }
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::{HEAD_LIMIT, Method, Parsed, Persistence, Request};
    use crate::response::Status;

    fn get(path: &str, persistence: Persistence) -> Request<'_> {
        Request {
            method: Method::Get,
            path,
            persistence,
        }
    }

    #[test]
    fn requests_are_understood() {
        use Persistence::{Close, KeepAlive, Linger};
        for (text, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", get("/", KeepAlive)),
            (
                "GET /x?y#z HTTP/1.1\r\nhost: a\r\n\r\n",
                get("/x", KeepAlive),
            ),
            (
                "GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
                get("/x", KeepAlive),
            ),
            (
                "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
                get("/", KeepAlive),
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n",
                get("/", Close),
            ),
            ("GET / HTTP/1.0\r\n\r\n", get("/", Close)),
            (
                "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
                get("/", KeepAlive),
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
                get("/", Linger),
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
                get("/", KeepAlive),
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                get("/", Linger),
            ),
        ] {
            let head = text.find("\r\n\r\n").unwrap() + 4;
            assert_eq!(
                Request::parse(text.as_bytes()),
                Parsed::Complete(head, expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_served_gets_its_status() {
        for (text, status) in [
            ("GET / HTTP/1.1\r\n\r\n", Status::BadRequest),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                Status::BadRequest,
            ),
            ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", Status::BadRequest),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Status::BadRequest),
            ("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", Status::BadRequest),
            ("\x16\x03\x01\x02\x00\x01\x00", Status::BadRequest),
            (
                "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
                Status::MethodNotAllowed,
            ),
            (
                "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
                Status::MethodNotAllowed,
            ),
            (
                "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
                Status::VersionNotSupported,
            ),
        ] {
            assert_eq!(
                Request::parse(text.as_bytes()),
                Parsed::Refused(status),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_head_may_arrive_byte_by_byte() {
        let text = b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(Request::parse(&text[..end]), Parsed::Partial);
        }
        assert!(
            matches!(Request::parse(text), Parsed::Complete(29, request) if request.method == Method::Head)
        );
    }

    #[test]
    fn endless_heads_are_refused() {
        let mut long = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
        long.resize(HEAD_LIMIT, b'x');
        assert_eq!(Request::parse(&long), Parsed::Refused(Status::HeadTooLarge));
        let mut many = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
        for _ in 0..64 {
            many.extend_from_slice(b"a: b\r\n");
        }
        assert_eq!(Request::parse(&many), Parsed::Refused(Status::HeadTooLarge));
    }
}
