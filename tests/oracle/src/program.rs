//! The proved functions, as a program that answers one question a line.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::cases::Case;

/// The first case that the program answers otherwise, with its answer; nothing if it agrees.
///
/// # Errors
/// When the program cannot be run, fails, or does not answer every question.
pub fn first_difference(program: &Path, cases: Vec<Case>) -> Result<Option<(Case, String)>> {
    let mut command = Command::new(program);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the proved program")?;
    let mut questions = BufWriter::new(child.stdin.take().context("no way to ask")?);
    let answers = BufReader::new(child.stdout.take().context("no way to hear")?);
    let asked = cases.clone();
    // Both pipes are short: who asks all before it hears anything would wait for ever.
    let asking = thread::spawn(move || {
        asked.iter().try_for_each(|case| writeln!(questions, "{}", case.question))
    });
    let mut answered = Vec::with_capacity(cases.len());
    for line in answers.lines() {
        answered.push(line.context("an answer is not text")?);
    }
    let asked = asking.join();
    ensure!(child.wait()?.success(), "the proved program failed");
    ensure!(matches!(asked, Ok(Ok(()))), "the proved program did not read its questions");
    ensure!(answered.len() == cases.len(), "the proved program did not answer every question");
    let mut pairs = cases.into_iter().zip(answered);
    Ok(pairs.find(|(case, answer)| case.answer != *answer))
}

#[cfg(test)]
mod a_program {
    use super::*;
    use crate::cases::Cases;

    #[test]
    fn that_is_not_there_is_an_error() {
        let cases = Cases::of(1).take(1).collect();
        assert!(first_difference(Path::new("no-such-program"), cases).is_err());
    }

    #[test]
    fn that_answers_nothing_is_an_error() {
        let cases = Cases::of(1).take(3).collect();
        assert!(first_difference(Path::new("true"), cases).is_err());
    }

    #[test]
    fn that_answers_otherwise_is_found() {
        // It repeats the question, which is no answer.
        let cases: Vec<Case> = Cases::of(1).take(3).collect();
        let (case, answer) = first_difference(Path::new("cat"), cases.clone()).unwrap().unwrap();
        assert_eq!(case, cases[0]);
        assert_eq!(answer, case.question);
    }
}
