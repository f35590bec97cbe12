//! Answers, and how they are found in a server's message.
//!
//! *Owns* the following of aliases within one message and the time an answer may be kept.
//! *Never* decides whether the message is genuine.

use core::net::{IpAddr, SocketAddr};
use wire::dns::{Class, Data, Message, Name, Record, ResponseCode, Section, Type};
use wire::{Drop, List};

/// Aliases are followed this far, over all messages together.
pub(super) const MAX_ALIASES: u8 = 8;

/// Nothing is kept longer than this, in seconds (RFC 2181 section 8 allows a resolver to say so).
const MAX_TTL: u32 = 86_400;

/// "There is none" is not kept longer than this, in seconds (RFC 2308 section 5 wants hours at
/// most; a client that waits for a name to appear should not wait that long).
const MAX_NEGATIVE_TTL: u32 = 900;

/// What is asked about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Its IPv4 addresses.
    A,
    /// Its IPv6 addresses.
    Aaaa,
    /// The name of the address that it stands for.
    Ptr,
}

impl Kind {
    pub(super) const fn record_type(self) -> Type {
        match self {
            Self::A => Type::A,
            Self::Aaaa => Type::AAAA,
            Self::Ptr => Type::PTR,
        }
    }
}

/// The addresses of a name, in the server's order.
pub(crate) type Addresses = List<IpAddr, 8>;

/// How a lookup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What was found.
    pub(crate) outcome: Outcome,
    /// For how many seconds it stays good; zero when it does not.
    pub(crate) ttl: u32,
    /// Who answered; `None` for what is known without asking, and for what is in the cache.
    pub(crate) server: Option<SocketAddr>,
    /// How many aliases led there.
    pub(crate) aliases: u8,
}

/// What a lookup found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Addresses, one at least.
    Addresses(Addresses),
    /// A name; of several the first.
    Name(Name),
    /// The name does not exist.
    NoSuchName,
    /// The name exists, but nothing of the kind asked for.
    NoData,
    /// No server answered in time.
    TimedOut,
    /// Servers answered, but could not or would not help.
    ServerFailed,
}

/// What a message says about a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The end.
    Final {
        outcome: Outcome,
        ttl: u32,
        aliases: u8,
    },
    /// The name is an alias; the server does not say for what addresses.
    Continue { name: Name, ttl: u32, aliases: u8 },
    /// The server cannot help.
    Failed(ResponseCode),
}

/// Whether the message was received whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Whole,
    /// Its end is missing: what is there still counts.
    Cut,
}

/// Reads what `message` says about `name`.
///
/// # Errors
/// The reason for which the message must be discarded: a record of a whole message is malformed.
pub(super) fn read(
    message: &Message<'_>,
    name: Name,
    kind: Kind,
    extent: Extent,
) -> Result<Reading, Drop> {
    if extent == Extent::Whole
        && let Some(Err(reason)) = message.records().find(Result::is_err)
    {
        return Err(reason);
    }
    let code = message.header.response_code;
    if !matches!(code, ResponseCode::NO_ERROR | ResponseCode::NAME_ERROR) {
        return Ok(Reading::Failed(code));
    }
    let (mut name, mut ttl, mut aliases) = (name, MAX_TTL, 0);
    // RFC 1034 section 3.6.2: aliases may follow each other; they may stand in any order.
    loop {
        match find(message, &name, kind) {
            Found::Outcome(outcome, its_ttl) => {
                return Ok(Reading::Final {
                    outcome,
                    ttl: ttl.min(its_ttl),
                    aliases,
                });
            }
            Found::Alias(_, _) if aliases == MAX_ALIASES => {
                return Ok(Reading::Failed(ResponseCode::SERVER_FAILURE));
            }
            Found::Alias(target, its_ttl) => {
                (name, ttl) = (target, ttl.min(its_ttl));
                aliases = aliases.saturating_add(1);
            }
            Found::Nothing => break,
        }
    }
    Ok(nothing(message, name, ttl, aliases))
}

/// What follows from there being no data at the end of the aliases.
fn nothing(message: &Message<'_>, name: Name, ttl: u32, aliases: u8) -> Reading {
    let negative = negative_ttl(message, &name);
    let negative_ttl = negative.unwrap_or(0).min(ttl);
    let header = message.header;
    if header.response_code == ResponseCode::NAME_ERROR {
        // RFC 2308 section 2.1: it is the last name that does not exist.
        return Reading::Final {
            outcome: Outcome::NoSuchName,
            ttl: negative_ttl,
            aliases,
        };
    }
    if negative.is_none() && aliases > 0 {
        return Reading::Continue { name, ttl, aliases };
    }
    // RFC 2308 section 2.2: a referral says nothing about the name; we asked for an answer.
    let is_referral = negative.is_none()
        && !header.authoritative
        && sections(message).any(|(section, record)| {
            section == Section::Authority && matches!(record.data, Data::Ns(_))
        });
    if is_referral {
        return Reading::Failed(ResponseCode::SERVER_FAILURE);
    }
    Reading::Final {
        outcome: Outcome::NoData,
        ttl: negative_ttl,
        aliases,
    }
}

/// What the answer section has under one name.
enum Found {
    Outcome(Outcome, u32),
    Alias(Name, u32),
    Nothing,
}

fn find(message: &Message<'_>, name: &Name, kind: Kind) -> Found {
    let mut addresses = Addresses::NONE;
    let mut ttl = MAX_TTL;
    let mut alias = None;
    let mut back = None;
    let own = sections(message).filter(|(section, record)| {
        *section == Section::Answer && record.class == Class::IN && record.name == *name
    });
    for (_, record) in own {
        let address: IpAddr = match (kind, record.data) {
            (Kind::A, Data::A(address)) => address.into(),
            (Kind::Aaaa, Data::Aaaa(address)) => address.into(),
            (Kind::Ptr, Data::Ptr(name)) => {
                let first = Found::Outcome(Outcome::Name(name), record.ttl.min(MAX_TTL));
                back = back.or(Some(first));
                continue;
            }
            (_, Data::Cname(target)) => {
                alias = Some(Found::Alias(target, record.ttl));
                continue;
            }
            _ => continue,
        };
        addresses.push(address);
        ttl = ttl.min(record.ttl);
    }
    if addresses.is_empty() {
        back.or(alias).unwrap_or(Found::Nothing)
    } else {
        Found::Outcome(Outcome::Addresses(addresses), ttl)
    }
}

/// For how long "there is none" may be kept; `None` when the message does not say by whom it
/// speaks (RFC 2308 section 5).
fn negative_ttl(message: &Message<'_>, name: &Name) -> Option<u32> {
    sections(message).find_map(|(section, record)| match (section, record.data) {
        (Section::Authority, Data::Soa(soa)) if name.is_within(&record.name) => {
            Some(record.ttl.min(soa.minimum).min(MAX_NEGATIVE_TTL))
        }
        _ => None,
    })
}

fn sections<'a>(message: &Message<'a>) -> impl Iterator<Item = (Section, Record<'a>)> {
    message.records().map_while(Result::ok)
}
