//! Reads that must see the latest: a round of questions to the members, whether the view is still
//! theirs, and then what was received by then has to be delivered.
//!
//! Why that is enough: what anybody was told to be delivered had been received by every member of
//! the shard's epoch before. So it is among what this member has received, unless a later view has
//! taken it in; and while more than half have not agreed to any, there is none.
//!
//! A read that only must not go behind some view spares the questions.

use std::collections::BTreeSet;
use std::time::Duration;

use notrace_store_protocol::effect::Stopped;
use notrace_store_protocol::group::{Group, Stage};
use notrace_store_protocol::ids::{NodeId, ShardId, ViewId};

use crate::error::ReadError;
use crate::host::{Need, Reader};
use crate::limits::{READ_AGAIN, READ_WAIT_MAX};

/// Somebody who wants to read.
struct Wish {
    shard: ShardId,
    reader: Reader,
    until: Duration,
}

/// A round of questions.
struct Round {
    view: ViewId,
    number: u64,
    vouched: Vec<NodeId>,
    asked: Duration,
    wishes: Vec<Wish>,
}

/// Confirmed, and waiting for what was received to be delivered.
struct Barrier {
    since: ViewId,
    slots: u64,
    wish: Wish,
}

/// All reads under way.
#[derive(Default)]
pub(crate) struct Reads {
    /// Those for whom the view has to be confirmed.
    waiting: Vec<Wish>,
    /// Those who wait for a view.
    early: Vec<Wish>,
    round: Option<Round>,
    barriers: Vec<Barrier>,
    /// Shards whose machines stand still, and have not applied what was delivered since.
    behind: BTreeSet<ShardId>,
    rounds: u64,
}

/// A question to all other members.
pub(crate) struct Question {
    pub(crate) view: ViewId,
    pub(crate) round: u64,
    pub(crate) to: Vec<NodeId>,
}

fn tell(wish: Wish, result: Result<(), ReadError>) {
    // Whoever does not wait any more need not be told.
    let _ = wish.reader.answer.send(result);
}

impl Reads {
    pub(crate) fn ask(&mut self, shard: ShardId, readers: Vec<Reader>, now: Duration) {
        let until = now + READ_WAIT_MAX;
        readers.into_iter().for_each(|reader| self.queue(Wish { shard, reader, until }));
    }

    fn queue(&mut self, wish: Wish) {
        match wish.reader.need {
            Need::Latest => self.waiting.push(wish),
            Need::Since(_) => self.early.push(wish),
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        let none_waits = self.waiting.is_empty() && self.early.is_empty();
        none_waits && self.round.is_none() && self.barriers.is_empty()
    }

    pub(crate) fn vouched(&mut self, node: NodeId, view: ViewId, number: u64) {
        if let Some(round) = &mut self.round
            && (round.view, round.number) == (view, number)
            && !round.vouched.contains(&node)
        {
            round.vouched.push(node);
        }
    }

    /// Goes as far as what is known allows; what to ask the others, if anything.
    pub(crate) fn advance(
        &mut self,
        group: &Group,
        behind: BTreeSet<ShardId>,
        now: Duration,
    ) -> Option<Question> {
        self.behind = behind;
        if self.is_idle() {
            return None;
        }
        self.end_overdue(now);
        if matches!(group.stage(), Stage::Stopped(why) if why != Stopped::Restarted) {
            self.refuse_all();
            return None;
        }
        self.pass_barriers(group);
        self.pass_early(group);
        self.end_round(group, now);
        let question = self.begin_round(group, now);
        if question.as_ref().is_some_and(|question| question.to.is_empty()) {
            // Nobody else is in the view.
            self.end_round(group, now);
            return None;
        }
        question
    }

    fn end_overdue(&mut self, now: Duration) {
        let is_over = |wish: &mut Wish| wish.until <= now || wish.reader.answer.is_canceled();
        let early = self.early.extract_if(.., is_over);
        for wish in self.waiting.extract_if(.., is_over).chain(early) {
            tell(wish, Err(ReadError::NoMajority));
        }
        if let Some(round) = &mut self.round {
            for wish in round.wishes.extract_if(.., is_over) {
                tell(wish, Err(ReadError::NoMajority));
            }
        }
        for barrier in self.barriers.extract_if(.., |barrier| is_over(&mut barrier.wish)) {
            tell(barrier.wish, Err(ReadError::NoMajority));
        }
    }

    /// Too few others can be reached to know anything.
    pub(crate) fn refuse_all(&mut self) {
        let round = self.round.take().map(|round| round.wishes).unwrap_or_default();
        let behind = std::mem::take(&mut self.barriers).into_iter().map(|barrier| barrier.wish);
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let waiting = waiting.chain(std::mem::take(&mut self.early));
        for wish in round.into_iter().chain(behind).chain(waiting) {
            tell(wish, Err(ReadError::NoMajority));
        }
    }

    fn pass_barriers(&mut self, group: &Group) {
        for barrier in std::mem::take(&mut self.barriers) {
            match group.epoch(barrier.wish.shard) {
                Some(epoch) if epoch.start().since == barrier.since => {
                    let applies = !self.behind.contains(&barrier.wish.shard);
                    if epoch.is_ready() && epoch.passed() >= barrier.slots && applies {
                        tell(barrier.wish, Ok(()));
                    } else {
                        self.barriers.push(barrier);
                    }
                }
                // Another epoch has begun; what it goes on from is asked for anew.
                _ => self.queue(barrier.wish),
            }
        }
    }

    fn pass_early(&mut self, group: &Group) {
        let Some(now) = group.view().map(|view| view.id) else { return };
        let has_come =
            |wish: &mut Wish| matches!(wish.reader.need, Need::Since(view) if view <= now);
        let come: Vec<Wish> = self.early.extract_if(.., has_come).collect();
        for wish in come {
            self.pass_what_is_received(group, wish);
        }
    }

    /// Tells the reader once everything is delivered here that has been received by now.
    fn pass_what_is_received(&mut self, group: &Group, wish: Wish) {
        let Some(epoch) = group.epoch(wish.shard) else {
            return tell(wish, Err(ReadError::NotHere));
        };
        // Before all are ready nothing of the epoch was delivered to anybody.
        let slots = if epoch.is_ready() { epoch.heard() } else { 0 };
        let applies = !self.behind.contains(&wish.shard);
        if epoch.is_ready() && epoch.passed() >= slots && applies {
            tell(wish, Ok(()));
        } else {
            self.barriers.push(Barrier { since: epoch.start().since, slots, wish });
        }
    }

    fn end_round(&mut self, group: &Group, now: Duration) {
        let Some(view) = group.view() else { return self.give_up() };
        let Some(round) = self.round.take_if(|round| {
            let enough = round.vouched.len() + 1 >= view.majority();
            round.view != view.id || enough || now.saturating_sub(round.asked) >= READ_AGAIN
        }) else {
            return;
        };
        let confirmed = round.vouched.len() + 1 >= view.majority();
        if round.view != view.id || !confirmed || !group.vouches_for(view.id) {
            return self.waiting.extend(round.wishes);
        }
        for wish in round.wishes {
            self.pass_what_is_received(group, wish);
        }
    }

    fn give_up(&mut self) {
        if let Some(round) = self.round.take() {
            self.waiting.extend(round.wishes);
        }
    }

    fn begin_round(&mut self, group: &Group, now: Duration) -> Option<Question> {
        if self.round.is_some() || self.waiting.is_empty() {
            return None;
        }
        let view = group.view()?;
        if !group.vouches_for(view.id) {
            return None;
        }
        self.rounds += 1;
        let wishes = std::mem::take(&mut self.waiting);
        let (number, vouched) = (self.rounds, Vec::new());
        self.round = Some(Round { view: view.id, number, vouched, asked: now, wishes });
        let me = group.peer().node;
        let to = view.members.iter().map(|member| member.node).filter(|node| *node != me);
        Some(Question { view: view.id, round: number, to: to.collect() })
    }
}
