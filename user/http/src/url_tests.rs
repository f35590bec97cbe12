//! URLs as people type them and as servers send them.

use super::{Scheme, Url, UrlError};

/// Text, and host, port and target that it means.
const GOOD: &[(&str, &str, u16, &str)] = &[
    ("http://example.org", "example.org", 80, "/"),
    ("http://example.org/", "example.org", 80, "/"),
    ("HTTP://Example.ORG/", "example.org", 80, "/"),
    ("https://example.org", "example.org", 443, "/"),
    ("https://example.org:8443/a", "example.org", 8443, "/a"),
    ("example.org", "example.org", 80, "/"),
    ("example.org/page", "example.org", 80, "/page"),
    ("example.org:8080", "example.org", 8080, "/"),
    ("localhost:80/x", "localhost", 80, "/x"),
    ("//example.org/x", "example.org", 80, "/x"),
    ("http://10.0.2.2:8000/x", "10.0.2.2", 8000, "/x"),
    ("10.0.2.2", "10.0.2.2", 80, "/"),
    ("http://[::1]/", "::1", 80, "/"),
    ("http://[fd00::1]:8080/a?b", "fd00::1", 8080, "/a?b"),
    ("http://[::ffff:10.0.2.2]", "::ffff:10.0.2.2", 80, "/"),
    ("http://example.org:/x", "example.org", 80, "/x"),
    ("http://example.org?q=1", "example.org", 80, "/?q=1"),
    (
        "http://example.org/?q=a/../b",
        "example.org",
        80,
        "/?q=a/../b",
    ),
    ("http://example.org/a#part", "example.org", 80, "/a"),
    ("http://example.org#part", "example.org", 80, "/"),
    ("http://example.org/a?b#c?d", "example.org", 80, "/a?b"),
    ("http://example.org/a/./b", "example.org", 80, "/a/b"),
    ("http://example.org/a/../b", "example.org", 80, "/b"),
    ("http://example.org/../../b", "example.org", 80, "/b"),
    ("http://example.org/a/b/..", "example.org", 80, "/a/"),
    ("http://example.org/a/.", "example.org", 80, "/a/"),
    ("http://example.org/a//b", "example.org", 80, "/a//b"),
    ("http://example.org/%20x", "example.org", 80, "/%20x"),
    ("http://example.org:65535/", "example.org", 65535, "/"),
    ("http://example.org:00080/", "example.org", 80, "/"),
    ("http://ex-am_ple.org/~me", "ex-am_ple.org", 80, "/~me"),
    ("http://example.org/a:b@c", "example.org", 80, "/a:b@c"),
];

/// Text, and why it is refused.
const BAD: &[(&str, UrlError)] = &[
    ("", UrlError::NoHost),
    ("http://", UrlError::NoHost),
    ("http:///path", UrlError::NoHost),
    ("http://:80/", UrlError::NoHost),
    ("/path", UrlError::NoHost),
    ("http:example.org", UrlError::NoHost),
    ("ftp://example.org/", UrlError::UnknownScheme),
    ("mailto:someone", UrlError::UnknownScheme),
    ("javascript:alert", UrlError::UnknownScheme),
    ("http://user@example.org/", UrlError::Credentials),
    ("http://user:word@example.org/", UrlError::Credentials),
    ("http://example.org:0/", UrlError::BadPort),
    ("http://example.org:65536/", UrlError::BadPort),
    ("http://example.org:+80/", UrlError::BadPort),
    ("http://example.org:80x/", UrlError::BadPort),
    ("http://[::1]x/", UrlError::BadPort),
    ("http://example.org/a b", UrlError::BadCharacter),
    ("http://example.org/a\r\nHost: x", UrlError::BadCharacter),
    ("http://exämple.org/", UrlError::BadCharacter),
    ("http://exa%41mple.org/", UrlError::BadCharacter),
    ("http://[::1", UrlError::BadAddress),
    ("http://[example.org]/", UrlError::BadAddress),
];

#[test]
fn urls_are_taken_apart() {
    for (text, host, port, target) in GOOD {
        let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            (url.host.as_str(), url.port, url.target.as_str()),
            (*host, *port, *target),
            "{text}"
        );
    }
    assert_eq!(
        Url::parse("https://a").map(|url| url.scheme),
        Ok(Scheme::Https)
    );
}

#[test]
fn what_is_no_url_is_refused_with_its_reason() {
    for (text, reason) in BAD {
        assert_eq!(Url::parse(text), Err(*reason), "{text}");
    }
    assert_eq!(Url::parse(&"a".repeat(8001)), Err(UrlError::TooLong));
}

#[test]
fn what_is_shown_means_the_same_again() {
    for (text, ..) in GOOD {
        let url = Url::parse(text).unwrap();
        assert_eq!(Url::parse(&url.to_string()), Ok(url), "{text}");
    }
}

/// RFC 3986 section 5.4, the examples that have to do with HTTP, and what servers send besides.
#[test]
fn locations_are_relative_to_their_page() {
    let page = Url::parse("http://a:81/b/c/d;p?q").unwrap();
    for (location, whole) in [
        ("g", "http://a:81/b/c/g"),
        ("./g", "http://a:81/b/c/g"),
        ("g/", "http://a:81/b/c/g/"),
        ("/g", "http://a:81/g"),
        ("//g", "http://g/"),
        ("?y", "http://a:81/b/c/d;p?y"),
        ("g?y", "http://a:81/b/c/g?y"),
        ("#s", "http://a:81/b/c/d;p?q"),
        ("g#s", "http://a:81/b/c/g"),
        ("", "http://a:81/b/c/d;p?q"),
        (".", "http://a:81/b/c/"),
        ("..", "http://a:81/b/"),
        ("../g", "http://a:81/b/g"),
        ("../../g", "http://a:81/g"),
        ("../../../g", "http://a:81/g"),
        ("/./g", "http://a:81/g"),
        ("https://z/", "https://z/"),
        ("http://z:8/x", "http://z:8/x"),
    ] {
        assert_eq!(
            page.join(location).map(|url| url.to_string()).as_deref(),
            Ok(whole),
            "{location}"
        );
    }
    assert_eq!(page.join("gopher://x"), Err(UrlError::UnknownScheme));
    assert_eq!(page.join("/a b"), Err(UrlError::BadCharacter));
}

#[test]
fn host_field_names_an_odd_port_only() {
    for (text, field) in [
        ("http://example.org/", "example.org"),
        ("http://example.org:443/", "example.org:443"),
        ("https://example.org:443/", "example.org"),
        ("http://[::1]:81/", "[::1]:81"),
    ] {
        assert_eq!(Url::parse(text).unwrap().authority(), field);
    }
}
