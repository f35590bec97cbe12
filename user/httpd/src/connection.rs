//! One client: requests one after the other, until one side has had enough.

use core::time::Duration;

use net::{Error, TcpStream, within};

use crate::{
    figures,
    request::{HEAD_LIMIT, Method, Parsed, Persistence, Request},
    response::{self, Status},
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
    stream.set_no_delay(true).await?;
    let mut input = Input {
        bytes: [0; HEAD_LIMIT],
        used: 0,
    };
    let mut is_first = true;
    while let Some(patience) = next_request(&mut stream, &mut input, is_first).await? {
        is_first = false;
        let read = read_head(&mut stream, &mut input);
        let (used, persistence) = match within(patience, read).await {
            Ok(()) => match Request::parse(&input.bytes[..input.used]) {
                Parsed::Complete(used, request) => {
                    answer(server, &mut stream, request).await?;
                    (used, request.persistence)
                }
                Parsed::Refused(status) => return refuse(stream, status).await,
                Parsed::Partial => return refuse(stream, Status::HeadTooLarge).await,
            },
            Err(Error::TimedOut) => return refuse(stream, Status::RequestTimeout).await,
            Err(error) => return Err(error),
        };
        if persistence == Persistence::Close {
            break;
        }
        input.bytes.copy_within(used..input.used, 0);
        input.used -= used;
    }
    stream.close().await
}

/// Waits for the first byte of a request. Tells how long the rest may take; `None` when the client
/// has finished or has been idle for too long.
async fn next_request(
    stream: &mut TcpStream,
    input: &mut Input,
    is_first: bool,
) -> Result<Option<Duration>, Error> {
    if input.used > 0 {
        return Ok(Some(HEAD_TIME));
    }
    let patience = if is_first { HEAD_TIME } else { IDLE_TIME };
    match within(patience, stream.read(&mut input.bytes)).await {
        Ok(0) | Err(Error::TimedOut) => Ok(None),
        Ok(count) => {
            input.used = count;
            Ok(Some(HEAD_TIME))
        }
        Err(error) => Err(error),
    }
}

/// Reads until there is a whole head, or something that will never be one.
async fn read_head(stream: &mut TcpStream, input: &mut Input) -> Result<(), Error> {
    while Request::parse(&input.bytes[..input.used]) == Parsed::Partial {
        match stream.read(&mut input.bytes[input.used..]).await? {
            0 => return Err(Error::Closed),
            count => input.used += count,
        }
    }
    Ok(())
}

/// Sends what is asked for.
async fn answer(
    server: &Server,
    stream: &mut TcpStream,
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
    within(
        ANSWER_TIME,
        send(
            stream,
            status,
            &resource,
            request.method,
            request.persistence,
        ),
    )
    .await
}

/// Sends an answer to something that is not a request, and closes.
async fn refuse(mut stream: TcpStream, status: Status) -> Result<(), Error> {
    let resource = site::text(status.line());
    let answer = send(
        &mut stream,
        status,
        &resource,
        Method::Get,
        Persistence::Close,
    );
    within(ANSWER_TIME, answer).await?;
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
    let head = response::head(status, content_type, body.len(), *freshness, persistence);
    let mut whole = head.into_bytes();
    if method == Method::Get {
        whole.extend_from_slice(body);
    }
    stream.write_all(&whole).await
}
