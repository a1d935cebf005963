//! The ledger of a group as a machine: which receipts there are, in which order.
//!
//! Every member applies the same batches in the same order, and each writes the same log from them,
//! under the same key, up to where the order is on the disks of a majority. So all show beginnings
//! of one log, and nobody can sign two different trees of one size.
//!
//! The machine keeps the edge of the tree and the latest receipts, which members have perhaps not
//! written yet. Who needs earlier ones gets their entries from another member; whether those are
//! the right ones shows in the root of the tree at [`Book::base`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use notrace_policy_promise::ledger::tile::{TILE_LEVEL_MAX, join_hashes, split_hashes};
use notrace_policy_promise::ledger::tree::Edge;
use notrace_policy_promise::receipt::Salt;
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::{Machine, Malformed, Place};
use serde::{Deserialize, Serialize};

use super::limits::{BATCH_RECORDS_MAX, BOOK_RECORDS_MAX};
use super::record::{RECEIPT_BYTES_MAX, Record};

/// The order of a group's receipts.
#[derive(Clone, Default)]
pub(crate) struct Book {
    /// Whether it is known where the log begins.
    begun: bool,
    /// The tree before the first batch that is kept.
    base: Edge,
    edge: Edge,
    kept: VecDeque<Batch>,
    /// The last batch of each member, so that one that is sent twice counts once.
    last: BTreeMap<u32, Last>,
}

/// Receipts that were ordered together.
#[derive(Clone)]
pub(crate) struct Batch {
    /// The version that ordered them.
    pub(crate) version: Version,
    /// The leaf of the first.
    pub(crate) first: u64,
    pub(super) records: Arc<[Record]>,
}

/// What is remembered of a member's last batch: in which of its runs, which one, and where it is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    run: u64,
    number: u64,
    first: u64,
}

/// A change of it.
#[derive(Serialize, Deserialize)]
pub(crate) enum Command {
    /// The log begins with this tree, unless it has begun.
    Begin(Tree),
    /// A member's receipts.
    Append { node: u32, run: u64, number: u64, records: Vec<Sent> },
}

/// A tree of so many leaves, by the tiles at its edge.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Tree {
    size: u64,
    tiles: Vec<Vec<u8>>,
}

/// A receipt on its way.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Sent {
    minute: u32,
    salt: Salt,
    receipt: Vec<u8>,
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    /// It was done; the first leaf of the batch, or how many there are.
    Done(u64),
    /// There is no log yet, or the batch is none that a member sends.
    Refused,
}

impl Tree {
    pub(super) fn of(edge: &Edge) -> Self {
        let levels = (0..=TILE_LEVEL_MAX).map(|level| edge.partial(level));
        let tiles = levels.map(|tile| tile.map_or(Vec::new(), |(_, it)| join_hashes(it.hashes())));
        Self { size: edge.size(), tiles: tiles.collect() }
    }

    fn edge(&self) -> Result<Edge, Malformed> {
        let edge = Edge::resume(self.size, |tile| {
            let level = match tile.rows() {
                notrace_policy_promise::ledger::tile::Rows::Hashes(level) => usize::from(level),
                notrace_policy_promise::ledger::tile::Rows::Entries => return None,
            };
            split_hashes(self.tiles.get(level)?, tile.width())
        });
        edge.map_err(|_| Malformed)
    }
}

impl Sent {
    pub(super) fn of(record: &Record) -> Self {
        Self { minute: record.minute, salt: record.salt, receipt: record.receipt.to_vec() }
    }

    fn record(self) -> Record {
        Record { minute: self.minute, salt: self.salt, receipt: self.receipt.into() }
    }
}

impl Book {
    /// How many leaves there are.
    pub(crate) fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Whether it is known where the log begins.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// The tree before the first batch that is kept.
    pub(crate) fn base(&self) -> &Edge {
        &self.base
    }

    /// The batches that have leaves from `next` on, up to this version.
    pub(crate) fn after(&self, next: u64, settled: Version) -> Vec<Batch> {
        let ends = |batch: &&Batch| batch.first + batch.records.len() as u64;
        let kept = self.kept.iter().filter(|batch| batch.version <= settled);
        kept.filter(|batch| ends(batch) > next).cloned().collect()
    }

    fn append(&mut self, version: Version, records: Vec<Sent>) -> u64 {
        let first = self.edge.size();
        let records: Arc<[Record]> = records.into_iter().map(Sent::record).collect();
        for record in records.iter() {
            self.edge.append(&record.entry(), |_, _| {});
        }
        self.kept.push_back(Batch { version, first, records });
        let first_kept = |book: &Self| book.kept.front().map(|batch| batch.records.clone());
        while self.edge.size() - self.base.size() > BOOK_RECORDS_MAX
            && let Some(oldest) = first_kept(self)
        {
            for record in oldest.iter() {
                self.base.append(&record.entry(), |_, _| {});
            }
            self.kept.pop_front();
        }
        first
    }
}

/// As it is kept and handed to a new member.
#[derive(Serialize, Deserialize)]
struct State {
    begun: bool,
    base: Tree,
    kept: Vec<(u64, Vec<Sent>)>,
    last: BTreeMap<u32, Last>,
}

impl Machine for Book {
    type Command = Command;
    type Reply = Reply;

    fn encode(command: &Command) -> Vec<u8> {
        // Only a failing sink could make this fail, and memory takes every byte.
        postcard::to_stdvec(command).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Result<Command, Malformed> {
        postcard::from_bytes(bytes).map_err(|_| Malformed)
    }

    fn apply(&mut self, place: Place, command: Command) -> Reply {
        match command {
            Command::Begin(_) if self.begun => Reply::Done(self.size()),
            Command::Begin(tree) => {
                let Ok(edge) = tree.edge() else { return Reply::Refused };
                (self.begun, self.base, self.edge) = (true, edge.clone(), edge);
                Reply::Done(self.size())
            }
            Command::Append { node, run, number, records } => {
                let known = self.last.get(&node).filter(|last| last.run == run);
                if let Some(last) = known.filter(|last| last.number >= number) {
                    return Reply::Done(last.first);
                }
                let fits = |sent: &Sent| sent.receipt.len() <= RECEIPT_BYTES_MAX;
                let fit = records.len() <= BATCH_RECORDS_MAX && records.iter().all(fits);
                if !self.begun || !fit {
                    return Reply::Refused;
                }
                let first = self.append(place.version, records);
                self.last.insert(node, Last { run, number, first });
                Reply::Done(first)
            }
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        let sent =
            |batch: &Batch| (batch.version.to_wire(), batch.records.iter().map(Sent::of).collect());
        let kept = self.kept.iter().map(sent).collect();
        let (begun, base, last) = (self.begun, Tree::of(&self.base), self.last.clone());
        postcard::to_stdvec(&State { begun, base, kept, last }).unwrap_or_default()
    }

    fn restore(bytes: &[u8]) -> Result<Self, Malformed> {
        let state: State = postcard::from_bytes(bytes).map_err(|_| Malformed)?;
        let base = state.base.edge()?;
        let (begun, edge, last) = (state.begun, base.clone(), state.last);
        let mut book = Self { begun, base, edge, kept: VecDeque::new(), last };
        for (version, records) in state.kept {
            book.append(Version::from_wire(version), records);
        }
        Ok(book)
    }
}

#[cfg(test)]
mod a_book {
    use notrace_store_protocol::time::Hlc;

    use super::*;

    fn sent(number: u64) -> Sent {
        let mut salt = [0; 32];
        salt[..8].copy_from_slice(&number.to_be_bytes());
        Sent { minute: 7, salt, receipt: vec![number as u8; 40] }
    }

    fn append(node: u32, number: u64, count: u64) -> Command {
        let records = (0..count).map(|at| sent(u64::from(node) << 40 | number << 20 | at));
        Command::Append { node, run: 1, number, records: records.collect() }
    }

    fn at(seq: u64) -> Place {
        Place { version: Version::from_wire(seq), time: Hlc::from_unix_micros(seq) }
    }

    fn begun() -> Book {
        let mut book = Book::default();
        book.apply(at(1), Command::Begin(Tree::of(&Edge::default())));
        book
    }

    #[test]
    fn takes_nothing_before_it_has_begun_and_begins_once() {
        let mut book = Book::default();
        assert_eq!(book.apply(at(1), append(1, 1, 2)), Reply::Refused);
        let mut edge = Edge::default();
        (0..300u64).for_each(|leaf| edge.append(&leaf.to_be_bytes(), |_, _| {}));
        let begin = Command::Begin(Tree::of(&edge));
        assert_eq!(book.apply(at(2), begin), Reply::Done(300));
        assert_eq!(book.apply(at(3), append(1, 1, 2)), Reply::Done(300));
        let again = Command::Begin(Tree::of(&Edge::default()));
        assert_eq!(book.apply(at(4), again), Reply::Done(302));
        assert_eq!(book.base().root(), edge.root());
    }

    #[test]
    fn counts_a_batch_once_that_is_sent_twice() {
        let mut book = begun();
        assert_eq!(book.apply(at(2), append(1, 1, 2)), Reply::Done(0));
        assert_eq!(book.apply(at(3), append(2, 1, 3)), Reply::Done(2));
        assert_eq!(book.apply(at(4), append(1, 1, 2)), Reply::Done(0));
        assert_eq!(book.apply(at(5), append(1, 2, 1)), Reply::Done(5));
        assert_eq!(book.size(), 6);
        // Another run of the member begins to count anew.
        let Command::Append { records, .. } = append(1, 9, 1) else { unreachable!() };
        let other = Command::Append { node: 1, run: 2, number: 1, records };
        assert_eq!(book.apply(at(6), other), Reply::Done(6));
    }

    #[test]
    fn refuses_what_no_member_sends() {
        let mut book = begun();
        assert_eq!(book.apply(at(2), append(1, 1, BATCH_RECORDS_MAX as u64 + 1)), Reply::Refused);
        let long = Sent { receipt: vec![0; RECEIPT_BYTES_MAX + 1], ..sent(1) };
        let long = Command::Append { node: 1, run: 1, number: 1, records: vec![long] };
        assert_eq!(book.apply(at(3), long), Reply::Refused);
        assert_eq!(book.size(), 0);
    }

    #[test]
    fn hands_out_what_is_settled_and_forgets_only_what_is_old() {
        let mut book = begun();
        book.apply(at(2), append(1, 1, 2));
        book.apply(at(3), append(1, 2, 2));
        let firsts = |book: &Book, next, settled| -> Vec<u64> {
            let after = book.after(next, Version::from_wire(settled));
            after.iter().map(|batch| batch.first).collect()
        };
        assert_eq!(firsts(&book, 0, 3), [0, 2]);
        assert_eq!(firsts(&book, 0, 2), [0]);
        assert_eq!(firsts(&book, 1, 3), [0, 2]);
        assert_eq!(firsts(&book, 2, 3), [2]);
        let batches = BOOK_RECORDS_MAX / BATCH_RECORDS_MAX as u64;
        for number in 3..=batches + 2 {
            book.apply(at(number + 1), append(1, number, BATCH_RECORDS_MAX as u64));
        }
        assert_eq!(book.base().size(), 4, "the first two went, and no more");
        assert_eq!(firsts(&book, 0, 1000).len() as u64, batches);
    }

    #[test]
    fn is_the_same_after_it_was_handed_on() {
        let mut book = begun();
        for number in 1..=40 {
            book.apply(at(number + 1), append(1, number, BATCH_RECORDS_MAX as u64));
        }
        let mut again = Book::restore(&book.snapshot()).unwrap();
        for book in [&mut book, &mut again] {
            book.apply(at(99), append(3, 1, 5));
            assert_eq!(book.apply(at(100), append(1, 40, 1)), Reply::Done(39 * 1024));
        }
        assert_eq!(again.edge.root(), book.edge.root());
        assert_eq!(again.base.root(), book.base.root());
        assert!(again.snapshot() == book.snapshot());
    }
}
