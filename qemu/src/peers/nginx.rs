//! nginx with the pages that the guest's `http` is tested against.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Running, START, Scratch, at_free_port, find, noise};
use crate::machine::mortal;

/// Bytes of `/large.bin`.
pub const LARGE: usize = 50 << 20;

/// A running nginx.
pub struct Nginx {
    pub port: u16,
    scratch: Scratch,
    _process: Running,
}

impl Nginx {
    pub fn start() -> Result<Self> {
        let program = find("nginx")?;
        at_free_port(|port| Self::start_at(&program, port))
    }

    fn start_at(program: &Path, port: u16) -> Result<Self> {
        let scratch = Scratch::new("nginx")?;
        scratch.write("small.txt", "hello from the host\n")?;
        // Server-side includes have no length in advance, so the answer comes in chunks.
        scratch.write("chunked.shtml", chunked_source())?;
        scratch.write("large.bin", noise(50, LARGE))?;
        let place = scratch.path().display();
        let configuration = format!(
            "daemon off; master_process off; pid {place}/pid; error_log {place}/errors;\n\
             events {{}}\n\
             http {{\n\
               access_log off; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;\n\
               fastcgi_temp_path {place}/fastcgi; uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;\n\
               types {{ text/html shtml; text/plain txt; application/octet-stream bin; }}\n\
               server {{\n\
                 listen 127.0.0.1:{port};\n\
                 root {place};\n\
                 location = /chunked.shtml {{ ssi on; }}\n\
                 location ~ ^/redirect/(301|302|303|307|308)$ {{ return 302 /redirect-$1; }}\n\
                 location = /redirect-301 {{ return 301 /small.txt; }}\n\
                 location = /redirect-302 {{ return 302 /small.txt; }}\n\
                 location = /redirect-303 {{ return 303 /small.txt; }}\n\
                 location = /redirect-307 {{ return 307 /small.txt; }}\n\
                 location = /redirect-308 {{ return 308 http://10.0.2.2:{port}/small.txt; }}\n\
                 location = /loop {{ return 302 /loop; }}\n\
               }}\n\
             }}\n"
        );
        let configuration = scratch.write("nginx.conf", configuration)?;
        let mut process = Running::start(
            mortal(&program.to_string_lossy())
                .arg("-e")
                .arg(scratch.path().join("errors"))
                .arg("-p")
                .arg(scratch.path())
                .arg("-c")
                .arg(configuration)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        )?;
        let deadline = Instant::now() + START;
        // It writes down its number once the port is its own.
        while !scratch.path().join("pid").exists() {
            if Instant::now() > deadline || !process.is_alive() {
                let errors = std::fs::read_to_string(scratch.path().join("errors"));
                bail!("nginx does not listen: {}", errors.unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self {
            port,
            scratch,
            _process: process,
        })
    }

    /// The address of a page as the guest sees it.
    pub fn url(&self, page: &str) -> String {
        format!("http://10.0.2.2:{}/{page}", self.port)
    }

    /// The bytes of a page that is a file.
    pub fn file(&self, page: &str) -> Result<Vec<u8>> {
        Ok(std::fs::read(self.scratch.path().join(page))?)
    }
}

/// A page whose includes nginx has to evaluate.
fn chunked_source() -> String {
    let line = "<!--# echo var=\"request_method\" --> is what you did, and this is a long line\n";
    line.repeat(2000)
}

/// What the chunked page looks like to somebody who asks with GET.
pub fn chunked_page() -> Vec<u8> {
    chunked_source()
        .replace("<!--# echo var=\"request_method\" -->", "GET")
        .into_bytes()
}

/// Whether a program of the host answers for a page; `curl`'s view of it.
pub fn curl(arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(find("curl")?)
        .args(["--silent", "--show-error", "--max-time", "60"])
        .args(arguments)
        .output()?;
    if !output.status.success() {
        bail!("curl: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::{Nginx, chunked_page, curl};
    use crate::tests::Skip;

    #[test]
    fn the_pages_are_as_the_tests_believe() {
        let nginx = match Nginx::start() {
            Err(error) if error.is::<Skip>() => return,
            other => other.unwrap(),
        };
        let host = |page: &str| format!("http://127.0.0.1:{}/{page}", nginx.port);
        assert_eq!(
            curl(&[&host("small.txt")]).unwrap(),
            b"hello from the host\n"
        );
        assert_eq!(curl(&[&host("chunked.shtml")]).unwrap(), chunked_page());
        let head = curl(&["--include", &host("chunked.shtml")]).unwrap();
        assert!(String::from_utf8_lossy(&head).contains("Transfer-Encoding: chunked"));
        assert_eq!(
            curl(&["--location", &host("redirect-303")]).unwrap(),
            b"hello from the host\n"
        );
        assert!(curl(&["--location", "--max-redirs", "5", &host("loop")]).is_err());
    }
}
