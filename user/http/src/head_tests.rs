//! Heads of responses: usual, odd and forged.

use embassy_futures::block_on;

use super::Head;
use crate::{body::Framing, fetch::FetchError, pieces::in_pieces};

fn head(text: &str, size: usize) -> Result<Head, FetchError> {
    block_on(Head::read(&mut in_pieces(text.as_bytes(), size), false))
}

#[test]
fn heads_are_read_in_any_pieces() {
    let text = "HTTP/1.1 301 Moved\r\nSERVER: x\r\nLocation: /there\r\nx-odd:\r\n\r\n";
    for size in 1..text.len() {
        let head = head(text, size).unwrap();
        assert_eq!(
            (head.minor, head.status, head.reason.as_str()),
            (1, 301, "Moved")
        );
        assert_eq!(head.field("server"), Some(&b"x"[..]));
        assert_eq!(head.field("X-Odd"), Some(&b""[..]));
        assert_eq!(head.field("x-absent"), None);
        assert_eq!(head.location(), Some("/there"));
    }
}

#[test]
fn interim_responses_are_passed_over() {
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    assert_eq!(head(text, 7).unwrap().status, 200);
}

#[test]
fn folded_and_many_fields_are_read() {
    let mut text = String::from("HTTP/1.0 200 OK\r\nA: b\r\n  c\r\n");
    for number in 0..90 {
        text += &format!("x-{number}: {number}\r\n");
    }
    text += "\r\n";
    let head = head(&text, 100).unwrap();
    assert_eq!(head.fields.len(), 91);
    assert!(head.field("a").unwrap().starts_with(b"b"));
    assert!(head.field("a").unwrap().ends_with(b"c"));
    assert_eq!(head.field("x-89"), Some(&b"89"[..]));
}

#[test]
fn only_redirects_have_a_location() {
    let text = "HTTP/1.1 201 Created\r\nLocation: /x\r\n\r\n";
    assert_eq!(head(text, 9).unwrap().location(), None);
}

#[test]
fn the_framing_follows_the_fields() {
    for (fields, framing) in [
        ("Content-Length: 5", Framing::Length(5)),
        ("Content-Length: 5\r\ncontent-length: 5", Framing::Length(5)),
        ("Transfer-Encoding: Chunked", Framing::Chunked),
        ("X: y", Framing::UntilClose),
    ] {
        assert_eq!(
            head(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n"), 9)
                .unwrap()
                .framing,
            framing
        );
    }
    for status in [204, 304] {
        let text = format!("HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(head(&text, 9).unwrap().framing, Framing::Empty);
    }
    let mut stream = in_pieces(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 9);
    assert_eq!(
        block_on(Head::read(&mut stream, true)).unwrap().framing,
        Framing::Empty
    );
}

#[test]
fn forged_heads_are_refused() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
    ] {
        assert_eq!(head(text, 11), Err(FetchError::Malformed), "{text}");
    }
}

#[test]
fn an_endless_head_is_refused() {
    let text = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(40_000));
    assert_eq!(head(&text, 1000), Err(FetchError::HeadTooLarge));
    assert_eq!(
        head("HTTP/1.1 200 OK\r\nX: y\r\n", 5),
        Err(FetchError::EndedEarly)
    );
}
