//! One ordered call: how far its update is, and who has replied.

use super::{Answer, Gather, Outcome, Reply};
use crate::ids::{NodeId, ShardId};
use crate::machine::{Durability, Place};

/// How far an update is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Stage {
    /// In the ring of the present epoch.
    Sent,
    /// Cut off at the end of an epoch, and in the ring of the next, which is not begun yet.
    Carried,
    /// Delivered here, and not yet as safe as was asked.
    Delivered(Place),
    /// As safe as was asked.
    Reached(Place),
}

/// An ordered call.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Ordered {
    shard: ShardId,
    level: Durability,
    gather: Gather,
    stage: Stage,
    /// Whose replies are waited for, and what came of them.
    awaited: Vec<(NodeId, Option<Reply>)>,
}

impl Ordered {
    pub(super) fn sent(
        shard: ShardId,
        level: Durability,
        gather: Gather,
        me: NodeId,
        members: &[NodeId],
    ) -> Self {
        let awaited = awaited(gather, me, members);
        Self { shard, level, gather, stage: Stage::Sent, awaited }
    }

    pub(super) fn shard(&self) -> ShardId {
        self.shard
    }

    pub(super) fn level(&self) -> Durability {
        self.level
    }

    pub(super) fn deliver(&mut self, place: Place) {
        assert!(self.stage == Stage::Sent, "an update was delivered that was not under way");
        self.stage = Stage::Delivered(place);
    }

    /// It is as safe as was asked.
    pub(super) fn reach(&mut self) -> Option<Outcome> {
        if let Stage::Delivered(place) = self.stage {
            self.stage = Stage::Reached(place);
        }
        self.end()
    }

    /// Notes what came of a member's reply, if it is waited for. A reply that is here replaces
    /// what was feared of it while the link was gone; nothing replaces a reply or a departure.
    pub(super) fn answer(&mut self, member: NodeId, reply: Reply) -> Option<Outcome> {
        let mut awaited = self.awaited.iter_mut();
        let (_, answer) = awaited.find(|(node, answer)| *node == member && is_open(*answer))?;
        *answer = Some(reply);
        self.end()
    }

    pub(super) fn cut(&mut self) -> Outcome {
        assert!(self.stage == Stage::Sent, "an update was cut off that was not under way");
        Outcome::NotApplied
    }

    pub(super) fn carry(&mut self) {
        assert!(self.stage == Stage::Sent, "an update was sent again that was not under way");
        self.stage = Stage::Carried;
    }

    /// The next epoch begins, with these members.
    pub(super) fn renew(&mut self, me: NodeId, members: &[NodeId]) -> Option<Outcome> {
        match self.stage {
            Stage::Sent => Some(Outcome::Unknown { delivered: None }),
            Stage::Carried => {
                // It is they who will deliver it; nobody has replied, for nobody had it.
                self.stage = Stage::Sent;
                self.awaited = awaited(self.gather, me, members);
                None
            }
            Stage::Delivered(_) | Stage::Reached(_) => {
                for (node, answer) in &mut self.awaited {
                    if is_open(*answer) && !members.contains(node) {
                        *answer = Some(Reply::ViewChanged);
                    }
                }
                self.end()
            }
        }
    }

    /// Nothing more will be heard. What is on disks stays there; what was only in memories, whose
    /// owners we do not know any more, may be gone.
    pub(super) fn lose(&mut self) -> Outcome {
        match self.stage {
            Stage::Reached(place) if self.level > Durability::Delivered => self.delivered(place),
            Stage::Delivered(place) | Stage::Reached(place) => {
                Outcome::Unknown { delivered: Some(place) }
            }
            Stage::Sent | Stage::Carried => Outcome::Unknown { delivered: None },
        }
    }

    fn end(&self) -> Option<Outcome> {
        match self.stage {
            Stage::Reached(place) if self.awaited.iter().all(|(_, answer)| answer.is_some()) => {
                Some(self.delivered(place))
            }
            _ => None,
        }
    }

    fn delivered(&self, place: Place) -> Outcome {
        let answers = self.awaited.iter();
        let replies = answers
            .map(|(member, reply)| Answer {
                member: *member,
                reply: reply.unwrap_or(Reply::Unknown),
            })
            .collect();
        Outcome::Delivered { place, replies }
    }
}

/// Whether something may still become of the reply.
fn is_open(answer: Option<Reply>) -> bool {
    matches!(answer, None | Some(Reply::Unknown))
}

fn awaited(gather: Gather, me: NodeId, members: &[NodeId]) -> Vec<(NodeId, Option<Reply>)> {
    match gather {
        Gather::None => Vec::new(),
        Gather::Own => vec![(me, None)],
        Gather::All => members.iter().map(|member| (*member, None)).collect(),
    }
}
