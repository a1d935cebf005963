//! A member's receipts on their way into its group's book, and its own log, which follows the book.
//!
//! A receipt is taken here and gets an id. With the epoch it is ordered in the book, by which it
//! has its leaf. Every member writes what the book has up to where that is on a majority's disks,
//! signs, and shows it; so a receipt that is shown anywhere is in everybody's log, now or soon.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::time::Duration;

use notrace_policy_promise::receipt::{Receipt, Salt};
use notrace_store_protocol::machine::Durability;
use notrace_store_replica::{Replicated, SendError};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use super::book::{Batch, Book, Command, Reply, Sent, Tree};
use super::limits::{
    BATCH_RECORDS_MAX, EPOCH_GAP, HEAD_WAIT, ORDER_AGAIN, PENDING_MAX, RETRY_AFTER, WAIT_MAX,
};
use super::record::Record;
use super::{AppendError, Appended, Found, Ledger, ReceiptId, record_now};

/// The ledger of a node, alone or in a group.
pub(crate) struct Receipts {
    log: Ledger,
    outbox: Option<Arc<Outbox>>,
}

/// What a member sends.
pub(crate) struct Outbox {
    book: Replicated<Book>,
    node: u32,
    run: u64,
    queue: Mutex<Queue>,
    /// Something is to be ordered, or somebody waits.
    stirred: Notify,
    /// Something was published.
    published: Notify,
}

#[derive(Default)]
struct Queue {
    pending: Vec<Record>,
    /// What is being ordered and published now.
    leaving: Arc<[Record]>,
    since: Option<Instant>,
    wanted: bool,
    closing: bool,
    /// The log is further than the book, which must not be.
    astray: bool,
}

impl Queue {
    fn count(&self) -> usize {
        self.pending.len() + self.leaving.len()
    }

    fn holds(&self, id: &ReceiptId) -> bool {
        self.pending.iter().chain(self.leaving.iter()).any(|record| record.has(id))
    }
}

impl Outbox {
    /// Of this node, in one of its runs.
    pub(crate) fn new(book: Replicated<Book>, node: u32, run: u64) -> Self {
        let queue = Mutex::default();
        let (stirred, published) = (Notify::new(), Notify::new());
        Self { book, node, run, queue, stirred, published }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> Result<(), AppendError> {
        let queue = self.lock();
        if queue.closing {
            return Err(AppendError::Closed);
        }
        if queue.astray {
            return Err(AppendError::Failing(std::io::ErrorKind::InvalidData));
        }
        if queue.count() >= PENDING_MAX { Err(AppendError::Full) } else { Ok(()) }
    }

    fn append(&self, record: Record) -> ReceiptId {
        let end = self.book.read(Book::size);
        let mut queue = self.lock();
        let id = record.id(end + queue.count() as u64);
        queue.pending.push(record);
        queue.since.get_or_insert_with(Instant::now);
        drop(queue);
        self.stirred.notify_one();
        id
    }

    /// Waits for the end of an epoch; its records, or nothing once the outbox is closed and empty.
    async fn due(&self, epoch: Duration, last: Instant) -> Option<Arc<[Record]>> {
        loop {
            let until = {
                let mut queue = self.lock();
                let end = match (queue.since, queue.closing, queue.wanted) {
                    (None, true, _) => return None,
                    (None, false, _) => None,
                    (Some(_), true, _) => Some(last),
                    (Some(_), false, true) => Some(last + EPOCH_GAP),
                    (Some(since), false, false) => Some((since + epoch).max(last + EPOCH_GAP)),
                };
                if end.is_some_and(|end| end <= Instant::now()) {
                    let count = queue.pending.len().min(BATCH_RECORDS_MAX);
                    queue.leaving = queue.pending.drain(..count).collect();
                    if queue.pending.is_empty() {
                        (queue.since, queue.wanted) = (None, false);
                    }
                    return Some(queue.leaving.clone());
                }
                end
            };
            match until {
                Some(until) => drop(timeout_at(until, self.stirred.notified()).await),
                None => self.stirred.notified().await,
            }
        }
    }

    /// Orders a batch, however often that takes; its first leaf, or nothing once the replica ended.
    async fn order(&self, number: u64, records: &[Record]) -> Option<u64> {
        loop {
            let records = records.iter().map(Sent::of).collect();
            let command = Command::Append { node: self.node, run: self.run, number, records };
            match self.book.ordered_send(command, Durability::MajorityDurable).await {
                Ok(sent) => {
                    if let Reply::Done(first) = sent.reply {
                        return Some(first);
                    }
                }
                Err(SendError::Stopped) => return None,
                Err(_) => {}
            }
            // Twice the same batch counts once.
            tokio::time::sleep(ORDER_AGAIN).await;
        }
    }

    /// Sends what is taken until the outbox is closed, or the node's log is dropped.
    pub(crate) async fn send(self: Arc<Self>, log: impl Fn() -> Option<Arc<Receipts>>) {
        let Some(epoch) = log().map(|log| log.log.epoch) else { return };
        let mut last = Instant::now();
        let mut number = 0;
        while let Some(batch) = self.due(epoch, last).await {
            number += 1;
            let Some(first) = self.order(number, &batch).await else { return };
            let end = first + batch.len() as u64;
            let Some(mut heads) = log().map(|log| log.log.heads.clone()) else { return };
            // Until it is published it is pending.
            if heads.wait_for(|head| head.size() >= end).await.is_err() {
                return;
            }
            self.lock().leaving = Arc::default();
            self.published.notify_waiters();
            last = Instant::now();
        }
        self.published.notify_waiters();
    }
}

impl Receipts {
    /// Of a node that is alone, without an outbox, or of a member.
    pub(crate) fn new(log: Ledger, outbox: Option<Arc<Outbox>>) -> Self {
        Self { log, outbox }
    }

    /// The node's own log.
    pub(crate) fn log(&self) -> &Ledger {
        &self.log
    }

    pub(crate) fn outbox(&self) -> Option<&Arc<Outbox>> {
        self.outbox.as_ref()
    }

    /// Puts a receipt on its way. Never blocks on the disk, or on others.
    /// # Errors  [`AppendError`]: it is not on its way, and no answer may leave for it.
    pub(crate) fn append(&self, receipt: Receipt, salt: Salt) -> Result<Appended, AppendError> {
        let Some(outbox) = &self.outbox else { return self.log.append(receipt, salt) };
        self.ready()?;
        Ok(Appended { id: outbox.append(record_now(&receipt, salt)?) })
    }

    /// Whether receipts are taken. To ask before a run, so that none has to be thrown away.
    /// # Errors  [`AppendError`]
    pub(crate) fn ready(&self) -> Result<(), AppendError> {
        self.log.ready()?;
        self.outbox.as_ref().map_or(Ok(()), |outbox| outbox.check())
    }

    /// The proof of a receipt, as far as this node knows of it.
    /// # Cancel  Dropping the future abandons the waiting; the epoch closes all the same.
    pub(crate) async fn receipt(&self, id: ReceiptId, wait: Option<Duration>) -> Found {
        let Some(outbox) = &self.outbox else { return self.log.receipt(id, wait).await };
        let until = Instant::now() + wait.unwrap_or_default().min(WAIT_MAX);
        loop {
            let published = outbox.published.notified();
            let held = {
                let mut queue = outbox.lock();
                let held = queue.holds(&id);
                queue.wanted |= held && wait.is_some();
                held
            };
            if !held {
                return self.log.published_about(id).await;
            }
            outbox.stirred.notify_one();
            if timeout_at(until, published).await.is_err() {
                return Found::Pending { retry_after: self.log.epoch };
            }
        }
    }

    /// The published checkpoint; in a group, no earlier one than any member has shown, if that can
    /// be found out in a second.
    pub(crate) async fn checkpoint(&self) -> String {
        if let Some(outbox) = &self.outbox {
            let caught_up = async {
                outbox.book.latest().await.ok()?;
                let size = outbox.book.read(Book::size);
                let mut heads = self.log.heads.clone();
                heads.wait_for(|head| head.size() >= size).await.ok().map(drop)
            };
            // A node that the others have lost shows what it has.
            let _ = timeout(HEAD_WAIT, caught_up).await;
        }
        self.log.checkpoint()
    }

    /// Up to 256 entries of the published log from `first` on, as far as their bundle goes.
    pub(crate) fn entries(&self, first: u64) -> Vec<u8> {
        self.log.entries(first)
    }

    /// Has the book begin with this node's log, unless it has begun.
    /// # Errors  It cannot be ordered now.
    pub(crate) async fn begin_book(&self) -> Result<(), SendError> {
        let Some(outbox) = &self.outbox else { return Ok(()) };
        if outbox.book.read(Book::has_begun) {
            return Ok(());
        }
        let tree = Tree::of(&self.log.heads.borrow().edge);
        outbox.book.ordered_send(Command::Begin(tree), Durability::AllDurable).await.map(drop)
    }

    /// What there is to write next: settled batches, or that earlier leaves are lacking; then their
    /// entries are fetched by `fetch`, from the leaf that it is given.
    pub(crate) async fn follow<F: Future<Output = Option<Vec<u8>>>>(
        weak: Weak<Self>,
        fetch: impl Fn(u64) -> F,
    ) {
        loop {
            let Some(receipts) = weak.upgrade() else { return };
            let Some(outbox) = receipts.outbox.clone() else { return };
            let settled = outbox.book.safe().0;
            let next = receipts.log.end();
            let (base, end, batches) = outbox.book.read(|book| {
                let base = (book.base().size(), book.base().root());
                (base, book.has_begun().then(|| book.size()), book.after(next, settled))
            });
            let lacks = end.is_some() && next < base.0;
            let followed = match lacks {
                true => receipts.catch_up(base, &fetch).await,
                false => receipts.write(next, &batches),
            };
            drop(receipts);
            match followed {
                Err(AppendError::Closed) => return,
                Err(_) => tokio::time::sleep(RETRY_AFTER).await,
                // Now there may be more to write.
                Ok(()) if lacks => {}
                Ok(()) => {
                    if !outbox.book.settled_past(settled).await {
                        return;
                    }
                }
            }
        }
    }

    fn write(&self, next: u64, batches: &[Batch]) -> Result<(), AppendError> {
        for batch in batches {
            for (index, record) in (batch.first..).zip(batch.records.iter()) {
                if index >= next {
                    self.log.desk.follow(index, record.clone())?;
                }
            }
        }
        Ok(())
    }

    /// Marks that the log is further than the book, of which everything is here: to go on would
    /// contradict what was shown.
    pub(crate) async fn check_against_book(&self) -> Result<(), AppendError> {
        let Some(outbox) = &self.outbox else { return Ok(()) };
        if outbox.book.latest().await.is_ok() {
            let astray = outbox.book.read(|book| book.has_begun() && book.size() < self.log.end());
            outbox.lock().astray = astray;
        }
        outbox.check()
    }

    /// Fetches the entries up to the leaf `base.0`, where the tree has the root `base.1`.
    pub(super) async fn catch_up<F: Future<Output = Option<Vec<u8>>>>(
        &self,
        (size, root): (u64, super::Hash),
        fetch: &impl Fn(u64) -> F,
    ) -> Result<(), AppendError> {
        let (sender, entries) = mpsc::sync_channel(4);
        // It takes the sender with it: its end is the end of the entries.
        let feed = async move {
            let mut next = self.log.end();
            while next < size {
                self.ready()?;
                let failing = AppendError::Failing(std::io::ErrorKind::NotFound);
                let bytes = fetch(next).await.ok_or(failing)?;
                let (rows, rest) = bytes.as_chunks::<32>();
                let lacking = usize::try_from(size - next).unwrap_or(usize::MAX);
                let rows: Vec<[u8; 32]> = rows.iter().take(lacking).copied().collect();
                if rows.is_empty() || !rest.is_empty() {
                    return Err(failing);
                }
                next += rows.len() as u64;
                let sender = sender.clone();
                let sent = tokio::task::spawn_blocking(move || sender.send(rows)).await;
                sent.map_err(|_| failing)?.map_err(|_| failing)?;
            }
            Ok(())
        };
        let (fed, adopted) = tokio::join!(feed, self.log.adopt(root, entries));
        fed?;
        let wrong = AppendError::Failing(std::io::ErrorKind::InvalidData);
        if adopted { Ok(()) } else { Err(wrong) }
    }

    /// Publishes what is pending, for so long as `wait`, and stops.
    pub(crate) async fn close(&self, wait: Duration) {
        if let Some(outbox) = &self.outbox {
            outbox.lock().closing = true;
            outbox.stirred.notify_one();
            let emptied = async {
                loop {
                    let published = outbox.published.notified();
                    if outbox.lock().count() == 0 {
                        return;
                    }
                    published.await;
                }
            };
            // What could not be ordered meanwhile was never shown to anybody.
            let _ = timeout(wait, emptied).await;
        }
        self.log.close().await;
    }
}
