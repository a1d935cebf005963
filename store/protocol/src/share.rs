//! This node's share in one shard: the epoch it is a member of, the learner where it lacks
//! something, and the log that outlives both.

use crate::effect::Effect;
use crate::event::Now;
use crate::ids::{NodeId, ShardId, Version, ViewId};
use crate::journal::Journal;
use crate::layout::{LayoutSpec, Mode, ShardSpec};
use crate::limits::Limits;
use crate::machine::Place;
use crate::mark::{Mark, Marks};
use crate::message::{Part, Peer, Piece, Resume, Start};
use crate::multicast::{Cut, Epoch, Opening};
use crate::row::{Held, Holding, Learned};
use crate::transfer::Learner;
use crate::view::{Fate, ShardView};

/// What one node has to do with one shard.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Share {
    pub(crate) shard: ShardId,
    spec: ShardSpec,
    me: Peer,
    pub(crate) epoch: Option<Epoch>,
    /// When the epoch was opened.
    opened: u64,
    learner: Option<Learner>,
    /// The epoch in which the learner was close enough to be taken in.
    learned: Option<ViewId>,
    pub(crate) journal: Journal,
    /// Marks of epochs and learners that are gone.
    past: Marks,
}

/// What a node should learn of a shard.
pub(crate) struct Lesson<'a> {
    /// The layout wants this node in the shard.
    pub(crate) wanted: bool,
    /// Who has it.
    pub(crate) donors: &'a [NodeId],
    /// The epoch in which it would be learned.
    pub(crate) since: ViewId,
}

/// What became of the updates of this node that an ending epoch had not delivered.
pub(crate) enum Left {
    /// They were not delivered anywhere and will not be, unless they are sent again.
    Cut(Vec<Cut>),
    /// Others may have delivered them.
    Unknown,
}

impl Share {
    pub(crate) fn new(shard: ShardId, spec: ShardSpec, me: Peer, journal: Journal) -> Self {
        Self {
            shard,
            spec,
            me,
            epoch: None,
            opened: 0,
            learner: None,
            learned: None,
            journal,
            past: Marks::default(),
        }
    }

    pub(crate) fn marks(&self) -> Marks {
        let mut marks = self.past;
        if let Some(epoch) = &self.epoch {
            marks.join(epoch.marks());
        }
        if let Some(learner) = &self.learner {
            marks.join(learner.marks());
        }
        marks
    }

    /// Whether its epoch should end because its numbers do.
    pub(crate) fn is_worn(&self) -> bool {
        self.epoch.as_ref().is_some_and(Epoch::is_worn)
    }

    /// Whether its updates are ordered, and so answered.
    pub(crate) fn is_ordered(&self) -> bool {
        self.spec.mode != Mode::Unordered
    }

    /// Whether the members are enough for the shard to take updates.
    pub(crate) fn is_adequate(&self) -> bool {
        let members = self.epoch.as_ref().map_or(0, |epoch| epoch.members().len());
        members >= usize::from(self.spec.min)
    }

    /// What this node holds of the shard and will hold until the view ends, if that is settled.
    pub(crate) fn held(&self, now: &ShardView, stopped: bool) -> Option<Held> {
        if let Some(epoch) = self.epoch.as_ref().filter(|epoch| stopped || epoch.is_wedged()) {
            let held = epoch.held();
            return Some(match held.how {
                Holding::Ready => held,
                Holding::Unready | Holding::Log => {
                    Held { last: self.journal.last().version, how: Holding::Unready, ..held }
                }
            });
        }
        let asked = stopped || now.fate == Fate::Lost;
        let concerned = now.members.contains(&self.me.node) || now.keepers.contains(&self.me.node);
        // A log without any line was never here, or is gone: it proves nothing.
        let logs = self.spec.mode == Mode::Durable && !self.journal.line().is_empty();
        (asked && concerned && logs).then(|| Held {
            shard: self.shard,
            since: now.since,
            slots: 0,
            last: self.journal.last().version,
            how: Holding::Log,
        })
    }

    pub(crate) fn learned(&self, now: &ShardView) -> Option<Learned> {
        let learned = self.epoch.is_none() && self.learned == Some(now.since);
        learned.then_some(Learned { shard: self.shard, since: now.since })
    }

    pub(crate) fn wedge(&mut self) {
        let ordered = self.is_ordered();
        if let Some(epoch) = self.epoch.as_mut().filter(|epoch| ordered && !epoch.is_wedged()) {
            epoch.wedge();
        }
    }

    /// Ends the epoch, if there is one, where the shard's next entry says. Who holds less than that
    /// ends it as it is; it cannot tell what became of its own updates.
    pub(crate) fn end(&mut self, next: &ShardView, out: &mut Vec<Effect>) -> Option<Left> {
        let epoch = self.epoch.take()?;
        self.past.join(epoch.marks());
        let held = epoch.held();
        let whole = held.how == Holding::Ready && held.last >= next.through;
        let nothing = next.through == epoch.start().through;
        let settles =
            next.fate == Fate::Held && next.through >= epoch.last().version && (whole || nothing);
        if !settles && self.spec.mode != Mode::Unordered {
            return Some(Left::Unknown);
        }
        let ending = epoch.finish(next.through, out);
        if held.how == Holding::Ready {
            self.note_delivered(ending.last);
        }
        Some(Left::Cut(ending.cut))
    }

    /// Begins an epoch as one of its members.
    pub(crate) fn begin(
        &mut self,
        next: &ShardView,
        limits: Limits,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let start = Start { since: next.since, through: next.through };
        let me = next.position_of(self.me.node).unwrap_or_default();
        let members = next.members.clone();
        let opening = Opening { shard: self.shard, start, members, me, spec: self.spec, limits };
        self.epoch = Some(Epoch::open(opening));
        self.opened = now.micros;
        self.learned = None;
        if self.spec.mode == Mode::Unordered {
            return;
        }
        if self.journal.last().version > next.through {
            // An earlier restart left out what this log has beyond.
            self.cut_back(self.journal.cut_for(next.through), out);
        }
        if self.journal.last().version == next.through {
            self.note_line(start, out);
        }
    }

    fn cut_back(&mut self, to: Version, out: &mut Vec<Effect>) {
        self.past.set(Mark::CutBack);
        let line = std::sync::Arc::new(self.journal.line().to_vec());
        let piece = Piece { shard: self.shard, line, part: Part::Back { to } };
        out.push(Effect::Store { from: self.me, piece });
    }

    fn note_line(&mut self, start: Start, out: &mut Vec<Effect>) {
        if self.journal.line().last().is_none_or(|last| last.since < start.since) {
            self.journal.began(start);
            out.push(Effect::Begin { shard: self.shard, start });
        }
    }

    /// Sends again what the last trim cut off, as far as it fits; what does not was not sent.
    pub(crate) fn carry(&mut self, cut: &[Cut], out: &mut Vec<Effect>) -> usize {
        let taken = self.epoch.as_mut().map_or(0, |epoch| epoch.carry(cut, out));
        if taken > 0 {
            self.past.set(Mark::Carried);
        }
        taken
    }

    /// Becomes ready once everything before the epoch is here, and safe.
    fn look_whether_ready(&mut self, out: &mut Vec<Effect>) {
        let Some(epoch) = self.epoch.as_mut().filter(|it| !it.is_ready() && !it.is_wedged()) else {
            return;
        };
        let start = epoch.start();
        let last = self.journal.last();
        let ready = match self.spec.mode {
            Mode::Unordered => true,
            Mode::Volatile => last.version == start.through,
            Mode::Durable => last.version == start.through && self.journal.synced() >= last.version,
        };
        if !ready {
            return;
        }
        epoch.become_ready(last);
        epoch.persist(self.journal.synced());
        self.dismiss_learner();
        if self.spec.mode != Mode::Unordered {
            self.note_line(start, out);
        }
    }

    /// Asks every question about the shard again.
    pub(crate) fn advance(&mut self, out: &mut Vec<Effect>) {
        self.look_whether_ready(out);
        let Some(epoch) = self.epoch.as_mut() else { return };
        epoch.advance(out);
        let last = epoch.last();
        if epoch.is_ready() {
            self.note_delivered(last);
        }
    }

    fn note_delivered(&mut self, last: Place) {
        if self.spec.mode == Mode::Unordered || last.version <= self.journal.last().version {
            return;
        }
        self.journal.appended(last);
        if self.spec.mode == Mode::Volatile {
            self.synced(last.version);
        }
    }

    pub(crate) fn synced(&mut self, through: Version) {
        self.journal.synced_to(through);
        let synced = self.journal.synced();
        if let Some(epoch) = self.epoch.as_mut() {
            epoch.persist(synced);
        }
    }

    /// Learns, where it should and does not hold the shard; `donors` have it.
    pub(crate) fn learn(
        &mut self,
        wish: &Lesson<'_>,
        now: Now,
        limits: &Limits,
        out: &mut Vec<Effect>,
    ) {
        let Lesson { wanted, donors, since } = *wish;
        let lacks = match &self.epoch {
            Some(epoch) => !epoch.is_ready() && !epoch.is_wedged(),
            None => wanted,
        };
        if !lacks || self.spec.mode == Mode::Unordered {
            self.dismiss_learner();
            if self.epoch.is_none() {
                self.learned = (wanted && self.spec.mode == Mode::Unordered).then_some(since);
            }
            return;
        }
        let shard = self.shard;
        let learner = self.learner.get_or_insert_with(|| Learner::new(shard));
        if learner.caught_up() && self.epoch.is_none() {
            self.learned = Some(since);
        }
        learner.advance(now, donors, &self.journal, limits, out);
    }

    /// Nothing more is to be learned. What is on its way into the log gets there first.
    fn dismiss_learner(&mut self) {
        if let Some(learner) = self.learner.take_if(|learner| !learner.is_storing()) {
            self.past.join(learner.marks());
        }
    }

    pub(crate) fn arrived(&mut self, from: Peer, piece: &Piece, out: &mut Vec<Effect>) {
        if let Some(learner) = self.learner.as_mut() {
            learner.arrived(from, piece, &self.journal, out);
        }
    }

    pub(crate) fn stored(&mut self, last: Place, resume: Option<Resume>) {
        match self.learner.as_mut() {
            Some(learner) => learner.stored(last, resume, &mut self.journal),
            None => self.journal.truncated(last),
        }
        if self.spec.mode == Mode::Volatile {
            self.journal.synced_to(last.version);
        }
    }

    /// Who has kept the epoch from beginning for too long.
    pub(crate) fn too_slow(&self, now: Now, limits: &Limits) -> Vec<NodeId> {
        let late = now.micros.saturating_sub(self.opened) > limits.ready_after;
        let Some(epoch) = self.epoch.as_ref().filter(|epoch| late && !epoch.is_wedged()) else {
            return Vec::new();
        };
        epoch.unready().filter(|node| *node != self.me.node).collect()
    }

    /// Who can give what a learner lacks.
    pub(crate) fn donors(&self, now: &ShardView) -> Vec<NodeId> {
        let unready: Vec<NodeId> =
            self.epoch.as_ref().map(|epoch| epoch.unready().collect()).unwrap_or_default();
        let mut donors: Vec<NodeId> = now.members.clone();
        donors.retain(|node| *node != self.me.node && !unready.contains(node));
        donors
    }

    pub(crate) fn check(&self) {
        let Some(epoch) = &self.epoch else { return };
        epoch.check();
        let ordered = self.spec.mode != Mode::Unordered && epoch.is_ready();
        assert!(
            !ordered || epoch.last() == self.journal.last(),
            "the log is not what was delivered"
        );
    }
}

/// The specs of all shards, by number.
pub(crate) fn shares(spec: &LayoutSpec, me: Peer, journals: Vec<Journal>) -> Vec<Share> {
    let mut journals = journals.into_iter();
    let share = |(shard, spec): (ShardId, ShardSpec)| {
        Share::new(shard, spec, me, journals.next().unwrap_or_else(Journal::empty))
    };
    spec.shards().map(share).collect()
}
