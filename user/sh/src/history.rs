//! Lines that were entered.

use alloc::{borrow::ToOwned, collections::VecDeque, string::String};

/// Lines that are kept.
const LINES: usize = 100;

/// The latest lines, oldest first.
#[derive(Default)]
pub struct History(VecDeque<String>);

impl History {
    /// No line yet.
    pub const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Keeps a line, unless it is empty or the same as the one before.
    pub fn add(&mut self, line: &str) {
        if line.trim().is_empty() || self.0.back().is_some_and(|last| last == line) {
            return;
        }
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        self.0.push_back(line.to_owned());
    }

    /// The line `count` lines ago; one is the latest.
    pub fn back(&self, count: usize) -> Option<&str> {
        let index = self.0.len().checked_sub(count)?;
        self.0.get(index).map(String::as_str)
    }

    /// All lines.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::{History, LINES};

    #[test]
    fn repeated_and_empty_lines_are_kept_once_and_never() {
        let mut history = History::new();
        ["a", "a", "", "  ", "b", "a"]
            .into_iter()
            .for_each(|line| history.add(line));
        assert_eq!(history.iter().collect::<Vec<_>>(), ["a", "b", "a"]);
        assert_eq!(
            (history.back(1), history.back(3), history.back(4)),
            (Some("a"), Some("a"), None)
        );
        assert_eq!(history.back(0), None);
    }

    #[test]
    fn the_oldest_lines_go() {
        let mut history = History::new();
        (0..LINES + 5).for_each(|number| history.add(&number.to_string()));
        assert_eq!(history.iter().count(), LINES);
        assert_eq!(history.back(LINES), Some("5"));
    }
}
