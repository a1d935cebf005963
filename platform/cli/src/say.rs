//! The two streams, and nothing else that writes to them.

use std::fmt::Display;
use std::io::{self, Write as _};

use serde::Serialize;

use crate::exit::{Done, Failure, Local};

/// One line on standard output.
/// # Errors  `output_closed` if the reader has gone, which ends the command quietly.
pub(crate) fn line(text: impl Display) -> Done {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| failed(&error))
}

/// Text on standard output, as it is.
/// # Errors  As [`line()`].
pub(crate) fn text(text: &str) -> Done {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| failed(&error))
}

/// A value as JSON on one line of standard output.
/// # Errors  As [`line()`].
pub(crate) fn json(value: &impl Serialize) -> Done {
    let text = serde_json::to_string(value)
        .map_err(|_| Failure::local(Local::NotUnderstood, "the answer cannot be spelt as JSON"))?;
    line(text)
}

/// Rows on standard output, columns aligned and two blanks apart.
/// # Errors  As [`line()`].
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> Done {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut all = String::new();
    for row in rows {
        let mut printed = String::new();
        for (width, cell) in widths.iter().zip(row) {
            printed.push_str(&format!("{cell:width$}  "));
        }
        all.push_str(printed.trim_end());
        all.push('\n');
    }
    text(&all)
}

/// One line on standard error. Whether anybody reads it changes nothing.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// How a failure is told: cause, facts, remedy; or as problem+json for a program to read.
pub(crate) fn failure(failure: &Failure, as_json: bool) {
    if failure.is_quiet() {
        return;
    }
    if as_json {
        let told = match &failure.problem {
            Some(problem) => serde_json::to_string(problem).unwrap_or_default(),
            None => serde_json::json!({
                "type": format!("urn:notrace:error:{}", failure.code),
                "detail": failure.cause,
            })
            .to_string(),
        };
        return note(told);
    }
    note(format_args!("error[{}]: {}", failure.code, printable(&failure.cause)));
    for fact in &failure.facts {
        note(format_args!("  {}", printable(fact)));
    }
    note(format_args!("  help: {}", failure.remedy));
}

/// One line without anything that a terminal might act on: a task's own words may be among it.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A number with a comma between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 byte`, `41,233 bytes`.
pub(crate) fn counted(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", grouped(number))
}

fn failed(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::local(Local::OutputClosed, "nobody reads the output");
    }
    let cause = format!("standard output cannot be written: {}", error.kind());
    Failure::local(Local::FileUnwritable, cause)
}

#[cfg(test)]
mod a_cause {
    #[test]
    fn cannot_act_on_the_terminal() {
        assert_eq!(super::printable("a\u{1b}[2Jb\nc\u{9b}d"), "a [2Jb c d");
    }
}

#[cfg(test)]
mod a_number {
    use super::*;

    #[test]
    fn has_a_comma_between_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (41_233, "41,233"), (1_000_000, "1,000,000")]
        {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(counted(1, "byte"), "1 byte");
        assert_eq!(counted(2048, "byte"), "2,048 bytes");
    }
}
