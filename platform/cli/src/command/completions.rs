//! `notrace completions`.

use clap::CommandFactory as _;

use crate::args::{Cli, Completions};
use crate::exit::Done;
use crate::say;

pub(crate) fn print(completions: &Completions) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Cli::command(), "notrace", &mut script);
    say::text(&String::from_utf8_lossy(&script))
}
