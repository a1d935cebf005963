//! The questions that end a view that does not work: too many of its members are gone, or came back
//! without their memory. The agreement is the same one, in later attempts; what differs is who
//! leads, and that shards go on from what the members report to hold, in memory or in their logs.
//!
//! Source: Derecho's total restart (Jha et al., TOCS 2019, §3.6), with ballots instead of a restart
//! leader that must not fail, and with logs that were written ahead instead of trim files.

use std::sync::Arc;

use crate::event::Now;
use crate::ids::Rank;
use crate::limits::Limits;
use crate::mark::Mark;
use crate::membership::draft::{self, Standing};
use crate::membership::{Local, Membership, Rules};
use crate::row::{Ballot, Call, MemberRow, Proposal};
use crate::view::Member;

impl Membership {
    /// Prefers the highest ballot called, and leads where it is the one to. Says whether a promise
    /// is to be written down.
    pub(super) fn restart(&mut self, now: Now, rules: Rules<'_>, local: &Local) -> bool {
        if self.is_due_to_call(now, rules.limits) {
            let attempt = self.highest_attempt() + 1;
            let ballot = Ballot { attempt, rank: self.me };
            self.call = Some(Call { ballot, shards: Vec::new() });
            self.proposal = None;
            self.majority_at = None;
            self.moved = now.micros;
        }
        self.propose_restart(now, rules, local);
        let own = self.call.as_ref().map(|call| call.ballot).filter(|ballot| ballot.attempt > 0);
        let called = self.table.rows().filter_map(|(rank, row)| {
            let call = row.call.as_ref().filter(|call| call.ballot.attempt > 0)?;
            let led = call.ballot.rank == rank && row.stopped;
            (led && self.is_reachable(rank, now, rules.limits)).then_some(call.ballot)
        });
        let highest = called.chain(own).max();
        let news = highest.is_some_and(|ballot| self.acceptor.promise(ballot));
        if news {
            self.moved = now.micros;
        }
        news
    }

    /// Whether to begin an attempt: more than half can be heard, it is ours to lead, and nobody
    /// else is getting anywhere. Each later rank waits longer, so that two seldom call at once.
    fn is_due_to_call(&self, now: Now, limits: &Limits) -> bool {
        let heard: Vec<Rank> = self.stopped(now, limits).collect();
        if heard.len() < self.view.majority() {
            return false;
        }
        let before_me = heard.iter().filter(|rank| **rank < self.me).count() as u64;
        let idle = self.acceptor.promised().is_none_or(|ballot| ballot.attempt == 0);
        let patience = match (idle, before_me) {
            (true, 0) => 0,
            (_, before) => limits.restart_patience * (1 + before),
        };
        let waiting = self.majority_at.map_or(0, |_| limits.restart_wait);
        now.micros.saturating_sub(self.moved) >= patience + waiting
    }

    /// Those who have stopped in this view and can be heard, and this member, by rank.
    fn stopped(&self, now: Now, limits: &Limits) -> impl Iterator<Item = Rank> {
        (0..self.view.members.len() as u16).map(Rank).filter(move |rank| {
            let says_so = self.table.row(*rank).is_some_and(|row| row.stopped);
            *rank == self.me || says_so && self.is_reachable(*rank, now, limits)
        })
    }

    fn highest_attempt(&self) -> u32 {
        let rows = self.table.rows().flat_map(|(_, row)| {
            let echo = row.echo.as_ref().map(|echo| echo.ballot);
            [row.promised, row.call.as_ref().map(|call| call.ballot), echo]
        });
        let own = [self.acceptor.promised(), self.call.as_ref().map(|call| call.ballot)];
        rows.chain(own).flatten().map(|ballot| ballot.attempt).max().unwrap_or(0)
    }

    fn propose_restart(&mut self, now: Now, rules: Rules<'_>, local: &Local) {
        let Some(ballot) = self.call.as_ref().map(|call| call.ballot) else { return };
        if self.proposal.is_some() || ballot.attempt == 0 {
            return;
        }
        let mine = Arc::new(self.row_now(local));
        if self.promisers(ballot, &mine).len() < self.view.majority() {
            return;
        }
        self.majority_at.get_or_insert(now.micros);
        let standing = self.promisers(ballot, &mine);
        let reachable = self.stopped(now, rules.limits).count();
        let since = self.majority_at.unwrap_or(now.micros);
        let kept = standing.iter().filter_map(|standing| standing.row.echo.as_ref());
        let kept = kept.max_by_key(|echo| echo.ballot).map(|echo| echo.view.clone());
        if let Some(view) = kept {
            self.marks.set(Mark::RestartKept);
            self.proposal = Some(Arc::new(Proposal { ballot, view }));
            return;
        }
        let drafted = draft::after_restart(&self.view, rules.spec, &standing);
        let Some((view, marks, loses)) = drafted else { return };
        let waited = now.micros.saturating_sub(since) >= rules.limits.restart_wait;
        let everybody = standing.len() == self.view.members.len();
        // Who is missing may be the one who has what is missing; who is here is about to answer.
        if (loses && !everybody || standing.len() < reachable) && !waited {
            return;
        }
        self.marks.join(marks);
        self.marks.set(if loses { Mark::RestartLost } else { Mark::RestartFresh });
        self.proposal = Some(Arc::new(Proposal { ballot, view }));
    }

    /// Those who prefer this ballot of ours, in the lives in which they do, and what they report.
    fn promisers<'a>(&'a self, ballot: Ballot, mine: &'a Arc<MemberRow>) -> Vec<Standing<'a>> {
        let ranked = self.view.members.iter().zip(0..).map(|(member, rank)| (member, Rank(rank)));
        let standing = ranked.filter_map(|(member, rank)| {
            let row = if rank == self.me { mine } else { self.table.row(rank)? };
            let prefers = row.stopped && row.promised == Some(ballot);
            let member = Member { life: row.life, ..*member };
            prefers.then_some(Standing { member, row })
        });
        standing.collect()
    }
}
