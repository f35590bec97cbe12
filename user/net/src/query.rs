//! Names, pings, figures, changes.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::pin::Pin;
use core::time::Duration;

use protocol::{
    Event, Info, InfoBody, Inline, Lease, LeaseBody, NAME_BYTES, Payload, Ping, PingBody,
    PingOutcome, Range, RecordKind, Resolve, SocketId, Stats, StatsBody, Subscribe, outcome,
};

use embassy_futures::join::join;

use crate::error::Error;
use crate::families::Family;
use crate::net::Net;
use crate::pending::Pending;
use crate::racing::literal;
use crate::slot::Source;

/// The answer to a question for addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The addresses, in the order of the server.
    pub addresses: Vec<IpAddr>,
    /// For how long they are good.
    pub ttl: Duration,
    /// How long the answer took.
    pub took: Duration,
    /// Aliases that were followed.
    pub aliases: u8,
    /// Who answered; `None` when it was remembered.
    pub server: Option<SocketAddr>,
}

/// How to ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingOptions {
    /// Sequence number.
    pub sequence: u16,
    /// Bytes of data.
    pub size: u16,
    /// Time to live; `None`: the default.
    pub ttl: Option<u8>,
    /// The link that a link-local address is on; zero for the default one.
    pub link: u8,
    /// How long to wait.
    pub timeout: Duration,
}

/// What came back of a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingReply {
    /// Who answered.
    pub from: IpAddr,
    /// The echo, or what a router said instead.
    pub outcome: PingOutcome,
    /// Time from sending to the answer.
    pub round_trip: Duration,
    /// Bytes of data in the answer.
    pub size: u16,
    /// Time to live of the answer.
    pub ttl: u8,
}

impl Net {
    /// Asks for a name's addresses of one kind, of `server` or of the configured ones.
    ///
    /// # Errors
    /// [`Error::NoSuchName`], [`Error::NoSuchRecord`], [`Error::TimedOut`], ...
    pub async fn resolve(
        &self,
        name: &str,
        kind: RecordKind,
        server: Option<SocketAddr>,
    ) -> Result<Answer, Error> {
        if name.len() > NAME_BYTES {
            return Err(Error::NoSuchName);
        }
        self.room().await;
        let pending = if let Some(inline) = Inline::new(name.as_bytes()) {
            let resolve = Resolve {
                name: Payload::Inline(inline),
                kind,
                server,
            };
            self.submit(&resolve, SocketId(0), None, None)?
        } else {
            self.resolve_long(name, kind, server)?
        };
        let reply = pending.reply::<Resolve>().await?;
        Ok(Answer {
            addresses: reply.answer.addresses(kind).collect(),
            ttl: Duration::from_secs(reply.answer.ttl.get().into()),
            took: Duration::from_micros(reply.answer.microseconds.get().into()),
            aliases: reply.answer.aliases,
            server: reply.server,
        })
    }

    /// A name that does not fit a message goes through the arena.
    fn resolve_long(
        &self,
        name: &str,
        kind: RecordKind,
        server: Option<SocketAddr>,
    ) -> Result<Pending, Error> {
        let length = u32::try_from(name.len()).map_err(|_| Error::NoSuchName)?;
        let mut session = self.session();
        let block = session.blocks.take(length).ok_or(Error::NoMemory)?;
        if self.arena().write(block.offset, name.as_bytes()).is_err() {
            session.give(block);
            return Err(Error::NoMemory);
        }
        drop(session);
        let name = Payload::Arena(Range {
            offset: block.offset,
            length,
        });
        self.submit(
            &Resolve { name, kind, server },
            SocketId(0),
            None,
            Some(Source::Block(block)),
        )
    }

    /// The addresses of a host: of an address in text itself, else those that a name has in either
    /// family, in the order in which they are to be tried (RFC 6724 section 6).
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Error> {
        self.addresses_of(host, None).await
    }

    /// The same, of one family only.
    ///
    /// # Errors
    /// As [`Self::resolve`]; [`Error::NoSuchRecord`] when the host has none in the family.
    pub async fn addresses_of(
        &self,
        host: &str,
        family: Option<Family>,
    ) -> Result<Vec<IpAddr>, Error> {
        // Behind a pointer: an executable of many programs has it once.
        let finding: Pin<Box<dyn Future<Output = _> + '_>> = Box::pin(self.find(host, family));
        finding.await
    }

    async fn find(&self, host: &str, family: Option<Family>) -> Result<Vec<IpAddr>, Error> {
        if let Some(address) = literal(host) {
            let is_wanted = family.is_none_or(|family| family == Family::of(address));
            let found = is_wanted.then(|| alloc::vec![address]);
            return found.ok_or(Error::NoSuchRecord);
        }
        let ask = async |kind| self.resolve(host, kind, None).await.map(|it| it.addresses);
        match family {
            Some(Family::V4) => return ask(RecordKind::A).await,
            Some(Family::V6) => return ask(RecordKind::Aaaa).await,
            None => {}
        }
        let (six, four) = join(ask(RecordKind::Aaaa), ask(RecordKind::A)).await;
        let mut found = match (six, four) {
            (Ok(six), Ok(four)) => [six, four].concat(),
            (Ok(found), Err(_)) | (Err(_), Ok(found)) => found,
            // That there is none of a kind says least.
            (Err(Error::NoSuchRecord), Err(error)) | (Err(error), Err(_)) => return Err(error),
        };
        crate::destinations::sort(&mut found, &self.machine().await?);
        Ok(found)
    }

    /// Sends one echo request and waits for what comes back.
    ///
    /// # Errors
    /// [`Error::TimedOut`], [`Error::Unreachable`], [`Error::NoRoute`], ...
    pub async fn ping(&self, to: IpAddr, options: PingOptions) -> Result<PingReply, Error> {
        let how = PingBody {
            size: options.size.into(),
            sequence: options.sequence.into(),
            timeout: u32::try_from(options.timeout.as_millis())
                .unwrap_or(u32::MAX)
                .into(),
            ttl: options.ttl.unwrap_or(0),
            link: options.link,
            reserved: [0; 6],
        };
        let pong = self.call(Ping { to, how }).await?;
        Ok(PingReply {
            from: pong.from,
            outcome: pong.outcome,
            round_trip: Duration::from_nanos(pong.figures.round_trip.get()),
            size: pong.figures.size.get(),
            ttl: pong.figures.ttl,
        })
    }

    /// netd's figures.
    ///
    /// # Errors
    /// [`Error::ServerRestarted`].
    pub async fn stats(&self) -> Result<StatsBody, Error> {
        Ok(self.call(Stats {}).await?.stats)
    }

    /// How the machine is on the network.
    ///
    /// # Errors
    /// [`Error::ServerRestarted`].
    pub async fn info(&self) -> Result<InfoBody, Error> {
        Ok(self.call(Info {}).await?.info)
    }

    /// The first DHCP lease that a link has; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::ServerRestarted`].
    pub async fn lease(&self) -> Result<Option<LeaseBody>, Error> {
        self.lease_of(0).await
    }

    /// That of a link, by the number of its interface.
    ///
    /// # Errors
    /// As [`Self::lease`].
    pub async fn lease_of(&self, interface: u32) -> Result<Option<LeaseBody>, Error> {
        match self.call(Lease { interface }).await {
            Ok(reply) => Ok(Some(reply.lease)),
            Err(Error::Other(protocol::Code::NotFound)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Events of this program's sockets and of the link.
    ///
    /// # Errors
    /// [`Error::ServerRestarted`].
    pub async fn events(&self) -> Result<Events, Error> {
        self.room().await;
        Ok(Events {
            pending: self.submit(&Subscribe {}, SocketId(0), None, None)?,
        })
    }
}

/// A subscription to events. Dropped, it ends.
pub struct Events {
    pending: Pending,
}

impl Events {
    /// The next event.
    ///
    /// # Errors
    /// [`Error::ServerRestarted`], `Other(Limit)`.
    pub async fn next(&mut self) -> Result<Event, Error> {
        let found = self.pending.until(|slot| {
            let event = slot.events.pop_front();
            event
                .map(Some)
                .or_else(|| slot.is_finished().then_some(None))
        });
        let message = found.await.ok_or(Error::ServerRestarted)?;
        outcome::<Subscribe>(&message).map_err(Error::from)
    }
}
