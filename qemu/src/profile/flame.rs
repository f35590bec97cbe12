//! A flame graph: every function as wide as the instructions that it and all that it called executed.
//!
//! Written here, because the library for it has a licence that the project does not take.

use std::collections::BTreeMap;
use std::fmt::Write as _;

const WIDTH: f64 = 1600.0;
const ROW: f64 = 16.0;
const HEAD: f64 = 24.0;
/// Width of a character, about.
const CHARACTER: f64 = 6.6;
/// What is narrower is not drawn.
const NARROWEST: f64 = 0.4;

/// A function and what it called.
#[derive(Default)]
pub struct Frame {
    pub count: u64,
    pub own: u64,
    below: BTreeMap<String, Frame>,
}

impl Frame {
    pub fn of(stacks: &[(Vec<String>, u64)]) -> Self {
        let mut root = Self::default();
        for (path, count) in stacks {
            let mut frame = &mut root;
            frame.count += count;
            for name in path {
                frame = frame.below.entry(name.clone()).or_default();
                frame.count += count;
            }
            frame.own += count;
        }
        root
    }

    fn depth(&self) -> usize {
        self.below
            .values()
            .map(|frame| frame.depth() + 1)
            .max()
            .unwrap_or(0)
    }

    /// The programs, the largest first.
    pub fn programs(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self
            .below
            .iter()
            .map(|(name, frame)| (&**name, frame.count))
            .collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all
    }

    /// Functions by what they executed themselves, the largest first, each with its program.
    pub fn functions(&self) -> Vec<(String, u64)> {
        let mut sums = BTreeMap::new();
        for (program, frame) in &self.below {
            frame.add_own(program, &mut sums);
        }
        let mut all: Vec<_> = sums.into_iter().collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all
    }

    fn add_own(&self, program: &str, sums: &mut BTreeMap<String, u64>) {
        for (name, frame) in &self.below {
            *sums.entry(format!("{program}: {name}")).or_default() += frame.own;
            frame.add_own(program, sums);
        }
    }

    /// A line for each stack, outermost first, with what its last function executed itself: the form
    /// that other tools read.
    pub fn folded(&self) -> String {
        let mut lines = String::new();
        self.fold_into("", &mut lines);
        lines
    }

    fn fold_into(&self, path: &str, lines: &mut String) {
        if self.own > 0 {
            // Writing to a string does not fail.
            writeln!(lines, "{path} {}", self.own).ok();
        }
        for (name, frame) in &self.below {
            let separator = if path.is_empty() { "" } else { ";" };
            frame.fold_into(&format!("{path}{separator}{name}"), lines);
        }
    }

    /// The drawing, with a line above it.
    pub fn draw(&self, title: &str) -> String {
        let rows = u32::try_from(self.depth()).unwrap_or(u32::MAX);
        let height = HEAD + f64::from(rows) * ROW;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"monospace\" font-size=\"11\">\n<text x=\"4\" y=\"16\">{}</text>\n",
            escape(title)
        );
        let mut left = 0.0;
        for (hue, (name, frame)) in self.below.iter().enumerate() {
            let hue = (hue * 67 + 20) % 360;
            left += frame.draw_into(&mut svg, name, self.count, left, height - ROW, hue);
        }
        svg += "</svg>\n";
        svg
    }

    /// Draws itself and all above it; how wide that is.
    fn draw_into(
        &self,
        svg: &mut String,
        name: &str,
        all: u64,
        left: f64,
        top: f64,
        hue: usize,
    ) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let part = self.count as f64 / all as f64;
        let width = part * WIDTH;
        if width < NARROWEST {
            return width;
        }
        // Neighbours differ a little.
        let light = 62 + name.bytes().map(usize::from).sum::<usize>() % 18;
        let name = escape(name);
        let percent = part * 100.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "below 300"
        )]
        let fits = ((width - 4.0) / CHARACTER).max(0.0) as usize;
        let shown: String = if fits < 3 {
            String::new()
        } else {
            cut(&name, fits)
        };
        // Writing to a string does not fail.
        writeln!(
            svg,
            "<g><title>{name}: {} instructions, {percent:.2} %</title>\
             <rect x=\"{left:.2}\" y=\"{top}\" width=\"{width:.2}\" height=\"{}\" fill=\"hsl({hue},70%,{light}%)\"/>\
             <text x=\"{:.2}\" y=\"{}\">{shown}</text></g>",
            self.count,
            ROW - 1.0,
            left + 2.0,
            top + 12.0
        )
        .ok();
        let mut inner = left;
        for (name, frame) in &self.below {
            inner += frame.draw_into(svg, name, all, inner, top - ROW, hue);
        }
        width
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// As much of an escaped name as fits, no escape cut in two.
fn cut(name: &str, fits: usize) -> String {
    let mut out = String::new();
    let mut characters = 0;
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        if characters == fits {
            break;
        }
        let length = if first == '&' {
            rest.find(';').map_or(1, |end| end + 1)
        } else {
            first.len_utf8()
        };
        out += &rest[..length];
        rest = &rest[length..];
        characters += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Frame, cut};

    fn frame() -> Frame {
        let path = |names: &str| names.split(' ').map(str::to_owned).collect::<Vec<_>>();
        Frame::of(&[
            (path("netd run Vec<u8>"), 30),
            (path("netd run"), 10),
            (path("kernel entry"), 60),
        ])
    }

    #[test]
    fn counts_add_up() {
        let frame = frame();
        assert_eq!(frame.count, 100);
        assert_eq!(frame.programs(), [("kernel", 60), ("netd", 40)]);
        let functions = frame.functions();
        assert_eq!(functions[0], ("kernel: entry".into(), 60));
        assert_eq!(functions[1], ("netd: Vec<u8>".into(), 30));
        assert_eq!(functions[2], ("netd: run".into(), 10));
    }

    #[test]
    fn stacks_are_folded_into_lines() {
        assert_eq!(
            frame().folded(),
            "kernel;entry 60\nnetd;run 10\nnetd;run;Vec<u8> 30\n"
        );
    }

    #[test]
    fn every_function_is_drawn() {
        let svg = frame().draw("a & b");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains("a &amp; b"));
        assert!(svg.contains("<title>Vec&lt;u8&gt;: 30 instructions, 30.00 %</title>"));
        assert_eq!(svg.matches("<rect").count(), 5);
    }

    #[test]
    fn escapes_stay_whole() {
        assert_eq!(cut("a&lt;b", 2), "a&lt;");
        assert_eq!(cut("abc", 9), "abc");
    }
}
