//! What stays in the folder of a node that left its group for good: a word that it did.
//!
//! All members share the authority, the ledger's key and the keys to what is stored. One that left
//! must not hold them any longer: a shred that comes later would not reach it.

use std::fs;
use std::io;
use std::path::Path;

use crate::files;

const FILE: &str = "left";
const WORD: &[u8] = b"This node left its group for good. Nothing of the group is kept here.\n";
/// What holds keys: overwritten before they are removed.
const KEYS: &str = "keys";
const CREDENTIALS: &str = "client.toml";
/// What holds ciphertext, receipts and what others hold as well.
const FOLDERS: [&str; 4] = ["store", "receipts", "cache", "ledger"];

/// Whether the node in this folder left its group and got so far as to say so. What a crash left of
/// it is removed.
#[must_use]
pub fn has_left(dir: &Path) -> bool {
    let left = dir.join(FILE).exists();
    // A second attempt that fails as well is told of by what lies there.
    left && {
        let _ = leave_nothing(dir);
        true
    }
}

/// Removes all that a member holds. To be called once the node is none, and has closed its store.
/// # Errors  Those of the file system; it goes on at the next start.
pub(crate) fn leave_nothing(dir: &Path) -> io::Result<()> {
    files::write_private(&dir.join(FILE), WORD)?;
    if let Ok(keys) = fs::read_dir(dir.join(KEYS)) {
        for key in keys {
            files::wipe(&key?.path())?;
        }
    }
    files::wipe(&dir.join(CREDENTIALS))?;
    for folder in FOLDERS {
        match fs::remove_dir_all(dir.join(folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod a_folder {
    use super::*;

    #[test]
    fn of_a_node_that_left_holds_nothing_but_the_word() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        for name in ["keys", "store/shard-0", "receipts", "cache", "ledger"] {
            fs::create_dir_all(dir.join(name)).unwrap();
            fs::write(dir.join(name).join("file"), b"secret").unwrap();
        }
        fs::write(dir.join("client.toml"), b"token").unwrap();
        assert!(!has_left(dir));
        leave_nothing(dir).unwrap();
        assert!(has_left(dir));
        let mut left: Vec<_> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort_unstable();
        assert_eq!(left, ["keys", "left"]);
        assert_eq!(fs::read_dir(dir.join("keys")).unwrap().count(), 0);
    }
}
