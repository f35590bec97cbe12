//! dnsmasq with the names that the guest's resolver is tested against.

use std::net::UdpSocket;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Running, START, Scratch, at_free_port, find};
use crate::machine::mortal;

/// How many addresses `many.test` has: more than 512 bytes hold.
const MANY: u32 = 60;

/// The first of three aliases whose names alone are too long for 512 bytes; they lead to
/// `four.test`.
pub fn long_name(number: u32) -> String {
    let label = number.to_string().repeat(60);
    format!("{label}.{label}.{label}.test")
}

/// A running dnsmasq.
pub struct Dnsmasq {
    pub port: u16,
    _scratch: Scratch,
    _process: Running,
}

impl Dnsmasq {
    pub fn start() -> Result<Self> {
        let program = find("dnsmasq")?;
        at_free_port(|port| Self::start_at(&program, port))
    }

    fn start_at(program: &Path, port: u16) -> Result<Self> {
        let scratch = Scratch::new("dnsmasq")?;
        let many: String = (1..=MANY)
            .map(|last| format!("198.51.100.{last} many.test\n"))
            .collect();
        let hosts = scratch.write("hosts", many)?;
        let mut process = Running::start(
            mortal(&program.to_string_lossy())
                .args([
                    "--keep-in-foreground",
                    "--no-resolv",
                    "--no-hosts",
                    "--conf-file=/dev/null",
                ])
                .args(["--listen-address=127.0.0.1", "--bind-interfaces"])
                .arg("--pid-file=")
                // Where there is no IPv6, nobody listens there.
                .args(
                    UdpSocket::bind("[::1]:0")
                        .is_ok()
                        .then_some("--listen-address=::1"),
                )
                .args(["--user=root", "--local=/test/", "--edns-packet-max=512"])
                .arg(format!("--port={port}"))
                .arg(format!("--addn-hosts={}", hosts.display()))
                .args([
                    "--host-record=four.test,192.0.2.10,60",
                    "--host-record=six.test,2001:db8::10,60",
                ])
                .args(["--host-record=both.test,192.0.2.11,2001:db8::11"])
                .args([
                    "--cname=alias.test,four.test",
                    "--cname=alias2.test,alias.test",
                ])
                .args(["--address=/host.test/10.0.2.2"])
                .arg(format!("--cname={},{}", long_name(1), long_name(2)))
                .arg(format!("--cname={},{}", long_name(2), long_name(3)))
                .arg(format!("--cname={},four.test", long_name(3)))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        )?;
        let deadline = Instant::now() + START;
        while !answers(port) {
            if Instant::now() > deadline || !process.is_alive() {
                bail!("dnsmasq does not answer");
            }
        }
        Ok(Self {
            port,
            _scratch: scratch,
            _process: process,
        })
    }

    /// The server's address as the guest sees it.
    pub fn server(&self) -> String {
        format!("10.0.2.2:{}", self.port)
    }
}

/// Whether somebody answers a question for `four.test` on that port.
fn answers(port: u16) -> bool {
    let question =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04four\x04test\x00\x00\x01\x00\x01";
    let ask = || {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        socket.send_to(question, ("127.0.0.1", port))?;
        socket.recv(&mut [0; 512])
    };
    let answered = ask().is_ok();
    if !answered {
        std::thread::sleep(Duration::from_millis(20));
    }
    answered
}

#[cfg(test)]
mod tests {
    use super::Dnsmasq;
    use crate::tests::Skip;

    #[test]
    fn it_starts() {
        match Dnsmasq::start() {
            Err(error) if error.is::<Skip>() => {}
            other => assert!(other.unwrap().port > 0),
        }
    }
}
