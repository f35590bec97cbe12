//! Avahi: multicast DNS as most Linux machines speak it, without the D-Bus that it would be asked by.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Running, Scratch, find};
use crate::machine::mortal;

/// Until it has a name: it asks for one and may have to ask for another.
const LIMIT: Duration = Duration::from_secs(60);

/// A running one. Must be started in a namespace, where it may have directories of its own.
pub struct Avahi {
    log: PathBuf,
    _running: Running,
}

impl Avahi {
    /// Starts one that wants to be called `name`, and offers a web server at a port as `service`: one that
    /// prints, and says odd things of itself.
    pub fn start(
        scratch: &Scratch,
        interface: &str,
        name: &str,
        service: (&str, u16),
    ) -> Result<Self> {
        let program = find("avahi-daemon")?;
        scratch.write(
            "avahi.conf",
            format!(
                "[server]\nhost-name={name}\nallow-interfaces={interface}\nenable-dbus=no\n\
                 [wide-area]\nenable-wide-area=no\n\
                 [publish]\npublish-workstation=no\npublish-hinfo=no\n"
            ),
        )?;
        let (label, port) = service;
        scratch.write(
            "web.service",
            format!(
                "<?xml version=\"1.0\" standalone='no'?>\n\
                 <!DOCTYPE service-group SYSTEM \"avahi-service.dtd\">\n\
                 <service-group><name>{label}</name><service><type>_http._tcp</type>\
                 <subtype>_printer._sub._http._tcp</subtype>\
                 <port>{port}</port><txt-record>path=/a=b</txt-record>\
                 <txt-record>color</txt-record>\
                 <txt-record value-format=\"binary-hex\">evil=1b5b324aff</txt-record>\
                 </service></service-group>\n"
            ),
        )?;
        // It looks for its user, who is nobody in a namespace but root.
        scratch.write("passwd", "root:x:0:0::/:/bin/sh\navahi:x:0:0::/:/bin/sh\n")?;
        scratch.write("group", "root:x:0:\navahi:x:0:\n")?;
        scratch.write(
            "start.sh",
            format!(
                "set -e\n\
                 mount --bind passwd /etc/passwd\nmount --bind group /etc/group\n\
                 mount -t tmpfs none /etc/avahi/services\ncp web.service /etc/avahi/services/\n\
                 mount -t tmpfs none /run\n\
                 exec {} -f avahi.conf --no-drop-root --no-chroot --no-rlimits\n",
                program.display()
            ),
        )?;
        let log = scratch.path().join("avahi.log");
        let into = std::fs::File::create(&log)?;
        let running = Running::start(
            mortal("unshare")
                .args(["--mount", "sh", "start.sh"])
                .current_dir(scratch.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(into),
        )?;
        Ok(Self {
            log,
            _running: running,
        })
    }

    /// Waits until it says something.
    pub fn await_word(&self, word: &str) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let said = std::fs::read_to_string(&self.log)?;
            if said.contains(word) {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "avahi does not say {word}:\n{said}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
