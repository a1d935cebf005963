//! Logs in memory, a learner and its donors, and a link between them on which anything that can go
//! wrong goes wrong at a message of one's choice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::ids::{Life, SeqNum, ViewId};
use crate::time::Hlc;

pub(super) const SHARD: ShardId = ShardId(0);
/// Updates in a chunk of a snapshot, and in a tail, at most.
const PIECE: usize = 4;

pub(super) fn version(view: u32, seq: u64) -> Version {
    Version::new(ViewId::new(view).unwrap(), SeqNum::new(seq).unwrap())
}

pub(super) fn place(version: Version) -> Place {
    Place { version, time: Hlc::from_wire(version.to_wire() / 3 + 1) }
}

pub(super) fn start(since: u32, through: Version) -> Start {
    Start { since: ViewId::new(since).unwrap(), through }
}

fn node(number: usize) -> NodeId {
    NodeId::new(number as u32 + 1).unwrap()
}

/// A log, and the state that its updates make, which here is the list of them.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) updates: Vec<Place>,
    pub(super) journal: Journal,
}

impl Log {
    pub(super) fn empty() -> Self {
        Self { updates: Vec::new(), journal: Journal::empty() }
    }

    /// Epochs by number, each with the versions' numbers that this log holds of it. An epoch goes
    /// on from the last update before it.
    pub(super) fn of(epochs: &[(u32, &[u64])]) -> Self {
        let mut log = Self::empty();
        for (since, numbers) in epochs {
            log.journal.began(start(*since, log.journal.last().version));
            for number in *numbers {
                log.push(place(version(*since, *number)));
            }
        }
        log.journal.synced_to(log.journal.last().version);
        log
    }

    pub(super) fn push(&mut self, update: Place) {
        assert!(self.updates.last().is_none_or(|last| last.version < update.version));
        self.updates.push(update);
        self.journal.appended(update);
    }

    fn last(&self) -> Place {
        self.updates.last().copied().unwrap_or(Place::ZERO)
    }

    fn shared(&self, other: &Log) -> usize {
        self.updates.iter().zip(&other.updates).take_while(|(one, two)| one == two).count()
    }
}

pub(super) struct Donor {
    pub(super) node: NodeId,
    pub(super) log: Log,
    /// The last updates of the snapshots that it keeps, ascending.
    pub(super) snapshots: Vec<Version>,
}

impl Donor {
    pub(super) fn trim(&mut self, through: Version) {
        self.snapshots = vec![through];
        self.log.journal.trimmed_to(through);
    }

    fn covered(&self, at: Version) -> Vec<Place> {
        self.log.updates.iter().copied().filter(|update| update.version <= at).collect()
    }

    fn reply(&self, fetch: &Fetch) -> Option<Parcel> {
        let mut out = Vec::new();
        let delivered = self.log.last().version;
        answer(node(99), fetch, &self.log.journal, delivered, &mut out);
        assert!(out.len() <= 1, "one question, one answer");
        let (part, updates, line) = match out.pop()? {
            Effect::Write { write: Write::Message(Message::Piece(piece)), .. } => {
                (piece.part, Vec::new(), piece.line)
            }
            Effect::SendTail { fetch, through, line, .. } => {
                let after = fetch.have;
                let wanted = |it: &&Place| it.version > after && it.version <= through;
                let updates: Vec<Place> =
                    self.log.updates.iter().filter(wanted).take(PIECE).copied().collect();
                assert!(
                    updates.is_empty() || after >= self.log.journal.trimmed(),
                    "it was trimmed"
                );
                let last = updates.last().copied().unwrap_or(place(after));
                (Part::Tail { after, through: last, delivered: through }, updates, line)
            }
            Effect::SendChunk { fetch, line, .. } => {
                let named = fetch.resume.filter(|it| self.snapshots.contains(&it.at));
                let latest = *self.snapshots.last().unwrap();
                let want = named.unwrap_or(Resume { at: latest, chunk: 0 });
                let all = self.covered(want.at);
                let chunks: Vec<&[Place]> = all.chunks(PIECE).collect();
                let updates = chunks[want.chunk as usize].to_vec();
                let last = want.chunk as usize + 1 == chunks.len();
                (Part::Chunk { at: *all.last().unwrap(), chunk: want.chunk, last }, updates, line)
            }
            other => panic!("not an answer: {other:?}"),
        };
        let piece = Piece { shard: SHARD, line, part };
        Some(Parcel { from: self.node, piece, updates, delivered })
    }
}

/// A piece and the bytes beside it.
#[derive(Clone)]
pub(super) struct Parcel {
    pub(super) from: NodeId,
    pub(super) piece: Piece,
    pub(super) updates: Vec<Place>,
    /// What the donor had delivered when it answered.
    delivered: Version,
}

/// What befalls one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// Nothing does.
    None,
    /// It gets lost.
    Lose,
    /// It arrives twice.
    Twice,
    /// It is lost and the donor is no member any more.
    Gone,
    /// The learner's node starts again.
    Restart,
    /// All donors go on, make a new snapshot and drop the old one.
    Trim,
    /// The disk refuses what came.
    Full,
    /// It is lost, as are all others, until the learner turns to another donor.
    Silence,
}

pub(super) const FAULTS: [Fault; 7] = [
    Fault::Lose,
    Fault::Twice,
    Fault::Gone,
    Fault::Restart,
    Fault::Trim,
    Fault::Full,
    Fault::Silence,
];

pub(super) struct Pair {
    pub(super) log: Log,
    pub(super) learner: Learner,
    pub(super) donors: Vec<Donor>,
    pub(super) members: Vec<NodeId>,
    partial: Option<(Version, Vec<Place>, u32)>,
    /// What befalls which message, by number from 1.
    pub(super) plan: BTreeMap<usize, Fault>,
    /// What only the learner's checkpoint holds.
    trimmed: Version,
    /// Chunks stored of the snapshot under way.
    chunks: BTreeSet<(Version, u32)>,
    pub(super) chunks_sent: usize,
    pub(super) tails_sent: usize,
    pub(super) messages: usize,
    pub(super) marks: Marks,
    micros: u64,
    mute: Option<NodeId>,
}

impl Pair {
    pub(super) fn new(log: Log, donors: Vec<Log>) -> Self {
        let donor = |(at, log)| Donor { node: node(at), log, snapshots: Vec::new() };
        let donors: Vec<Donor> = donors.into_iter().enumerate().map(donor).collect();
        Self {
            plan: BTreeMap::new(),
            trimmed: log.journal.trimmed(),
            log,
            learner: Learner::new(SHARD),
            members: donors.iter().map(|donor| donor.node).collect(),
            donors,
            partial: None,
            chunks: BTreeSet::new(),
            chunks_sent: 0,
            tails_sent: 0,
            messages: 0,
            marks: Marks::default(),
            micros: 0,
            mute: None,
        }
    }

    /// Runs until the learner has caught up with donors that stand still; at message `at` the fault
    /// befalls it.
    pub(super) fn run(&mut self, fault: Fault, at: usize) {
        self.plan.insert(at, fault);
        self.run_as_planned();
    }

    pub(super) fn run_as_planned(&mut self) {
        for _ in 0..2_000 {
            let last = self.donors.iter().map(|donor| donor.log.last().version).max();
            if self.learner.caught_up() && Some(self.log.last().version) == last {
                self.marks.join(self.learner.marks());
                return;
            }
            self.micros += Limits::USUAL.ask_again / 4;
            self.ask();
        }
        panic!("it never catches up");
    }

    /// Lets a while pass.
    pub(super) fn run_on(&mut self) {
        self.micros += Limits::USUAL.ask_again / 2;
        self.ask();
    }

    /// One question, if one is due, and what comes of it.
    pub(super) fn ask(&mut self) {
        let now = Now { micros: self.micros, wall: Hlc::ZERO };
        let (mut out, limits) = (Vec::new(), Limits::USUAL);
        self.learner.advance(now, &self.members, &self.log.journal, &limits, &mut out);
        assert!(out.len() <= 1, "one question at a time");
        for effect in out {
            let Effect::Write { to, write: Write::Message(Message::Fetch(fetch)) } = effect else {
                panic!("not a question");
            };
            for fetch in self.travel(to, fetch) {
                let donor = self.donors.iter().find(|donor| donor.node == to).unwrap();
                if let Some(parcel) = donor.reply(&fetch) {
                    let parcels = self.travel(to, parcel);
                    parcels.iter().for_each(|parcel| self.deliver(parcel));
                }
            }
        }
    }

    fn fault(&self) -> Fault {
        self.plan.get(&self.messages).copied().unwrap_or(Fault::None)
    }

    /// How often a message between the learner and this donor arrives.
    fn travel<T: Clone>(&mut self, donor: NodeId, message: T) -> Vec<T> {
        self.messages += 1;
        if self.mute == Some(donor) && self.members.len() > 1 {
            return Vec::new();
        }
        match self.fault() {
            Fault::None | Fault::Full => vec![message],
            Fault::Twice => vec![message.clone(), message],
            Fault::Lose => Vec::new(),
            Fault::Gone => {
                if self.members.len() > 1 {
                    self.members.retain(|member| *member != donor);
                }
                Vec::new()
            }
            Fault::Silence => {
                self.mute = Some(donor);
                Vec::new()
            }
            Fault::Restart => {
                self.marks.join(self.learner.marks());
                self.learner = Learner::new(SHARD);
                self.partial = None;
                self.chunks.clear();
                vec![message]
            }
            Fault::Trim => {
                self.donors.iter_mut().for_each(go_on);
                vec![message]
            }
        }
    }

    pub(super) fn deliver(&mut self, parcel: &Parcel) {
        let from = Peer { node: parcel.from, life: Life(1) };
        let mut out = Vec::new();
        let open = self.learner.asked.is_some();
        self.learner.arrived(from, &parcel.piece, &self.log.journal, &mut out);
        match parcel.piece.part {
            Part::Chunk { .. } => self.chunks_sent += 1,
            Part::Tail { .. } => self.tails_sent += 1,
            Part::Back { .. } => {}
        }
        for effect in out {
            let Effect::Store { piece, .. } = effect else { panic!("nothing else to do") };
            if self.fault() != Fault::Full {
                self.store(&piece, &parcel.updates);
            }
            let resume =
                self.partial.as_ref().map(|(at, _, chunk)| Resume { at: *at, chunk: *chunk });
            self.learner.stored(self.log.last(), resume, &mut self.log.journal);
            self.log.journal.synced_to(self.log.last().version);
            self.check();
        }
        let counted = open && self.learner.asked.is_none();
        let caught_up = counted && self.learner.caught_up();
        assert!(!caught_up || self.log.last().version >= parcel.delivered, "it is not caught up");
    }

    fn store(&mut self, piece: &Piece, updates: &[Place]) {
        let truth = self.donors.iter().max_by_key(|donor| donor.log.last().version).unwrap();
        let agreed = self.log.shared(&truth.log);
        match piece.part {
            Part::Back { to } => {
                let kept = to >= self.trimmed || to == Version::ZERO;
                assert!(kept, "a checkpoint cannot be cut");
                self.trimmed = self.trimmed.min(to);
                self.log.updates.retain(|update| update.version <= to);
            }
            Part::Tail { after, .. } => {
                assert_eq!(self.log.last().version, after, "a tail goes on from the log's end");
                self.log.updates.extend(updates);
            }
            Part::Chunk { at, chunk, last } => {
                let begun = self.partial.take().filter(|it| it.0 == at.version && it.2 == chunk);
                let mut whole = begun.map(|it| it.1).unwrap_or_default();
                if chunk == 0 {
                    self.chunks.clear();
                }
                assert_eq!(whole.len(), chunk as usize * PIECE, "chunks come in order");
                assert!(self.chunks.insert((at.version, chunk)), "a chunk was stored twice");
                whole.extend(updates);
                if last {
                    self.log.updates = whole;
                    self.trimmed = at.version;
                } else {
                    self.partial = Some((at.version, whole, chunk + 1));
                }
            }
        }
        if !matches!(piece.part, Part::Chunk { .. }) {
            self.partial = None;
        }
        let truth = self.donors.iter().max_by_key(|donor| donor.log.last().version).unwrap();
        let wiped = piece.part == Part::Back { to: Version::ZERO };
        assert!(wiped || self.log.shared(&truth.log) >= agreed, "what is agreed was taken out");
    }

    fn check(&self) {
        assert_eq!(self.log.journal.last(), self.log.last(), "the journal is not the log");
        let journal = &self.log.journal;
        assert_eq!(journal.trimmed(), self.trimmed, "the journal is not the log");
        assert!(is_line(journal.line()));
        let on_line = journal.agreed(journal.last().version) == Agreed::Same;
        assert!(journal.line().is_empty() || on_line, "the log is off its own history");
    }

    pub(super) fn assert_same(&self, donor: usize) {
        let donor = &self.donors[donor].log;
        assert_eq!(self.log.updates, donor.updates);
        let wanted = donor.journal.line();
        let line = self.log.journal.line();
        assert_eq!(line.last(), wanted.last(), "the history is not the donor's");
        assert_eq!(donor.journal.agreed(self.log.journal.last().version), Agreed::Same);
    }
}

/// A donor delivers something more and keeps only the snapshot of that.
fn go_on(donor: &mut Donor) {
    let last = donor.log.journal.line().last().unwrap().since;
    let seq = donor.log.last().version;
    let seq = if seq.view() == last { seq.seq().number() } else { 0 };
    donor.log.push(place(version(last.number(), seq + 1)));
    donor.trim(donor.log.last().version);
}

/// The same line for whoever makes pieces by hand.
pub(super) fn line_of(log: &Log) -> Arc<Vec<Start>> {
    Arc::new(log.journal.line().to_vec())
}
