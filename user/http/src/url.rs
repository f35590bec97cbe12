//! URLs of the schemes that this program can fetch (RFC 3986, the parts that HTTP uses).
//!
//! *Owns* taking a URL apart, and what a `Location` means relative to the page it came from
//! (RFC 3986 section 5.2). *Never* guesses: what is not a URL is an error with its reason.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use core::fmt;

/// How the server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain text, port 80 unless the URL says otherwise.
    Http,
    /// Over TLS, port 443 unless the URL says otherwise.
    Https,
}

impl Scheme {
    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A URL, taken apart. The fragment is left out: it never travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// The scheme.
    pub scheme: Scheme,
    /// Name or address, without the brackets of an IPv6 address, in lower case.
    pub host: String,
    /// The port, given or implied.
    pub port: u16,
    /// Path and query: the request's target. Starts with a slash.
    pub target: String,
}

/// Why a text is not a URL that can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// Nothing stands where the host should.
    NoHost,
    /// Neither `http` nor `https`.
    UnknownScheme,
    /// A name or a password before the host: not sent in clear text.
    Credentials,
    /// Not a number from 1 to 65535.
    BadPort,
    /// White space, a control character, or a character that a host may not have.
    BadCharacter,
    /// A bracket without its partner, or no address between the brackets.
    BadAddress,
    /// Longer than 8,000 bytes.
    TooLong,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHost => "the URL names no host",
            Self::UnknownScheme => "only http and https URLs can be fetched",
            Self::Credentials => "names and passwords in URLs are not supported",
            Self::BadPort => "the port is not a number from 1 to 65535",
            Self::BadCharacter => "the URL has a character that must be escaped",
            Self::BadAddress => "the address in brackets is not an IPv6 address",
            Self::TooLong => "the URL is longer than 8,000 bytes",
        })
    }
}

impl core::error::Error for UrlError {}

/// Longest URL (RFC 9110 section 4.1 asks for at least 8,000).
const MAX_BYTES: usize = 8000;

impl Url {
    /// Takes a URL apart. Without a scheme, `http` is meant: people type `example.org/page`.
    ///
    /// # Errors
    ///
    /// Why the text is not a URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        check_characters(text)?;
        let (scheme, rest) = match split_scheme(text) {
            Some((name, rest)) => (
                scheme_named(name)?,
                rest.strip_prefix("//").ok_or(UrlError::NoHost)?,
            ),
            None => (Scheme::Http, text.strip_prefix("//").unwrap_or(text)),
        };
        Self::with_authority(scheme, rest)
    }

    /// The URL that `location` means on a page at this URL (RFC 3986 section 5.2.2).
    ///
    /// # Errors
    ///
    /// Why the result is not a URL.
    pub fn join(&self, location: &str) -> Result<Self, UrlError> {
        check_characters(location)?;
        if split_scheme(location).is_some() {
            return Self::parse(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Self::with_authority(self.scheme, rest);
        }
        let (reference, _fragment) = split_at(location, '#');
        let (own_path, _own_query) = split_at(&self.target, '?');
        let target = if reference.is_empty() {
            self.target.clone()
        } else if reference.starts_with('?') {
            format!("{own_path}{reference}")
        } else if reference.starts_with('/') {
            without_dots(reference)
        } else {
            let folder = own_path.rfind('/').map_or("/", |slash| &own_path[..=slash]);
            without_dots(&format!("{folder}{reference}"))
        };
        Ok(Self {
            target,
            ..self.clone()
        })
    }

    /// What the `Host` field carries (RFC 9110 section 7.2): no port where it is the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == self.scheme.default_port() {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    fn with_authority(scheme: Scheme, rest: &str) -> Result<Self, UrlError> {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        let (host, port) = split_port(authority)?;
        let port = match port {
            None | Some("") => scheme.default_port(),
            Some(digits) => parse_port(digits)?,
        };
        let (tail, _fragment) = split_at(tail, '#');
        let target = if tail.starts_with('/') {
            without_dots(tail)
        } else {
            format!("/{tail}")
        };
        Ok(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port,
            target,
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}{}",
            self.scheme.name(),
            self.authority(),
            self.target
        )
    }
}

fn check_characters(text: &str) -> Result<(), UrlError> {
    if text.len() > MAX_BYTES {
        return Err(UrlError::TooLong);
    }
    // Control characters and spaces would end the request's first line early.
    let is_visible = |byte: u8| (0x21..0x7f).contains(&byte) && !b"<>\"\\^`{|}".contains(&byte);
    if text.bytes().all(is_visible) {
        Ok(())
    } else {
        Err(UrlError::BadCharacter)
    }
}

/// Scheme and rest, where a scheme is given. `localhost:80/x` has none: what follows the colon is
/// a port.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once(':')?;
    let starts_well = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic());
    let goes_on_well = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let is_port = rest.bytes().next().is_none_or(|byte| byte.is_ascii_digit());
    (starts_well && goes_on_well && !is_port).then_some((name, rest))
}

fn scheme_named(name: &str) -> Result<Scheme, UrlError> {
    [Scheme::Http, Scheme::Https]
        .into_iter()
        .find(|scheme| name.eq_ignore_ascii_case(scheme.name()))
        .ok_or(UrlError::UnknownScheme)
}

/// Host and the text after its colon, if there is a colon.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), UrlError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(UrlError::BadAddress)?;
        host.parse::<core::net::Ipv6Addr>()
            .map_err(|_| UrlError::BadAddress)?;
        return match after.strip_prefix(':') {
            Some(digits) => Ok((host, Some(digits))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(UrlError::BadPort),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, digits)) => (host, Some(digits)),
        None => (authority, None),
    };
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    if host
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    {
        Ok((host, port))
    } else {
        Err(UrlError::BadCharacter)
    }
}

fn parse_port(digits: &str) -> Result<u16, UrlError> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UrlError::BadPort);
    }
    digits
        .parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or(UrlError::BadPort)
}

/// The text before the first `mark`, and the rest.
fn split_at(text: &str, mark: char) -> (&str, &str) {
    text.find(mark).map_or((text, ""), |at| text.split_at(at))
}

/// Path and query with `.` and `..` taken out of the path (RFC 3986 section 5.2.4).
fn without_dots(target: &str) -> String {
    let (path, query) = split_at(target, '?');
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.split('/').skip(1) {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    if ends_in_folder {
        kept.push("");
    }
    let mut whole = "/".to_owned();
    whole.push_str(&kept.join("/"));
    whole.push_str(query);
    whole
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
