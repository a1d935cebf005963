//! What the disks tell the replica's thread.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use notrace_store_protocol::ids::{Life, NodeId, ShardId, Version};
use notrace_store_protocol::machine::{Malformed, Place};
use notrace_store_protocol::message::{Fetch, Resume, Start};

use crate::encode::Encoded;
use crate::host::Made;
use crate::learn::Origin;
use crate::lends::{Lent, Loan};
use crate::past::Past;

/// Something that a disk has done. What the protocol waits for names the life that asked for it: to
/// another one it means nothing.
pub(crate) enum Report {
    Recorded {
        life: Life,
        number: u64,
    },
    /// A log has done all that it was asked in this life, and it is safe.
    Rested {
        life: Life,
        shard: ShardId,
    },
    Synced {
        life: Life,
        shard: ShardId,
        through: Version,
    },
    Stored {
        life: Life,
        shard: ShardId,
        last: Place,
        resume: Option<Resume>,
    },
    /// What is left of a log that was cut back.
    Rewound {
        shard: ShardId,
        past: Past,
    },
    /// A checkpoint was written, and covers everything up to here; nothing if it was not.
    Trimmed {
        shard: ShardId,
        through: Option<Version>,
    },
    Tail {
        to: NodeId,
        fetch: Fetch,
        through: Version,
        line: Arc<Vec<Start>>,
        updates: Vec<(Place, Bytes)>,
    },
    /// The chunk that was asked for.
    Lent {
        loan: Loan,
        lent: Lent,
    },
    /// The checkpoint that was to be lent is not what was written.
    Decayed {
        shard: ShardId,
    },
    Encoded(Encoded),
    /// A machine was made, or could not be.
    Made {
        shard: ShardId,
        made: Result<(Made, Origin), Malformed>,
    },
    DiskFailed {
        kind: ErrorKind,
    },
}

/// Reports on their way. Pushing one wakes the replica's thread.
pub(crate) struct Reports {
    waiting: Mutex<Vec<Report>>,
    waker: Waker,
}

impl Reports {
    pub(crate) fn new(waker: Waker) -> Self {
        Self { waiting: Mutex::new(Vec::new()), waker }
    }

    pub(crate) fn push(&self, report: Report) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(report);
        self.waker.wake_by_ref();
    }

    pub(crate) fn take(&self) -> Vec<Report> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
