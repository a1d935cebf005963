//! The replica's thread: it alone owns clock, fabric and protocol, and it never waits for a disk.
//!
//! ```text
//! wait for links, disks, handles or time → tell the protocol → carry out what it says → write
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use futures_channel::oneshot;
use notrace_store_fabric::mail::Mail;
use notrace_store_fabric::{Fabric, LinkId};
use notrace_store_protocol::effect::{Durable, Effect};
use notrace_store_protocol::event::{Event, Now};
use notrace_store_protocol::group::{Begin, Group, Setup, Stage};
use notrace_store_protocol::ids::{Life, NodeId, ShardId};
use notrace_store_protocol::journal::Journal;
use notrace_store_protocol::layout::LayoutSpec;
use notrace_store_protocol::rpc::RequestId;

use crate::admission::Admission;
use crate::asks::Asks;
use crate::bell::Bell;
use crate::clock::Clock;
use crate::error::{CallError, Failure, SendError};
use crate::host::Company;
use crate::letters;
use crate::limits::LANE_BYTES_MAX;
use crate::links::Links;
use crate::member::{OnCall, Status};
use crate::reads::Reads;
use crate::records::Records;
use crate::replica::ReplicaConfig;
use crate::reports::Reports;
use crate::rings::Rings;
use crate::seats::Seat;
use crate::shard::Shard;
use crate::transfer::Donor;
use crate::watchers::Changes;

/// All that the thread begins with.
pub(crate) struct Beginning {
    pub(crate) config: ReplicaConfig,
    pub(crate) life: Life,
    pub(crate) spec: Arc<LayoutSpec>,
    pub(crate) begin: Begin,
    pub(crate) journals: Vec<Journal>,
    pub(crate) contacts: Vec<(NodeId, String)>,
    pub(crate) shards: Vec<Shard>,
    pub(crate) reports: Arc<Reports>,
    pub(crate) records: Arc<Records>,
    pub(crate) threads: Vec<JoinHandle<()>>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) asks: Arc<Asks>,
    pub(crate) status: Arc<Changes<Status>>,
    pub(crate) on_call: OnCall,
    pub(crate) admission: Admission,
}

/// A direct call of this node that is open.
pub(crate) struct OpenCall {
    pub(crate) to: NodeId,
    pub(crate) until: Duration,
    pub(crate) answer: oneshot::Sender<Result<Bytes, CallError>>,
    pub(crate) _seat: Seat,
}

/// What the thread is doing.
pub(crate) enum Phase {
    Running,
    /// The group is over for this life; the next begins once these logs have done what they were
    /// asked, all of it is safe, and the last record is written.
    Resting(BTreeSet<ShardId>),
    /// Nothing new is taken; what waits is done.
    Closing(Duration),
    Ended,
}

/// The thread.
pub(crate) struct Worker<F, C> {
    pub(crate) config: ReplicaConfig,
    pub(crate) life: Life,
    pub(crate) spec: Arc<LayoutSpec>,
    pub(crate) fabric: F,
    pub(crate) clock: C,
    pub(crate) mail: Mail,
    pub(crate) group: Group,
    pub(crate) shards: Vec<Shard>,
    pub(crate) rings: Rings,
    pub(crate) links: Links,
    pub(crate) reads: Reads,
    pub(crate) donor: Donor,
    pub(crate) calls: BTreeMap<u64, OpenCall>,
    pub(crate) call_numbers: u64,
    pub(crate) reports: Arc<Reports>,
    pub(crate) records: Arc<Records>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) asks: Arc<Asks>,
    pub(crate) status: Arc<Changes<Status>>,
    pub(crate) on_call: OnCall,
    pub(crate) admission: Admission,
    pub(crate) durable: Option<Arc<Durable>>,
    /// Own updates on their way into the order: their bytes until they have a place.
    pub(crate) outgoing: BTreeMap<RequestId, Bytes>,
    /// Which shard an own update is for.
    pub(crate) requests: BTreeMap<RequestId, ShardId>,
    pub(crate) numbers: u64,
    /// Shards with updates that wait.
    pub(crate) backlog: BTreeSet<ShardId>,
    pub(crate) now: Duration,
    pub(crate) ticked: Duration,
    pub(crate) phase: Phase,
    pub(crate) leaving: bool,
    pub(crate) failure: Option<Failure>,
    pub(crate) effects: Vec<Effect>,
    /// What follows from what is being carried out.
    pub(crate) follows: VecDeque<Event>,
    /// What came with the piece that is being told of.
    pub(crate) load: Bytes,
    threads: Vec<JoinHandle<()>>,
}

impl<F: Fabric, C: Clock> Worker<F, C> {
    pub(crate) fn run(beginning: Beginning, fabric: F, clock: C) {
        let mut worker = Self::new(beginning, fabric, clock);
        let mut events = Vec::new();
        while !matches!(worker.phase, Phase::Ended) {
            let wait = worker.wait();
            worker.fabric.poll(wait, &mut events);
            worker.now = worker.clock.elapsed();
            worker.hear(events.drain(..));
            worker.look();
            worker.mail.pump(&mut worker.fabric);
        }
        worker.end();
    }

    fn new(beginning: Beginning, fabric: F, clock: C) -> Self {
        let Beginning { config, life, spec, begin, journals, contacts, shards, .. } = beginning;
        let durable = match &begin {
            Begin::Restart { durable, .. } => Some(durable.clone()),
            Begin::Found | Begin::Join { .. } => None,
        };
        let (mut effects, node) = (Vec::new(), config.node);
        let now = clock.elapsed();
        let setup = Setup {
            node,
            life,
            duty: config.duty,
            spec: spec.clone(),
            limits: config.limits,
            begin,
            journals,
        };
        let group = Group::new(setup, moment(&clock), &mut effects);
        let mut worker = Self {
            rings: Rings::new(&config.limits),
            donor: Donor::new(config.transfer_bytes_per_s),
            config,
            life,
            spec,
            fabric,
            clock,
            mail: Mail::default(),
            group,
            shards,
            links: Links::default(),
            reads: Reads::default(),
            calls: BTreeMap::new(),
            call_numbers: 0,
            reports: beginning.reports,
            records: beginning.records,
            bell: beginning.bell,
            asks: beginning.asks,
            status: beginning.status,
            on_call: beginning.on_call,
            admission: beginning.admission,
            durable,
            outgoing: BTreeMap::new(),
            requests: BTreeMap::new(),
            numbers: 0,
            backlog: BTreeSet::new(),
            now,
            ticked: now,
            phase: Phase::Running,
            leaving: false,
            failure: None,
            effects,
            follows: VecDeque::new(),
            load: Bytes::new(),
            threads: beginning.threads,
        };
        for (node, address) in contacts {
            worker.links.know(node, &address);
        }
        worker.carry_out();
        worker
    }

    /// How long there is nothing to do, unless something happens.
    fn wait(&self) -> Duration {
        let beat = Duration::from_micros(self.config.limits.heartbeat);
        let tick = (self.ticked + beat).saturating_sub(self.now);
        tick.min(self.donor.due(self.now)).max(Duration::from_micros(1))
    }

    /// Looks at everything that does not come over a link.
    fn look(&mut self) {
        for report in self.reports.take() {
            self.reported(report);
        }
        let wanted = self.asks.take();
        self.asked(wanted);
        let rung = self.bell.take();
        for shard in &rung {
            self.take_wishes(*shard);
        }
        self.backlog.extend(rung);
        let beat = Duration::from_micros(self.config.limits.heartbeat);
        if self.now.saturating_sub(self.ticked) >= beat {
            self.tick();
        }
        self.begin_anew_if_rested();
        self.send();
        self.settle();
        self.close_if_done();
    }

    /// Tells the protocol, and carries out what it says, and what follows from that.
    pub(crate) fn step(&mut self, event: Event) {
        if !self.is_in_a_life() {
            return;
        }
        self.group.step(moment(&self.clock), event, &mut self.effects);
        self.carry_out();
    }

    pub(crate) fn is_in_a_life(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Closing(..))
    }

    pub(crate) fn step_all(&mut self, events: Vec<Event>) {
        if events.is_empty() || !self.is_in_a_life() {
            return;
        }
        self.group.step_all(moment(&self.clock), events, &mut self.effects);
        self.carry_out();
    }

    pub(crate) fn carry_out(&mut self) {
        loop {
            let mut effects = std::mem::take(&mut self.effects);
            self.perform(effects.drain(..));
            if matches!(self.phase, Phase::Ended) {
                self.effects.clear();
                return self.follows.clear();
            }
            if self.effects.is_empty() {
                self.effects = effects;
            }
            match self.follows.pop_front() {
                Some(event) => {
                    self.group.step(moment(&self.clock), event, &mut self.effects);
                }
                None if self.effects.is_empty() => return,
                None => {}
            }
        }
    }

    fn tick(&mut self) {
        self.ticked = self.now;
        self.step(Event::Tick);
        self.look_after_links();
        let stage = self.group.stage();
        let why = match stage {
            Stage::Serving => SendError::Busy,
            _ => SendError::NoMajority,
        };
        let (now, wait_max) = (self.now, self.config.send_wait_max);
        for shard in &mut self.shards {
            shard.host.refuse_overdue(now, wait_max, why);
            shard.forget_old_snapshot(now);
        }
        for (_, call) in self.calls.extract_if(.., |_, call| call.until <= now) {
            // Whoever does not wait any more need not be told.
            let _ = call.answer.send(Err(CallError::NoAnswer));
        }
        if self.shards.iter().any(|shard| shard.backlog() > LANE_BYTES_MAX) {
            self.fail(Failure::Backlog);
        }
        self.tell_status();
    }

    /// Dials whoever should be linked and is not.
    pub(crate) fn look_after_links(&mut self) {
        if !self.is_in_a_life() {
            return;
        }
        for link in self.links.advance(self.config.node, self.now, &mut self.fabric) {
            self.mail.close(link);
            self.fabric.cut(link);
        }
        let mut arrived = Vec::new();
        for link in self.links.in_question() {
            self.consider(link, &mut arrived);
        }
        self.step_all(arrived);
    }

    /// What has become of the shards by what was done: how safe updates are, which bytes are not
    /// needed any more, who can read.
    fn settle(&mut self) {
        let alone = self.is_in_a_life()
            && self
                .group
                .view()
                .is_some_and(|view| view.members.len() == 1 && self.group.vouches_for(view.id));
        for shard in &mut self.shards {
            let epoch = self.group.epoch(shard.id);
            let passed = epoch.is_some_and(|it| it.is_ready() && it.passed() >= it.heard());
            let company = if alone && passed && !shard.is_frozen() {
                Company::Nobody
            } else {
                Company::Others
            };
            shard.host.be_in(company);
            if let Some(epoch) = epoch {
                // Before it is ready, what this member holds may have left the agreed history.
                if epoch.is_ready() {
                    shard.host.reach(epoch.majority_frontier(), epoch.all_frontier());
                }
                let since = epoch.start().since;
                self.rings.free(self.config.node, shard.id, since, epoch.freed());
            }
        }
        self.advance_reads();
        self.donate();
        for shard in 0..self.shards.len() {
            self.checkpoint_if_due(shard);
        }
    }

    fn advance_reads(&mut self) {
        let frozen = self.shards.iter().filter(|shard| shard.is_frozen());
        let behind = frozen.map(|shard| shard.id).collect();
        if let Some(question) = self.reads.advance(&self.group, behind, self.now) {
            for node in question.to {
                self.post(node, letters::ask(question.view, question.round));
            }
        }
    }

    fn close_if_done(&mut self) {
        let Phase::Closing(until) = &self.phase else { return };
        let idle = self.shards.iter().all(|shard| shard.host.is_idle()) && self.reads.is_idle();
        if idle || *until <= self.now {
            self.phase = Phase::Ended;
        }
    }

    /// This member is of no use any more. Nothing that is still to be done is: it would stand on
    /// what could not be.
    pub(crate) fn fail(&mut self, why: Failure) {
        self.failure.get_or_insert(why);
        for shard in &self.shards {
            if let Some(lane) = &shard.lane {
                lane.abandon();
            }
        }
        self.phase = Phase::Ended;
    }

    /// Ends what the thread began; its folders are free when this returns.
    fn end(&mut self) {
        for link in self.links.clear() {
            self.mail.close(link);
            self.fabric.cut(link);
        }
        // Reads go on working, and see all that was delivered.
        self.shards.iter_mut().for_each(|shard| shard.host.thaw());
        // A last poll lets what was written leave.
        self.fabric.poll(Duration::ZERO, &mut Vec::new());
        for shard in &self.shards {
            shard.ask(crate::lane::Job::Close);
        }
        self.records.close();
        for thread in self.threads.drain(..) {
            // A lane that panicked has told so by ending.
            let _ = thread.join();
        }
    }
}

/// Tells everybody that the thread is gone, however it went.
impl<F, C> Drop for Worker<F, C> {
    fn drop(&mut self) {
        for shard in &mut self.shards {
            if let Some(lane) = &shard.lane {
                lane.abandon();
            }
            shard.host.stop();
        }
        // The folders are free before anybody hears that it is over.
        self.shards.clear();
        self.records.close();
        self.asks.end();
        self.calls.clear();
        let failure = self.failure;
        let ended = Status { ended: true, failure, ..(*self.status.latest()).clone() };
        self.status.set(ended);
        self.status.close();
    }
}

/// What time it is, as the protocol wants to know it.
pub(crate) fn moment(clock: &impl Clock) -> Now {
    Now { micros: clock.elapsed().as_micros() as u64, wall: clock.wall() }
}

/// A letter's link, for those who answer later.
pub(crate) type Link = LinkId;
