//! The handle: what the rest of a node sees of the group.

use std::sync::{Arc, RwLock};

use futures_channel::oneshot;
use notrace_store_log::limits::RECORD_BYTES_MAX;
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::{Durability, Machine, Place};

use crate::error::{CheckpointError, SendError};
use crate::queue::{Queue, Request};
use crate::watchers::Watchers;

/// What the sender of an update is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delivered<R> {
    /// Where the update stands.
    pub place: Place,
    /// What the machine said to it.
    pub reply: R,
}

/// A machine that is fed by a group's total order. Clones are handles to the same one; when the
/// last is dropped, the replica ends as if closed.
pub struct Replicated<M: Machine> {
    shared: Arc<Shared<M>>,
    _last: Arc<Last<M>>,
}

pub(crate) struct Shared<M: Machine> {
    pub(crate) machine: RwLock<M>,
    pub(crate) queue: Queue<M>,
    pub(crate) watchers: Watchers,
}

/// Dropped with the last handle; the thread holds none.
struct Last<M: Machine>(Arc<Shared<M>>);

impl<M: Machine> Drop for Last<M> {
    fn drop(&mut self) {
        drop(self.0.queue.close());
    }
}

impl<M: Machine> Clone for Replicated<M> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), _last: self._last.clone() }
    }
}

impl<M: Machine> Replicated<M> {
    pub(crate) fn new(shared: Arc<Shared<M>>) -> Self {
        let last = Arc::new(Last(shared.clone()));
        Self { shared, _last: last }
    }

    /// Sends `command` to every member of the group, in the group's total order; resolves when it
    /// is applied here and as safe as `durability` says. Costs one copy of the command until then.
    /// # Errors  [`SendError`]
    /// # Cancel  Dropping the future abandons the answer, not the update.
    pub async fn ordered_send(
        &self,
        command: M::Command,
        durability: Durability,
    ) -> Result<Delivered<M::Reply>, SendError> {
        let encoded = M::encode(&command);
        if encoded.len() > RECORD_BYTES_MAX as usize {
            return Err(SendError::TooLarge);
        }
        let (answer, wait) = oneshot::channel();
        self.shared.queue.push(Request { command, encoded, durability, answer })?;
        wait.await.unwrap_or(Err(SendError::Stopped))
    }

    /// Looks at the machine, as of the last update applied. In a group of one this is linearizable:
    /// an update is applied only once it is as safe as its sender asked, so nothing that is seen
    /// here is lost unless its sender accepted that.
    ///
    /// Updates wait while `look` looks, so it must be short.
    pub fn read<R>(&self, look: impl FnOnce(&M) -> R) -> R {
        match self.shared.machine.read() {
            Ok(machine) => look(&machine),
            // Only the thread that applies can spoil the machine, by failing one of its checks.
            Err(_) => unreachable!("the state machine has failed and must not be read"),
        }
    }

    /// The version up to which everything is applied here.
    pub fn frontier(&self) -> Version {
        self.shared.watchers.frontier()
    }

    /// Waits until something after `version` is applied; `false` once the replica has ended and
    /// there will be nothing.
    /// # Cancel  Dropping the future changes nothing.
    pub async fn advanced_past(&self, version: Version) -> bool {
        self.shared.watchers.advanced_past(version).await
    }

    /// Writes a checkpoint of everything delivered so far and trims the log.
    /// # Errors  [`CheckpointError`]
    /// # Cancel  Dropping the future abandons the answer, not the checkpoint.
    pub async fn checkpoint(&self) -> Result<(), CheckpointError> {
        self.shared.queue.ask_checkpoint().await.unwrap_or(Err(CheckpointError::Stopped))
    }

    /// Takes nothing new, does what waits, makes all of it safe, and ends. Reads go on working.
    /// # Cancel  Dropping the future abandons the waiting, not the end.
    pub async fn close(&self) {
        // The answer is that the sender is gone: the thread has ended.
        let _ = self.shared.queue.close().await;
    }
}
