//! One client: requests one after the other, until one side has had enough.

use alloc::vec::Vec;
use core::time::Duration;

use net::{Error, TcpStream};

use crate::{
    figures,
    known::{Asked, Step, Wanted},
    patience::Patience,
    request::{HEAD_LIMIT, Method, Persistence},
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

/// What there is under a path that there is not.
const NOTHING: &str = "There is nothing here.";

/// Serves a client to the end. Between two requests nothing is kept for it.
///
/// # Errors
///
/// What ended the connection before its time.
pub async fn serve(server: &Server, mut stream: TcpStream) -> Result<(), Error> {
    let mut patience = Patience::new();
    // What has arrived and is not answered yet, but for what came last.
    let mut rest = Vec::new();
    patience.allow(HEAD_TIME);
    loop {
        let is_new = rest.is_empty();
        let mut came = None;
        if is_new {
            match patience.during(stream.read_chunk(HEAD_LIMIT)).await {
                // A client that has finished, or has nothing to ask.
                Ok(None) | Err(Error::TimedOut) => break,
                Err(error) => return Err(error),
                Ok(chunk) => came = chunk,
            }
        }
        match server.look(&mut rest, came) {
            Step::Answer(asked) => {
                patience.allow(ANSWER_TIME);
                answer(server, &mut stream, &mut patience, asked).await?;
                match asked.persistence {
                    Persistence::KeepAlive => {}
                    // Who wants the end sends no more (RFC 9112 section 9.6), so nothing can come that would be
                    // answered by a reset: ours leaves with the answer.
                    Persistence::Close if rest.is_empty() => return Ok(()),
                    Persistence::Close | Persistence::Linger => break,
                }
                patience.allow(if rest.is_empty() {
                    IDLE_TIME
                } else {
                    HEAD_TIME
                });
            }
            Step::Refuse(status) => return refuse(stream, &mut patience, status).await,
            Step::Read => {
                if is_new {
                    patience.allow(HEAD_TIME);
                }
                let read = stream.read_chunk(HEAD_LIMIT - rest.len());
                match patience.during(read).await {
                    Ok(None) => return Err(Error::Closed),
                    Err(Error::TimedOut) => {
                        return refuse(stream, &mut patience, Status::RequestTimeout).await;
                    }
                    Err(error) => return Err(error),
                    Ok(Some(chunk)) => rest.extend(chunk.iter()),
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
    asked: Asked,
) -> Result<(), Error> {
    server.count_request();
    let Asked {
        method,
        wanted,
        persistence,
    } = asked;
    if let (Method::Get, Wanted::File(number)) = (method, wanted)
        && let Some(ready) = server.answers.get(number, persistence)
    {
        return patience.during(stream.send(ready)).await;
    }
    let (status, resource) = match wanted {
        Wanted::File(number) => match site::files().nth(number) {
            Some(resource) => (Status::Ok, resource),
            None => (Status::NotFound, site::text(NOTHING)),
        },
        Wanted::Figures => (Status::Ok, site::figures(&figures::collect(server).await?)),
        Wanted::Nothing => (Status::NotFound, site::text(NOTHING)),
    };
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
