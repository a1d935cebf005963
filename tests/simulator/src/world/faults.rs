//! Doing to the world what the plan says.

use notrace_store_protocol::event::Event;
use notrace_store_protocol::ids::{Life, ShardId};
use notrace_store_protocol::machine::Durability;
use notrace_store_protocol::rpc::Gather;
use notrace_store_protocol::view::Fate;

use super::World;
use super::node::{Status, bit, node_id};
use super::queue::Happening;
use super::sends::Op;
use crate::checks::Verdict;
use crate::plan::{Action, Loss, Micros, Moment, Victim};

/// An ambush that waits for its moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ambush {
    moment: Moment,
    victim: Victim,
    loss: Loss,
    after: Micros,
}

impl World {
    /// Does something to the world. Nodes that are not there are left alone.
    pub(crate) fn fault(&mut self, what: Action) -> Verdict {
        match what {
            Action::Crash { node, loss, loud } => match self.at(node) {
                Some(at) if self.may_lose(at, loss) => self.crash(at, loss, loud),
                _ => Ok(()),
            },
            Action::Start { node } => self.at(node).map_or(Ok(()), |at| self.start(at)),
            Action::Never { node } => {
                if let Some(at) = self.at(node) {
                    self.nodes[at].never = true;
                }
                Ok(())
            }
            Action::Pause { node } => {
                if let Some(at) = self.at(node) {
                    self.nodes[at].paused = self.nodes[at].status == Status::Up;
                }
                Ok(())
            }
            Action::Resume { node } => self.at(node).map_or(Ok(()), |at| self.resume(at)),
            Action::Leave { node } => match self.at(node) {
                Some(at) if self.nodes[at].is_running() => {
                    self.nodes[at].leaving = true;
                    self.step(at, Event::Leave)
                }
                _ => Ok(()),
            },
            Action::Refound { shard } => self.refound(shard),
            Action::Burst { node, shard, count } => self.burst(node, shard, count),
            Action::Checkpoint { node, shard } => match self.at(node) {
                Some(at) if shard < self.plan.shape.shards.len() => self.checkpoint(at, shard),
                _ => Ok(()),
            },
            Action::Suspect { node, by } => match (self.at(node), self.at(by)) {
                (Some(at), Some(by)) if self.nodes[by].is_running() => {
                    self.step(by, Event::Suspect { node: node_id(at) })
                }
                _ => Ok(()),
            },
            Action::Ambush { moment, victim, loss, after } => {
                self.ambushes.push(Ambush { moment, victim, loss, after });
                Ok(())
            }
            other => {
                self.disturb(other);
                Ok(())
            }
        }
    }

    /// What concerns links and clocks only.
    fn disturb(&mut self, what: Action) {
        match what {
            Action::Break { one, other } => {
                if let (Some(one), Some(other)) = (self.at(one), self.at(other))
                    && one != other
                {
                    self.break_link(one, other, true);
                }
            }
            Action::Block { from, to } | Action::Unblock { from, to } => {
                if let (Some(from), Some(to)) = (self.at(from), self.at(to)) {
                    self.set_blocked(from, to, matches!(what, Action::Block { .. }));
                }
            }
            Action::Split { set } => {
                for one in 0..self.nodes.len() {
                    for other in 0..self.nodes.len() {
                        if (set & bit(one) == 0) != (set & bit(other) == 0) {
                            self.set_blocked(one, other, true);
                        }
                    }
                }
            }
            Action::Heal => {
                for one in 0..self.nodes.len() {
                    for other in 0..self.nodes.len() {
                        self.set_blocked(one, other, false);
                    }
                }
            }
            Action::SlowLinks { node, times } => {
                if let Some(at) = self.at(node) {
                    self.links.slowness[at] = times.max(1);
                }
            }
            Action::SlowDisk { node, times } => {
                if let Some(at) = self.at(node) {
                    self.nodes[at].disk.slowness = times.max(1);
                }
            }
            Action::Jump { node, by } => {
                if let Some(at) = self.at(node) {
                    self.nodes[at].skew += by;
                }
            }
            _ => {}
        }
    }

    fn at(&self, node: usize) -> Option<usize> {
        node.checked_sub(1).filter(|at| *at < self.nodes.len())
    }

    /// Before the founder has written anything down there is no group that could survive.
    fn may_lose(&self, at: usize, loss: Loss) -> bool {
        let wrote = |it: &super::node::Node| {
            it.disk.durable.as_ref().is_some_and(|durable| durable.view.is_some())
        };
        let spared = |it: &&super::node::Node| loss != Loss::Lost || it.index != at;
        self.nodes.iter().filter(spared).any(wrote)
    }

    fn resume(&mut self, at: usize) -> Verdict {
        if !std::mem::replace(&mut self.nodes[at].paused, false) {
            return Ok(());
        }
        while let Some(what) = self.nodes[at].missed.pop_front() {
            self.queue.push(self.now, what);
        }
        Ok(())
    }

    fn refound(&mut self, shard: usize) -> Verdict {
        let latest = self.checks.history.latest();
        let lost = latest.and_then(|view| view.shards.get(shard));
        if lost.is_none_or(|shard| shard.fate != Fate::Lost) {
            return Ok(());
        }
        self.checks.history.given_up |= 1 << shard;
        for at in 0..self.nodes.len() {
            if self.nodes[at].is_running() {
                self.step(at, Event::Refound { shard: ShardId(shard as u16) })?;
            }
        }
        Ok(())
    }

    fn burst(&mut self, node: usize, shard: usize, count: usize) -> Verdict {
        let Some(at) = self.at(node).filter(|_| shard < self.plan.shape.shards.len()) else {
            return Ok(());
        };
        for _ in 0..count {
            let levels =
                [Durability::Delivered, Durability::MajorityDurable, Durability::AllDurable];
            let level = self.random.of(&levels);
            let gather = self.random.of(&[Gather::None, Gather::None, Gather::Own, Gather::All]);
            let most = u64::from(self.plan.shape.limits.window_bytes);
            let bytes = if self.random.chance(20) { most + 1 } else { most / 4 };
            let bytes = 1 + self.random.below(bytes.max(1)) as u32;
            self.send(at, shard, Op::Note, bytes, (level, gather))?;
        }
        Ok(())
    }

    /// A moment has come; whoever lies in wait for it strikes.
    pub(super) fn occasion(&mut self, actor: usize, moment: Moment) {
        let Some(at) = self.ambushes.iter().position(|it| it.moment == moment) else { return };
        let ambush = self.ambushes.swap_remove(at);
        let count = self.nodes.len();
        let mut others = (1..count).map(|step| (actor + step) % count);
        let victims: Vec<usize> = match ambush.victim {
            Victim::Actor => vec![actor],
            Victim::Other => others.find(|it| self.nodes[*it].is_running()).into_iter().collect(),
            Victim::Leader => self.first_member().into_iter().collect(),
            Victim::Everybody => (0..count).filter(|it| self.nodes[*it].is_running()).collect(),
        };
        for node in victims {
            let life: Life = self.nodes[node].life;
            let (when, loss) = (self.now + ambush.after, ambush.loss);
            self.queue.push(when, Happening::Spring { node, life, loss });
        }
    }

    /// The first running member of the latest view.
    fn first_member(&self) -> Option<usize> {
        let view = self.checks.history.latest()?;
        let mut members = view.members.iter().map(|member| super::node::index(member.node));
        members.find(|at| self.nodes[*at].is_running())
    }
}
