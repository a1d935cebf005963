//! The handle: what the rest of a node sees of one shard.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_channel::oneshot;
use notrace_store_log::limits::RECORD_BYTES_MAX;
use notrace_store_protocol::ids::{ShardId, Version, ViewId};
use notrace_store_protocol::machine::{Durability, Machine, Place};

use crate::error::{CheckpointError, ReadError, SendError};
use crate::host::{Need, Request, Shared};

/// What the sender of an update is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delivered<R> {
    /// Where the update stands.
    pub place: Place,
    /// What the machine said to it.
    pub reply: R,
}

/// A stretch of a machine's life in which it only took updates. It is made anew where its log left
/// the shard's history, and then versions from before may stand for other updates, or for none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Generation(u64);

/// A machine that is fed by the total order of a shard. Clones are handles to the same one.
pub struct Replicated<M: Machine> {
    pub(crate) shared: Arc<Shared<M>>,
}

impl<M: Machine> Clone for Replicated<M> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<M: Machine> Replicated<M> {
    /// Which shard this is.
    #[must_use]
    pub fn shard(&self) -> ShardId {
        self.shared.shard
    }

    /// Sends `command` to every member of the shard, in its total order; resolves when it is
    /// applied here and as safe as `durability` says. What a view change cut off is sent again by
    /// itself. Costs one copy of the command until then.
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
        let encoded = encoded.into();
        self.shared.push(Request { command, encoded, durability, answer, since: None })?;
        wait.await.unwrap_or(Err(SendError::Stopped))
    }

    /// Looks at the machine, as of the last update applied here. Others may have applied more, and
    /// what is seen may not be on any disk yet: see [`Self::latest`] and [`Self::is_safe`].
    ///
    /// Updates wait while `look` looks, so it must be short.
    pub fn read<R>(&self, look: impl FnOnce(&M) -> R) -> R {
        match self.shared.machine.read() {
            Ok(machine) => look(&machine),
            // Only the thread that applies can spoil the machine, by failing one of its checks.
            Err(_) => unreachable!("the state machine has failed and must not be read"),
        }
    }

    /// Waits until everything is applied here of which anybody was told before this was called, so
    /// that a [`Self::read`] that follows is linearizable. Costs a round trip to a majority, shared
    /// by all who ask at once; nothing in a group of one.
    /// # Errors  [`ReadError`]; after [`crate::limits::READ_WAIT_MAX`] at the latest.
    /// # Cancel  Dropping the future changes nothing.
    ///
    /// Source: read-index in Ongaro, "Consensus: Bridging Theory and Practice" (2014), §6.4.
    pub async fn latest(&self) -> Result<(), ReadError> {
        // While nobody else is in the view, nobody else can have told anybody anything.
        if self.shared.alone.load(Ordering::Acquire) {
            return Ok(());
        }
        self.shared.ask_to_read(Need::Latest)?.await.unwrap_or(Err(ReadError::Stopped))
    }

    /// Waits until this member is in `view` or a later one and has applied everything that it had
    /// received by then, so that a [`Self::read`] that follows sees what anybody was told of before
    /// or in that view, unless the others have gone on without this member since. Costs no message.
    /// # Errors  [`ReadError`]; after [`crate::limits::READ_WAIT_MAX`] at the latest.
    /// # Cancel  Dropping the future changes nothing.
    pub async fn caught_up(&self, view: ViewId) -> Result<(), ReadError> {
        if self.shared.alone.load(Ordering::Acquire) {
            return Ok(());
        }
        self.shared.ask_to_read(Need::Since(view))?.await.unwrap_or(Err(ReadError::Stopped))
    }

    /// Which history the machine holds. To be asked before a [`Self::read`] that is to be safe.
    #[must_use]
    pub fn generation(&self) -> Generation {
        Generation(self.shared.generation.load(Ordering::Acquire))
    }

    /// Waits until what was read at `version` is as safe as `durability` says, so that whoever is
    /// told of it will find it again whatever fails; `false` if that will not be: the replica has
    /// ended, or the machine was made anew since `generation`, and may never have held it.
    /// # Cancel  Dropping the future changes nothing.
    pub async fn is_safe(
        &self,
        version: Version,
        generation: Generation,
        durability: Durability,
    ) -> bool {
        let watchers = match durability {
            Durability::Delivered => return true,
            Durability::MajorityDurable => &self.shared.majority,
            Durability::AllDurable => &self.shared.all,
        };
        watchers.reached(version, || self.generation() == generation).await
    }

    /// The version up to which everything is applied here.
    #[must_use]
    pub fn frontier(&self) -> Version {
        self.shared.applied.frontier()
    }

    /// The versions up to which everything is on the disks of a majority, and of all members.
    #[must_use]
    pub fn safe(&self) -> (Version, Version) {
        (self.shared.majority.frontier(), self.shared.all.frontier())
    }

    /// Waits until something after `version` is applied; `false` once the replica has ended and
    /// there will be nothing.
    /// # Cancel  Dropping the future changes nothing.
    pub async fn advanced_past(&self, version: Version) -> bool {
        self.shared.applied.advanced_past(version).await
    }

    /// Waits until something after `version` is on the disks of a majority; `false` once the
    /// replica has ended and there will be nothing.
    /// # Cancel  Dropping the future changes nothing.
    pub async fn settled_past(&self, version: Version) -> bool {
        self.shared.majority.advanced_past(version).await
    }

    /// Writes a checkpoint of everything delivered so far and trims the log.
    /// # Errors  [`CheckpointError`]
    /// # Cancel  Dropping the future abandons the answer, not the checkpoint.
    pub async fn checkpoint(&self) -> Result<(), CheckpointError> {
        self.shared.ask_checkpoint()?.await.unwrap_or(Err(CheckpointError::Stopped))
    }
}
