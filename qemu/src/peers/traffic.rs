//! Plain traffic from the host to the guest's echo, discard and source services: by a forwarded port
//! of the loopback address, or wherever the guest is.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Where a forward leads from.
pub fn forward(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A connection.
pub fn connect(to: SocketAddr, limit: Duration) -> Result<TcpStream> {
    let stream =
        TcpStream::connect_timeout(&to, limit).with_context(|| format!("{to} is closed"))?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends bytes while it reads what comes back, until the far end closes; gives what came.
pub fn echo(to: SocketAddr, bytes: &[u8], limit: Duration) -> Result<Vec<u8>> {
    let mut stream = connect(to, limit)?;
    let mut sender = stream.try_clone()?;
    std::thread::scope(|scope| {
        let sending = scope.spawn(move || {
            sender.write_all(bytes)?;
            sender.shutdown(Shutdown::Write)
        });
        let mut back = Vec::with_capacity(bytes.len());
        stream
            .read_to_end(&mut back)
            .context("reading what comes back")?;
        sending
            .join()
            .map_err(|_| anyhow::anyhow!("the sender fell over"))?
            .context("sending")?;
        Ok(back)
    })
}

/// Sends all bytes and waits until the far end, having taken them, closes.
pub fn discard(to: SocketAddr, bytes: &[u8], limit: Duration) -> Result<()> {
    let mut stream = connect(to, limit)?;
    stream.write_all(bytes).context("sending")?;
    stream.shutdown(Shutdown::Write)?;
    let mut rest = Vec::new();
    stream
        .read_to_end(&mut rest)
        .context("waiting for the end")?;
    ensure!(rest.is_empty(), "discard answered");
    Ok(())
}

/// Reads that many bytes from a service that sends without being asked.
pub fn source(to: SocketAddr, length: usize, limit: Duration) -> Result<Vec<u8>> {
    let mut stream = connect(to, limit)?;
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).context("reading")?;
    Ok(bytes)
}

/// Sends a datagram and waits for one back, asking again as UDP users do.
pub fn datagram(to: SocketAddr, payload: &[u8]) -> Result<Vec<u8>> {
    let any: IpAddr = if to.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut buffer = vec![0; 65_536];
    for _ in 0..5 {
        socket.send(payload)?;
        if let Ok(length) = socket.recv(&mut buffer) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
    anyhow::bail!("no datagram came back")
}
