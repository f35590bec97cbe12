//! One measured value, next to smoltcp's and to what the project wants.

use serde_json::{Value, json};

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// Nothing in particular.
    None,
    /// At most so much.
    AtMost(f64),
    /// At least so much.
    AtLeast(f64),
    /// At least so many times what smoltcp has in the same minute.
    TimesTheirs(f64),
}

/// One measured value.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// Ours.
    pub ours: f64,
    /// What smoltcp has, if it can be measured there.
    pub theirs: Option<f64>,
    /// The unit of both.
    pub unit: &'static str,
    /// What is wanted.
    pub aim: Aim,
    /// The line of the drawing that it is on, and for how many connections.
    pub point: Option<(&'static str, usize)>,
}

impl Figure {
    /// A value with smoltcp's beside it.
    pub fn pair(name: impl Into<String>, (ours, theirs): (f64, f64), unit: &'static str) -> Self {
        Self {
            theirs: Some(theirs),
            ..Self::alone(name, ours, unit)
        }
    }

    /// A value that smoltcp does not have.
    pub fn alone(name: impl Into<String>, ours: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            ours,
            theirs: None,
            unit,
            aim: Aim::None,
            point: None,
        }
    }

    /// On a line of the drawing.
    pub fn point(mut self, line: &'static str, connections: usize) -> Self {
        self.point = Some((line, connections));
        self
    }

    /// With an aim.
    pub fn aim(mut self, aim: Aim) -> Self {
        self.aim = aim;
        self
    }

    /// Whether the aim is met, if there is one.
    pub fn is_met(&self) -> Option<bool> {
        match self.aim {
            Aim::None => None,
            Aim::AtMost(most) => Some(self.ours <= most),
            Aim::AtLeast(least) => Some(self.ours >= least),
            Aim::TimesTheirs(times) => self.theirs.map(|theirs| self.ours >= theirs * times),
        }
    }

    /// A row of the table.
    pub fn row(&self) -> String {
        let theirs = self
            .theirs
            .map_or("-".into(), |theirs| format!("{theirs:.2}"));
        let ratio = self
            .theirs
            .map_or("-".into(), |theirs| format!("{:.2}", self.ours / theirs));
        let aim = match self.aim {
            Aim::None => String::new(),
            Aim::AtMost(most) => format!("at most {most}"),
            Aim::AtLeast(least) => format!("at least {least}"),
            Aim::TimesTheirs(times) => format!("{times} times"),
        };
        let verdict = match self.is_met() {
            None => "",
            Some(true) => ": met",
            Some(false) => ": missed",
        };
        format!(
            "{:<52} {:>10.2} {theirs:>10} {ratio:>6} {:<8} {aim}{verdict}",
            self.name, self.ours, self.unit
        )
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let aim = match self.aim {
            Aim::None => Value::Null,
            Aim::AtMost(most) => json!({"at_most": most}),
            Aim::AtLeast(least) => json!({"at_least": least}),
            Aim::TimesTheirs(times) => json!({"times_smoltcp": times}),
        };
        json!({
            "name": self.name,
            "ours": self.ours,
            "smoltcp": self.theirs,
            "ratio": self.theirs.map(|theirs| self.ours / theirs),
            "unit": self.unit,
            "aim": aim,
            "met": self.is_met(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Aim, Figure};

    #[test]
    fn aims_are_judged() {
        let figure = Figure::pair("x", (4.0, 2.0), "GB/s");
        assert_eq!(figure.is_met(), None);
        let met = |aim| figure.clone().aim(aim).is_met();
        assert_eq!(met(Aim::TimesTheirs(2.0)), Some(true));
        assert_eq!(met(Aim::TimesTheirs(2.1)), Some(false));
        assert_eq!(met(Aim::AtMost(3.9)), Some(false));
        assert_eq!(met(Aim::AtMost(4.0)), Some(true));
        assert_eq!(met(Aim::AtLeast(4.1)), Some(false));
        let alone = Figure::alone("x", 4.0, "ns").aim(Aim::TimesTheirs(1.0));
        assert_eq!(alone.is_met(), None, "there is nothing to compare with");
        assert!(figure.row().contains("2.00"));
    }
}
