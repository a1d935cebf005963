//! What the member's handles want of the thread, until it looks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_channel::oneshot;
use notrace_store_fabric::LinkId;
use notrace_store_protocol::ids::{NodeId, ShardId};

use crate::bell::Bell;
use crate::error::CallError;
use crate::limits::{ADDRESSES_MAX, CALLS_MAX};
use crate::seats::{Seat, Seats};

/// A direct call that is to be made.
pub(crate) struct Call {
    pub(crate) to: NodeId,
    pub(crate) bytes: Bytes,
    pub(crate) answer: oneshot::Sender<Result<Bytes, CallError>>,
    /// Of the calls that this node may have open.
    pub(crate) seat: Seat,
}

/// The answer to a call of a peer.
pub(crate) struct Answer {
    pub(crate) link: LinkId,
    pub(crate) number: u64,
    pub(crate) bytes: Bytes,
    /// Of the calls that the peer may have open here.
    pub(crate) seat: Seat,
}

/// All that is wanted. What can be asked for at any time says the same however often it is asked,
/// or counts as it was asked last; calls and answers have seats.
#[derive(Default)]
pub(crate) struct Wanted {
    /// Nodes to be forgotten before any is learned of.
    pub(crate) forgotten: BTreeSet<NodeId>,
    pub(crate) known: BTreeMap<NodeId, String>,
    pub(crate) refounded: BTreeSet<ShardId>,
    pub(crate) calls: Vec<Call>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) leave: bool,
    pub(crate) close: bool,
}

/// What they asked for.
pub(crate) struct Asks {
    /// None once nobody will look at it any more.
    wanted: Mutex<Option<Wanted>>,
    calls: Seats,
    bell: Arc<Bell>,
}

impl Asks {
    pub(crate) fn new(bell: Arc<Bell>) -> Self {
        Self { wanted: Mutex::new(Some(Wanted::default())), calls: Seats::new(CALLS_MAX), bell }
    }

    fn wanted(&self) -> MutexGuard<'_, Option<Wanted>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the thread look. What nobody will look at is dropped, and with it whoever would be
    /// answered.
    fn want(&self, note: impl FnOnce(&mut Wanted)) {
        if let Some(wanted) = self.wanted().as_mut() {
            note(wanted);
        }
        self.bell.wake();
    }

    pub(crate) fn know(&self, node: NodeId, address: &str) {
        self.want(|wanted| {
            // More than can be remembered would be forgotten there.
            if wanted.known.len() < ADDRESSES_MAX || wanted.known.contains_key(&node) {
                wanted.known.insert(node, address.to_owned());
            }
        });
    }

    pub(crate) fn forget(&self, node: NodeId) {
        self.want(|wanted| {
            wanted.known.remove(&node);
            wanted.forgotten.insert(node);
        });
    }

    pub(crate) fn refound(&self, shard: ShardId) {
        self.want(|wanted| {
            wanted.refounded.insert(shard);
        });
    }

    /// # Errors  [`CallError::Busy`]: as many are open as may.
    pub(crate) fn call(
        &self,
        to: NodeId,
        bytes: Bytes,
    ) -> Result<oneshot::Receiver<Result<Bytes, CallError>>, CallError> {
        let seat = self.calls.take().ok_or(CallError::Busy)?;
        let (answer, wait) = oneshot::channel();
        self.want(|wanted| wanted.calls.push(Call { to, bytes, answer, seat }));
        Ok(wait)
    }

    pub(crate) fn answer(&self, answer: Answer) {
        self.want(|wanted| wanted.answers.push(answer));
    }

    pub(crate) fn leave(&self) {
        self.want(|wanted| wanted.leave = true);
    }

    pub(crate) fn close(&self) {
        self.want(|wanted| wanted.close = true);
    }

    pub(crate) fn take(&self) -> Wanted {
        self.wanted().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Nobody will look any more.
    pub(crate) fn end(&self) {
        drop(self.wanted().take());
    }
}
