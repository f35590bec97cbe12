//! One fetch: connect, ask, read the head, follow where it points, read the body.

use alloc::format;
use core::fmt;

use net::{Net, TcpStream};

use crate::{
    body,
    buffered::{Buffered, ReadError},
    head::Head,
    redirect::Trail,
    url::{Scheme, Url, UrlError},
};

/// What is asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Head and body.
    Get,
    /// The head only.
    Head,
}

impl Method {
    const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

/// Why a fetch failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// The URL, or one that the server sent us to, is none.
    Url(UrlError),
    /// The server would have to be spoken to over TLS.
    NeedsTls,
    /// The network said no.
    Net(net::Error),
    /// The server closed the connection in the middle of its answer.
    EndedEarly,
    /// The head of the answer is too long.
    HeadTooLarge,
    /// The answer is not HTTP, or contradicts itself.
    Malformed,
    /// More redirects than allowed.
    TooManyRedirects,
    /// The redirects go round in a circle.
    RedirectLoop,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Net(error) => error.fmt(f),
            Self::NeedsTls => f.write_str("https is not supported yet"),
            Self::EndedEarly => f.write_str("the server closed the connection too early"),
            Self::HeadTooLarge => f.write_str("the head of the answer is too long"),
            Self::Malformed => f.write_str("the answer is malformed"),
            Self::TooManyRedirects => f.write_str("too many redirects"),
            Self::RedirectLoop => f.write_str("the redirects go round in a circle"),
        }
    }
}

impl core::error::Error for FetchError {}

impl From<net::Error> for FetchError {
    fn from(error: net::Error) -> Self {
        Self::Net(error)
    }
}

impl From<ReadError> for FetchError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Stream(error) => Self::Net(error),
            ReadError::End => Self::EndedEarly,
            ReadError::Full => Self::HeadTooLarge,
        }
    }
}

/// Is told what happens while a fetch goes on.
pub trait Observer {
    /// The server at `url` answered with this head; it may be a redirect.
    fn head(&mut self, url: &Url, head: &Head);
    /// A piece of the final body.
    fn body(&mut self, bytes: &[u8]);
    /// A field behind the body.
    fn trailer(&mut self, name: &[u8], value: &[u8]);
}

/// Fetches what `first` names. Returns the final status.
///
/// # Errors
///
/// Why there is no complete answer.
pub async fn fetch(
    net: &Net,
    method: Method,
    first: Url,
    redirects: usize,
    observer: &mut dyn Observer,
) -> Result<u16, FetchError> {
    let mut trail = Trail::new(first, redirects);
    loop {
        let url = trail.here();
        let mut stream = Buffered::new(ask(net, method, url).await?);
        let head = Head::read(&mut stream, method == Method::Head).await?;
        observer.head(url, &head);
        // With a limit of zero, a redirect is an answer like any other.
        if let Some(location) = head.location().filter(|_| redirects > 0) {
            trail.follow(location)?;
            continue;
        }
        let visit = &mut |bytes: &[u8]| {
            observer.body(bytes);
            Ok(())
        };
        for (name, value) in body::read(&mut stream, head.framing, visit).await? {
            observer.trailer(&name, &value);
        }
        return Ok(head.status);
    }
}

/// Connects to the server of `url` and sends the request.
async fn ask(net: &Net, method: Method, url: &Url) -> Result<TcpStream, FetchError> {
    if url.scheme == Scheme::Https {
        return Err(FetchError::NeedsTls);
    }
    let mut stream = TcpStream::connect_by_name(net, &url.host, url.port).await?;
    // One request per connection: the server closes behind its answer (RFC 9112 section 9.6).
    let request = format!(
        "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: skerry-http\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n",
        method.name(),
        url.target,
        url.authority(),
    );
    stream.write_all(request.as_bytes()).await?;
    Ok(stream)
}
