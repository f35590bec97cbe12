//! The two kinds of questions: echo requests, and datagrams to ports that nobody has.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use net::{
    Arrival, Error, Family, Meaning, Net, PingOptions, PingOutcome, Report, SocketOption,
    UdpSocket, within,
};

use crate::options::Options;

/// Bytes of data in a question.
pub const SIZE: u16 = 32;

/// The port of the first datagram; each goes to one of its own, by which its answer is known.
const FIRST_PORT: u16 = 33_434;

/// What came back.
pub struct Answer {
    /// Who says so.
    pub from: IpAddr,
    /// Time from the question to it.
    pub round_trip: Duration,
    /// What is said beside who it is; nothing where that is all.
    pub word: &'static str,
    /// Nothing is farther away.
    pub ends: bool,
}

/// How is asked.
pub enum Probe {
    /// By echo requests.
    Echo,
    /// By datagrams.
    Datagrams(UdpSocket),
}

impl Probe {
    /// As the command line wants it.
    ///
    /// # Errors
    /// Those of a datagram socket.
    pub async fn open(net: &Net, to: IpAddr, options: &Options<'_>) -> Result<Self, Error> {
        if options.by_echo {
            return Ok(Self::Echo);
        }
        let any = SocketAddr::new(Family::of(to).unspecified(), 0);
        let socket = UdpSocket::bind(net, any).await?;
        socket.tell_details().await?;
        Ok(Self::Datagrams(socket))
    }

    /// Asks whoever is so many routers away; `number` is that of the question.
    ///
    /// # Errors
    /// [`Error::TimedOut`], ...
    pub async fn ask(
        &self,
        net: &Net,
        to: IpAddr,
        (hops, number): (u8, u16),
        limit: Duration,
    ) -> Result<Answer, Error> {
        match self {
            Self::Echo => echo(net, to, (hops, number), limit).await,
            Self::Datagrams(socket) => {
                let port = FIRST_PORT.wrapping_add(number);
                let to = SocketAddr::new(to, port.max(1));
                socket.set_option(SocketOption::Ttl, hops.into()).await?;
                let began = rt::clock::now();
                socket.send_to(&[0; SIZE as usize], to).await?;
                socket.flush().await?;
                let mut answer = within(limit, heard(socket, to)).await?;
                answer.round_trip = Duration::from_nanos(rt::clock::now().saturating_sub(began));
                Ok(answer)
            }
        }
    }
}

async fn echo(
    net: &Net,
    to: IpAddr,
    (hops, sequence): (u8, u16),
    limit: Duration,
) -> Result<Answer, Error> {
    let how = PingOptions {
        sequence,
        size: SIZE,
        ttl: Some(hops),
        link: 0,
        timeout: limit,
    };
    let reply = net.ping(to, how).await?;
    let (word, ends) = match reply.outcome {
        PingOutcome::TimeExceeded => ("", false),
        PingOutcome::Echo => ("", true),
        PingOutcome::Unreachable => (" !H", true),
        PingOutcome::NoRoute => (" !N", true),
        PingOutcome::Prohibited => (" !X", true),
        PingOutcome::TooBig => (" !F", true),
    };
    Ok(Answer {
        from: reply.from,
        round_trip: reply.round_trip,
        word,
        ends,
    })
}

/// What is said of the datagram to this port, whatever else comes.
async fn heard(socket: &UdpSocket, to: SocketAddr) -> Result<Answer, Error> {
    let mut bytes = [0; SIZE as usize];
    loop {
        let (_, arrival) = socket.receive_detailed(&mut bytes).await?;
        let (from, word, ends) = match arrival {
            // Somebody has the port, and answers.
            Arrival::Packet { from, .. } if from == to => (from.ip(), "", true),
            Arrival::Failed(report) if report.about == to => {
                let (word, ends) = meaning(&report);
                (report.from, word, ends)
            }
            _ => continue,
        };
        return Ok(Answer {
            from,
            round_trip: Duration::ZERO,
            word,
            ends,
        });
    }
}

fn meaning(report: &Report) -> (&'static str, bool) {
    match report.meaning() {
        Meaning::TimeExceeded => ("", false),
        Meaning::Port => ("", true),
        Meaning::Protocol => (" !P", true),
        Meaning::Network => (" !N", true),
        Meaning::Prohibited => (" !X", true),
        Meaning::TooBig => (" !F", true),
        Meaning::Host | Meaning::Other => (" !H", true),
    }
}
