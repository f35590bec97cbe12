//! What is measured over connections.

use alloc::{vec, vec::Vec};

use embassy_futures::join::join;
use net::{Code, Error, ReadHalf, SocketOption, TcpStream, WriteHalf};
use rt::clock;

use crate::run::Run;

/// One echo after the other over one connection.
pub async fn echo(run: &Run) -> Result<(), Error> {
    let mut talk = Talk::open(run).await?;
    run.begin();
    while run.take().is_some() {
        let start = clock::now();
        talk.echo(&run.pattern).await?;
        run.tally.borrow_mut().count(clock::now() - start);
        run.end();
    }
    talk.end().await
}

/// As much as goes out, and is acknowledged: but for what is under way where it is cut off.
pub async fn send(run: &Run) -> Result<(), Error> {
    let mut stream = TcpStream::connect(&run.net, run.peer).await?;
    let mut buffer = run.net.reserve(run.pattern.len()).await?;
    buffer.append(&run.pattern);
    // Written once, sent for ever.
    let chunk = buffer.freeze();
    run.begin();
    while run.take().is_some() {
        stream.send(chunk.clone()).await?;
        run.tally.borrow_mut().bytes += chunk.len() as u64;
    }
    stream.flush().await?;
    run.end();
    stream.close().await
}

/// As much as comes in.
pub async fn receive(run: &Run) -> Result<(), Error> {
    let mut stream = TcpStream::connect(&run.net, run.peer).await?;
    run.begin();
    while run.take().is_some() {
        // To the byte, so that a number of them means what it says.
        let mut missing = run.pattern.len();
        while missing > 0 {
            let chunk = stream.read_chunk(missing).await?.ok_or(Error::Closed)?;
            missing -= chunk.len();
            run.tally.borrow_mut().bytes += chunk.len() as u64;
            run.end();
        }
    }
    // The peer would go on for ever.
    stream.abort();
    Ok(())
}

/// One connection after the other. A failure is counted, and the next is tried.
pub async fn open_and_close(run: &Run) {
    run.begin();
    while run.take().is_some() {
        let start = clock::now();
        let conversation = async {
            let mut talk = Talk::open(run).await?;
            talk.echo(&run.pattern).await?;
            talk.end().await
        };
        match conversation.await {
            Ok(()) => run.tally.borrow_mut().count(clock::now() - start),
            Err(error) => run.fail(error),
        }
        run.end();
    }
}

/// A connection to who sends back what it gets.
struct Talk {
    input: ReadHalf,
    output: WriteHalf,
    buffer: Vec<u8>,
}

impl Talk {
    /// Its small writes leave at once.
    async fn open(run: &Run) -> Result<Self, Error> {
        let options = [(SocketOption::NoDelay, 1)];
        let stream = TcpStream::connect_with(&run.net, run.peer, &options).await?;
        let (input, output) = stream.split();
        Ok(Self {
            input,
            output,
            buffer: vec![0; run.pattern.len()],
        })
    }

    /// Says it, and hears the same again.
    async fn echo(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let hearing = async {
            let mut heard = 0;
            while heard < bytes.len() {
                // A peer that has finished has not said all.
                heard += match self.input.read(&mut self.buffer[heard..]).await? {
                    0 => return Err(Error::Closed),
                    count => count,
                };
            }
            Ok(())
        };
        // Both at once: more may be under way than the buffers on it take.
        let (said, heard) = join(self.output.write_all(bytes), hearing).await;
        said.and(heard)?;
        if self.buffer == bytes {
            Ok(())
        } else {
            Err(Error::Other(Code::Malformed))
        }
    }

    /// Says that this was all, and waits until the peer says so too.
    async fn end(mut self) -> Result<(), Error> {
        self.output.finish().await?;
        while self.input.read_chunk(usize::MAX).await?.is_some() {}
        Ok(())
    }
}
