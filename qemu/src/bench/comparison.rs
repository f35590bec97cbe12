//! What two guests were measured with, as rows of ratios.

use std::fmt;

use serde_json::{Value, json};

use super::median;

/// Bits of a segment's payload in a megabit.
const SEGMENTS: f64 = 1e6 / 8.0 / 1448.0;

/// Which of a guest's runs a row is of.
#[derive(Clone, Copy)]
enum Of {
    /// By the clock: more is better, or less.
    Rate,
    Time,
    /// Guest instructions for each of so many that a second's figure stands for; with offloads, and
    /// with nothing.
    Offloaded(f64),
    Plain(f64),
    /// The same for each datagram. Of this test the tool tells the rate within half of its seconds, and instructions
    /// until it has waited for the last ones, when nothing happens any more.
    Datagrams,
}

/// How long that is, in seconds.
const WAITED: f64 = 0.3;

pub struct Row {
    name: &'static str,
    test: &'static str,
    field: &'static str,
    of: Of,
}

const fn row(name: &'static str, test: &'static str, field: &'static str, of: Of) -> Row {
    Row {
        name,
        test,
        field,
        of,
    }
}

/// The rows, with the names that the tools have for tests and fields.
pub const ROWS: &[Row] = &[
    row("TCP receive, Mbit/s", "tcp_rx", "mbps", Of::Rate),
    row("TCP send, Mbit/s", "tcp_tx", "mbps", Of::Rate),
    row(
        "TCP receive, 4 streams, Mbit/s",
        "tcp_rx4",
        "mbps",
        Of::Rate,
    ),
    row("TCP send, 4 streams, Mbit/s", "tcp_tx4", "mbps", Of::Rate),
    row("connections/s, 32 at a time", "conn_32", "per_s", Of::Rate),
    row("HTTP/s, 1 connection", "http_keep_1", "per_s", Of::Rate),
    row("HTTP/s, 32 connections", "http_keep_32", "per_s", Of::Rate),
    row(
        "HTTP/s, own connection, 32 at a time",
        "http_close_32",
        "per_s",
        Of::Rate,
    ),
    row(
        "UDP echo/s, 32 in flight",
        "udp_echo_64",
        "echoed_per_s",
        Of::Rate,
    ),
    row(
        "ICMP round trip, median, us",
        "icmp_rtt",
        "p50_us",
        Of::Time,
    ),
    row(
        "UDP round trip, median, us",
        "udp_rtt_64",
        "p50_us",
        Of::Time,
    ),
    row(
        "TCP round trip of 64 bytes, median, us",
        "tcp_rtt_64",
        "p50_us",
        Of::Time,
    ),
    row(
        "TCP round trip of 64 bytes, 99 %, us",
        "tcp_rtt_64",
        "p99_us",
        Of::Time,
    ),
    row(
        "instructions: ICMP echo",
        "icmp_back_to_back",
        "per_s",
        Of::Offloaded(1.0),
    ),
    row(
        "instructions: UDP echo, one at a time",
        "udp_rtt_64",
        "per_s",
        Of::Offloaded(1.0),
    ),
    row(
        "instructions: UDP echo, 32 in flight",
        "udp_echo_64",
        "echoed_per_s",
        Of::Datagrams,
    ),
    row(
        "instructions: TCP echo, 64 bytes",
        "tcp_rtt_64",
        "per_s",
        Of::Offloaded(1.0),
    ),
    row(
        "instructions: TCP receive, 1,448 bytes, all offloads",
        "tcp_rx",
        "mbps",
        Of::Offloaded(SEGMENTS),
    ),
    row(
        "instructions: TCP receive, 1,448 bytes, none",
        "tcp_rx",
        "mbps",
        Of::Plain(SEGMENTS),
    ),
    row(
        "instructions: TCP send, 1,448 bytes, all offloads",
        "tcp_tx",
        "mbps",
        Of::Offloaded(SEGMENTS),
    ),
    row(
        "instructions: TCP send, 1,448 bytes, none",
        "tcp_tx",
        "mbps",
        Of::Plain(SEGMENTS),
    ),
    row(
        "instructions: connection, 32 at a time",
        "conn_32",
        "per_s",
        Of::Offloaded(1.0),
    ),
    row(
        "instructions: HTTP request, connection kept",
        "http_keep_1",
        "per_s",
        Of::Offloaded(1.0),
    ),
    row(
        "instructions: HTTP request, own connection",
        "http_close_32",
        "per_s",
        Of::Offloaded(1.0),
    ),
];

/// A row with both medians.
pub struct Comparison {
    name: &'static str,
    ours: f64,
    theirs: f64,
    /// How many times better ours is.
    better: f64,
}

impl Row {
    /// Compares the runs in `lines`; `pairs` are our configuration and theirs: plain, counted with
    /// offloads, counted without. Nothing, if either guest has no figure.
    pub fn compare(&self, lines: &[Value], pairs: &[(&str, &str)]) -> Option<Comparison> {
        let (ours, theirs) = pairs.get(match self.of {
            Of::Rate | Of::Time => 0,
            Of::Offloaded(_) | Of::Datagrams => 1,
            Of::Plain(_) => 2,
        })?;
        let middle = |guest: &str, configuration: &str| {
            let runs = lines
                .iter()
                .filter(|line| line["guest"] == guest && line["config"] == configuration);
            let values: Vec<f64> = runs
                .filter_map(|line| self.value(&line["result"], line["seconds"].as_f64()))
                .collect();
            (!values.is_empty()).then(|| median(values))
        };
        let (ours, theirs) = (middle("skerry", ours)?, middle("linux", theirs)?);
        let better = if matches!(self.of, Of::Rate) {
            ours / theirs
        } else {
            theirs / ours
        };
        Some(Comparison {
            name: self.name,
            ours,
            theirs,
            better,
        })
    }

    /// The figure of a run whose tests took so many seconds.
    fn value(&self, result: &Value, seconds: Option<f64>) -> Option<f64> {
        let test = &result[self.test];
        let value = test[self.field].as_f64().filter(|value| *value > 0.0)?;
        let instructions = || test["cpu"]["insn_per_s"].as_f64();
        match self.of {
            Of::Rate | Of::Time => Some(value),
            Of::Offloaded(scale) | Of::Plain(scale) => Some(instructions()? / (value * scale)),
            Of::Datagrams => {
                let counted = seconds? / 2.0;
                Some(instructions()? * (counted + WAITED) / (value * counted))
            }
        }
    }
}

impl Comparison {
    pub fn json(&self) -> Value {
        json!({
            "name": self.name, "skerry": self.ours, "linux": self.theirs, "times_better": self.better,
        })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            ours,
            theirs,
            better,
        } = self;
        write!(f, "{name:<52} {ours:>10.0} {theirs:>10.0} {better:>6.1}x")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Of, row};

    #[test]
    fn medians_are_compared_and_better_is_more_than_one() {
        let line = |guest: &str, config: &str, rate: f64| {
            let test = json!({"per_s": rate, "p50_us": rate, "cpu": {"insn_per_s": 1000.0}});
            json!({"guest": guest, "config": config, "seconds": 2.0, "result": {"t": test}})
        };
        let lines = [
            line("skerry", "a", 10.0),
            line("skerry", "a", 30.0),
            line("skerry", "a", 20.0),
            line("linux", "b", 5.0),
            line("skerry", "c", 10.0),
            line("linux", "c", 1.0),
        ];
        let pairs = [("a", "b"), ("c", "c")];
        let better = |field, of| {
            let found = row("x", "t", field, of).compare(&lines, &pairs).unwrap();
            (found.ours, found.theirs, found.better)
        };
        assert_eq!(better("per_s", Of::Rate), (20.0, 5.0, 4.0));
        assert_eq!(better("p50_us", Of::Time), (20.0, 5.0, 0.25));
        assert_eq!(better("per_s", Of::Offloaded(1.0)), (100.0, 1000.0, 10.0));
        assert_eq!(better("per_s", Of::Datagrams), (130.0, 1300.0, 10.0));
        assert!(
            row("x", "t", "per_s", Of::Plain(1.0))
                .compare(&lines, &pairs)
                .is_none()
        );
        assert!(
            row("x", "u", "per_s", Of::Rate)
                .compare(&lines, &pairs)
                .is_none()
        );
    }
}
