//! One client: requests one after the other, until one side has had enough.

use core::time::Duration;

use net::{Error, TcpStream};

use crate::{
    figures,
    patience::Patience,
    request::{HEAD_LIMIT, Method, Parsed, Persistence, Request},
    response::{Head, Status},
    server::Server,
    site::{self, Resource},
};

/// A client has so long for the head of a request, from its first byte (or the connection) on: one
/// that sends a byte a minute gets no further.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// A connection may be idle for so long between requests.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// A client has so long to take an answer.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// Bytes of requests that have arrived and are not answered yet.
struct Input {
    bytes: [u8; HEAD_LIMIT],
    used: usize,
}

/// Serves a client to the end.
///
/// # Errors
///
/// What ended the connection before its time.
pub async fn serve(server: &Server, mut stream: TcpStream) -> Result<(), Error> {
    let mut patience = Patience::new();
    let mut input = Input {
        bytes: [0; HEAD_LIMIT],
        used: 0,
    };
    patience.allow(HEAD_TIME);
    loop {
        let parsed = match input.used {
            0 => Parsed::Partial,
            used => Request::parse(&input.bytes[..used]),
        };
        match parsed {
            Parsed::Complete(used, request) => {
                let persistence = request.persistence;
                patience.allow(ANSWER_TIME);
                answer(server, &mut stream, &mut patience, request).await?;
                if persistence == Persistence::Close {
                    break;
                }
                input.bytes.copy_within(used..input.used, 0);
                input.used -= used;
                patience.allow(if input.used == 0 {
                    IDLE_TIME
                } else {
                    HEAD_TIME
                });
            }
            Parsed::Refused(status) => return refuse(stream, &mut patience, status).await,
            Parsed::Partial => {
                let is_new = input.used == 0;
                let read = stream.read(&mut input.bytes[input.used..]);
                match patience.during(read).await {
                    // A client that has finished, or has nothing to ask.
                    Ok(0) | Err(Error::TimedOut) if is_new => break,
                    Ok(0) => return Err(Error::Closed),
                    Err(Error::TimedOut) => {
                        return refuse(stream, &mut patience, Status::RequestTimeout).await;
                    }
                    Err(error) => return Err(error),
                    Ok(count) => input.used += count,
                }
                if is_new {
                    patience.allow(HEAD_TIME);
                }
            }
        }
    }
    stream.close().await
}

/// Sends what is asked for.
async fn answer(
    server: &Server,
    stream: &mut TcpStream,
    patience: &mut Patience,
    request: Request<'_>,
) -> Result<(), Error> {
    server.count_request();
    let (status, resource) = if request.path == site::FIGURES_PATH {
        (Status::Ok, site::figures(&figures::collect(server).await?))
    } else {
        match site::file(request.path) {
            Some(resource) => (Status::Ok, resource),
            None => (Status::NotFound, site::text("There is nothing here.")),
        }
    };
    let Request {
        method,
        persistence,
        ..
    } = request;
    let sending = send(stream, status, &resource, method, persistence);
    patience.during(sending).await
}

/// Sends an answer to something that is not a request, and closes.
async fn refuse(
    mut stream: TcpStream,
    patience: &mut Patience,
    status: Status,
) -> Result<(), Error> {
    let resource = site::text(status.line());
    let (method, persistence) = (Method::Get, Persistence::Close);
    patience.allow(ANSWER_TIME);
    let sending = send(&mut stream, status, &resource, method, persistence);
    patience.during(sending).await?;
    stream.close().await
}

/// Sends a head and, unless only that is wanted, a body: in one piece, so that a small answer is
/// one segment.
async fn send(
    stream: &mut TcpStream,
    status: Status,
    resource: &Resource,
    method: Method,
    persistence: Persistence,
) -> Result<(), Error> {
    let Resource {
        content_type,
        body,
        freshness,
    } = resource;
    let head = Head::new(status, content_type, body.len(), *freshness, persistence);
    let (mut head, mut body) = match method {
        Method::Get => (head.bytes(), &body[..]),
        Method::Head => (head.bytes(), &[][..]),
    };
    while !head.is_empty() || !body.is_empty() {
        let count = stream.write_vectored(&[head, body]).await?;
        let of_head = count.min(head.len());
        head = &head[of_head..];
        body = &body[count - of_head..];
    }
    Ok(())
}
