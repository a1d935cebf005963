//! The lives of a node: it starts with what its disk has, and it dies.

use std::sync::Arc;

use notrace_store_protocol::group::{Begin, Group, Setup};
use notrace_store_protocol::ids::{Life, NodeId, Version};
use notrace_store_protocol::journal::Journal;
use notrace_store_protocol::layout::Mode;
use notrace_store_protocol::view::Duty;

use super::World;
use super::node::{Node, Status, node_id};
use super::queue::Happening;
use super::sends::State;
use crate::checks::Verdict;
use crate::coverage::Scene;
use crate::plan::{Loss, Shape};

impl World {
    /// A node starts, unless it runs.
    pub(super) fn start(&mut self, at: usize) -> Verdict {
        let never = self.nodes[at].never && self.mended;
        if self.nodes[at].status == Status::Up || never {
            return Ok(());
        }
        let founds = at == 0 && self.nodes[at].life == Life(0);
        let nodes = self.nodes.len();
        let node = &mut self.nodes[at];
        node.life = Life(node.life.0 + 1);
        node.status = Status::Up;
        node.leaving = false;
        self.checks.forget(at, None);
        let journals = restore(node, &self.plan.shape, &self.sends);
        let contacts: Vec<NodeId> = (0..nodes).filter(|it| *it != at).map(node_id).collect();
        let begin = match &node.disk.durable {
            _ if founds => Begin::Found,
            Some(durable) => Begin::Restart { durable: durable.clone(), contacts },
            None => Begin::Join { contacts },
        };
        let setup = Setup {
            node: node_id(at),
            life: node.life,
            duty: duty_of(&self.plan.shape, at),
            spec: Arc::clone(&self.spec),
            limits: self.plan.shape.limits,
            begin,
            journals,
        };
        let life = node.life;
        let mut out = std::mem::take(&mut self.out);
        let now = self.clock(at);
        self.say(|| format!("{}.{} starts: {:?}", at + 1, life.0, setup.begin));
        self.nodes[at].group = Some(Group::new(setup, now, &mut out));
        let verdict = self.perform(at, &mut out);
        out.clear();
        self.out = out;
        verdict?;
        let beat = self.plan.shape.limits.heartbeat;
        let first = self.now + self.random.below(beat);
        self.queue.push(first, Happening::Tick(at, life));
        for other in (0..nodes).filter(|it| *it != at) {
            let when = self.now + self.links.draw(at, other, 50, 2_000);
            self.queue.push(when, Happening::Connect { one: at, other });
        }
        self.note_return();
        Ok(())
    }

    /// A node dies.
    pub(super) fn crash(&mut self, at: usize, loss: Loss, loud: bool) -> Verdict {
        if self.nodes[at].status != Status::Up {
            return Ok(());
        }
        self.note_death(at);
        let node = &mut self.nodes[at];
        node.status = Status::Down;
        if let Some(group) = &node.group {
            self.report.marks.join(group.marks());
        }
        for sent in &node.requests {
            let state = &mut self.sends[*sent as usize].state;
            if *state == State::Open {
                *state = State::Unknown;
            }
        }
        node.forget();
        node.was_lost |= loss == Loss::Lost;
        for durable in node.disk.crash(loss, &mut self.random) {
            if let Some(echo) = &durable.echo {
                self.checks.split.accepted(at, echo);
            }
        }
        for shard in 0..self.plan.shape.shards.len() {
            if self.mode(shard) != Mode::Durable {
                self.nodes[at].replicas[shard] = super::replica::Replica::default();
            }
        }
        for other in (0..self.nodes.len()).filter(|it| *it != at) {
            self.break_link(at, other, loud);
            // Its own end dies with it.
            self.links.end_mut(at, other).up = false;
        }
        self.client_lost(at);
        Ok(())
    }

    fn note_death(&mut self, at: usize) {
        let scene = self.nodes[at].scene;
        if scene.leads {
            self.report.scenes.set(Scene::LeaderDied);
        }
        if scene.joins && self.nodes[at].epochs.iter().flatten().any(|(_, ready)| !ready) {
            self.report.scenes.set(Scene::JoinerDied);
        }
        let others = self.nodes.iter().filter(|node| node.index != at && node.is_running());
        if others.filter(|node| node.scene.flushes).count() > 0 {
            self.report.scenes.set(Scene::SecondFailure);
        }
        if self.running_members() <= 1 {
            self.stopped = true;
        }
    }

    /// How many members of the latest view run.
    fn running_members(&self) -> usize {
        let Some(view) = self.checks.history.latest() else { return 0 };
        let running =
            |node: &&Node| node.status == Status::Up && view.rank_of(node_id(node.index)).is_some();
        self.nodes.iter().filter(running).count()
    }

    fn note_return(&mut self) {
        let majority = self.checks.history.latest().map_or(0, |view| view.majority());
        let running = self.running_members();
        if self.stopped && running > 0 && running < majority {
            self.report.scenes.set(Scene::MinorityFirst);
        }
        if running >= majority {
            if self.stopped {
                self.report.scenes.set(Scene::StoppedAll);
            }
            self.stopped = false;
        }
    }
}

/// What a node finds in its logs.
fn restore(node: &mut Node, shape: &Shape, sends: &[super::sends::Sent]) -> Vec<Journal> {
    let shards = node.replicas.iter_mut().zip(&node.disk.logs).zip(&shape.shards);
    let journals = shards.map(|((replica, log), spec)| {
        if spec.mode != Mode::Durable {
            return Journal::empty();
        }
        replica.become_of(log.entries.clone(), log.line.clone(), sends);
        replica.trimmed = log.trimmed;
        let trimmed = log.trimmed.map_or(Version::ZERO, |place| place.version);
        Journal::restored(log.last(), trimmed, log.line.clone())
    });
    journals.collect()
}

fn duty_of(shape: &Shape, at: usize) -> Duty {
    if shape.witness && at + 1 == shape.members { Duty::Witness } else { Duty::Full }
}
