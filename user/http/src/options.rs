//! What the command line asks for.

use core::time::Duration;

use crate::fetch::Method;

/// How the program is called.
pub const USAGE: &str = "usage: http [-I] [-b] [-q] [-r REDIRECTS] [-t SECONDS] URL
  -I  head only        -b  show the body        -q  no heads, no progress
  -r  redirects to follow, 10 unless given      -t  time limit, 60 s unless given";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// GET or HEAD.
    pub method: Method,
    /// The body goes to the console.
    pub shows_body: bool,
    /// Only the outcome is told.
    pub is_quiet: bool,
    /// Redirects to follow.
    pub redirects: usize,
    /// For the whole fetch.
    pub limit: Duration,
    /// What to fetch, as typed.
    pub url: &'a str,
}

impl<'a> Options<'a> {
    /// Reads the arguments.
    ///
    /// # Errors
    ///
    /// What is wrong with them, for people.
    pub fn parse(mut words: impl Iterator<Item = &'a str>) -> Result<Self, &'static str> {
        let mut options = Self {
            method: Method::Get,
            shows_body: false,
            is_quiet: false,
            redirects: 10,
            limit: Duration::from_secs(60),
            url: "",
        };
        while let Some(word) = words.next() {
            match word {
                "-I" => options.method = Method::Head,
                "-b" => options.shows_body = true,
                "-q" => options.is_quiet = true,
                "-r" => {
                    let number = words.next().and_then(|text| text.parse().ok());
                    options.redirects = number
                        .filter(|n| *n <= 100)
                        .ok_or("-r takes a number up to 100")?;
                }
                "-t" => {
                    let seconds = words.next().and_then(|text| text.parse().ok());
                    let seconds = seconds.filter(|s| (1..=86_400).contains(s));
                    options.limit =
                        Duration::from_secs(seconds.ok_or("-t takes 1 to 86400 seconds")?);
                }
                _ if word.starts_with('-') => return Err("unknown option"),
                _ if options.url.is_empty() => options.url = word,
                _ => return Err("one URL at a time"),
            }
        }
        if options.url.is_empty() {
            Err("which URL?")
        } else {
            Ok(options)
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::Options;
    use crate::fetch::Method;

    fn parse(line: &str) -> Result<Options<'_>, &'static str> {
        Options::parse(line.split_whitespace())
    }

    #[test]
    fn options_are_understood_in_any_order() {
        let options = parse("-q example.org -I -t 5 -r 0 -b").unwrap();
        assert_eq!(options.method, Method::Head);
        assert!(options.is_quiet && options.shows_body);
        assert_eq!(
            (options.redirects, options.limit),
            (0, Duration::from_secs(5))
        );
        assert_eq!(options.url, "example.org");
        assert_eq!(parse("a").unwrap().method, Method::Get);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "", "-x a", "a b", "-r", "-r x a", "-r 101 a", "-t 0 a", "-t -1 a", "-I",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
