//! The questions that end a view that works, asked after every event.
//!
//! ```text
//! suspect → wedge what it touches → prefer the leader's ballot → (leader) propose once all who go
//! on have wedged and prefer it → echo → more than half echoed: decided
//! ```

use std::sync::Arc;

use crate::effect::{Effect, Stopped};
use crate::event::Now;
use crate::ids::{Rank, ShardId};
use crate::mark::Mark;
use crate::membership::acceptor::Lives;
use crate::membership::draft::{self, Draft, Situation, Standing};
use crate::membership::{Local, Membership, Mode, Rules, Verdict};
use crate::row::{Ballot, Call, Proposal};
use crate::view::{Fate, View};

impl Membership {
    /// Asks who has failed by what others say, and whether those who are left may go on.
    pub(crate) fn look(&mut self, now: Now, out: &mut Vec<Effect>) {
        if !self.is_serving() {
            return;
        }
        self.hear_suspicions();
        if self.standing().count() < self.view.majority() {
            self.stop(Stopped::Minority, now, out);
        } else if self.is_accused() {
            self.stop(Stopped::Suspected, now, out);
        }
    }

    /// Suspicion spreads, from those who are not suspected themselves. Who has stopped says so.
    fn hear_suspicions(&mut self) {
        loop {
            let before = self.suspected;
            for rank in 0..self.view.members.len() as u16 {
                let rank = Rank(rank);
                if rank == self.me || self.is_suspected(rank) {
                    continue;
                }
                let Some(row) = self.table.row(rank).cloned() else { continue };
                if row.stopped {
                    self.suspect(rank);
                    continue;
                }
                let accused = row.suspected & !self.suspected & !(1 << self.me.0);
                for other in 0..self.view.members.len() as u16 {
                    if accused >> other & 1 == 1 {
                        self.suspect(Rank(other));
                    }
                }
            }
            if self.suspected == before {
                return;
            }
        }
    }

    fn is_accused(&self) -> bool {
        let mut standing = self.standing().filter_map(|(rank, _)| self.table.row(rank));
        standing.any(|row| !row.stopped && row.suspected >> self.me.0 & 1 == 1)
    }

    /// Whether this member has to wedge a shard that it holds: it has stopped, the leader called
    /// it, or a member of it has failed.
    pub(crate) fn wants_wedged(&self, shard: ShardId) -> bool {
        if !self.is_serving() {
            return true;
        }
        let called = self.called().is_some_and(|call| call.shards.contains(&shard));
        let members = self.view.shard(shard).map(|shard| &shard.members);
        called
            || members.is_some_and(|members| {
                self.suspected != 0 && members.iter().any(|node| self.is_suspected_node(*node))
            })
    }

    /// The lowest rank that is not suspected.
    fn leader(&self) -> Rank {
        self.standing().next().map_or(self.me, |(rank, _)| rank)
    }

    /// What the leader of a view that works called.
    fn called(&self) -> Option<&Call> {
        let leader = self.leader();
        let call = match leader == self.me {
            true => self.call.as_ref(),
            false => self.table.row(leader).and_then(|row| row.call.as_ref()),
        };
        call.filter(|call| call.ballot == Ballot { attempt: 0, rank: leader })
    }

    /// Goes as far as the rows allow. What the shards hold is told first, so that everything else
    /// that is told relies on it.
    pub(crate) fn advance(
        &mut self,
        now: Now,
        rules: Rules<'_>,
        local: &Local,
        number: &mut u64,
        out: &mut Vec<Effect>,
    ) -> Verdict {
        loop {
            let bound = match self.mode {
                Mode::Serving => self.end(rules, local),
                Mode::Stopped(_) => self.restart(now, rules, local),
            };
            if bound | self.echo_the_highest() {
                *number += 1;
                let lives = Lives { born: rules.born, life: self.peer.life };
                self.acceptor.write(lives, &self.view, *number, out);
            }
            let news = self.push(local, out);
            if let Some(view) = self.decided() {
                return Verdict::Install(view);
            }
            if !news {
                return Verdict::Go;
            }
        }
    }

    /// Prefers the leader, and leads. Says whether something is to be written down: a promise of
    /// attempt 0 is not.
    fn end(&mut self, rules: Rules<'_>, local: &Local) -> bool {
        let leader = self.leader();
        let ballot = Ballot { attempt: 0, rank: leader };
        if leader == self.me && self.proposal.is_none() {
            self.lead(ballot, rules, local);
        }
        if self.suspected != 0 || self.called().is_some() {
            self.acceptor.promise(ballot);
        }
        false
    }

    /// The leader's part: calls for what has to be wedged, and proposes once all who go on have
    /// wedged it and prefer the leader's ballot.
    fn lead(&mut self, ballot: Ballot, rules: Rules<'_>, local: &Local) {
        let mine = Arc::new(self.row_now(local));
        let row = |rank: Rank| if rank == self.me { Some(&mine) } else { self.table.row(rank) };
        let standing: Vec<Standing<'_>> = self
            .standing()
            .filter_map(|(rank, member)| Some(Standing { member: *member, row: row(rank)? }))
            .collect();
        let complete = standing.len() == self.standing().count();
        let urgent = self.suspected != 0 || self.call.is_some();
        if !complete && !urgent {
            return; // Somebody has not said anything yet.
        }
        let called = self.to_change(&standing);
        let Some(draft) = self.draft(&standing, &called, rules) else { return };
        let mut shards = [called, draft.wedge.clone()].concat();
        shards.sort_unstable();
        shards.dedup();
        let ready = |standing: &Standing<'_>| {
            let prefers = standing.row.promised == Some(ballot);
            prefers && shards.iter().all(|shard| self.has_wedged(standing, *shard))
        };
        let ready = complete && standing.iter().all(ready);
        let echoes = standing.iter().filter_map(|standing| standing.row.echo.as_ref());
        let kept = echoes.filter(|echo| echo.ballot < ballot).max_by_key(|echo| echo.ballot);
        let kept = kept.map(|echo| echo.view.clone());
        if self.call.as_ref().is_none_or(|call| call.shards != shards) {
            self.call = Some(Call { ballot, shards });
        } else if ready {
            self.propose(ballot, kept, draft);
        }
    }

    /// Shards that change whatever else does: those called, and those that somebody has wedged for
    /// an earlier leader, because only a new epoch takes a wedge away.
    fn to_change(&self, standing: &[Standing<'_>]) -> Vec<ShardId> {
        let mut shards = self.call.as_ref().map_or(Vec::new(), |call| call.shards.clone());
        for held in standing.iter().flat_map(|standing| &standing.row.held) {
            let now = self.view.shard(held.shard);
            let goes_on = now.is_some_and(|now| now.fate == Fate::Held && now.since == held.since);
            if goes_on && !shards.contains(&held.shard) {
                shards.push(held.shard);
            }
        }
        shards
    }

    fn draft(
        &self,
        standing: &[Standing<'_>],
        called: &[ShardId],
        rules: Rules<'_>,
    ) -> Option<Draft> {
        let joiners = self.joiners.iter().map(|joiner| joiner.member);
        let strangers = joiners.filter(|member| self.view.rank_of(member.node).is_none());
        draft::next(&Situation {
            view: &self.view,
            spec: rules.spec,
            standing,
            joiners: &strangers.collect::<Vec<_>>(),
            called,
            given_up: &self.given_up,
        })
    }

    /// Proposes what may have been decided already, in a lower ballot; else what was drafted.
    fn propose(&mut self, ballot: Ballot, kept: Option<Arc<View>>, draft: Draft) {
        let fresh = kept.is_none();
        let Some(view) = kept.or(draft.view) else { return };
        if fresh {
            self.marks.join(draft.marks);
        }
        if ballot.rank.0 > 0 {
            self.marks.set(if fresh { Mark::TakeOverFresh } else { Mark::TakeOverKept });
        }
        self.proposal = Some(Arc::new(Proposal { ballot, view }));
    }

    /// Whether one who goes on has wedged a shard, or does not hold it.
    fn has_wedged(&self, standing: &Standing<'_>, shard: ShardId) -> bool {
        let Some(now) = self.view.shard(shard) else { return true };
        let concerned = now.fate == Fate::Held && now.members.contains(&standing.member.node);
        let told = |held: &crate::row::Held| held.shard == shard && held.since == now.since;
        !concerned || standing.row.held.iter().any(told)
    }

    /// Copies the proposal of the highest ballot, if this member is free to; says whether it did.
    fn echo_the_highest(&mut self) -> bool {
        let lives = self.view.member(self.me).is_some_and(|it| it.life == self.peer.life);
        let rows = self.table.rows().filter_map(|(rank, row)| {
            let proposal = row.proposal.as_ref()?;
            // Attempt 0 belongs to those who have never crashed in this view.
            let may = lives || proposal.ballot.attempt > 0;
            (may && proposal.ballot.rank == rank).then_some(proposal)
        });
        let own = self.proposal.as_ref();
        let highest = rows.chain(own).max_by_key(|proposal| proposal.ballot).cloned();
        highest.is_some_and(|proposal| self.acceptor.echo(&proposal))
    }
}
