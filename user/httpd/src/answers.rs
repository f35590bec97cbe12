//! Answers that are the same each time, as they are sent.
//!
//! *Owns* them in the arena from the start on: to answer a client copies nothing and takes no arena, however
//! many do not read.

use alloc::vec::Vec;

use net::{Chunk, Error, Net};

use crate::request::Persistence;
use crate::response::{Head, Status};
use crate::site;

/// What is served under each path.
pub struct Answers {
    /// By the number of the file, and by what becomes of the connection.
    ready: Vec<[Chunk; 2]>,
}

impl Answers {
    /// Puts them together.
    ///
    /// # Errors
    ///
    /// What keeps it from having arena for them.
    pub async fn new(net: &Net) -> Result<Self, Error> {
        let mut ready = Vec::new();
        for file in site::files() {
            ready.push([
                written(net, &file, Persistence::KeepAlive).await?,
                written(net, &file, Persistence::Close).await?,
            ]);
        }
        Ok(Self { ready })
    }

    /// The answer to a GET of the file of that number.
    pub fn get(&self, file: usize, persistence: Persistence) -> Option<Chunk> {
        let [keep, close] = self.ready.get(file)?;
        Some(match persistence {
            Persistence::KeepAlive => keep.clone(),
            Persistence::Close | Persistence::Linger => close.clone(),
        })
    }
}

async fn written(
    net: &Net,
    file: &site::Resource,
    persistence: Persistence,
) -> Result<Chunk, Error> {
    let (body, freshness) = (&file.body, file.freshness);
    let head = Head::new(
        Status::Ok,
        file.content_type,
        body.len(),
        freshness,
        persistence,
    );
    let mut buffer = net.reserve(head.bytes().len() + body.len()).await?;
    buffer.append(head.bytes());
    buffer.append(body);
    Ok(buffer.freeze())
}
