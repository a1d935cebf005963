//! One view, from its installation to the agreement on its successor.
//!
//! `basis` says from what a shard can go on, `draft` what the next view would be: both are pure
//! functions. `table` holds everyone's rows; `acceptor` what this member has bound itself to;
//! `ending` asks the questions that end a view that works, `restart` those that end one that does
//! not; `telling` writes the own row. This file holds what they share.
//!
//! The successor of a view is decided once, by more than half of the view's members: a leader asks
//! them to prefer its ballot, keeps the proposal of the highest ballot that any of them echoed or
//! else makes its own, and what more than half echo in one ballot is decided. No step blocks, and
//! every step is asked again after every event, so no failure in the middle is a case of its own.
//!
//! Source: Jha et al., "Derecho", TOCS 2019, §3.3; ballots as in Lamport, "The Part-Time
//! Parliament" (1998); proved in `store/proofs/ivy/ragged.ivy`.

mod acceptor;
mod basis;
mod draft;
mod ending;
mod restart;
mod table;
mod telling;

use std::sync::Arc;

pub(crate) use acceptor::Acceptor;
pub(crate) use table::Table;

use crate::effect::{Effect, Stopped};
use crate::event::Now;
use crate::ids::{Life, NodeId, Rank, ShardId};
use crate::layout::LayoutSpec;
use crate::limits::{JOINERS_MAX, Limits};
use crate::mark::{Mark, Marks};
use crate::message::{Peer, Write};
use crate::row::{Ballot, Call, Held, Learned, MemberGuard, MemberRow};
use crate::view::{Duty, Member, View};

/// Whether a member takes part in its view, or only in ending it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Mode {
    Serving,
    Stopped(Stopped),
}

/// Somebody who asked to join.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Joiner {
    member: Member,
    heard: u64,
}

/// What the shards of this node let the membership tell.
pub(crate) struct Local {
    /// What is wedged here; for a stopped member all that it holds. Ascending by shard.
    pub(crate) held: Vec<Held>,
    /// What this node has learned. Ascending by shard.
    pub(crate) learned: Vec<Learned>,
}

/// This member's part in one view.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Membership {
    view: Arc<View>,
    peer: Peer,
    me: Rank,
    mode: Mode,
    table: Table,
    acceptor: Acceptor,
    beat: u64,
    ticked: u64,
    /// When a stopped member told its row to everybody last.
    repeated: u64,
    suspected: u64,
    leaving: bool,
    call: Option<Call>,
    proposal: Option<Arc<crate::row::Proposal>>,
    joiners: Vec<Joiner>,
    given_up: Vec<ShardId>,
    /// When a restart made progress last: the highest promise moved, or the view began.
    moved: u64,
    /// The record that says that this member is in this view, until it is on the disk; before that
    /// nobody hears of this member's row.
    noting: Option<u64>,
    /// Members of the view before who are not in this one: they wait to hear that it is safe.
    former: Vec<NodeId>,
    /// When our call got a majority.
    majority_at: Option<u64>,
    marks: Marks,
}

/// What the membership asks of the group after it has looked at everything.
pub(crate) enum Verdict {
    /// Nothing.
    Go,
    /// This view was decided.
    Install(Arc<View>),
}

impl Membership {
    /// A member's part in a view that it enters, or whose member it was in an earlier life.
    pub(crate) fn new(view: Arc<View>, peer: Peer, me: Rank, acceptor: Acceptor, now: Now) -> Self {
        let lives = view.member(me).is_some_and(|member| member.life == peer.life);
        let mode = if lives { Mode::Serving } else { Mode::Stopped(Stopped::Restarted) };
        let mut table = Table::of(&view, now.micros);
        table.reborn(me, peer, now.micros);
        Self {
            view,
            peer,
            me,
            mode,
            table,
            acceptor,
            beat: 0,
            ticked: now.micros,
            repeated: now.micros,
            suspected: 0,
            leaving: false,
            call: None,
            proposal: None,
            joiners: Vec::new(),
            given_up: Vec::new(),
            moved: now.micros,
            noting: None,
            former: Vec::new(),
            majority_at: None,
            marks: Marks::default(),
        }
    }

    pub(crate) fn view(&self) -> &Arc<View> {
        &self.view
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.mode == Mode::Serving
    }

    pub(crate) fn has_echoed(&self) -> bool {
        self.acceptor.has_echoed()
    }

    pub(crate) fn marks(&self) -> Marks {
        self.marks
    }

    pub(crate) fn leave(&mut self) {
        self.leaving = true;
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving
    }

    pub(crate) fn give_up(&mut self, shard: ShardId) {
        if !self.given_up.contains(&shard) && self.view.shard(shard).is_some() {
            self.given_up.push(shard);
        }
    }

    pub(crate) fn is_suspected(&self, rank: Rank) -> bool {
        self.suspected >> rank.0 & 1 == 1
    }

    pub(crate) fn is_suspected_node(&self, node: NodeId) -> bool {
        self.view.rank_of(node).is_some_and(|rank| self.is_suspected(rank))
    }

    /// Those not held to have failed, by rank; this member among them.
    pub(crate) fn standing(&self) -> impl Iterator<Item = (Rank, &Member)> {
        let ranked = self.view.members.iter().zip(0..).map(|(member, rank)| (Rank(rank), member));
        ranked.filter(|(rank, _)| !self.is_suspected(*rank))
    }

    /// Holds a member to have failed. In a view that works that is for good.
    pub(crate) fn suspect(&mut self, rank: Rank) {
        if rank == self.me || self.is_suspected(rank) || !self.is_serving() {
            return;
        }
        if self.call.is_some() || self.acceptor.promised().is_some() {
            self.marks.set(Mark::SuspectedDuringFlush);
        }
        self.suspected |= 1 << rank.0;
    }

    pub(crate) fn suspect_node(&mut self, node: NodeId) {
        if let Some(rank) = self.view.rank_of(node) {
            self.suspect(rank);
        }
    }

    /// A peer's data came.
    pub(crate) fn arrived(&mut self, from: Peer, row: &Arc<MemberRow>, now: Now) {
        let Some(rank) = self.heeds(from, now) else { return };
        if row.view == self.view.id && row.life == from.life {
            self.table.arrived(rank, row);
        }
    }

    /// A peer's guard came; says whether there is news in it.
    pub(crate) fn guarded(&mut self, from: Peer, guard: MemberGuard, now: Now) -> bool {
        let Some(rank) = self.heeds(from, now) else { return false };
        if guard.view != self.view.id || guard.life != from.life {
            return false;
        }
        let before = self.highest_promise();
        let news = self.table.guarded(rank, guard, now.micros);
        if self.highest_promise() > before {
            self.moved = now.micros;
        }
        news
    }

    /// Whether a peer's row is heard at all, and which it is. A suspect's is not, in a view that
    /// works; a later life of a member is not that member, and is evidence.
    fn heeds(&mut self, from: Peer, now: Now) -> Option<Rank> {
        let rank = self.view.rank_of(from.node).filter(|rank| *rank != self.me)?;
        if !self.is_serving() {
            self.table.reborn(rank, from, now.micros);
        }
        let life = self.table.entry(rank)?.life;
        if from.life > life {
            self.suspect(rank);
        }
        (from.life == life && !self.is_suspected(rank)).then_some(rank)
    }

    /// Somebody asked to join. A member that asks has lost what it was.
    pub(crate) fn asked_to_join(&mut self, from: Peer, duty: Duty, now: Now) {
        let rank = self.view.rank_of(from.node);
        let member = rank.and_then(|rank| self.view.member(rank));
        if member.is_some_and(|member| member.life < from.life) {
            self.suspect_node(from.node);
        }
        let member = Member { node: from.node, life: from.life, duty };
        self.joiners.retain(|joiner| joiner.member.node != from.node);
        if self.joiners.len() < JOINERS_MAX {
            self.joiners.push(Joiner { member, heard: now.micros });
            self.joiners.sort_unstable_by_key(|joiner| joiner.member.node);
        }
    }

    pub(crate) fn linked(&mut self, peer: Peer, now: Now) {
        // A link that leads to a new life leads to a stranger.
        if let Some(rank) = self.heeds(peer, now) {
            self.table.linked(rank);
        }
    }

    pub(crate) fn broke(&mut self, peer: Peer, now: Now) {
        let Some(rank) = self.view.rank_of(peer.node) else { return };
        if self.table.entry(rank).is_some_and(|entry| entry.life == peer.life) {
            self.table.broke(rank, now.micros);
        }
    }

    pub(crate) fn recorded(&mut self, number: u64) -> bool {
        let noted = self.noting.take_if(|noting| *noting <= number).is_some();
        self.acceptor.recorded(number) | noted
    }

    /// Its view is being written down in this record.
    pub(crate) fn is_noted_by(&mut self, number: u64) {
        self.noting = Some(number);
    }

    /// Whether its view is on the disk, so that its row may be heard.
    pub(crate) fn is_noted(&self) -> bool {
        self.noting.is_none()
    }

    /// Whom the layout wants in which shard, of those who go on.
    pub(crate) fn targets(&self, spec: &LayoutSpec) -> Vec<Vec<NodeId>> {
        let candidates: Vec<_> = self
            .standing()
            .map(|(rank, member)| {
                let told = self.table.row(rank).is_some_and(|row| row.leaving);
                draft::candidate(member, if rank == self.me { self.leaving } else { told })
            })
            .collect();
        draft::targets(spec, &self.view, &candidates)
    }

    /// Moves the heartbeat, and looks whose has stood still.
    pub(crate) fn tick(&mut self, now: Now, limits: &Limits, out: &mut Vec<Effect>) {
        if now.micros.saturating_sub(self.ticked) > limits.suspect_after / 2 {
            self.table.forgive_all(now.micros);
            self.moved = now.micros;
        }
        self.ticked = now.micros;
        self.joiners.retain(|it| now.micros.saturating_sub(it.heard) <= limits.suspect_after);
        self.suspect_the_silent(now, limits);
        self.beat += 1;
        let repeats =
            !self.is_serving() && now.micros.saturating_sub(self.repeated) >= limits.ask_again;
        if let (true, Some(row)) = (repeats, self.table.row(self.me).cloned()) {
            // Whoever has gone on without us answers this with the view it is in.
            self.repeated = now.micros;
            self.tell_all(&Write::Member(row), out);
        }
        if let Some(guard) = self.guard() {
            self.tell_all(&Write::Guard(guard), out);
        }
    }

    fn suspect_the_silent(&mut self, now: Now, limits: &Limits) {
        if !self.is_serving() {
            return;
        }
        let silent = |since: u64, limit: u64| now.micros.saturating_sub(since) > limit;
        let ranks: Vec<Rank> = self
            .table
            .entries()
            .filter(|(_, entry)| {
                let broken = entry.broken.is_some_and(|at| silent(at, limits.suspect_after_break));
                broken || silent(entry.heard, limits.suspect_after)
            })
            .map(|(rank, _)| rank)
            .collect();
        for rank in ranks {
            self.suspect(rank);
        }
    }

    /// Whether a stopped peer has been heard of lately.
    fn is_reachable(&self, rank: Rank, now: Now, limits: &Limits) -> bool {
        let heard = self.table.entry(rank).map(|entry| entry.heard);
        rank == self.me
            || heard.is_some_and(|at| now.micros.saturating_sub(at) <= limits.suspect_after)
    }

    fn highest_promise(&self) -> Option<Ballot> {
        self.table.rows().filter_map(|(_, row)| row.promised).max()
    }

    /// Which proposal has more than half of the view's members echo it, in one ballot.
    fn decided(&self) -> Option<Arc<View>> {
        let echoes = || self.table.rows().filter_map(|(_, row)| row.echo.as_ref());
        let agreed = echoes().find(|echo| {
            let same = echoes().filter(|other| other.ballot == echo.ballot).count();
            same >= self.view.majority()
        })?;
        Some(agreed.view.clone())
    }

    /// Stops taking part in the view other than to end it.
    fn stop(&mut self, why: Stopped, now: Now, out: &mut Vec<Effect>) {
        self.mode = Mode::Stopped(why);
        self.marks.set(match why {
            Stopped::Minority => Mark::StoppedMinority,
            Stopped::Suspected | Stopped::Restarted | Stopped::Departed => Mark::StoppedSuspected,
        });
        // Whom it suspected does not count in a restart; who can be heard does.
        self.suspected = 0;
        self.moved = now.micros;
        out.push(Effect::Stop { why });
    }

    /// Whether this member is in the view in this very life.
    pub(crate) fn lives(&self) -> bool {
        self.view.member_in(self.peer.node, self.peer.life).is_some()
    }

    /// Who is held to have failed, a bit for each rank.
    pub(crate) fn suspects(&self) -> u64 {
        self.suspected
    }

    /// Takes over what outlives a view: who failed has failed, whoever wanted in or out still does.
    pub(crate) fn inherit(&mut self, old: &Membership) {
        self.beat = old.beat;
        self.ticked = old.ticked;
        let members = old.view.members.iter().map(|member| member.node);
        self.former = members.filter(|node| self.view.rank_of(*node).is_none()).collect();
        self.leaving = old.leaving;
        // Whoever got in has what it asked for, and whoever was thrown out has to ask again.
        let was = |joiner: &Joiner, view: &View| {
            let member =
                view.rank_of(joiner.member.node).and_then(|rank| view.member(rank).copied());
            member.is_some_and(|member| member.life >= joiner.member.life)
        };
        self.joiners.clone_from(&old.joiners);
        let new = self.view.clone();
        self.joiners.retain(|joiner| !was(joiner, &old.view) && !was(joiner, &new));
        self.given_up = old.given_up.clone();
        self.given_up.retain(|shard| {
            self.view.shard(*shard).is_some_and(|shard| shard.fate == crate::view::Fate::Lost)
        });
        let failed = old.view.members.iter().zip(0..).filter(|(_, at)| old.is_suspected(Rank(*at)));
        for (member, _) in failed {
            let same = self.view.member_in(member.node, member.life);
            if let (Some(rank), true) = (same, self.is_serving()) {
                self.suspect(rank);
            }
        }
    }

    /// What holds between any two events.
    pub(crate) fn check(&self) {
        assert!(!self.is_suspected(self.me), "a member suspects itself");
        let Some(mine) = self.table.row(self.me) else { return };
        assert!(mine.promised <= self.acceptor.promised(), "told a promise that was not given");
        if let (Some(echo), Some(promised)) = (&mine.echo, self.acceptor.promised()) {
            assert!(echo.ballot <= promised, "echoed above the promise");
        }
        if let Some(proposal) = &mine.proposal {
            assert!(proposal.ballot.rank == self.me, "proposed in another's ballot");
        }
        if let Some(call) = &mine.call {
            assert!(call.ballot.rank == self.me, "called in another's ballot");
            assert!(mine.promised >= Some(call.ballot), "called before promising");
        }
    }
}

/// What holds for the whole group.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) spec: &'a LayoutSpec,
    pub(crate) limits: &'a Limits,
    /// The first life that this node's disk remembers.
    pub(crate) born: Life,
}
