//! Opening a ledger after whatever happened to it.
//!
//! What the checkpoint covers must be there and lead to its root, or the ledger does not open: a
//! log that went on from anything else would contradict itself. What was recorded beyond the
//! checkpoint is appended again, in its old order.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use notrace_policy_promise::ledger::checkpoint::{BadCheckpoint, Checkpoint, SignedCheckpoint};
use notrace_policy_promise::ledger::tile::{Rows, Tile, split_entries, split_hashes};
use notrace_policy_promise::ledger::tree::{Edge, Subtree};
use notrace_policy_promise::note::NoteSigner;

use super::disk::{Disk, Readers};
use super::log::{CHECKPOINT, Log};
use super::records::{self, Records};
use super::shelf::{Head, Shelf, read_bounded};
use super::{LedgerError, Pace};

/// An opened ledger: the log, its head, and the lock that keeps others out.
pub(super) struct Opened<D> {
    pub(super) log: Log<D>,
    pub(super) head: Head,
    pub(super) lock: File,
}

fn failed(verb: &'static str) -> impl Fn(io::Error) -> LedgerError {
    move |error| LedgerError::Files { verb, kind: error.kind() }
}

/// Opens or begins the ledger in `dir`, with its records in `records_dir`.
pub(super) fn open<D: Disk>(
    disk: D,
    (dir, records_dir): (&Path, &Path),
    (origin, seed): (&str, &[u8; 32]),
    pace: Pace,
    minute: u32,
) -> Result<Opened<D>, LedgerError> {
    let signer = NoteSigner::new(origin, seed).map_err(|_| LedgerError::Origin)?;
    disk.make_dir(dir, Readers::All).map_err(failed("made"))?;
    records::make_dir(&disk, records_dir).map_err(failed("made"))?;
    for parent in [dir.parent(), records_dir.parent()].into_iter().flatten() {
        disk.sync_dir(parent).map_err(failed("made"))?;
    }
    let lock = lock(records_dir)?;
    let window_minutes = u32::try_from(pace.receipt_window.as_secs().div_ceil(60));
    let records = Records::open(records_dir, window_minutes.unwrap_or(u32::MAX));
    let records = records.map_err(failed("read"))?;
    let mut log = Log {
        disk,
        dir: dir.to_owned(),
        origin: origin.to_owned(),
        signer,
        edge: Edge::default(),
        tail: Vec::new(),
        records: Arc::new(records),
        shelf: Arc::new(Shelf::new(dir)),
    };
    let note = match read_bounded(&dir.join(CHECKPOINT)) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| LedgerError::Damaged)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => begin(&log)?,
        Err(error) => return Err(failed("read")(error)),
    };
    let checkpoint = published(&note, &log)?;
    (log.edge, log.tail) = resume(&log.shelf, &checkpoint)?;
    let head = settle(&mut log, note, minute)?;
    Ok(Opened { log, head, lock })
}

/// Publishes what was recorded and not yet covered, and forgets what is too old.
fn settle<D: Disk>(log: &mut Log<D>, note: String, minute: u32) -> Result<Head, LedgerError> {
    let size = log.edge.size();
    let missing = log.records.recover(&log.disk, size).map_err(failed("recovered"))?;
    let head = if missing.is_empty() {
        Head { note, edge: log.edge.clone(), recent: Arc::new([]) }
    } else {
        log.close_epoch(missing.into(), minute).map_err(failed("written"))?
    };
    log.expire(minute);
    Ok(head)
}

fn lock(dir: &Path) -> Result<File, LedgerError> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(dir.join("lock"));
    let file = file.map_err(failed("made"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(LedgerError::InUse),
        Err(std::fs::TryLockError::Error(error)) => Err(failed("locked")(error)),
    }
}

/// Publishes the empty tree, if this is a beginning: before anything else is written, so that a
/// missing checkpoint later means that one was lost, and with it what has been promised.
fn begin<D: Disk>(log: &Log<D>) -> Result<String, LedgerError> {
    let has_tiles = log.dir.join("tile").try_exists().map_err(failed("read"))?;
    if has_tiles || !log.records.is_empty() {
        return Err(LedgerError::Damaged);
    }
    log.publish(&log.edge).map_err(failed("written"))
}

fn published<D: Disk>(note: &str, log: &Log<D>) -> Result<Checkpoint, LedgerError> {
    let keys = [log.signer.public().clone()];
    match SignedCheckpoint::open(note, &keys) {
        Ok(signed) if signed.checkpoint.origin == log.origin => Ok(signed.checkpoint),
        Ok(_) => Err(LedgerError::OtherLog),
        Err(BadCheckpoint::NotSigned(notrace_policy_promise::note::NotSigned::Unknown)) => {
            Err(LedgerError::OtherLog)
        }
        Err(_) => Err(LedgerError::Damaged),
    }
}

fn resume(shelf: &Shelf, head: &Checkpoint) -> Result<(Edge, Vec<[u8; 32]>), LedgerError> {
    let read = |tile: Tile| split_hashes(&shelf.read_or_full(tile).ok()?, tile.width());
    let edge = Edge::resume(head.size, read).map_err(|_| LedgerError::Damaged)?;
    if edge.root() != head.root {
        return Err(LedgerError::Damaged);
    }
    let Some(tile) = Tile::edge(Rows::Entries, head.size) else {
        return Ok((edge, Vec::new()));
    };
    let bytes = shelf.read_or_full(tile).map_err(|_| LedgerError::Damaged)?;
    let entries = split_entries(&bytes, tile.width()).ok_or(LedgerError::Damaged)?;
    let mut check = Edge::default();
    entries.iter().for_each(|entry| check.append(entry, |_, _| {}));
    let leaves = |edge: &Edge| edge.partial(0).map(|(_, leaves)| Subtree::clone(leaves));
    let entries = entries.into_iter().map(|entry| entry.try_into().ok());
    let tail = entries.collect::<Option<Vec<[u8; 32]>>>().ok_or(LedgerError::Damaged)?;
    (leaves(&check) == leaves(&edge)).then_some((edge, tail)).ok_or(LedgerError::Damaged)
}
