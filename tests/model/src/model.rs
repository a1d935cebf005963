//! What may happen next, and what must hold.

use std::sync::Arc;

use notrace_store_protocol::event::Event;
use notrace_store_protocol::group::Stage;
use notrace_store_protocol::ids::ShardId;
use notrace_store_protocol::layout::{LayoutSpec, Mode, Senders, ShardSpec};
use notrace_store_protocol::limits::Limits;
use notrace_store_protocol::machine::Durability;
use notrace_store_protocol::mark::Mark;
use stateright::{Model, Property};

use crate::world::World;

/// How much may happen. Whatever is within these bounds happens in every order.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Nodes in the first view that is looked at.
    pub members: usize,
    /// Nodes that ask to join.
    pub joiners: usize,
    /// Updates, each of which any member may send.
    pub updates: u8,
    /// Nodes that may crash, at any instant.
    pub crashes: u8,
    /// Times that a node may suspect one that is alive.
    pub mistakes: u8,
    /// Nodes that may start again with their disks.
    pub restarts: u8,
    /// Nodes that may ask to leave.
    pub leavers: u8,
    /// Times that time may pass for everybody.
    pub ticks: u8,
    /// How the one shard is replicated.
    pub mode: Mode,
    /// Who sends in it.
    pub senders: Senders,
    /// The only node that may crash, if it is to be that one.
    pub victim: Option<usize>,
}

impl Scenario {
    /// Members alone, to whom nothing happens.
    #[must_use]
    pub fn quiet(members: usize) -> Self {
        Self {
            members,
            joiners: 0,
            updates: 0,
            crashes: 0,
            mistakes: 0,
            restarts: 0,
            leavers: 0,
            ticks: 0,
            mode: Mode::Volatile,
            senders: Senders::First,
            victim: None,
        }
    }

    fn spec(&self) -> Arc<LayoutSpec> {
        let shard = ShardSpec { min: 1, max: 8, senders: self.senders, mode: self.mode };
        match LayoutSpec::new(vec![shard]) {
            Ok(spec) => Arc::new(spec),
            Err(_) => unreachable!("one shard of one to eight members is a layout"),
        }
    }
}

/// What may happen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// The next packet of a link arrives.
    Deliver(usize, usize),
    /// A member sends an update.
    Send(usize),
    /// A node dies.
    Crash(usize),
    /// A node holds another one to have failed.
    Suspect(usize, usize),
    /// A node starts again.
    Restart(usize),
    /// A node wants to leave.
    Leave(usize),
    /// Time passes for everybody.
    Tick,
}

/// A world, and what may still happen in it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// The world.
    pub world: World,
    left: Left,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Left {
    updates: u8,
    crashes: u8,
    mistakes: u8,
    restarts: u8,
    leavers: u8,
    ticks: u8,
}

const SHARD: ShardId = ShardId(0);

impl Scenario {
    /// The members in one view, in which nothing has been sent and nothing is on its way.
    #[must_use]
    pub fn begin(&self) -> State {
        let all = self.members + self.joiners;
        let mut world = World::new(all as u32, self.spec(), Limits::USUAL);
        world.start(0, true);
        for at in 1..self.members {
            world.start(at, false);
        }
        while !self.is_formed(&world) {
            world.drain();
            world.micros += world.limits.ask_again;
            world.tick();
        }
        world.drain();
        for at in self.members..all {
            world.start(at, false);
        }
        world.drain();
        world.micros += world.limits.ask_again;
        for at in self.members..all {
            world.step(at, Event::Tick);
        }
        let left = Left {
            updates: self.updates,
            crashes: self.crashes,
            mistakes: self.mistakes,
            restarts: self.restarts,
            leavers: self.leavers,
            ticks: self.ticks,
        };
        State { world, left }
    }

    fn is_formed(&self, world: &World) -> bool {
        let mut members = world.nodes.iter().take(self.members);
        members.all(|node| {
            let view = node.group.as_ref().and_then(|group| group.view());
            let shard = view.and_then(|view| view.shard(SHARD));
            shard.is_some_and(|shard| shard.members.len() == self.members)
        })
    }
}

impl Model for Scenario {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.begin()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let (world, left) = (&state.world, state.left);
        for (from, to) in world.busy() {
            actions.push(Action::Deliver(from, to));
        }
        for at in 0..world.nodes.len() {
            let Some(group) = &world.nodes[at].group else {
                if left.restarts > 0 && world.nodes[at].durable.is_some() {
                    actions.push(Action::Restart(at));
                }
                continue;
            };
            let sends = group.stage() == Stage::Serving && group.epoch(SHARD).is_some();
            if left.updates > 0 && sends {
                actions.push(Action::Send(at));
            }
            if left.leavers > 0 && group.stage() == Stage::Serving {
                actions.push(Action::Leave(at));
            }
            if left.crashes > 0 && self.victim.is_none_or(|victim| victim == at) {
                actions.push(Action::Crash(at));
            }
            for other in (0..world.nodes.len()).filter(|other| *other != at) {
                let dead = !world.is_up(other) || world.is_other_life(at, other);
                if (dead || left.mistakes > 0) && world.may_suspect(at, other) {
                    actions.push(Action::Suspect(at, other));
                }
            }
        }
        if left.ticks > 0 {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        let (world, left) = (&mut next.world, &mut next.left);
        match action {
            Action::Deliver(from, to) => world.deliver(from, to),
            Action::Send(at) => {
                left.updates -= 1;
                world.send(at, SHARD, Durability::Delivered);
            }
            Action::Crash(at) => {
                left.crashes -= 1;
                world.crash(at);
            }
            Action::Suspect(at, other) => {
                if world.is_up(other) && !world.is_other_life(at, other) {
                    left.mistakes -= 1;
                }
                let node = world.nodes[other].id;
                world.step(at, Event::Suspect { node });
            }
            Action::Restart(at) => {
                left.restarts -= 1;
                world.start(at, false);
            }
            Action::Leave(at) => {
                left.leavers -= 1;
                world.step(at, Event::Leave);
            }
            Action::Tick => {
                left.ticks -= 1;
                world.micros += world.limits.ask_again;
                world.tick();
            }
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing is wrong", |_, state: &State| {
                state.world.failures.is_empty()
            }),
            Property::always("one order", |_, state: &State| state.world.has_one_order()),
            Property::always("one history at the start of an epoch", |_, state: &State| {
                state.world.epochs_begin_alike()
            }),
            Property::sometimes("an update is delivered by all", |_, state: &State| {
                let mut up = state.world.nodes.iter().filter(|node| node.group.is_some());
                up.all(|node| !node.logs[0].entries.is_empty())
            }),
            Property::sometimes("a view follows", |scenario: &Scenario, state: &State| {
                state.world.views.len() > scenario.begin_views()
            }),
            Property::sometimes("a second leader begins anew", |_, state: &State| {
                state.world.has_walked(Mark::TakeOverFresh)
            }),
            Property::sometimes(
                "a second leader keeps what the first proposed",
                |_, state: &State| state.world.has_walked(Mark::TakeOverKept),
            ),
            Property::sometimes("the trim cuts an update off", |_, state: &State| {
                state.world.has_walked(Mark::Carried)
            }),
            Property::sometimes("a learner is taken into the shard", |scenario, state: &State| {
                state.world.nodes.iter().skip(scenario.members).any(|node| {
                    node.group.as_ref().is_some_and(|group| group.epoch(SHARD).is_some())
                })
            }),
            Property::sometimes("a restart begins anew", |_, state: &State| {
                state.world.has_walked(Mark::RestartFresh)
            }),
        ]
    }
}

impl Scenario {
    /// Views that were installed before anything happened.
    fn begin_views(&self) -> usize {
        2 * self.members - 1
    }
}
