//! Figures, as a table of least, median and greatest.

use std::fmt;

/// Rows of figures, in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    notes: Vec<String>,
}

struct Row {
    what: String,
    unit: &'static str,
    figures: Vec<f64>,
}

impl Table {
    /// Adds the figures of one measurement, one for each round.
    pub(crate) fn add(&mut self, what: impl Into<String>, unit: &'static str, figures: Vec<f64>) {
        self.rows.push(Row { what: what.into(), unit, figures });
    }

    /// Adds a sentence, such as what was not measured and why.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<52} {:>10} {:>10} {:>10}  unit", "what", "min", "median", "max")?;
        for row in &self.rows {
            let mut sorted = row.figures.clone();
            sorted.sort_by(f64::total_cmp);
            let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
            let last = sorted.len().saturating_sub(1);
            let (least, median, most) = (at(0), at(last / 2), at(last));
            writeln!(
                f,
                "{:<52} {:>10} {:>10} {:>10}  {}",
                row.what,
                figure(least),
                figure(median),
                figure(most),
                row.unit
            )?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

/// A figure with about three digits that matter.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}
