//! What is served under which path.

use alloc::{borrow::Cow, string::String};

use crate::{figures::Figures, response::Freshness};

/// A thing that can be asked for.
#[derive(Debug)]
pub struct Resource {
    /// Media type.
    pub content_type: &'static str,
    /// The bytes.
    pub body: Cow<'static, [u8]>,
    /// Whether clients may keep it.
    pub freshness: Freshness,
}

/// Files that are part of this program: path, media type, bytes.
const FILES: &[(&str, &str, &[u8])] = &[
    (
        "/",
        "text/html; charset=utf-8",
        include_bytes!("../www/index.html"),
    ),
    (
        "/index.html",
        "text/html; charset=utf-8",
        include_bytes!("../www/index.html"),
    ),
    (
        "/hello.html",
        "text/html; charset=utf-8",
        include_bytes!("../www/hello.html"),
    ),
    (
        "/style.css",
        "text/css; charset=utf-8",
        include_bytes!("../www/style.css"),
    ),
    (
        "/live.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../www/live.js"),
    ),
    (
        "/favicon.svg",
        "image/svg+xml",
        include_bytes!("../www/favicon.svg"),
    ),
    (
        "/favicon.ico",
        "image/svg+xml",
        include_bytes!("../www/favicon.svg"),
    ),
];

/// The path under which the live figures are found.
pub const FIGURES_PATH: &str = "/info.json";

/// The number of the file under a path.
pub fn find(path: &str) -> Option<usize> {
    FILES.iter().position(|(own, ..)| *own == path)
}

/// All files, in the order of their numbers.
pub fn files() -> impl Iterator<Item = Resource> {
    FILES.iter().map(|(_, content_type, bytes)| Resource {
        content_type,
        body: Cow::Borrowed(bytes),
        freshness: Freshness::Fixed,
    })
}

/// The live figures as JSON.
pub fn figures(figures: &Figures) -> Resource {
    Resource {
        content_type: "application/json",
        body: Cow::Owned(figures.to_json().into_bytes()),
        freshness: Freshness::Live,
    }
}

/// A short text, for answers that have nothing else to say.
pub fn text(line: &str) -> Resource {
    let mut body = String::from(line);
    body.push('\n');
    Resource {
        content_type: "text/plain; charset=utf-8",
        body: Cow::Owned(body.into_bytes()),
        freshness: Freshness::Live,
    }
}

/// All media types.
#[cfg(test)]
pub fn content_types() -> impl Iterator<Item = &'static str> {
    let made = [text("").content_type, "application/json"];
    FILES.iter().map(|(_, media, _)| *media).chain(made)
}

#[cfg(test)]
mod tests {
    use super::{FIGURES_PATH, FILES, find};

    #[test]
    fn every_link_of_the_pages_leads_somewhere() {
        for (path, _, bytes) in FILES {
            let text = core::str::from_utf8(bytes).unwrap();
            let is_path = |part: &&str| {
                part.starts_with('/')
                    && part
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"/.".contains(&byte))
            };
            for part in text.split(['"', '\'']).filter(is_path) {
                assert!(
                    part == FIGURES_PATH || find(part).is_some(),
                    "{part} in {path}"
                );
            }
        }
    }

    #[test]
    fn nothing_else_is_served() {
        for path in ["", "/x", "//", "/../httpd", "/index.html/", "/INFO.JSON"] {
            assert!(find(path).is_none(), "{path}");
        }
    }
}
