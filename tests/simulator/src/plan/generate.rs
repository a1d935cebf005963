//! The plan of a seed. Each seed draws which kinds of trouble it has at all before it draws the
//! troubles, so that some runs are full of one kind and free of another.
//!
//! Source: Groce et al., "Swarm Testing" (ISSTA 2012).

use notrace_store_protocol::layout::{Mode, Senders, ShardSpec};
use notrace_store_protocol::limits::Limits;

use super::{Action, Fault, Loss, Micros, Moment, Plan, Shape, Victim};
use crate::random::Random;

/// When the trouble begins: by then the group has formed, as a rule.
const FORMED: Micros = 250_000;

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Random::branch(seed, 0x706c_616e);
        let members = random.within(3, 7) as usize;
        Self::with(seed, members)
    }

    /// The plan of a seed for a group of this many.
    #[must_use]
    pub fn with(seed: u64, members: usize) -> Self {
        let mut random = Random::branch(seed, 0x7368_6170);
        let shape = shape(&mut random, members);
        let mut draft = Draft { random, shape, faults: Vec::new() };
        draft.load();
        draft.trouble();
        let Draft { shape, mut faults, .. } = draft;
        faults.sort_by_key(|fault| fault.at);
        Self { seed, shape, faults }
    }
}

fn shape(random: &mut Random, members: usize) -> Shape {
    let witness = random.chance(250);
    let full = members - usize::from(witness);
    let count = random.within(1, 3);
    let shards = (0..count).map(|number| spec(random, full, number == 0)).collect();
    let beat = 10_000;
    let limits = Limits {
        window_bytes: random.of(&[128, 512, 4096]),
        window_messages: random.of(&[2, 6, 24]),
        epoch_slots: random.of(&[40, 400, 1 << 39, 1 << 39]),
        heartbeat: beat,
        suspect_after: random.within(5, 9) * beat,
        suspect_after_break: random.within(1, 4) * beat,
        ready_after: random.within(20, 50) * beat,
        restart_wait: random.within(4, 15) * beat,
        restart_patience: random.within(4, 10) * beat,
        ask_again: random.within(1, 3) * beat,
    };
    let quick = random.within(30, 400);
    Shape {
        members,
        spares: random.of(&[0, 0, 1, 2]),
        witness,
        shards,
        limits,
        delay: (quick, quick * random.of(&[1, 2, 10])),
        sync: (random.within(20, 200), random.of(&[250, 1000, 8000])),
        clients: random.of(&[0, 1, 2, 3]),
        think: random.of(&[2_000, 10_000, 40_000]),
        mended: random.within(600, 1_400) * 1_000,
    }
}

fn spec(random: &mut Random, full: usize, first: bool) -> ShardSpec {
    let mode = match random.below(10) {
        0..=6 => Mode::Durable,
        _ if first => Mode::Durable,
        7..=8 => Mode::Volatile,
        _ => Mode::Unordered,
    };
    let most = random.within(1.min(full as u64), full as u64);
    let max = if random.chance(600) { full as u64 } else { most.max(2).min(full as u64) };
    ShardSpec {
        min: random.of(&[1, max.min(2), max, max]) as u16,
        max: max as u16,
        senders: if random.chance(700) { Senders::All } else { Senders::First },
        mode,
    }
}

struct Draft {
    random: Random,
    shape: Shape,
    faults: Vec<Fault>,
}

/// The kinds of trouble.
const KINDS: [fn(&mut Draft, Micros); 18] = [
    Draft::crash,
    Draft::crash_in_a_row,
    Draft::stop_all,
    Draft::pause,
    Draft::split,
    Draft::isolate,
    Draft::block,
    Draft::breaks,
    Draft::slow,
    Draft::jump,
    Draft::join,
    Draft::leave,
    Draft::ambush,
    Draft::blame,
    Draft::checkpoint,
    Draft::lose_disk,
    Draft::storm,
    Draft::fork,
];

impl Draft {
    fn push(&mut self, at: Micros, what: Action) {
        if at < self.shape.mended {
            self.faults.push(Fault { at, what });
        }
    }

    fn node(&mut self) -> usize {
        1 + self.random.index(self.shape.members)
    }

    fn later(&mut self, at: Micros, least: u64, most: u64) -> Micros {
        at + self.random.within(least * 1_000, most * 1_000)
    }

    fn loss(&mut self) -> Loss {
        self.random.of(&[Loss::Kept, Loss::Torn, Loss::Torn])
    }

    fn load(&mut self) {
        for _ in 0..self.random.within(1, 8) {
            let at = self.random.within(FORMED / 2, self.shape.mended);
            let node = self.node();
            let shard = self.random.index(self.shape.shards.len());
            let count = self.random.of(&[1, 3, 8, 30]);
            self.push(at, Action::Burst { node, shard, count });
        }
    }

    fn trouble(&mut self) {
        let enabled = self.random.number() | self.random.number();
        let kinds: Vec<_> =
            KINDS.iter().enumerate().filter(|(at, _)| enabled >> at & 1 == 1).collect();
        for _ in 0..self.random.within(1, 7) {
            let early = if self.random.chance(100) { 30_000 } else { FORMED };
            let at = self.random.within(early, self.shape.mended);
            let (_, kind) = kinds[self.random.index(kinds.len())];
            kind(self, at);
        }
        if self.random.chance(150) {
            let node = self.node();
            self.faults.push(Fault { at: self.shape.mended - 1, what: Action::Never { node } });
        }
    }

    fn crash(&mut self, at: Micros) {
        let node = self.node();
        self.crash_of(at, node);
        let back = self.later(at, 5, 400);
        self.push(back, Action::Start { node });
    }

    fn crash_of(&mut self, at: Micros, node: usize) {
        let (loss, loud) = (self.loss(), self.random.chance(700));
        self.push(at, Action::Crash { node, loss, loud });
    }

    /// A second failure while the first is being dealt with.
    fn crash_in_a_row(&mut self, mut at: Micros) {
        for _ in 0..self.random.within(2, 3) {
            self.crash(at);
            at = self.later(at, 0, 40);
        }
    }

    fn stop_all(&mut self, at: Micros) {
        let slowly = self.random.of(&[0, 1, 30]);
        for node in 1..=self.shape.members {
            if self.random.chance(920) {
                let then = self.later(at, 0, slowly);
                self.crash_of(then, node);
            }
        }
        let gap = self.random.of(&[1, 20, 150]);
        let rest = self.later(at, slowly + 1, 100 + slowly);
        for node in 1..=self.shape.members {
            let back = self.later(rest, 0, gap * node as u64);
            self.push(back, Action::Start { node });
        }
    }

    fn pause(&mut self, at: Micros) {
        let node = self.node();
        self.push(at, Action::Pause { node });
        let most = self.random.of(&[20, 100, 400]);
        let back = self.later(at, 1, most);
        self.push(back, Action::Resume { node });
    }

    fn split(&mut self, at: Micros) {
        let set = self.random.below(1 << self.shape.nodes());
        self.push(at, Action::Split { set });
        let back = self.later(at, 10, 400);
        self.push(back, Action::Heal);
    }

    fn isolate(&mut self, at: Micros) {
        let node = self.node();
        self.push(at, Action::Split { set: 1 << (node - 1) });
        let back = self.later(at, 10, 300);
        self.push(back, Action::Heal);
    }

    fn block(&mut self, at: Micros) {
        let (from, to) = (self.node(), self.node());
        self.push(at, Action::Block { from, to });
        let back = self.later(at, 5, 200);
        self.push(back, Action::Unblock { from, to });
    }

    fn breaks(&mut self, at: Micros) {
        for _ in 0..self.random.within(1, 12) {
            let then = self.later(at, 0, 60);
            let (one, other) = (self.node(), self.node());
            self.push(then, Action::Break { one, other });
        }
    }

    fn slow(&mut self, at: Micros) {
        let (node, times) = (self.node(), self.random.of(&[5, 40, 200]));
        let back = self.later(at, 20, 300);
        if self.random.chance(500) {
            self.push(at, Action::SlowLinks { node, times });
            self.push(back, Action::SlowLinks { node, times: 1 });
        } else {
            self.push(at, Action::SlowDisk { node, times });
            self.push(back, Action::SlowDisk { node, times: 1 });
        }
    }

    fn jump(&mut self, at: Micros) {
        let by = self.random.within(0, 20_000_000) as i64 - 10_000_000;
        let node = self.node();
        self.push(at, Action::Jump { node, by });
    }

    fn join(&mut self, at: Micros) {
        for spare in 0..self.shape.spares {
            let node = self.shape.members + 1 + spare;
            let then = self.later(at, 0, 50);
            self.push(then, Action::Start { node });
            if self.random.chance(300) {
                let then = self.later(then, 1, 120);
                self.crash_of(then, node);
            }
        }
    }

    fn leave(&mut self, at: Micros) {
        let node = self.node();
        self.push(at, Action::Leave { node });
        if self.random.chance(500) {
            let back = self.later(at, 20, 400);
            self.push(back, Action::Start { node });
        }
    }

    fn ambush(&mut self, at: Micros) {
        let moments = [
            Moment::Call,
            Moment::Call,
            Moment::Propose,
            Moment::Propose,
            Moment::Echo,
            Moment::Install,
            Moment::Fetch,
            Moment::Learned,
        ];
        let moment = self.random.of(&moments);
        let victims = [
            Victim::Actor,
            Victim::Actor,
            Victim::Other,
            Victim::Leader,
            Victim::Leader,
            Victim::Everybody,
        ];
        let victim = self.random.of(&victims);
        let after = self.random.of(&[0, 0, 100, 1_000, 5_000]);
        let loss = self.loss();
        self.push(at, Action::Ambush { moment, victim, loss, after });
        // Something to set it off.
        let then = self.later(at, 0, 20);
        match self.random.below(3) {
            0 => self.crash(then),
            1 => self.join(then),
            _ => self.pause(then),
        }
    }

    fn blame(&mut self, at: Micros) {
        let (node, by) = (self.node(), self.node());
        self.push(at, Action::Suspect { node, by });
    }

    fn checkpoint(&mut self, at: Micros) {
        for node in 1..=self.shape.members {
            let shard = self.random.index(self.shape.shards.len());
            let then = self.later(at, 0, 20);
            self.push(then, Action::Checkpoint { node, shard });
        }
    }

    fn lose_disk(&mut self, at: Micros) {
        let node = self.node();
        let loud = self.random.chance(700);
        self.push(at, Action::Crash { node, loss: Loss::Lost, loud });
        let back = self.later(at, 5, 200);
        self.push(back, Action::Start { node });
    }

    /// Much is under way when somebody dies.
    fn storm(&mut self, at: Micros) {
        if self.random.chance(500) {
            let node = self.node();
            self.push(at, Action::SlowLinks { node, times: 20 });
            let back = self.later(at, 5, 40);
            self.push(back, Action::SlowLinks { node, times: 1 });
        }
        let shard = self.random.index(self.shape.shards.len());
        for node in 1..=self.shape.members {
            let then = self.later(at, 0, 1);
            self.push(then, Action::Burst { node, shard, count: 30 });
        }
        let dies = at + self.random.below(3_000);
        self.crash(dies);
    }

    /// One disk is ahead of all others when all stop, and its node comes back last.
    fn fork(&mut self, at: Micros) {
        let ahead = self.node();
        let shard = self.random.index(self.shape.shards.len());
        for node in 1..=self.shape.members {
            let times = if node == ahead { 1 } else { 100 };
            self.push(at, Action::SlowDisk { node, times });
            self.push(at + 1_000, Action::Burst { node, shard, count: 4 });
        }
        let stop = self.later(at, 2, 8);
        for node in 1..=self.shape.members {
            let then = self.later(stop, 0, 1);
            self.push(then, Action::Crash { node, loss: Loss::Torn, loud: true });
            let late = if node == ahead { 200 } else { 0 };
            let back = self.later(then, 2 + late, 40 + late);
            self.push(back, Action::SlowDisk { node, times: 1 });
            self.push(back, Action::Start { node });
        }
    }
}
