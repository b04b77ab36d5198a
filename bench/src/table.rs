//! The table of results.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The unit of a figure, and which direction is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unit {
    /// Seconds; fewer are better.
    Seconds,
    /// Milliseconds; fewer are better.
    Milliseconds,
    /// Requests a second; more are better.
    Rate,
    /// MiB of memory; fewer are better.
    Mebibytes,
    /// A number; fewer are better.
    Count,
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Self::Seconds => format!("{value:.2} s"),
            Self::Milliseconds => format!("{value:.2} ms"),
            Self::Rate => format!("{value:.0} /s"),
            Self::Mebibytes => format!("{value:.0} MiB"),
            Self::Count => format!("{value:.0}"),
        }
    }

    /// Returns how many times better the first figure is than the second.
    fn times_better(self, ours: f64, theirs: f64) -> f64 {
        if self == Self::Rate { ours / theirs } else { theirs / ours }
    }
}

/// Figures of several registries, over several rounds.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<(String, Unit)>,
    /// The figures, one for each round, by row and registry.
    figures: BTreeMap<(String, String), Vec<f64>>,
}

impl Table {
    /// Adds a figure.
    pub(crate) fn add(&mut self, row: &str, unit: Unit, registry: &str, figure: f64) {
        if !self.rows.iter().any(|(name, _)| name == row) {
            self.rows.push((row.to_owned(), unit));
        }
        self.figures.entry((row.to_owned(), registry.to_owned())).or_default().push(figure);
    }

    /// The number of figures.
    pub(crate) fn count(&self) -> usize {
        self.figures.values().map(Vec::len).sum()
    }

    /// Writes some rows of the table: medians, and how many times better the first registry is than each other one,
    /// as the median of the ratios of each round.
    pub(crate) fn markdown(&self, registries: &[String], is_shown: impl Fn(&str) -> bool) -> String {
        let Some((first, others)) = registries.split_first() else { return String::new() };
        let mut text = format!("| | {} |", registries.join(" | "));
        for other in others {
            _ = write!(text, " times {other} |");
        }
        text.push_str("\n|---|");
        text.push_str(&"---:|".repeat(registries.len() + others.len()));
        for (row, unit) in self.rows.iter().filter(|(row, _)| is_shown(row)) {
            _ = write!(text, "\n| {row} |");
            for registry in registries {
                let figure = median(self.of(row, registry)).map_or("-".to_owned(), |m| unit.write(m));
                _ = write!(text, " {figure} |");
            }
            for other in others {
                let pairs = self.of(row, first).iter().zip(self.of(row, other));
                let ratios: Vec<f64> =
                    pairs.map(|(ours, theirs)| unit.times_better(*ours, *theirs)).collect();
                let ratio = median(&ratios).map_or("-".to_owned(), |ratio| format!("**{ratio:.2}**"));
                _ = write!(text, " {ratio} |");
            }
        }
        text.push('\n');
        text
    }

    fn of(&self, row: &str, registry: &str) -> &[f64] {
        self.figures.get(&(row.to_owned(), registry.to_owned())).map_or(&[], Vec::as_slice)
    }
}

/// The figure in the middle.
pub(crate) fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

#[cfg(test)]
mod tests {
    use super::{Table, Unit, median};

    #[test]
    fn the_middle_is_found() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_ratio_above_one_is_for_the_first() {
        let mut table = Table::default();
        for (ours, theirs) in [(1.0, 2.0), (2.0, 4.0), (1.0, 1.0)] {
            table.add("push", Unit::Seconds, "a", ours);
            table.add("push", Unit::Seconds, "b", theirs);
            table.add("rate", Unit::Rate, "a", ours * 100.0);
            table.add("rate", Unit::Rate, "b", theirs * 100.0);
        }
        table.add("alone", Unit::Mebibytes, "a", 30.4);
        table.add("hidden", Unit::Mebibytes, "a", 1.0);
        assert_eq!(
            table.markdown(&["a".into(), "b".into()], |row| row != "hidden"),
            "| | a | b | times b |\n\
             |---|---:|---:|---:|\n\
             | push | 1.00 s | 2.00 s | **2.00** |\n\
             | rate | 100 /s | 200 /s | **0.50** |\n\
             | alone | 30 MiB | - | - |\n"
        );
    }
}
