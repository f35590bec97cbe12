//! An error that a router, or the peer, sends about a segment of the stack's.

use wire::icmp4::{Header, ParameterProblem, TimeExceeded, Unreachable};

use super::words::Words;

/// `icmp KIND [MTU] seq N [foreign]`.
#[derive(Clone, Debug)]
pub(super) struct Error {
    pub(super) header: Header,
    /// Which segment of the stack's it is about, by its relative number.
    pub(super) seq: i64,
    /// It quotes a port that the stack has never used.
    pub(super) is_foreign: bool,
}

impl Error {
    pub(super) fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let unreachable = Header::Unreachable;
        let header = match words.word("a kind of error")? {
            "network-unreachable" => unreachable(Unreachable::Network),
            "host-unreachable" => unreachable(Unreachable::Host),
            "protocol-unreachable" => unreachable(Unreachable::Protocol),
            "port-unreachable" => unreachable(Unreachable::Port),
            "too-big" => unreachable(Unreachable::FragmentationNeeded {
                mtu: words.number("an MTU")?,
            }),
            "source-route-failed" => unreachable(Unreachable::SourceRoute),
            "prohibited" => unreachable(Unreachable::Prohibited { code: 13 }),
            "time-exceeded" => Header::TimeExceeded(TimeExceeded::Transit),
            "parameter-problem" => Header::ParameterProblem(ParameterProblem::Pointer(0)),
            word => return Err(format!("unknown error: {word}")),
        };
        if !words.take("seq") {
            return Err("icmp KIND seq N".into());
        }
        Ok(Self {
            header,
            seq: words.number("a sequence number")?,
            is_foreign: words.take("foreign"),
        })
    }
}
