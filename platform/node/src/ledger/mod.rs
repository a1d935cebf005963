//! The ledger: every run's receipt in a public, append-only log, and its proof for its client.
//!
//! Reading order: `record` is a receipt as it is kept; `records` keeps them until their window
//! ends; `disk` is every step on files; `log` is what an epoch writes and in which order; `recover`
//! opens what a crash left; `shelf` reads what is published; `pace` is the thread that closes
//! epochs. In a group the order of receipts comes from a machine, `book`; `outbox` is what a member
//! sends there, and how its own log follows.
//!
//! Below the folder lies the log as static files (C2SP `tlog-tiles`), for any server of files. The
//! receipts themselves, whose salts would unblind it, lie beside it, for the node alone.

mod book;
mod disk;
mod limits;
mod log;
mod outbox;
mod pace;
mod record;
mod records;
mod recover;
mod shelf;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use notrace_policy_promise::ledger::Hash;
use notrace_policy_promise::ledger::tile::{Rows, TILE_WIDTH, Tile, split_entries};
use notrace_policy_promise::receipt::{Receipt, Salt};
use tokio::sync::{oneshot, watch};

use crate::clock;
pub(crate) use book::Book;
use disk::{Disk, Files};
use limits::{EPOCH, RECEIPT_WINDOW, WAIT_MAX};
pub(crate) use outbox::{Outbox, Receipts};
use pace::{Adopting, Desk};
use record::Record;
pub use record::{NotAnId, ReceiptId};
use records::Records;
use shelf::{Head, Shelf};

/// The ledger of one node. One thread writes it; everybody reads what it published.
pub struct Ledger {
    origin: Box<str>,
    vkey: Box<str>,
    epoch: Duration,
    desk: Arc<Desk>,
    heads: watch::Receiver<Arc<Head>>,
    shelf: Arc<Shelf>,
    records: Arc<Records>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How fast a ledger publishes and how long it remembers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// How long an epoch lasts when nobody waits.
    pub epoch: Duration,
    /// How long receipts can be fetched, rounded up to minutes.
    pub receipt_window: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { epoch: EPOCH, receipt_window: RECEIPT_WINDOW }
    }
}

/// A receipt that is on its way into the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// Under which id its proof can be fetched.
    pub id: ReceiptId,
}

/// Where a receipt is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// In the log: its C2SP `tlog-proof`.
    Ready(String),
    /// On its way.
    Pending {
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// There is none of this id, or its window has ended.
    Unknown,
}

/// Why a ledger does not open. Nothing was changed that a published checkpoint covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LedgerError {
    /// Its origin is not one.
    #[error("the ledger's origin is not a name that a log can have")]
    Origin,
    /// Another process writes it.
    #[error("another node writes this ledger; stop it first")]
    InUse,
    /// It is the log of another origin or key.
    #[error(
        "the ledger in this folder belongs to another key; restore its key or begin a new folder"
    )]
    OtherLog,
    /// What its checkpoint covers is not all there. Going on would fork the log.
    #[error(
        "the ledger's files do not lead to its checkpoint; restore them, or begin a new folder"
    )]
    Damaged,
    /// The file system refused.
    #[error("the ledger cannot be {verb} ({kind}); check the folder's rights and space")]
    Files {
        /// What was attempted.
        verb: &'static str,
        /// What the system said.
        kind: io::ErrorKind,
    },
}

/// Why a receipt was not taken. No answer may leave for it, and the node should take nothing new.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    /// Too many receipts wait for their epoch.
    #[error("too many receipts wait to be published")]
    Full,
    /// The last epoch could not be written; it is tried again every second.
    #[error("the ledger cannot be written ({0}); check its disk")]
    Failing(io::ErrorKind),
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,
    /// The receipt is longer than a record.
    #[error("the receipt does not fit a record")]
    TooLong,
}

impl Ledger {
    /// Opens the ledger in `dir`, or begins one, with the default pace. Blocks on files.
    /// # Errors  [`LedgerError`]
    pub fn open(dir: &Path, origin: &str, seed: &[u8; 32]) -> Result<Self, LedgerError> {
        Self::open_at(dir, origin, seed, Pace::default())
    }

    /// Opens the ledger in `dir`, or begins one. Receipts are kept in the folder `receipts` beside
    /// `dir`. What a crash kept out of the log is published before this returns. Blocks on files.
    /// # Errors  [`LedgerError`]
    pub fn open_at(
        dir: &Path,
        origin: &str,
        seed: &[u8; 32],
        pace: Pace,
    ) -> Result<Self, LedgerError> {
        Self::open_on(Files, dir, origin, seed, pace)
    }

    fn open_on<D: Disk>(
        disk: D,
        dir: &Path,
        origin: &str,
        seed: &[u8; 32],
        pace: Pace,
    ) -> Result<Self, LedgerError> {
        let dirs = (dir, &*dir.with_file_name("receipts"));
        let opened = recover::open(disk, dirs, (origin, seed), pace, now_minute())?;
        let recover::Opened { log, head, lock } = opened;
        let desk = Arc::new(Desk::new(head.size()));
        let (sender, heads) = watch::channel(Arc::new(head));
        let (shelf, records) = (log.shelf.clone(), log.records.clone());
        let vkey = log.signer.public().to_string().into();
        let thread = std::thread::Builder::new().name("ledger".to_owned()).spawn({
            let desk = desk.clone();
            move || pace::run(log, &desk, &sender, pace.epoch, lock)
        });
        let thread =
            thread.map_err(|error| LedgerError::Files { verb: "started", kind: error.kind() })?;
        Ok(Self {
            origin: origin.into(),
            vkey,
            epoch: pace.epoch,
            desk,
            heads,
            shelf,
            records,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Puts a receipt into the current epoch. Never blocks on the disk.
    /// # Errors  [`AppendError`]: it is not on its way, and no answer may leave for it.
    pub fn append(&self, receipt: Receipt, salt: Salt) -> Result<Appended, AppendError> {
        let id = self.desk.append(record_now(&receipt, salt)?)?;
        Ok(Appended { id })
    }

    /// The leaf that comes next.
    fn end(&self) -> u64 {
        self.desk.end()
    }

    /// Takes in leaves of which only the entries are known, if they lead to this root.
    /// # Cancel  Dropping the future abandons the answer.
    async fn adopt(&self, root: Hash, entries: mpsc::Receiver<Vec<[u8; 32]>>) -> bool {
        let (done, told) = oneshot::channel();
        self.desk.adopt(Adopting { root, entries, done });
        told.await.unwrap_or(false)
    }

    /// Whether receipts are taken. To ask before a run, so that none has to be thrown away.
    /// # Errors  [`AppendError`]
    pub fn ready(&self) -> Result<(), AppendError> {
        self.desk.check()
    }

    /// The proof of a receipt. With `wait`, its epoch closes as soon as it may, and this waits for
    /// it, up to that long.
    /// # Cancel  Dropping the future abandons the waiting; the epoch closes all the same.
    pub async fn receipt(&self, id: ReceiptId, wait: Option<Duration>) -> Found {
        let mut heads = self.heads.clone();
        if id.index() >= heads.borrow_and_update().size() {
            let pending = Found::Pending { retry_after: self.epoch };
            if !self.desk.holds(&id, wait) {
                // It may have been published between the two looks.
                if id.index() >= heads.borrow_and_update().size() {
                    return Found::Unknown;
                }
            } else if let Some(wait) = wait {
                let there = heads.wait_for(|head| head.size() > id.index());
                let there = tokio::time::timeout(wait.min(WAIT_MAX), there).await;
                if !matches!(there, Ok(Ok(_))) {
                    return pending;
                }
            } else {
                return pending;
            }
        }
        let head = heads.borrow().clone();
        self.published(&head, id, 1).await
    }

    async fn published(&self, head: &Arc<Head>, id: ReceiptId, places: u64) -> Found {
        if let Some((index, record)) = head.recent(&id) {
            let known = self.records.is_kept(record.minute, now_minute());
            let proof = known.then(|| self.shelf.prove(head, index, record)).flatten();
            return proof.map_or(Found::Unknown, Found::Ready);
        }
        let (head, shelf, records) = (head.clone(), self.shelf.clone(), self.records.clone());
        let read = tokio::task::spawn_blocking(move || {
            let (index, record) = records.find(&id, places, now_minute()).ok()??;
            // What is written is not yet published.
            (index < head.size()).then(|| shelf.prove(&head, index, &record))?
        });
        read.await.ok().flatten().map_or(Found::Unknown, Found::Ready)
    }

    /// The proof of a receipt that is published here, as far from its place as another's may stand.
    async fn published_about(&self, id: ReceiptId) -> Found {
        let head = self.heads.borrow().clone();
        self.published(&head, id, limits::SEARCH_MAX).await
    }

    /// The published checkpoint: a signed note.
    pub fn checkpoint(&self) -> String {
        self.heads.borrow().note.clone()
    }

    /// A tile or entry bundle of the published tree, by its path below `tile/`: `0/000.p/7`,
    /// `entries/x001/234`. May read one file of at most 9 kB.
    pub fn tile(&self, path: &str) -> Option<Vec<u8>> {
        let tile: Tile = format!("tile/{path}").parse().ok()?;
        let head = self.heads.borrow().clone();
        self.shelf.serve(&head, tile)
    }

    /// Up to 256 entries from `first` on, as far as their bundle goes; none that are not published.
    fn entries(&self, first: u64) -> Vec<u8> {
        let head = self.heads.borrow().clone();
        let (index, skip) = (first / TILE_WIDTH, (first % TILE_WIDTH) as usize);
        let rows = head.size().saturating_sub(index * TILE_WIDTH).min(TILE_WIDTH) as u16;
        let tile = Tile::new(Rows::Entries, index, rows);
        let bytes = tile.and_then(|tile| self.shelf.serve(&head, tile));
        let entries = bytes.as_deref().and_then(|bytes| split_entries(bytes, rows));
        entries.unwrap_or_default().into_iter().skip(skip).flatten().copied().collect()
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The log's public key, as `NAME+KEYID+BASE64`.
    pub fn vkey(&self) -> &str {
        &self.vkey
    }

    /// Publishes what is pending and stops. What the disk refuses three times stays in the records
    /// as far as it got there, and is published when the ledger opens again.
    /// # Cancel  Dropping the future abandons the waiting; the ledger closes all the same.
    pub async fn close(&self) {
        self.desk.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.desk.close();
    }
}

/// A receipt as it is kept, of this minute.
fn record_now(receipt: &Receipt, salt: Salt) -> Result<Record, AppendError> {
    let receipt = receipt.encode().into_boxed_slice();
    if receipt.len() > record::RECEIPT_BYTES_MAX {
        return Err(AppendError::TooLong);
    }
    Ok(Record { minute: now_minute(), salt, receipt })
}

fn now_minute() -> u32 {
    u32::try_from(clock::unix_micros() / 60_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
