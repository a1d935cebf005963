//! The task whose runs are followed: it puts what it gets wherever a program can put anything.

use anyhow::Result;

use crate::canary::{Canary, What};

const TEXT: &str = include_str!("guest.wat");

/// What the task does once it has everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Answers input and object with every bit turned round.
    Answers,
    /// Says the input beside an answer and fails.
    Fails,
    /// Traps.
    Traps,
    /// Never ends.
    Lasts,
}

/// The module, with one canary in its data and one in the name of a function.
///
/// # Errors  The canaries are no text.
pub fn module(data: &Canary, name: &Canary) -> Result<Vec<u8>> {
    let text = TEXT.replace("\"DATA\"", &format!("\"{}\"", data.as_text()));
    Ok(wat::parse_str(text.replace("$NAME", &format!("${}", name.as_text())))?)
}

impl Mode {
    /// The byte that stands for it.
    pub fn letter(self) -> u8 {
        match self {
            Mode::Answers => b'A',
            Mode::Fails => b'F',
            Mode::Traps => b'T',
            Mode::Lasts => b'L',
        }
    }

    /// The input that makes the task do this, with the canary and `filler` more bytes.
    pub fn input(self, canary: &Canary, filler: usize) -> Vec<u8> {
        let mut input = vec![self.letter()];
        input.extend_from_slice(canary.bytes());
        // Bytes of a kind that no other memory is full of, so that a find is this input's.
        input.extend((0..filler).map(|at| b'a' + (at % 23) as u8));
        input
    }
}

/// What the task answers to such bytes.
pub fn answer_to(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| !byte).collect()
}

/// The canary that the task makes of one.
pub fn turned(canary: &Canary) -> Canary {
    Canary::of(What::Answer, &answer_to(canary.bytes()))
}
