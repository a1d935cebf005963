//! What comes to the thread from within its process, and what it tells there: reports of disks and
//! other threads, wishes of handles, the member's status.

use notrace_store_fabric::Fabric;
use notrace_store_protocol::event::Event;
use notrace_store_protocol::group::Stage;
use notrace_store_protocol::ids::{ShardId, Version};
use notrace_store_protocol::multicast::Epoch;

use crate::asks::{Answer, Wanted};
use crate::clock::Clock;
use crate::error::Failure;
use crate::letters;
use crate::member::{ShardStatus, Status};
use crate::reports::Report;
use crate::worker::{Phase, Worker};

impl<F: Fabric, C: Clock> Worker<F, C> {
    /// Takes what the handles of a shard want, but for updates.
    pub(crate) fn take_wishes(&mut self, id: ShardId) {
        let Some(shard) = self.shards.get_mut(usize::from(id.0)) else { return };
        let readers = shard.host.readers();
        if !readers.is_empty() {
            self.reads.ask(id, readers, self.now);
        }
        let asked = shard.host.checkpoints();
        if !asked.is_empty() {
            self.checkpoint(usize::from(id.0), asked);
        }
    }

    pub(crate) fn reported(&mut self, report: Report) {
        match report {
            Report::Recorded { life, number } => {
                if life == self.life {
                    self.step(Event::Recorded { number });
                }
            }
            Report::Synced { life, shard, through } => {
                if life == self.life {
                    self.step(Event::Synced { shard, through });
                }
            }
            Report::Stored { life, shard, last, resume } => {
                if life == self.life {
                    self.step(Event::Stored { shard, last, resume });
                }
            }
            Report::Rested { life, shard } => self.rested(life, shard),
            Report::Rewound { shard, past } => self.rewound(shard, past),
            Report::Trimmed { shard, through } => self.trimmed(shard, through),
            Report::Lent { loan, lent } => self.lent(&loan, lent),
            Report::Decayed { shard } => self.checkpoint(usize::from(shard.0), Vec::new()),
            Report::Encoded(encoded) => self.encoded(encoded),
            Report::Made { shard, made } => self.made(shard, made),
            Report::Tail { to, fetch, through, line, updates } => {
                self.send_tail(to, fetch, through, &line, &updates);
            }
            Report::DiskFailed { kind } => self.fail(Failure::Disk { kind }),
        }
    }

    /// Does what the handles want.
    pub(crate) fn asked(&mut self, wanted: Wanted) {
        let Wanted { forgotten, known, refounded, calls, answers, leave, close } = wanted;
        let mut arrived = Vec::new();
        for node in forgotten {
            self.links.forget(node);
            if let Some(link) = self.links.to(node) {
                self.part(link, &mut arrived);
            }
        }
        self.step_all(arrived);
        if !known.is_empty() {
            for (node, address) in known.into_iter().filter(|(node, _)| *node != self.config.node) {
                self.links.know(node, &address);
            }
            self.look_after_links();
        }
        refounded.into_iter().for_each(|shard| self.step(Event::Refound { shard }));
        calls.into_iter().for_each(|call| self.call(call));
        for Answer { link, number, bytes, seat } in answers {
            self.post_on(link, letters::answer(number, Some(bytes)));
            drop(seat);
        }
        if leave {
            self.leaving = true;
            self.step(Event::Leave);
        }
        if close && matches!(self.phase, Phase::Running | Phase::Resting(_)) {
            self.shards.iter_mut().for_each(|shard| shard.host.close());
            self.phase = Phase::Closing(self.now + self.config.send_wait_max);
        }
    }

    pub(crate) fn tell_status(&mut self) {
        let suspected = self.group.view().map(|view| {
            let members = view.members.iter().map(|member| member.node);
            let me = self.config.node;
            members.filter(|node| *node != me && !self.group.may_suspect(*node)).collect()
        });
        let serving = self.group.stage() == Stage::Serving;
        let shards = self.shards.iter().map(|shard| {
            let epoch = self.group.epoch(shard.id);
            ShardStatus {
                shard: shard.id,
                holds: epoch.is_some_and(Epoch::is_ready),
                applied: shard.last.version,
                majority: epoch.map_or(Version::ZERO, |epoch| epoch.majority_frontier()),
                all: epoch.map_or(Version::ZERO, |epoch| epoch.all_frontier()),
                disk_backlog: shard.backlog(),
            }
        });
        self.status.set(Status {
            node: self.config.node,
            life: self.life,
            stage: self.group.stage(),
            view: self.group.view().cloned(),
            suspected: suspected.filter(|_| serving).unwrap_or_default(),
            linked: self.links.linked(),
            cut_off: self.links.cut_off(),
            shards: shards.collect(),
            ended: false,
            failure: self.failure,
        });
    }
}
