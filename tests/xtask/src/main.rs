//! What a person types here: `cargo xtask test`, and a few things that take longer.
//!
//! [`say`] prints, [`step`] runs one thing and remembers how it went. A command is a list of steps:
//! [`gate`] is what has to pass before a change lands, [`guests`] rebuilds the committed examples,
//! [`proofs`] checks the proofs, [`suites`] are the long ones, and [`machine`] one in a machine of
//! its own. [`tools`] finds what a step needs, and fetches it where it may.

#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    reason = "a build command lives in its caller's environment, and tells how long things took"
)]

mod gate;
mod guests;
mod libfabric;
mod machine;
mod mutants;
mod proofs;
mod say;
mod step;
mod suites;
mod tools;

use std::process::ExitCode;

use anyhow::Result;

const HELP: &str = "\
cargo xtask COMMAND

  test [--full]            all that has to pass: format, lints, docs, dependencies, tests
                           --full also fetches the tools that optional steps need
  guests [NAME] [--check]  builds the modules below examples/; --check compares with the committed
  bench [ARGUMENTS]        the benchmarks, in release
  bench --cluster [...]    three members beside three of etcd; --cluster --help lists the rest,
                           and --engine measures what orders updates, over each fabric
  chaos [ARGUMENTS]        faults on three real nodes, 1,000 runs of 20 s; --runs N, --seconds S,
                           --seed FIRST, --hosts H, or --replay SEED for one of them again
  egress                   96 ways out of a worker against each choice of four walls; a table
  machine                  a whole machine under QEMU, its memory and disk searched from outside
  mutants [WORD ...]       deliberate faults in the protocol, and whether the simulator finds them
  hostile [--modules N] [--seed S] [--from F] | --by-hand | --figure RATE
                           modules that nobody would write, fed to a node that must not mind
  observer [--runs N]      what somebody outside can tell of two secrets under each release policy;
                           a table, and the time within a quantum over N runs, 500 if not said
  proofs [--all]           the machine-checked proofs that changed; --all does everything again
  residue [--runs N]       the hunt for what runs leave behind, in release; 1,000 if not said
  residue --faults N       the hunt after each of 13 kinds of violence, at N random moments each
  residue --planted [...]  nodes with leaks that the hunt must find; all of them, or by number
  simulate [ARGUMENTS]     whole clusters from seeds, 100,000 of them; --seeds N for fewer or more

Each step says what it did, how long it took, and what it needs where it was skipped.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match command(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say::line(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well.
fn command(words: &[&str]) -> Result<bool> {
    match words {
        ["test"] => gate::run(tools::on_ci()),
        ["test", "--full"] => gate::run(true),
        ["chaos", rest @ ..] => suites::chaos(rest),
        ["guests", rest @ ..] if guests::knows(rest) => guests::run(rest),
        ["bench", rest @ ..] => suites::bench(rest),
        ["egress"] => suites::egress(),
        ["hostile", arguments @ ..] => suites::hostile(arguments),
        ["observer", arguments @ ..] => suites::observer(arguments),
        ["machine"] => machine::run(),
        ["mutants", rest @ ..] => mutants::run(rest),
        ["proofs", rest @ ..] if proofs::knows(rest) => proofs::run(rest),
        ["residue", "--planted", rest @ ..] => suites::planted(rest),
        ["residue", rest @ ..] => suites::residue(rest),
        ["simulate", rest @ ..] => suites::simulate(rest),
        [] | ["help" | "--help" | "-h"] => {
            say::text(HELP);
            Ok(true)
        }
        _ => {
            say::text(HELP);
            Ok(false)
        }
    }
}
