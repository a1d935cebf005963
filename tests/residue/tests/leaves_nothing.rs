//! After runs of every kind, nothing of what they saw is anywhere.
//!
//! The hunt is a program of its own, because it enters a network of its own; its exit status says
//! whether anything was found, and whether every place was shown to be searched.

use std::io::Write as _;
use std::process::Command;

#[test]
fn after_runs_of_every_kind_nothing_is_left() {
    let mut hunt = Command::new(env!("CARGO_BIN_EXE_notrace-tests-residue"));
    let output = hunt.args(["--runs", "200"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    // A status alone could be that of a hunt that never began.
    assert!(said.contains("200 runs with ") && said.contains(" hunts: 0 found"), "{said}");
}

#[test]
fn after_violence_nothing_is_left() {
    if !rustix::process::geteuid().is_root() {
        writeln!(std::io::stderr(), "skipped: a disk that can be broken needs root").unwrap();
        return;
    }
    let mut hunt = Command::new(env!("CARGO_BIN_EXE_notrace-tests-residue"));
    let output = hunt.args(["--faults", "2"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(" points: 0 found") && said.contains("power cut"), "{said}");
}

#[test]
fn a_hunt_without_a_node_fails() {
    let mut hunt = Command::new(env!("CARGO_BIN_EXE_notrace-tests-residue"));
    let output = hunt.args(["--runs", "1"]).env("TMPDIR", "/nowhere").output().unwrap();
    assert!(!output.status.success());
}
