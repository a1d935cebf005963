//! What processes that were killed left of `shm`: some megabytes for each of their links, which
//! nobody else will ever give back.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, geteuid, test_kill_process};

use super::address::owner;

/// Where the system keeps memory that has a name.
const NAMED: &str = "/dev/shm";

/// Removes the memory of endpoints whose process is gone. What cannot be removed stays.
pub(super) fn remove() {
    remove_below(Path::new(NAMED));
}

fn remove_below(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let owner = entry.file_name().to_str().and_then(owner).and_then(Pid::from_raw);
        let ours = entry.metadata().is_ok_and(|it| it.is_file() && it.uid() == geteuid().as_raw());
        let gone = owner.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH));
        if ours && gone {
            // Whoever else looks for leftovers may have been faster.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_of_the_dead_are_removed() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let (dead, alive) = (child.id(), std::process::id());
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| std::fs::write(folder.path().join(name), "").unwrap();
        let kept = [format!("{alive}:0:1"), format!("sem.{dead}"), format!("{dead}:0:1:2")];
        kept.iter().for_each(|name| make(name));
        make(&format!("{dead}:0:0"));
        make(&format!("{dead}:1:12"));
        remove_below(folder.path());
        let left = std::fs::read_dir(folder.path()).unwrap();
        let mut left: Vec<_> =
            left.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        let mut kept = kept.to_vec();
        left.sort();
        kept.sort();
        assert_eq!(left, kept);
    }
}
