//! Following redirects without going round in circles (RFC 9110 section 15.4).

use alloc::{vec, vec::Vec};

use crate::{fetch::FetchError, url::Url};

/// Where a fetch has been so far.
pub struct Trail {
    visited: Vec<Url>,
    limit: usize,
}

impl Trail {
    /// Starts at `first`; at most `limit` redirects are followed.
    pub fn new(first: Url, limit: usize) -> Self {
        Self {
            visited: vec![first],
            limit,
        }
    }

    /// Where the fetch is now.
    pub fn here(&self) -> &Url {
        // There is always a first one, and none is ever taken away.
        &self.visited[self.visited.len() - 1]
    }

    /// Goes where `location` points.
    ///
    /// # Errors
    ///
    /// If it is no URL, if the limit is reached, or if the fetch has been there before.
    pub fn follow(&mut self, location: &str) -> Result<(), FetchError> {
        let next = self.here().join(location).map_err(FetchError::Url)?;
        if self.visited.contains(&next) {
            return Err(FetchError::RedirectLoop);
        }
        if self.visited.len() > self.limit {
            return Err(FetchError::TooManyRedirects);
        }
        self.visited.push(next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Trail;
    use crate::{
        fetch::FetchError,
        url::{Url, UrlError},
    };

    fn trail(limit: usize) -> Trail {
        Trail::new(Url::parse("http://a/0").unwrap(), limit)
    }

    #[test]
    fn redirects_are_followed_up_to_the_limit() {
        let mut trail = trail(3);
        for (location, here) in [
            ("1", "http://a/1"),
            ("//b/2", "http://b/2"),
            ("3?x", "http://b/3?x"),
        ] {
            assert_eq!(trail.follow(location), Ok(()));
            assert_eq!(trail.here().to_string(), here);
        }
        assert_eq!(trail.follow("4"), Err(FetchError::TooManyRedirects));
    }

    #[test]
    fn circles_are_seen_at_once() {
        let mut trail = trail(10);
        assert_eq!(trail.follow("/0#elsewhere"), Err(FetchError::RedirectLoop));
        assert_eq!(trail.follow("1"), Ok(()));
        assert_eq!(
            trail.follow("http://A:80/x/../0"),
            Err(FetchError::RedirectLoop)
        );
    }

    #[test]
    fn a_limit_of_zero_follows_none() {
        assert_eq!(trail(0).follow("1"), Err(FetchError::TooManyRedirects));
        assert_eq!(
            trail(9).follow("ftp://a/"),
            Err(FetchError::Url(UrlError::UnknownScheme))
        );
    }
}
