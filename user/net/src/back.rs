//! The way back: names of addresses.

use alloc::string::{String, ToString as _};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use protocol::{Address, BackOf, ResolveBack, text_of};

use crate::error::Error;
use crate::net::Net;

/// The name of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackAnswer {
    /// The name; what is not printable is written in digits behind a backslash.
    pub name: String,
    /// For how long it is good.
    pub ttl: Duration,
    /// How long the answer took.
    pub took: Duration,
    /// Aliases that were followed.
    pub aliases: u8,
    /// Who answered; `None` when it was known.
    pub server: Option<SocketAddr>,
}

impl Net {
    /// Asks for the name of an address: `server`, or who should know. Link-local addresses are asked for on
    /// the link, and those of neighbours too when no server knows them.
    ///
    /// # Errors
    /// [`Error::NoSuchName`], [`Error::NoSuchRecord`], [`Error::TimedOut`], ...
    pub async fn name_of(
        &self,
        address: IpAddr,
        server: Option<SocketAddr>,
    ) -> Result<BackAnswer, Error> {
        let back = BackOf {
            address: Address::from_ip(address),
        };
        let reply = self.call(ResolveBack { back, server }).await?;
        Ok(BackAnswer {
            name: text_of(&reply.answer.name).to_string(),
            ttl: Duration::from_secs(reply.answer.ttl.get().into()),
            took: Duration::from_micros(reply.answer.microseconds.get().into()),
            aliases: u8::try_from(reply.answer.aliases.get()).unwrap_or(u8::MAX),
            server: reply.server,
        })
    }
}
