//! The handle to a member as a whole: its view, its leaving, direct calls to others, its end.

use std::sync::Arc;

use bytes::Bytes;
use notrace_store_protocol::effect::Stopped;
use notrace_store_protocol::group::Stage;
use notrace_store_protocol::ids::{Life, NodeId, ShardId, Version};
use notrace_store_protocol::view::View;

use crate::asks::{Answer, Asks};
use crate::error::{CallError, Failure, Fault};
use crate::limits::CALL_BYTES_MAX;
use crate::seats::Seat;
use crate::watchers::Changes;

/// What a member knows of itself and the others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Who it is.
    pub node: NodeId,
    /// In which life.
    pub life: Life,
    /// What it is at the moment.
    pub stage: Stage,
    /// The last view that it installed.
    pub view: Option<Arc<View>>,
    /// Members that it holds to have failed.
    pub suspected: Vec<NodeId>,
    /// Nodes that it is linked to.
    pub linked: Vec<NodeId>,
    /// Nodes that it ever cut off.
    pub cut_off: Vec<CutOff>,
    /// The shards, by number.
    pub shards: Vec<ShardStatus>,
    /// It has ended, and will do nothing more.
    pub ended: bool,
    /// Why, if not in order.
    pub failure: Option<Failure>,
}

/// Which process this is: drawn anew by each, so that two with copies of one folder can be told
/// apart although they are the same node in the same life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BootId(pub u64);

/// A peer that this member cut off, and why it did so last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CutOff {
    /// Which node.
    pub node: NodeId,
    /// Why.
    pub why: Fault,
}

/// What a member knows of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShardStatus {
    /// Which.
    pub shard: ShardId,
    /// Whether this member holds all of it.
    pub holds: bool,
    /// The last update applied here.
    pub applied: Version,
    /// The last that is on the disks of a majority of its members, as known here.
    pub majority: Version,
    /// The last that is on the disks of all of them.
    pub all: Version,
    /// Bytes that wait for this member's disk.
    pub disk_backlog: u64,
}

impl Status {
    /// Whether updates and reads are served: the member is in a view with a majority.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.stage == Stage::Serving && !self.ended
    }

    /// Whether too few others can be reached for this member to serve.
    #[must_use]
    pub fn lacks_majority(&self) -> bool {
        matches!(self.stage, Stage::Stopped(Stopped::Minority | Stopped::Suspected))
    }
}

/// How a call from another member is answered: from any thread, at most once.
pub struct Answerer {
    pub(crate) asks: Arc<Asks>,
    pub(crate) link: notrace_store_fabric::LinkId,
    pub(crate) number: u64,
    pub(crate) seat: Seat,
}

impl Answerer {
    /// Answers, with up to [`crate::limits::CALL_BYTES_MAX`] bytes; who asked is told of no answer
    /// that is longer.
    pub fn answer(self, bytes: Vec<u8>) {
        let Self { asks, link, number, seat } = self;
        if bytes.len() <= CALL_BYTES_MAX {
            asks.answer(Answer { link, number, bytes: bytes.into(), seat });
        }
    }
}

/// Who answers direct calls: the calling node, its bytes, and how to answer. Called on the
/// replica's thread, so it only hands the work on.
pub type OnCall = Box<dyn FnMut(NodeId, Bytes, Answerer) + Send>;

/// A member of a group. Clones are handles to the same one; when the last is dropped, it ends as
/// if closed.
#[derive(Clone)]
pub struct Member(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) asks: Arc<Asks>,
    pub(crate) status: Arc<Changes<Status>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.asks.close();
    }
}

impl Member {
    /// What the member knows now.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        self.0.status.latest()
    }

    /// Waits until `wanted` holds of what the member knows; nothing once it has ended without.
    /// # Cancel  Dropping the future changes nothing.
    pub async fn when(&self, wanted: impl Fn(&Status) -> bool) -> Option<Arc<Status>> {
        self.0.status.when(wanted).await
    }

    /// Tells where a node is to be found. It is linked to as soon as it can be.
    pub fn know(&self, node: NodeId, address: &str) {
        self.0.asks.know(node, address);
    }

    /// A node left for good: it is not looked for any more, and a link to it is cut. Whether it may
    /// come again is for the [`crate::Admission`] to say.
    pub fn forget(&self, node: NodeId) {
        self.0.asks.forget(node);
    }

    /// Leaves the group: others take over what this member holds, and then it ends.
    /// [`Status::ended`] says when.
    pub fn leave(&self) {
        self.0.asks.leave();
    }

    /// Gives a lost shard up: it begins anew, empty. For a shard on disks that is the operator's
    /// word, never a guess; one in memory alone, that nobody has any more, holds nothing to lose.
    pub fn refound(&self, shard: ShardId) {
        self.0.asks.refound(shard);
    }

    /// Calls another member directly (Derecho's `p2p_send`).
    /// # Errors  [`CallError`]; after [`crate::limits::CALL_WAIT_MAX`] at the latest.
    /// # Cancel  Dropping the future abandons the answer, not the call.
    pub async fn p2p_send(&self, to: NodeId, bytes: Vec<u8>) -> Result<Bytes, CallError> {
        if bytes.len() > CALL_BYTES_MAX {
            return Err(CallError::TooLarge);
        }
        let wait = self.0.asks.call(to, bytes.into())?;
        wait.await.unwrap_or(Err(CallError::Stopped))
    }

    /// Takes nothing new, does what waits as far as it can, makes all of it safe, and ends. Reads
    /// go on working.
    /// # Cancel  Dropping the future abandons the waiting, not the end.
    pub async fn close(&self) {
        self.0.asks.close();
        self.0.status.when(|status| status.ended).await;
    }
}
