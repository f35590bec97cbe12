//! Bodies in every framing, in pieces of every size.

use embassy_futures::block_on;

use super::{Framing, Trailer, read};
use crate::{fetch::FetchError, pieces::in_pieces};

fn body(text: &[u8], framing: Framing, size: usize) -> Result<(Vec<u8>, Vec<Trailer>), FetchError> {
    let mut stream = in_pieces(text, size);
    let mut whole = Vec::new();
    let trailers = block_on(read(&mut stream, framing, &mut |bytes| {
        whole.extend_from_slice(bytes);
        Ok(())
    }))?;
    Ok((whole, trailers))
}

#[test]
fn bodies_arrive_whole_in_any_pieces() {
    let chunked = b"4\r\nabcd\r\n00a;x=y\r\n0123456789\r\n0\r\nSum: 1\r\nTwo: 2\r\n\r\nleft over";
    for size in 1..80 {
        assert_eq!(
            body(b"abcdef", Framing::Length(4), size).unwrap().0,
            b"abcd"
        );
        assert_eq!(
            body(b"abcdef", Framing::UntilClose, size).unwrap().0,
            b"abcdef"
        );
        assert_eq!(body(b"abcdef", Framing::Empty, size).unwrap().0, b"");
        let (whole, trailers) = body(chunked, Framing::Chunked, size).unwrap();
        assert_eq!(whole, b"abcd0123456789");
        let two = [
            (b"Sum".to_vec(), b"1".to_vec()),
            (b"Two".to_vec(), b"2".to_vec()),
        ];
        assert_eq!(trailers, two);
    }
}

#[test]
fn a_body_larger_than_the_buffer_arrives_whole() {
    let text: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    assert_eq!(body(&text, Framing::Length(100_000), 1460).unwrap().0, text);
    let mut chunked = format!("{:x}\r\n", text.len()).into_bytes();
    chunked.extend_from_slice(&text);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    assert_eq!(body(&chunked, Framing::Chunked, 1460).unwrap().0, text);
}

#[test]
fn a_body_that_stops_early_is_an_error() {
    for (text, framing) in [
        (&b"abc"[..], Framing::Length(4)),
        (b"4\r\nab", Framing::Chunked),
        (b"4\r\nabcd\r\n", Framing::Chunked),
        (b"4\r\nabcd\r\n0\r\n", Framing::Chunked),
        (b"", Framing::Chunked),
    ] {
        assert_eq!(
            body(text, framing, 2),
            Err(FetchError::EndedEarly),
            "{text:?}"
        );
    }
}

#[test]
fn malformed_chunks_are_an_error() {
    for text in [
        "x\r\n",
        "-1\r\n",
        "4\r\nabcdX\r\n",
        "fffffffffffffffff\r\n",
        "4\nabcd\r\n",
    ] {
        assert_eq!(
            body(text.as_bytes(), Framing::Chunked, 3),
            Err(FetchError::Malformed),
            "{text}"
        );
    }
    let endless = [b"1".to_vec(), vec![b' '; 40_000]].concat();
    assert!(body(&endless, Framing::Chunked, 1000).is_err());
}

#[test]
fn what_the_visitor_says_ends_the_reading() {
    let mut stream = in_pieces(b"abcd", 2);
    let outcome = block_on(read(&mut stream, Framing::Length(4), &mut |_| {
        Err(FetchError::TooManyRedirects)
    }));
    assert_eq!(outcome, Err(FetchError::TooManyRedirects));
}
