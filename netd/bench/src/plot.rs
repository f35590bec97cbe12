//! Cost over the number of connections, as a drawing (SVG), both axes by powers of ten.

use std::fmt::Write;

use crate::figure::Figure;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
/// Where the axes are, from left, right, top and bottom.
const EDGES: [f64; 4] = [70.0, 20.0, 20.0, 50.0];
/// Powers of ten that the axes reach over: connections, nanoseconds.
const ACROSS: (i32, i32) = (1, 7);
const UP: (i32, i32) = (1, 7);
const COLOURS: [&str; 3] = ["#1b6ca8", "#2a9d5c", "#c0392b"];

/// A line of the drawing: its name and its points.
type Series<'a> = (&'a str, Vec<(f64, f64)>);

fn share(value: f64, (low, high): (i32, i32)) -> f64 {
    let (low, high) = (f64::from(low), f64::from(high));
    ((value.log10() - low) / (high - low)).clamp(0.0, 1.0)
}

fn across(value: f64) -> f64 {
    EDGES[0] + share(value, ACROSS) * (WIDTH - EDGES[0] - EDGES[1])
}

fn up(value: f64) -> f64 {
    HEIGHT - EDGES[3] - share(value, UP) * (HEIGHT - EDGES[2] - EDGES[3])
}

fn series(figures: &[Figure]) -> Vec<Series<'_>> {
    let mut all: Vec<Series<'_>> = Vec::new();
    let mut add = |name, point| match all.iter_mut().find(|(other, _)| *other == name) {
        Some((_, points)) => points.push(point),
        None => all.push((name, vec![point])),
    };
    for figure in figures {
        let Some((name, count)) = figure.point else {
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let count = count as f64;
        add(name, (count, figure.ours));
        if let Some(theirs) = figure.theirs {
            add("smoltcp", (count, theirs));
        }
    }
    all
}

/// The drawing.
pub fn connections(figures: &[Figure]) -> String {
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let mut put = |text: std::fmt::Arguments<'_>| writeln!(svg, "{text}").unwrap_or_default();
    put(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">"#
    ));
    put(format_args!(
        r#"<rect width="100%" height="100%" fill="white"/>"#
    ));
    let (left, right, bottom) = (EDGES[0], WIDTH - EDGES[1], HEIGHT - EDGES[3]);
    for power in ACROSS.0..=ACROSS.1 {
        let x = across(10_f64.powi(power));
        put(format_args!(
            r##"<path d="M{x} {} V{bottom}" stroke="#ddd"/><text x="{x}" y="{}" text-anchor="middle">10<tspan dy="-5" font-size="9">{power}</tspan></text>"##,
            EDGES[2],
            bottom + 18.0
        ));
    }
    for power in UP.0..=UP.1 {
        let y = up(10_f64.powi(power));
        put(format_args!(
            r##"<path d="M{left} {y} H{right}" stroke="#ddd"/><text x="{}" y="{}" text-anchor="end">10<tspan dy="-5" font-size="9">{power}</tspan></text>"##,
            left - 6.0,
            y + 4.0
        ));
    }
    put(format_args!(
        r#"<text x="{}" y="{}" text-anchor="middle">established connections</text>"#,
        f64::midpoint(left, right),
        HEIGHT - 10.0
    ));
    put(format_args!(
        r#"<text transform="translate(16 {}) rotate(-90)" text-anchor="middle">ns for one received segment</text>"#,
        HEIGHT / 2.0
    ));
    for (place, (name, points)) in series(figures).iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let mut path = String::new();
        for (count, value) in points {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            write!(path, "{letter}{:.1} {:.1}", across(*count), up(*value)).unwrap_or_default();
            put(format_args!(
                r#"<circle cx="{:.1}" cy="{:.1}" r="3" fill="{colour}"/>"#,
                across(*count),
                up(*value)
            ));
        }
        put(format_args!(
            r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>"#
        ));
        let y = 40 + place * 18;
        put(format_args!(
            r#"<text x="{}" y="{y}" fill="{colour}">{name}</text>"#,
            left + 12.0
        ));
    }
    put(format_args!("</svg>"));
    svg
}

#[cfg(test)]
mod tests {
    use super::{connections, series};
    use crate::figure::Figure;

    #[test]
    fn every_series_is_drawn() {
        let mut figures = vec![
            Figure::alone("a", 100.0, "ns").point("one", 10),
            Figure::alone("b", 110.0, "ns").point("one", 1_000),
            Figure::alone("no point", 1.0, "ns"),
        ];
        figures[0].theirs = Some(1_000.0);
        let found = series(&figures);
        let lens: Vec<_> = found
            .iter()
            .map(|(name, points)| (*name, points.len()))
            .collect();
        assert_eq!(lens, [("one", 2), ("smoltcp", 1)]);
        let drawing = connections(&figures);
        assert_eq!(drawing.matches("<circle").count(), 3);
        assert!(drawing.starts_with("<svg") && drawing.trim_end().ends_with("</svg>"));
    }
}
