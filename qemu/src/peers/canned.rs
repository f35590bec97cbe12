//! A server that answers each path with fixed bytes, for answers that no proper server gives.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;

/// What is sent for a path.
#[derive(Clone)]
pub enum Reply {
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// Nothing, for as long as the client waits.
    Silence,
    /// These bytes, then a reset.
    Reset(Vec<u8>),
}

/// A running server; it ends with its owner.
pub struct Canned {
    pub port: u16,
    ending: Arc<AtomicBool>,
}

impl Canned {
    /// Serves these paths.
    pub fn start(pages: Vec<(&'static str, Reply)>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let ending = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ending);
        let pages = Arc::new(pages);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(stream) = stream {
                    let pages = Arc::clone(&pages);
                    // A client that goes away early is its own affair.
                    std::thread::spawn(move || serve(stream, &pages).ok());
                }
            }
        });
        Ok(Self { port, ending })
    }

    /// The address of a page as the guest sees it.
    pub fn url(&self, page: &str) -> String {
        format!("http://10.0.2.2:{}{page}", self.port)
    }
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for clients.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

fn serve(mut stream: TcpStream, pages: &[(&'static str, Reply)]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        request.extend(chunk.iter().take(count));
    }
    let text = String::from_utf8_lossy(&request);
    let path = text.split(' ').nth(1).unwrap_or_default();
    match pages
        .iter()
        .find(|(page, _)| *page == path)
        .map(|(_, reply)| reply)
    {
        Some(Reply::Bytes(bytes)) => stream.write_all(bytes)?,
        Some(Reply::Silence) => {
            // Until the client gives up, or the time is over.
            let _gone = stream.read(&mut chunk)?;
        }
        Some(Reply::Reset(bytes)) => {
            stream.write_all(bytes)?;
            // Unread bytes at close make the system send a reset; the client is asked for some.
            std::thread::sleep(Duration::from_millis(300));
            return reset(stream);
        }
        None => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
    }
    stream.shutdown(Shutdown::Write)?;
    while stream.read(&mut chunk)? > 0 {}
    Ok(())
}

/// Closes with a reset.
fn reset(stream: TcpStream) -> std::io::Result<()> {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
    drop(stream);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Canned, Reply};
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn get(port: u16, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn paths_have_their_replies() {
        let server = Canned::start(vec![
            ("/a", Reply::Bytes(b"exactly this".to_vec())),
            ("/b", Reply::Reset(b"half".to_vec())),
        ])
        .unwrap();
        assert_eq!(get(server.port, "/a").unwrap(), "exactly this");
        assert!(get(server.port, "/c").unwrap().contains("404"));
        assert!(get(server.port, "/b").is_err());
    }
}
