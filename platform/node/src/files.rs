//! Small files that must be whole or absent: keys, certificates, tables.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a folder that only its owner may enter, with its parents.
/// # Errors  Those of the file system.
pub(crate) fn make_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file that only its owner may read, so that after a crash it is whole or absent.
/// # Errors  Those of the file system; no half file takes the name.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_parent(path)
}

/// Overwrites a file's bytes, then removes its name. What a disk keeps of overwritten blocks is
/// beyond us; that is why what lies here is itself only a key to ciphertext.
/// # Errors  Those of the file system, but a file that is not there is no error.
pub(crate) fn wipe(path: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    crate::planted!(48, return fs::remove_file(path));
    let length = file.metadata()?.len();
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()?;
    fs::remove_file(path)?;
    sync_parent(path)
}

/// Reads a file of at most `bytes_max`.
/// # Errors  Those of the file system, and `FileTooLarge`.
pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > bytes_max {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    // Room for everything at once, so that growing leaves no copies of a key behind.
    let mut bytes = Vec::with_capacity(length as usize + 1);
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
