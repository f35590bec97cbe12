//! Answers of web servers, as far as whoever counts requests must read them.

use anyhow::{Context, Result, ensure};

/// Whether an answer that tells its length has come whole; of one with another status than 200 or
/// without a length, that is an error.
pub fn is_whole(answer: &[u8]) -> Result<bool> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    ensure!(head.starts_with("http/1.1 200"), "answer {head:?}");
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|value| value.trim().parse().ok())
        .context("no length")?;
    Ok(answer.len() >= end + 4 + length)
}
