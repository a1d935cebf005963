//! Clients of the register machine: one operation at a time, asked again at another node until it
//! is answered, in a session that applies it once.

use notrace_store_protocol::event::Event;
use notrace_store_protocol::ids::{Life, ShardId};
use notrace_store_protocol::layout::Mode;
use notrace_store_protocol::machine::Durability;
use notrace_store_protocol::rpc::{Gather, RequestId};

use super::World;
use super::node::Status;
use super::queue::Happening;
use super::sends::{Op, Sent, State};
use crate::checks::linear::OPERATIONS_MAX;
use crate::checks::{Verdict, violated};
use crate::plan::Micros;
use crate::random::Random;

/// How long a client waits for an answer before it asks elsewhere.
const PATIENCE: Micros = 150_000;

/// A client.
pub(super) struct Client {
    random: Random,
    /// Of its present operation.
    number: u32,
    operations: u32,
    /// Its operation that is not answered.
    op: Option<(usize, Op, Durability)>,
    /// The send it waits for, and until when.
    waits: Option<(u32, Micros)>,
    node: usize,
}

impl Client {
    pub(super) fn new(at: usize, seed: u64) -> Self {
        Self {
            random: Random::branch(seed, 0x0063_6c69_0000 + at as u64),
            number: 0,
            operations: 0,
            op: None,
            waits: None,
            node: at,
        }
    }
}

impl World {
    /// A node is asked to send an update; the number of the send.
    pub(crate) fn send(
        &mut self,
        at: usize,
        shard: usize,
        op: Op,
        bytes: u32,
        (level, gather): (Durability, Gather),
    ) -> Result<Option<u32>, crate::checks::Violation> {
        let node = &mut self.nodes[at];
        if !node.is_running() {
            return Ok(None);
        }
        let payload = self.sends.len() as u32;
        let request = node.requests.len() as u64;
        node.requests.push(payload);
        node.numbers[shard] += 1;
        let number = node.numbers[shard];
        let shard = ShardId(shard as u16);
        self.sends.push(Sent {
            shard,
            node: at,
            life: node.life,
            number,
            request,
            level,
            gather,
            op,
            state: State::Open,
            version: None,
            reply: None,
        });
        let request = RequestId(request);
        self.step(at, Event::Send { request, shard, bytes, level, gather })?;
        Ok(Some(payload))
    }

    /// Sends an update to a shard from some member, at the highest level.
    pub(crate) fn send_fresh(
        &mut self,
        shard: usize,
    ) -> Result<Option<u32>, crate::checks::Violation> {
        let members = self.checks.history.latest().and_then(|view| view.shards.get(shard));
        let members: Vec<usize> = members
            .map_or(Vec::new(), |it| it.members.iter().map(|m| super::node::index(*m)).collect());
        for at in members {
            let how = (Durability::AllDurable, Gather::All);
            let sent = self.send(at, shard, Op::Note, 1, how)?;
            let taken = |sent: &u32| self.sends[*sent as usize].state != State::Refused;
            if let Some(sent) = sent.filter(taken) {
                return Ok(Some(sent));
            }
        }
        Ok(None)
    }

    /// A client goes on: with its next operation, or with the last one at another node.
    pub(super) fn client(&mut self, at: usize) -> Verdict {
        if self.mended && self.clients[at].op.is_none() {
            return Ok(());
        }
        if let Some((_, until)) = self.clients[at].waits {
            if until > self.now {
                return Ok(());
            }
            self.clients[at].waits = None;
        }
        if self.clients[at].op.is_none() {
            self.next_operation(at);
        }
        let count = self.nodes.len();
        let client = &mut self.clients[at];
        let Some((shard, op, level)) = client.op else { return Ok(()) };
        client.node = (client.node + 1 + usize::from(client.random.chance(300))) % count;
        let (node, bytes) = (client.node, 1 + client.random.below(16) as u32);
        let gather = client.random.of(&[Gather::None, Gather::Own, Gather::Own]);
        // The answer may come within the step.
        let until = self.now + PATIENCE;
        client.waits = Some((self.sends.len() as u32, until));
        let sent = self.send(node, shard, op, bytes, (level, gather))?;
        let refused = sent.is_none_or(|sent| self.sends[sent as usize].state == State::Refused);
        if refused {
            self.clients[at].waits = None;
            self.client_pauses(at, 2_000);
        } else if self.clients[at].waits.is_some() {
            self.queue.push(until, Happening::Client(at));
        }
        Ok(())
    }

    fn next_operation(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let shards: Vec<usize> = self
            .plan
            .shape
            .shards
            .iter()
            .zip(0..)
            .filter(|(spec, _)| spec.mode != Mode::Unordered)
            .map(|(_, shard)| shard)
            .collect();
        let Some(shard) = shards.get(client.random.index(shards.len())).copied() else { return };
        client.number += 1;
        client.operations += 1;
        let value = 1 + (at as u64) * 1_000_000 + u64::from(client.number);
        let write = client.random.chance(500).then_some(value);
        // A register is used for a while by all, and then left.
        let total: u32 = self.clients.iter().map(|client| client.operations).sum();
        let register = total / (OPERATIONS_MAX - 4);
        let levels =
            [Durability::MajorityDurable, Durability::MajorityDurable, Durability::AllDurable];
        let client = &mut self.clients[at];
        let level = client.random.of(&levels);
        let number = client.number;
        let op = Op::Register { client: at, number, register, write };
        client.op = Some((shard, op, level));
        self.checks.linear.calls((shard, register), at, write);
    }

    /// A send ended: its client has what it wants, or asks again.
    pub(super) fn client_answered(&mut self, payload: u32) {
        let sent = &self.sends[payload as usize];
        let Op::Register { client: at, register, write, .. } = sent.op else { return };
        if self.clients[at].waits.is_none_or(|(waits, _)| waits != payload) {
            return;
        }
        self.clients[at].waits = None;
        if sent.state == State::Answered {
            let read = if write.is_some() { None } else { sent.reply };
            let shard = usize::from(sent.shard.0);
            self.clients[at].op = None;
            if write.is_some() || read.is_some() {
                self.checks.linear.answers((shard, register), at, read);
            }
            let think = self.plan.shape.think;
            self.client_pauses(at, think);
        } else {
            self.client_pauses(at, 2_000);
        }
    }

    /// A send was not begun.
    pub(super) fn client_refused(&mut self, payload: u32) {
        let sent = &self.sends[payload as usize];
        let Op::Register { client: at, .. } = sent.op else { return };
        if self.clients[at].waits.is_some_and(|(waits, _)| waits == payload) {
            self.clients[at].waits = None;
        }
    }

    /// A node died: those who wait for it ask elsewhere.
    pub(super) fn client_lost(&mut self, node: usize) {
        for at in 0..self.clients.len() {
            let waits = self.clients[at].waits;
            if waits.is_some_and(|(sent, _)| {
                self.sends.get(sent as usize).is_some_and(|sent| sent.node == node)
            }) {
                self.clients[at].waits = None;
                self.client_pauses(at, 5_000);
            }
        }
    }

    fn client_pauses(&mut self, at: usize, most: Micros) {
        let then = self.now + self.clients[at].random.within(most / 10, most);
        self.queue.push(then, Happening::Client(at));
    }

    /// A node's own reply to a request of its own.
    pub(super) fn replied(&mut self, node: usize, life: Life, request: u64) -> Verdict {
        let there = &self.nodes[node];
        if there.life != life || there.status != Status::Up || there.group.is_none() {
            return Ok(());
        }
        if request as usize >= there.requests.len() {
            return violated("exactly_once", format!("a reply to no request {request}"));
        }
        if self.is_missed(node, Happening::Replied { node, life, request }) {
            return Ok(());
        }
        let from = super::node::node_id(node);
        self.step(node, Event::Replied { request: RequestId(request), from })
    }
}
