//! What is measured by datagrams, each of which begins with its number.

use alloc::{vec, vec::Vec};
use core::{cell::Cell, net::SocketAddr, pin::pin};

use embassy_futures::select::{Either, select};
use net::{Error, Family, UdpSocket};
use rt::{
    clock,
    time::{sleep_until, with_timeout},
};

use crate::run::Run;

const NANOSECONDS: u64 = 1_000_000_000;

/// One echo after the other; who does not come back in time is lost, and if it comes later, forgotten.
pub async fn echo(run: &Run) -> Result<(), Error> {
    let socket = connect(run).await?;
    let (mut bytes, mut heard) = (run.pattern.clone(), vec![0; run.pattern.len()]);
    run.begin();
    while let Some(number) = run.take() {
        write_number(&mut bytes, number);
        let start = clock::now();
        socket.send(&bytes).await?;
        let hearing = async {
            loop {
                let (count, _) = socket.receive_from(&mut heard).await?;
                if heard.get(..count) == Some(&bytes[..]) {
                    return Ok::<(), Error>(());
                }
            }
        };
        if let Ok(outcome) = with_timeout(run.options.patience, hearing).await {
            outcome?;
            run.tally.borrow_mut().count(clock::now() - start);
        }
        run.end();
    }
    Ok(())
}

/// As many as go out, or as the rate allows; counts those that come back meanwhile and shortly after.
pub async fn send(run: &Run) -> Result<(), Error> {
    let socket = connect(run).await?;
    let is_over = Cell::new(false);
    run.begin();
    let mut hearing = pin!(hear(run, &socket, &is_over));
    match select(speak(run, &socket), hearing.as_mut()).await {
        Either::First(spoken) => spoken?,
        // Before the last has left it ends by an error alone, as when nobody is there.
        Either::Second(failed) => return failed,
    }
    is_over.set(true);
    hearing.await
}

async fn speak(run: &Run, socket: &UdpSocket) -> Result<(), Error> {
    let mut bytes = run.pattern.clone();
    let bits = u64::from(run.options.length) * 8 * u64::from(run.options.workers);
    let step = run.options.rate.map(|rate| bits * NANOSECONDS / rate);
    let mut next = clock::now();
    while let Some(number) = run.take() {
        if let Some(step) = step {
            sleep_until(next).await;
            next += step;
        }
        write_number(&mut bytes, number);
        socket.send(&bytes).await?;
        run.tally.borrow_mut().done += 1;
    }
    socket.flush().await?;
    run.end();
    Ok(())
}

/// Counts each number that comes back, once.
async fn hear(run: &Run, socket: &UdpSocket, is_over: &Cell<bool>) -> Result<(), Error> {
    let mut bytes = vec![0; run.pattern.len()];
    let mut seen = Seen::default();
    loop {
        let hearing = with_timeout(run.options.patience, socket.receive_from(&mut bytes));
        let Ok(heard) = hearing.await else {
            if is_over.get() {
                return Ok(());
            }
            continue;
        };
        let (count, _) = heard?;
        let number = bytes.get(..count).and_then(number_of);
        // What was never sent is somebody else's.
        if number.is_some_and(|it| it < run.taken() && seen.is_new(it)) {
            run.tally.borrow_mut().returned += 1;
        }
    }
}

/// Connected: nobody else's datagrams come in, and errors about ours do.
async fn connect(run: &Run) -> Result<UdpSocket, Error> {
    let any = Family::of(run.peer.ip()).unspecified();
    let mut socket = UdpSocket::bind(&run.net, SocketAddr::new(any, 0)).await?;
    socket.connect(run.peer).await?;
    Ok(socket)
}

fn write_number(bytes: &mut [u8], number: u64) {
    if let Some(place) = bytes.first_chunk_mut() {
        *place = number.to_be_bytes();
    }
}

fn number_of(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// Numbers that have come, a bit each.
#[derive(Default)]
struct Seen(Vec<u64>);

impl Seen {
    /// Remembers it, and says whether it comes for the first time.
    fn is_new(&mut self, number: u64) -> bool {
        let Ok(at) = usize::try_from(number / 64) else {
            return false;
        };
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        let bit = 1 << (number % 64);
        let is_new = self.0[at] & bit == 0;
        self.0[at] |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::{Seen, number_of, write_number};

    #[test]
    fn each_number_is_new_once() {
        let mut seen = Seen::default();
        for number in [0, 63, 64, 1_000, 5] {
            assert!(seen.is_new(number) && !seen.is_new(number), "{number}");
        }
    }

    #[test]
    fn numbers_come_out_as_they_went_in() {
        let mut bytes = [7; 9];
        write_number(&mut bytes, 1 << 40);
        assert_eq!((number_of(&bytes), bytes[8]), (Some(1 << 40), 7));
        assert_eq!(number_of(&bytes[..7]), None);
    }
}
