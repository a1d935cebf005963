//! The end of one life in the group and the beginning of the next.
//!
//! A member that was voted out is a stranger to its group. It comes back as if its process had been
//! started anew: with what its disks hold, so only once they hold all that they were asked to.

use std::collections::BTreeSet;

use notrace_store_fabric::Fabric;
use notrace_store_protocol::group::{Begin, Group, Setup};
use notrace_store_protocol::ids::{Life, ShardId};
use notrace_store_protocol::journal::Journal;

use crate::clock::Clock;
use crate::error::{CallError, Failure, SendError};
use crate::lane::Job;
use crate::letters::Heard;
use crate::worker::{Phase, Worker, moment};

impl<F: Fabric, C: Clock> Worker<F, C> {
    /// The group is over for this life.
    pub(crate) fn leave(&mut self) {
        for link in self.links.clear() {
            self.mail.close(link);
            self.fabric.cut(link);
        }
        self.reads.refuse_all();
        self.rings.clear();
        self.follows.clear();
        self.outgoing.clear();
        // The others may have delivered them, and nobody will tell this life.
        for (request, shard) in std::mem::take(&mut self.requests) {
            if let Some(shard) = self.shard(shard) {
                shard.host.refuse(request, SendError::Unknown);
            }
        }
        self.donor.forget_all();
        for call in std::mem::take(&mut self.calls).into_values() {
            // Whoever does not wait any more need not be told.
            let _ = call.answer.send(Err(CallError::NoAnswer));
        }
        if self.leaving || matches!(self.phase, Phase::Closing(..)) {
            self.phase = Phase::Ended;
            return;
        }
        let mut busy = BTreeSet::new();
        for shard in self.shards.iter().filter(|shard| shard.is_durable()) {
            shard.ask(Job::Rest(self.life));
            busy.insert(shard.id);
        }
        self.phase = Phase::Resting(busy);
    }

    /// Whether a peer has heard of this node in a life that this process cannot have: a later one,
    /// or this one by another process.
    pub(crate) fn is_taken(&self, heard: &Heard) -> bool {
        let other = heard.boot != self.config.boot;
        heard.life > self.life || heard.life == self.life && other
    }

    /// Ends, if the other process is there; this one has a copy of its folder. Otherwise the folder
    /// is older than what the group has seen of this node, or the other process is gone: this one
    /// begins anew, in a life after those that were heard of.
    pub(crate) fn yield_to(&mut self, other: Heard) {
        if other.linked && other.boot != self.config.boot {
            return self.fail(Failure::Twin);
        }
        self.life = self.life.max(other.life);
        self.leave();
    }

    /// A log has done all that it was asked in a life, and it is safe.
    pub(crate) fn rested(&mut self, life: Life, shard: ShardId) {
        if let Phase::Resting(busy) = &mut self.phase
            && life == self.life
        {
            busy.remove(&shard);
        }
    }

    pub(crate) fn begin_anew_if_rested(&mut self) {
        let rested = matches!(&self.phase, Phase::Resting(busy) if busy.is_empty());
        let remade = self.shards.iter().any(|shard| shard.is_remade);
        if rested && !remade && self.records.is_idle() {
            self.be_reborn();
        }
    }

    /// Begins the next life, as if the process had been started anew.
    fn be_reborn(&mut self) {
        let Some(next) = self.life.0.checked_add(1) else { return self.fail(Failure::OutOfLives) };
        self.life = Life(next);
        let mut journals = Vec::new();
        for shard in &mut self.shards {
            shard.partial.forget();
            shard.later.clear();
            if !shard.is_durable() {
                shard.become_first();
                journals.push(Journal::empty());
                continue;
            }
            let line = self.group.journal(shard.id).map(|it| it.line().to_vec());
            let line = line.unwrap_or_default();
            journals.push(Journal::restored(shard.last, shard.trimmed, line));
        }
        let contacts = self.links.known();
        let begin = match &self.durable {
            Some(durable) => Begin::Restart { durable: durable.clone(), contacts },
            None => Begin::Join { contacts },
        };
        let setup = Setup {
            node: self.config.node,
            life: self.life,
            duty: self.config.duty,
            spec: self.spec.clone(),
            limits: self.config.limits,
            begin,
            journals,
        };
        self.group = Group::new(setup, moment(&self.clock), &mut self.effects);
        self.phase = Phase::Running;
        self.carry_out();
    }
}
