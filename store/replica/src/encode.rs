//! Telling a machine's state, on a thread of its own: the machine stands still meanwhile, and what
//! is to be applied to it waits, but the order, the links and the heartbeat go on.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use notrace_store_fabric::Fabric;
use notrace_store_protocol::ids::ShardId;
use notrace_store_protocol::machine::Chunk;
use notrace_store_protocol::message::Start;

use crate::clock::Clock;
use crate::error::Failure;
use crate::lane::{Asked, Job};
use crate::reports::Report;
use crate::snapshots::Snapshot;
use crate::worker::Worker;

/// What a state is told for.
pub(crate) enum Purpose {
    /// To be written down by whoever hears it.
    Checkpoint(SyncSender<Vec<Chunk>>),
    /// To be kept for those who learn.
    Learners,
}

/// A state that was told.
pub(crate) struct Encoded {
    pub(crate) shard: ShardId,
    /// Which time it was that the shard's state was told.
    number: u64,
    bytes: u64,
    /// It, if it is to be kept.
    snapshot: Option<Snapshot>,
}

impl<F: Fabric, C: Clock> Worker<F, C> {
    /// Begins a checkpoint of what is applied now.
    pub(crate) fn begin_checkpoint(&mut self, id: ShardId, asked: Vec<Asked>) {
        let line = self.group.journal(id).map(|it| it.line().to_vec()).unwrap_or_default();
        let Some(shard) = self.shard(id) else { return };
        shard.checkpoint.writing = Some(shard.checkpoint.since);
        let reached = |start: &Start| start.through <= shard.last.version;
        let line = line.into_iter().filter(reached).collect();
        let (tell, chunks) = sync_channel(1);
        // Asked for now, for the log has nothing yet that comes after the state.
        shard.ask(Job::Checkpoint { place: shard.last, line, chunks, asked });
        self.encode(id, Purpose::Checkpoint(tell));
    }

    /// Begins to tell the state of a shard that is at rest.
    pub(crate) fn encode(&mut self, id: ShardId, purpose: Purpose) {
        let reports = self.reports.clone();
        let Some(shard) = self.shard(id) else { return };
        let (number, place, encoder) = (shard.freeze(), shard.last, shard.host.freeze());
        let begun = thread::Builder::new().name("encode".into()).spawn(move || {
            let chunks = encoder();
            let bytes = chunks.iter().map(|chunk| chunk.as_ref().len() as u64).sum();
            let snapshot = match purpose {
                Purpose::Learners => Some(Snapshot::new(place, chunks)),
                Purpose::Checkpoint(tell) => {
                    // A log that was abandoned has nobody who hears it.
                    let _ = tell.send(chunks);
                    None
                }
            };
            reports.push(Report::Encoded(Encoded { shard: id, number, bytes, snapshot }));
        });
        if begun.is_err() {
            // A system without threads left is no place to be a member.
            self.fail(Failure::Thread);
        }
    }

    /// A state was told.
    pub(crate) fn encoded(&mut self, encoded: Encoded) {
        let Encoded { shard, number, bytes, snapshot } = encoded;
        let (now, id) = (self.now, shard);
        let Some(shard) = self.shard(id) else { return };
        // Of a machine that was replaced meanwhile it is of no use.
        if !shard.thaw(number) {
            return;
        }
        match snapshot {
            Some(snapshot) => shard.snapshots.keep(snapshot, now),
            None => shard.checkpoint.bytes = bytes,
        }
        self.checkpoint_if_asked(id);
    }
}
