//! A cluster in one thread: nodes, links, disks, clocks and clients, moved by one queue of what
//! will happen. All chance comes from the plan's seed, so a run can be had again.
//!
//! The world is the shell of each [`Group`](notrace_store_protocol::group::Group): it carries out
//! what `step` asks for, late, in part or not at all, as a network and a disk may.

mod clients;
mod disk;
mod faults;
mod life;
mod links;
pub(crate) mod node;
mod perform;
mod queue;
pub(crate) mod replica;
pub(crate) mod sends;
mod storage;
mod traffic;

use std::io::Write as _;
use std::sync::Arc;

use notrace_store_protocol::effect::Effect;
use notrace_store_protocol::event::{Event, Now};
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::layout::{LayoutSpec, Mode};
use notrace_store_protocol::mark::Marks;
use notrace_store_protocol::time::Hlc;

use crate::checks::{Checks, Verdict, Violation, recovery};
use crate::coverage::Scenes;
use crate::plan::{Action, Micros, Plan};
use crate::random::Random;
use clients::Client;
use faults::Ambush;
use links::{Links, Load};
use node::Node;
use queue::{Happening, Queue};
use sends::Sent;

/// The wall clock when the world begins: some time in 2026.
const EPOCH: u64 = 1_790_000_000_000_000;
/// How long the world is given to recover once all is mended.
const RECOVERY_MAX: Micros = 6_000_000;
/// How often it is asked whether it has.
const RECOVERY_STEP: Micros = 20_000;

/// What a run came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Steps of all groups.
    pub steps: u64,
    /// The rare paths of the protocol that were walked.
    pub marks: Marks,
    /// The scenes that were played.
    pub scenes: Scenes,
    /// The group could not recover, and nobody could have: too few who could vote were left.
    pub excused: bool,
    /// Updates delivered, counted once for each node.
    pub delivered: u64,
    /// Views installed, counted once.
    pub views: u64,
}

/// A cluster.
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) now: Micros,
    pub(crate) nodes: Vec<Node>,
    pub(crate) checks: Checks,
    pub(crate) sends: Vec<Sent>,
    pub(crate) report: Report,
    pub(crate) spec: Arc<LayoutSpec>,
    queue: Queue,
    links: Links,
    clients: Vec<Client>,
    ambushes: Vec<Ambush>,
    random: Random,
    out: Vec<Effect>,
    /// What came beside the write that is being handled.
    load: Load,
    /// What the node whose view changes held of each shard before it did.
    before: Vec<Version>,
    mended: bool,
    /// All members of the latest view were down at once.
    stopped: bool,
    tracing: bool,
}

impl World {
    /// The world of a plan, before anything happened.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let (count, shards) = (plan.shape.nodes(), plan.shape.shards.len());
        let mut queue = Queue::default();
        for at in 0..plan.shape.members {
            queue.push(1_000 * at as u64, Happening::Start(at));
        }
        for (at, fault) in plan.faults.iter().enumerate() {
            queue.push(fault.at, Happening::Fault(at));
        }
        let clients = (0..plan.shape.clients).map(|at| Client::new(at, plan.seed)).collect();
        for at in 0..plan.shape.clients {
            queue.push(100_000, Happening::Client(at));
        }
        let mut nodes: Vec<_> = (0..count).map(|at| Node::new(at, shards, count)).collect();
        let mut random = Random::branch(plan.seed, 0x0077_6f72_6c64);
        for node in &mut nodes {
            node.skew = random.within(0, 10_000) as i64 - 5_000;
        }
        Self {
            now: 0,
            nodes,
            checks: Checks::new(&plan.shape),
            sends: Vec::new(),
            report: Report::default(),
            spec: crate::shape::layout_of(&plan.shape),
            queue,
            links: Links::new(&plan.shape, plan.seed),
            clients,
            ambushes: Vec::new(),
            random,
            out: Vec::new(),
            load: Load::Nothing,
            before: Vec::new(),
            mended: false,
            stopped: false,
            tracing: false,
            plan,
        }
    }

    /// Prints all that happens.
    #[must_use]
    pub fn traced(mut self) -> Self {
        self.tracing = true;
        self
    }

    /// Runs the plan to its end: the trouble, the mending, and the recovery.
    /// # Errors  The first property that does not hold.
    pub fn run(&mut self) -> Result<Report, Violation> {
        self.run_until(self.plan.shape.mended)?;
        self.mend()?;
        self.recover()?;
        self.finish()?;
        Ok(self.report)
    }

    /// Lets the world go on up to a time.
    pub(crate) fn run_until(&mut self, end: Micros) -> Verdict {
        while let Some((at, what)) = self.queue.pop_before(end) {
            self.now = at;
            self.happen(what)?;
        }
        self.now = end;
        Ok(())
    }

    /// Takes all trouble away, and starts whoever may start.
    pub(crate) fn mend(&mut self) -> Verdict {
        self.say(|| "everything is mended".to_owned());
        self.mended = true;
        self.ambushes.clear();
        self.fault(Action::Heal)?;
        for at in 0..self.nodes.len() {
            self.fault(Action::SlowLinks { node: at + 1, times: 1 })?;
            self.fault(Action::SlowDisk { node: at + 1, times: 1 })?;
            self.fault(Action::Resume { node: at + 1 })?;
            if self.nodes[at].status == node::Status::Down {
                self.fault(Action::Start { node: at + 1 })?;
            }
        }
        Ok(())
    }

    /// Waits until all is well again, and sends an update in each shard to see whether it is.
    pub(crate) fn recover(&mut self) -> Verdict {
        let end = self.now + RECOVERY_MAX;
        while let Err(lack) = recovery::is_well(self) {
            if self.now >= end {
                if recovery::is_excused(self) {
                    self.report.excused = true;
                    return Ok(());
                }
                return crate::checks::violated("recovery", lack);
            }
            self.run_until(self.now + RECOVERY_STEP)?;
        }
        self.prove_alive()
    }

    /// Has an update answered in each shard that takes any.
    fn prove_alive(&mut self) -> Verdict {
        let mut proofs: Vec<Option<u32>> = vec![None; self.plan.shape.shards.len()];
        let end = self.now + RECOVERY_MAX;
        loop {
            let mut open = None;
            for shard in recovery::usable(self) {
                let state = proofs[shard].map(|sent| self.sends[sent as usize].state);
                if state == Some(sends::State::Answered) {
                    continue;
                }
                open = Some(shard);
                if state != Some(sends::State::Open) {
                    proofs[shard] = self.send_fresh(shard)?;
                }
            }
            let Some(shard) = open else { return Ok(()) };
            if self.now >= end && !recovery::is_excused(self) {
                let text = format!("shard {shard} answers no fresh update");
                return crate::checks::violated("recovery", text);
            }
            if self.now >= end {
                self.report.excused = true;
                return Ok(());
            }
            self.run_until(self.now + RECOVERY_STEP)?;
        }
    }

    /// What can only be asked at the end.
    fn finish(&mut self) -> Verdict {
        for node in &self.nodes {
            if let Some(group) = &node.group {
                self.report.marks.join(group.marks());
            }
        }
        self.report.views = self.checks.history.latest().map_or(0, |it| it.id.number().into());
        let history = &self.checks.history;
        let sends = &self.sends;
        self.checks.linear.decide(|shard| {
            let epochs = history.epochs(notrace_store_protocol::ids::ShardId(shard as u16));
            let safe = |sent: &Sent| {
                usize::from(sent.shard.0) != shard
                    || sent.level > notrace_store_protocol::machine::Durability::Delivered
            };
            let remembered = epochs.iter().all(|epoch| epoch.from_memory);
            let anew = epochs.iter().any(|epoch| epoch.anew);
            !anew && (remembered || sends.iter().all(safe))
        })
    }

    /// One thing happens.
    fn happen(&mut self, what: Happening) -> Verdict {
        match what {
            Happening::Tick(at, life) => self.tick(at, life),
            Happening::Land { from, to, link } => self.land(from, to, link),
            Happening::LinkUp { node, to, link } => self.link_up(node, to, link),
            Happening::LinkDown { node, to, link } => self.link_down(node, to, link),
            Happening::Connect { one, other } => self.connect(one, other),
            Happening::Disk { node, lane, life } => self.disk_done(node, lane, life),
            Happening::Replied { node, life, request } => self.replied(node, life, request),
            Happening::Start(at) => self.start(at),
            Happening::Client(at) => self.client(at),
            Happening::Fault(at) => {
                let what = self.plan.faults[at].what;
                self.say(|| format!("fault: {what:?}"));
                self.fault(what)
            }
            Happening::Spring { node, life, loss } => {
                if self.nodes[node].life == life {
                    self.report.scenes.set(crate::coverage::Scene::Ambushed);
                    self.crash(node, loss, true)?;
                    let back = self.now + 1_000 * self.random.within(10, 300);
                    self.queue.push(back, Happening::Start(node));
                }
                Ok(())
            }
        }
    }

    /// Whether a node stands still; then what happens to it is kept for later.
    fn is_missed(&mut self, at: usize, what: Happening) -> bool {
        let node = &mut self.nodes[at];
        if node.paused {
            node.missed.push_back(what);
        }
        node.paused
    }

    fn tick(&mut self, at: usize, life: notrace_store_protocol::ids::Life) -> Verdict {
        let node = &self.nodes[at];
        if node.life != life || node.group.is_none() {
            return Ok(());
        }
        if self.is_missed(at, Happening::Tick(at, life)) {
            return Ok(());
        }
        let beat = self.plan.shape.limits.heartbeat;
        self.queue.push(self.now + beat, Happening::Tick(at, life));
        self.step(at, Event::Tick)
    }

    /// What time a node believes it is.
    fn clock(&self, at: usize) -> Now {
        let wall = (EPOCH + self.now).saturating_add_signed(self.nodes[at].skew);
        Now { micros: 1_000_000 + self.now, wall: Hlc::from_unix_micros(wall) }
    }

    /// One step of a node's group.
    pub(crate) fn step(&mut self, at: usize, event: Event) -> Verdict {
        let now = self.clock(at);
        if self.tracing {
            self.trace_event(at, &event);
        }
        let Some(group) = self.nodes[at].group.as_mut() else { return Ok(()) };
        let mut out = std::mem::take(&mut self.out);
        group.step(now, event, &mut out);
        self.report.steps += 1;
        let verdict = self.perform(at, &mut out);
        out.clear();
        self.out = out;
        self.load = Load::Nothing;
        verdict
    }

    fn trace_event(&mut self, at: usize, event: &Event) {
        if matches!(event, Event::Tick) {
            return;
        }
        if let Event::Arrived { write: notrace_store_protocol::message::Write::Guard(_), .. } =
            event
        {
            return;
        }
        let life = self.nodes[at].life.0;
        self.say(|| format!("{}.{life} <- {event:?}", at + 1));
    }

    /// Tells what happens, if anybody listens.
    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.tracing {
            let line = format!("{:>9} {}\n", self.now, text());
            // Nobody to tell is no failure of the run.
            let _ = std::io::stdout().write_all(line.as_bytes());
        }
    }

    pub(crate) fn mode(&self, shard: usize) -> Mode {
        self.plan.shape.shards[shard].mode
    }
}
