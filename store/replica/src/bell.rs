//! How the rest of the process gets the replica's thread to look: which shards have something new.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::task::Waker;

use notrace_store_protocol::ids::ShardId;

/// Rung by handles, heard by the thread.
#[derive(Default)]
pub(crate) struct Bell {
    shards: Mutex<BTreeSet<ShardId>>,
    /// The thread's, once it runs.
    waker: OnceLock<Waker>,
}

impl Bell {
    pub(crate) fn hang(&self, waker: Waker) {
        // It is hung once, before the thread begins.
        let _ = self.waker.set(waker);
    }

    /// There is something new about a shard.
    pub(crate) fn ring(&self, shard: ShardId) {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let first = shards.is_empty();
        shards.insert(shard);
        drop(shards);
        if first {
            self.wake();
        }
    }

    /// Makes the thread look at everything.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn take(&self) -> BTreeSet<ShardId> {
        std::mem::take(&mut *self.shards.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
