//! What the kernel keeps for everybody: its log, keyrings, and memory with a name.
//!
//! Freed pages and the kernel's own buffers are not seen from inside a machine.

use std::fs::{self, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Result;
use rustix::fs::OFlags;

use crate::find::{Find, Finds, Place};
use crate::places::files;
use crate::search::Search;

/// Tables of what processes share by name.
const TABLES: [&str; 6] = [
    "/proc/keys",
    "/proc/sysvipc/shm",
    "/proc/sysvipc/msg",
    "/proc/net/unix",
    "/proc/locks",
    "/proc/swaps",
];
/// Folders of memory with a name.
pub const SHARED: [&str; 2] = ["/dev/shm", "/dev/mqueue"];

/// Looks through all of it.
///
/// # Errors  A folder that is there cannot be read.
pub fn everything(search: &Search) -> Result<Vec<Find>> {
    let mut finds = Finds::new(search, Place::Kernel);
    for table in TABLES {
        finds.look(&fs::read(table).unwrap_or_default(), table);
    }
    for record in log() {
        finds.look(&record, "the kernel's log");
    }
    let mut all = finds.all;
    for folder in SHARED.map(Path::new) {
        if folder.is_dir() {
            let found = files::below(search, folder)?.into_iter();
            all.extend(found.map(|find| Find { place: Place::Kernel, ..find }));
        }
    }
    Ok(all)
}

/// Whether the kernel's log can be read here.
pub fn log_can_be_read() -> bool {
    !log().is_empty()
}

/// The records of the kernel's log; none where this user may not read it.
fn log() -> Vec<Vec<u8>> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let Ok(mut log) = options.open("/dev/kmsg") else { return Vec::new() };
    let (mut records, mut room) = (Vec::new(), vec![0; 16 << 10]);
    loop {
        match log.read(&mut room) {
            Ok(length @ 1..) => records.push(room.get(..length).unwrap_or_default().to_vec()),
            // The oldest were overwritten while they were read.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::PIPE.raw_os_error()) => {}
            _ => return records,
        }
    }
}
