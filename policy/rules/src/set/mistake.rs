//! What is wrong with a text, and where.

use core::fmt;

use miette::Diagnostic;

use crate::limits::MISTAKES_MAX;

/// A mistake in a rule set. Lines and columns count from 1, columns in characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// Where it is, if it is anywhere in particular.
    pub place: Option<(usize, usize)>,
    /// What is wrong, for whoever wrote it: it may quote the text.
    pub what: String,
    /// What to do, where that is known.
    pub help: Option<String>,
}

impl Mistake {
    pub(super) fn whole(what: impl fmt::Display) -> Vec<Self> {
        vec![Self { place: None, what: what.to_string(), help: None }]
    }

    pub(super) fn at(text: &str, offset: usize, what: impl fmt::Display) -> Self {
        Self { place: Some(place(text, offset)), what: what.to_string(), help: None }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.what)
    }
}

/// What a diagnostic of the language's reader says, as ours.
pub(super) fn told<'a>(
    text: &str,
    diagnostics: impl IntoIterator<Item = &'a (dyn Diagnostic + 'a)>,
) -> Vec<Mistake> {
    let one = |diagnostic: &(dyn Diagnostic + 'a)| {
        let first = diagnostic.labels().and_then(|mut labels| labels.next());
        let hint = first.as_ref().and_then(|label| label.label().map(str::to_owned));
        let help = diagnostic.help().map(|help| help.to_string());
        Mistake {
            place: first.map(|label| place(text, label.offset())),
            what: sentence(&diagnostic.to_string()),
            help: help.or(hint),
        }
    };
    let mut all: Vec<Mistake> = diagnostics.into_iter().map(one).collect();
    all.sort_by_key(|mistake| mistake.place);
    all.dedup();
    all.truncate(MISTAKES_MAX);
    all
}

/// The reader names a rule by a number it made up; ours are found by their line.
fn sentence(what: &str) -> String {
    let after = what.strip_prefix("for policy `").and_then(|rest| rest.split_once("`, "));
    after.map_or(what, |(_, rest)| rest).to_owned()
}

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before.get(start..).map_or(0, |rest| rest.chars().count()) + 1)
}
