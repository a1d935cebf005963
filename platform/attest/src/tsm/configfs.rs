//! The kernel's own folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::AttestError;
use crate::tsm::Folder;

/// A folder of reports, made for this process and removed with it.
pub struct Configfs {
    entry: PathBuf,
}

impl Configfs {
    /// Where the kernel has it.
    pub const USUAL: &str = "/sys/kernel/config/tsm/report";

    /// A folder of its own below `reports`.
    /// # Errors  [`AttestError::Folder`]
    pub fn open(reports: &Path) -> Result<Self, AttestError> {
        let entry = reports.join(format!("notrace-{}", std::process::id()));
        match fs::create_dir(&entry) {
            // What a process of the same number left behind is as good as new.
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(AttestError::Folder { verb: "made", kind: error.kind() })
            }
            _ => Ok(Self { entry }),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.entry
    }
}

impl Drop for Configfs {
    fn drop(&mut self) {
        // The kernel removes what is in it. If it stays, it holds nothing but a report.
        let _ = fs::remove_dir(&self.entry);
    }
}

impl Folder for Configfs {
    fn read(&mut self, name: &str, bytes_max: usize) -> io::Result<Vec<u8>> {
        let file = File::open(self.entry.join(name))?;
        let mut bytes = Vec::new();
        // The kernel gives a large file in several pieces; only its end says that it is whole.
        file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > bytes_max {
            return Err(ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(self.entry.join(name))?;
        // One call: the second half of two would be a request of its own.
        let taken = file.write(bytes)?;
        (taken == bytes.len()).then_some(()).ok_or_else(|| ErrorKind::WriteZero.into())
    }

    fn pause(&mut self, pause: Duration) {
        std::thread::sleep(pause);
    }
}
