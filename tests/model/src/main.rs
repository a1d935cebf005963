//! Walks all scenarios, the short ones first, and prints how large each was.

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

use notrace_tests_model::scenarios::{long, short, walk};

fn main() -> ExitCode {
    let mut well = true;
    for story in short().into_iter().chain(long()) {
        let told = match walk(&story) {
            Ok(extent) => format!("{}: {extent}", story.name),
            Err(wrong) => {
                well = false;
                format!("{}: FAILED: {wrong}", story.name)
            }
        };
        // Whoever closed the pipe does not want to know.
        drop(writeln!(std::io::stdout(), "{told}"));
    }
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
