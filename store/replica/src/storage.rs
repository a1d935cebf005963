//! Where a node keeps what has to outlive it: one folder for each log, and one for what it wrote
//! down of its group.

use std::io::{ErrorKind, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

use notrace_store_log::disk::{Disk, DiskFile, FileDisk};
use notrace_store_protocol::codec;
use notrace_store_protocol::effect::Durable;

use crate::error::OpenError;

/// Folders by name.
pub trait Storage: Send + 'static {
    /// A folder.
    type Disk: Disk;

    /// Opens the folder of this name, made if it is not there. One owner at a time.
    /// # Errors  [`OpenError::Log`]
    fn folder(&self, name: &str) -> Result<Self::Disk, OpenError>;
}

/// Folders below one folder of the file system.
pub struct FileStorage(PathBuf);

impl FileStorage {
    /// Folders below `dir`.
    #[must_use]
    pub const fn below(dir: PathBuf) -> Self {
        Self(dir)
    }
}

impl Storage for FileStorage {
    type Disk = FileDisk;

    fn folder(&self, name: &str) -> Result<FileDisk, OpenError> {
        FileDisk::open(&self.0.join(name)).map_err(OpenError::Log)
    }
}

/// The file that holds what the node wrote down last, and the one that it is written to first.
const RECORD: &str = "record";
const UNFINISHED: &str = "record.new";

/// What the node wrote down last, if it ever did.
pub(crate) fn read_record<D: Disk>(disk: &D) -> Result<Option<Arc<Durable>>, OpenError> {
    let failed = |error: std::io::Error| OpenError::RecordFile { kind: error.kind() };
    let file = match disk.open(RECORD) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let length = file.length().map_err(failed)?;
    if length > <Durable as codec::Wire>::BYTES_MAX as u64 {
        return Err(OpenError::Record);
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(0, &mut bytes).map_err(failed)?;
    codec::decode(&bytes).map(|durable| Some(Arc::new(durable))).map_err(|_| OpenError::Record)
}

/// Writes it down in the place of what was there; it is safe when this returns.
pub(crate) fn write_record<D: Disk>(disk: &D, durable: &Durable) -> std::io::Result<()> {
    match disk.remove(UNFINISHED) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut bytes = Vec::new();
    codec::encode(durable, &mut bytes);
    let mut file = disk.create(UNFINISHED)?;
    file.write_all_at(0, &mut [IoSlice::new(&bytes)])?;
    file.sync()?;
    disk.rename(UNFINISHED, RECORD)?;
    disk.sync_names()
}
