//! When a checkpoint of a shard is due, and what follows from one.

use notrace_store_fabric::Fabric;
use notrace_store_protocol::event::Event;
use notrace_store_protocol::ids::{ShardId, Version};

use crate::clock::Clock;
use crate::error::CheckpointError;
use crate::lane::Asked;
use crate::worker::Worker;

impl<F: Fabric, C: Clock> Worker<F, C> {
    pub(crate) fn checkpoint_if_due(&mut self, number: usize) {
        let Some(shard) = self.shards.get(number) else { return };
        let checkpoint = &shard.checkpoint;
        let due = self.config.checkpoint_bytes_min.max(checkpoint.bytes) + checkpoint.patience;
        if shard.is_durable() && shard.may_checkpoint() && checkpoint.since > due {
            self.checkpoint(number, Vec::new());
        }
    }

    /// Begins a checkpoint of what is applied now.
    pub(crate) fn checkpoint(&mut self, number: usize, asked: Vec<Asked>) {
        let Some(shard) = self.shards.get_mut(number) else { return };
        if !shard.is_durable() {
            for asked in asked {
                // Whoever does not wait any more need not be told.
                let _ = asked.answer.send(Err(CheckpointError::NoLog));
            }
            return;
        }
        if !shard.may_checkpoint() {
            return shard.checkpoint.asked.extend(asked);
        }
        let id = shard.id;
        self.begin_checkpoint(id, asked);
    }

    /// Begins the one that somebody wanted while another was written.
    pub(crate) fn checkpoint_if_asked(&mut self, id: ShardId) {
        let Some(shard) = self.shard(id) else { return };
        if !shard.may_checkpoint() {
            return;
        }
        let asked = std::mem::take(&mut shard.checkpoint.asked);
        if !asked.is_empty() {
            self.checkpoint(usize::from(id.0), asked);
        }
    }

    pub(crate) fn trimmed(&mut self, id: ShardId, through: Option<Version>) {
        let Some(shard) = self.shard(id) else { return };
        let begun = shard.checkpoint.writing.take().unwrap_or_default();
        match through {
            Some(through) => {
                shard.checkpoint.since = shard.checkpoint.since.saturating_sub(begun);
                shard.checkpoint.patience = 0;
                shard.trimmed = through;
                self.step(Event::Trimmed { shard: id, through });
            }
            None => shard.checkpoint.patience = shard.checkpoint.since,
        }
        self.checkpoint_if_asked(id);
    }
}
