//! A host that loses under a running node what it had when the node started.
#![cfg(test)]

mod run;

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use run::notrace;

/// Has a file of ours stand in for the kernel's list of swap areas, for this program alone.
const STAND_IN: &str = "mount --bind swaps /proc/swaps && exec \"$0\" \"$@\"";
const NONE: &str = "Filename\tType\tSize\tUsed\tPriority\n";
const ONE: &str = "Filename\tType\tSize\tUsed\tPriority\n/swap\tfile\t1\t0\t-2\n";
const EMPTY: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether this test may mount files.
fn may_mount() -> bool {
    let tried = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
    rustix::process::geteuid().is_root() && tried.is_ok_and(|status| status.success())
}

#[test]
fn that_is_required_stops_new_runs_until_it_is_back() {
    if !may_mount() {
        let _ = writeln!(io::stderr(), "skipped: only root may mount a file over the kernel's");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let swaps = folder.path().join("swaps");
    fs::write(&swaps, NONE).unwrap();
    fs::write(folder.path().join("empty.wasm"), wat::parse_str(EMPTY).unwrap()).unwrap();
    let node = Command::new("unshare")
        .args(["--mount", "sh", "-c", STAND_IN, env!("CARGO_BIN_EXE_notrace")])
        .args(["serve", "--dir", "node", "--listen", "127.0.0.1:0"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn();
    let mut node = Killed(node.unwrap());
    let lines = BufReader::new(node.0.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).find(|line| line.starts_with("  posture: ")).unwrap();
    let types = |line: &str| notrace(folder.path(), Some("node/client.toml"), line, b"");

    types("task push empty.wasm --name empty").ended(0);
    let first = types("run empty --receipt before.proof").ended(0);
    assert!(first.out.is_empty());

    fs::write(&swaps, ONE).unwrap();
    // Whoever asks has the node look again; it does so each minute by itself.
    let posture = types("posture").ended(0);
    assert!(posture.out.contains("swap_off"), "{}", posture.out);
    let refused = types("run empty --patience 1s").ended(7);
    assert!(refused.err.contains("posture_lost"), "{}", refused.err);
    assert!(refused.err.contains("swap_off"), "{}", refused.err);

    fs::write(&swaps, NONE).unwrap();
    types("posture").ended(0);
    types("run empty --receipt after.proof").ended(0);
}
