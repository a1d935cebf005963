//! One shard's machine as the replica's thread handles it: without its type.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use bytes::Bytes;
use futures_channel::oneshot;
use notrace_store_protocol::ids::{ShardId, Version, ViewId};
use notrace_store_protocol::machine::{Chunk, Durability, Machine, Malformed, Place};
use notrace_store_protocol::rpc::{Outcome, RequestId};

use crate::bell::Bell;
use crate::error::{CheckpointError, ReadError, SendError};
use crate::lane::Asked;
use crate::limits::FROZEN_BYTES_MAX;
use crate::replicated::Delivered;
use crate::seats::{Seat, Seats};
use crate::watchers::Watchers;

/// Somebody who wants to read.
pub(crate) struct Reader {
    pub(crate) need: Need,
    pub(crate) answer: oneshot::Sender<Result<(), ReadError>>,
    /// Of those that may wait.
    pub(crate) _seat: Seat,
}

/// What a reader must see at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// Everything that anybody was told of.
    Latest,
    /// Everything that came before this view, and what was received since.
    Since(ViewId),
}

/// What handles and the thread share of one shard.
pub(crate) struct Shared<M: Machine> {
    pub(crate) shard: ShardId,
    pub(crate) machine: RwLock<M>,
    pub(crate) wishes: Mutex<Wishes<M>>,
    /// Rises when the machine is made anew.
    pub(crate) generation: AtomicU64,
    /// Up to where updates are applied here, on a majority of disks, and on all.
    pub(crate) applied: Watchers,
    pub(crate) majority: Watchers,
    pub(crate) all: Watchers,
    /// This member is alone in its view, and nothing waits to be delivered: what it has is latest.
    pub(crate) alone: AtomicBool,
    pub(crate) bell: Arc<Bell>,
    pub(crate) count_max: usize,
    pub(crate) bytes_max: u64,
    /// How many may wait to read, and for a checkpoint.
    pub(crate) readers: Seats,
    pub(crate) checkpoints: Seats,
}

/// What the handles want.
pub(crate) struct Wishes<M: Machine> {
    requests: VecDeque<Request<M>>,
    bytes: u64,
    readers: Vec<Reader>,
    checkpoints: Vec<Asked>,
    pub(crate) closing: bool,
    stopped: bool,
}

/// An update that waits to be ordered.
pub(crate) struct Request<M: Machine> {
    pub(crate) command: M::Command,
    /// The command as it goes to the others and into the log.
    pub(crate) encoded: Bytes,
    pub(crate) durability: Durability,
    pub(crate) answer: oneshot::Sender<Result<Delivered<M::Reply>, SendError>>,
    /// Since when it waits; none until the thread has seen it.
    pub(crate) since: Option<Duration>,
}

impl<M: Machine> Wishes<M> {
    pub(crate) fn new() -> Self {
        Self {
            requests: VecDeque::new(),
            bytes: 0,
            readers: Vec::new(),
            checkpoints: Vec::new(),
            closing: false,
            stopped: false,
        }
    }
}

impl<M: Machine> Shared<M> {
    /// No method leaves the wishes half changed, so a panic elsewhere does not spoil them.
    pub(crate) fn wishes(&self) -> MutexGuard<'_, Wishes<M>> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, request: Request<M>) -> Result<(), SendError> {
        let mut wishes = self.wishes();
        if wishes.closing || wishes.stopped {
            return Err(SendError::Stopped);
        }
        let bytes = wishes.bytes + request.encoded.len() as u64;
        let full = wishes.requests.len() >= self.count_max || bytes > self.bytes_max;
        if full && !wishes.requests.is_empty() {
            return Err(SendError::Busy);
        }
        wishes.bytes = bytes;
        wishes.requests.push_back(request);
        drop(wishes);
        self.bell.ring(self.shard);
        Ok(())
    }

    /// # Errors  [`ReadError::Busy`]
    pub(crate) fn ask_to_read(
        &self,
        need: Need,
    ) -> Result<oneshot::Receiver<Result<(), ReadError>>, ReadError> {
        let seat = self.readers.take().ok_or(ReadError::Busy)?;
        let (answer, wait) = oneshot::channel();
        self.wish(|wishes| wishes.readers.push(Reader { need, answer, _seat: seat }));
        Ok(wait)
    }

    /// # Errors  [`CheckpointError::Busy`]
    pub(crate) fn ask_checkpoint(
        &self,
    ) -> Result<oneshot::Receiver<Result<(), CheckpointError>>, CheckpointError> {
        let seat = self.checkpoints.take().ok_or(CheckpointError::Busy)?;
        let (answer, wait) = oneshot::channel();
        self.wish(|wishes| wishes.checkpoints.push(Asked { answer, _seat: seat }));
        Ok(wait)
    }

    /// Has the thread look, while there is one.
    fn wish(&self, note: impl FnOnce(&mut Wishes<M>)) {
        let mut wishes = self.wishes();
        if !wishes.stopped {
            note(&mut wishes);
            drop(wishes);
            self.bell.ring(self.shard);
        }
    }

    fn machine(&self) -> RwLockWriteGuard<'_, M> {
        match self.machine.write() {
            Ok(machine) => machine,
            Err(_) => unreachable!("only this thread could have spoilt the machine"),
        }
    }
}

/// Whether anybody else could have told somebody of an update that this member has not applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Company {
    Nobody,
    Others,
}

/// A machine, without its type.
pub(crate) type Made = Box<dyn Any + Send>;

/// Makes the machine of a state as of a place, and applies updates to it.
pub(crate) type Maker =
    Box<dyn FnOnce(Place, &[u8], &[(Place, Bytes)]) -> Result<Made, Malformed> + Send>;

/// Tells a machine's state, as parts.
pub(crate) type Encoder = Box<dyn FnOnce() -> Vec<Chunk> + Send>;

/// A shard's machine.
pub(crate) trait Host: Send {
    /// The next update that waits: how long it is, and how safe it shall be.
    fn next(&mut self) -> Option<(usize, Durability)>;
    /// Takes it out; it is under way as `request` from now on. Its bytes.
    fn begin(&mut self, request: RequestId) -> Bytes;
    /// Nothing came of it; it waits again, before all others.
    fn give_back(&mut self, request: RequestId);
    /// Tells its sender that nothing came of it.
    fn refuse(&mut self, request: RequestId, why: SendError);
    /// Tells the sender of the next one that waits the same.
    fn refuse_next(&mut self, why: SendError);
    /// Turns away what waits longer than it may.
    fn refuse_overdue(&mut self, now: Duration, wait_max: Duration, why: SendError);
    /// Applies an update.
    fn apply(&mut self, place: Place, payload: &Bytes, request: Option<RequestId>);
    /// An own update's call ended.
    fn resolve(&mut self, request: RequestId, outcome: &Outcome);
    /// What makes a machine, on any thread.
    fn maker(&self) -> Maker;
    /// Becomes a machine that was made, as of this update; the one that it was.
    fn become_made(&mut self, at: Version, made: Made) -> Option<Made>;
    /// Becomes what it was in the beginning; the machine that it was.
    fn become_first(&mut self) -> Option<Made>;
    /// The state.
    fn snapshot(&self) -> Vec<Chunk>;
    /// Has the machine stand still until [`Host::thaw`], and says what tells its state then, on any
    /// thread. What is to be applied meanwhile waits, up to a bound; beyond it, it is this thread
    /// that waits for the other.
    fn freeze(&mut self) -> Encoder;
    /// Applies what has waited.
    fn thaw(&mut self);
    /// How safe updates are.
    fn reach(&self, majority: Version, all: Version);
    /// Who else is in the view.
    fn be_in(&self, company: Company);
    /// Those who want to read what is latest.
    fn readers(&mut self) -> Vec<Reader>;
    /// Those who want a checkpoint.
    fn checkpoints(&mut self) -> Vec<Asked>;
    /// Takes nothing new from now on.
    fn close(&mut self);
    /// Whether nothing waits nor is under way.
    fn is_idle(&self) -> bool;
    /// There will be no more: whoever waits is told.
    fn stop(&mut self);
}

/// The thread's side of a shard.
pub(crate) struct Typed<M: Machine> {
    shared: Arc<Shared<M>>,
    initial: Box<dyn Fn() -> M + Send>,
    under_way: BTreeMap<RequestId, UnderWay<M>>,
    /// What waits while the machine stands still; none while it does not.
    frozen: Option<Frozen>,
}

/// What waits for a machine that stands still, in its order.
#[derive(Default)]
struct Frozen {
    waiting: VecDeque<Later>,
    bytes: usize,
}

enum Later {
    Apply { place: Place, payload: Bytes, request: Option<RequestId> },
    Resolve { number: RequestId, outcome: Outcome },
}

/// An own update that was sent.
struct UnderWay<M: Machine> {
    request: Option<Request<M>>,
    answer: Option<oneshot::Sender<Result<Delivered<M::Reply>, SendError>>>,
    reply: Option<M::Reply>,
}

impl<M: Machine> Typed<M> {
    pub(crate) fn new(shared: Arc<Shared<M>>, initial: Box<dyn Fn() -> M + Send>) -> Self {
        Self { shared, initial, under_way: BTreeMap::new(), frozen: None }
    }

    /// Applies an update at once.
    fn apply_now(&mut self, place: Place, payload: &Bytes, request: Option<RequestId>) {
        let own = request.and_then(|request| self.under_way.get_mut(&request));
        let sent = own.and_then(|own| {
            let request = own.request.take()?;
            own.answer = Some(request.answer);
            Some(request.command)
        });
        // A command that nobody of this version can read does nothing anywhere.
        let reply = match sent.map_or_else(|| M::decode(payload), Ok) {
            Ok(command) => Some(self.shared.machine().apply(place, command)),
            Err(Malformed) => None,
        };
        if let Some(own) = request.and_then(|request| self.under_way.get_mut(&request)) {
            own.reply = reply;
        }
        self.shared.applied.advance(place.version);
    }

    fn replace(&mut self, at: Version, machine: M) -> Made {
        self.thaw();
        let mut place = self.shared.machine();
        // Before anybody can read the new one; who asked before the old one was read is told.
        self.shared.generation.fetch_add(1, Ordering::AcqRel);
        let old = std::mem::replace(&mut *place, machine);
        drop(place);
        self.shared.applied.reset(at);
        self.shared.majority.look_again();
        self.shared.all.look_again();
        Box::new(old)
    }
}

/// Applies a command of a log. One that nobody of this version can read does nothing anywhere.
fn apply<M: Machine>(machine: &mut M, place: Place, payload: &[u8]) {
    if let Ok(command) = M::decode(payload) {
        drop(machine.apply(place, command));
    }
}

/// Whoever does not wait any more has not been promised anything.
fn tell<T>(answer: oneshot::Sender<T>, what: T) {
    let _ = answer.send(what);
}

impl<M: Machine> Host for Typed<M> {
    fn next(&mut self) -> Option<(usize, Durability)> {
        let wishes = self.shared.wishes();
        wishes.requests.front().map(|request| (request.encoded.len(), request.durability))
    }

    fn begin(&mut self, number: RequestId) -> Bytes {
        let mut wishes = self.shared.wishes();
        let Some(request) = wishes.requests.pop_front() else { return Bytes::new() };
        wishes.bytes -= request.encoded.len() as u64;
        drop(wishes);
        let encoded = request.encoded.clone();
        let under_way = UnderWay { request: Some(request), answer: None, reply: None };
        self.under_way.insert(number, under_way);
        encoded
    }

    fn give_back(&mut self, number: RequestId) {
        let Some(under_way) = self.under_way.remove(&number) else { return };
        let Some(request) = under_way.request else { return };
        let mut wishes = self.shared.wishes();
        wishes.bytes += request.encoded.len() as u64;
        wishes.requests.push_front(request);
    }

    fn refuse(&mut self, number: RequestId, why: SendError) {
        let Some(under_way) = self.under_way.remove(&number) else { return };
        let answer = under_way.answer.or(under_way.request.map(|request| request.answer));
        if let Some(answer) = answer {
            tell(answer, Err(why));
        }
    }

    fn refuse_next(&mut self, why: SendError) {
        let mut wishes = self.shared.wishes();
        let Some(request) = wishes.requests.pop_front() else { return };
        wishes.bytes -= request.encoded.len() as u64;
        drop(wishes);
        tell(request.answer, Err(why));
    }

    fn refuse_overdue(&mut self, now: Duration, wait_max: Duration, why: SendError) {
        let mut overdue = Vec::new();
        {
            let mut wishes = self.shared.wishes();
            for request in &mut wishes.requests {
                request.since.get_or_insert(now);
            }
            while let Some(request) = wishes.requests.pop_front_if(|request| {
                request.since.is_some_and(|since| now.saturating_sub(since) > wait_max)
            }) {
                wishes.bytes -= request.encoded.len() as u64;
                overdue.push(request);
            }
        }
        overdue.into_iter().for_each(|request| tell(request.answer, Err(why)));
    }

    fn apply(&mut self, place: Place, payload: &Bytes, request: Option<RequestId>) {
        if self.frozen.as_ref().is_some_and(|frozen| frozen.bytes > FROZEN_BYTES_MAX) {
            self.thaw();
        }
        match &mut self.frozen {
            None => self.apply_now(place, payload, request),
            Some(frozen) => {
                // One that is empty takes memory as well.
                frozen.bytes += payload.len() + size_of::<Later>();
                let payload = payload.clone();
                frozen.waiting.push_back(Later::Apply { place, payload, request });
            }
        }
    }

    fn freeze(&mut self) -> Encoder {
        self.frozen.get_or_insert_default();
        let shared = self.shared.clone();
        Box::new(move || match shared.machine.read() {
            Ok(machine) => machine.snapshot_chunks(),
            Err(_) => unreachable!("only the thread that applies could have spoilt the machine"),
        })
    }

    fn thaw(&mut self) {
        let waiting = self.frozen.take().unwrap_or_default().waiting;
        for later in waiting {
            match later {
                Later::Apply { place, payload, request } => {
                    self.apply_now(place, &payload, request);
                }
                Later::Resolve { number, outcome } => self.resolve(number, &outcome),
            }
        }
    }

    fn resolve(&mut self, number: RequestId, outcome: &Outcome) {
        if let Some(frozen) = &mut self.frozen
            && matches!(outcome, Outcome::Delivered { .. })
        {
            let outcome = outcome.clone();
            return frozen.waiting.push_back(Later::Resolve { number, outcome });
        }
        match outcome {
            Outcome::NotApplied => self.give_back(number),
            Outcome::Delivered { place, .. } => {
                let Some(under_way) = self.under_way.remove(&number) else { return };
                let (Some(answer), Some(reply)) = (under_way.answer, under_way.reply) else {
                    return;
                };
                tell(answer, Ok(Delivered { place: *place, reply }));
            }
            Outcome::Replied { .. } | Outcome::ViewChanged | Outcome::Unknown { .. } => {
                self.refuse(number, SendError::Unknown);
            }
        }
    }

    fn maker(&self) -> Maker {
        Box::new(|at, state, updates| {
            let mut machine = M::restore(state)?;
            if machine.applied().is_some_and(|it| it.version > at.version || it.time > at.time) {
                return Err(Malformed);
            }
            for (place, payload) in updates {
                apply(&mut machine, *place, payload);
            }
            Ok(Box::new(machine))
        })
    }

    fn become_made(&mut self, at: Version, made: Made) -> Option<Made> {
        let machine = made.downcast::<M>().ok()?;
        Some(self.replace(at, *machine))
    }

    fn become_first(&mut self) -> Option<Made> {
        let first = (self.initial)();
        Some(self.replace(Version::ZERO, first))
    }

    fn snapshot(&self) -> Vec<Chunk> {
        match self.shared.machine.read() {
            Ok(machine) => machine.snapshot_chunks(),
            Err(_) => unreachable!("only this thread could have spoilt the machine"),
        }
    }

    fn reach(&self, majority: Version, all: Version) {
        if majority > self.shared.majority.frontier() {
            self.shared.majority.advance(majority);
        }
        if all > self.shared.all.frontier() {
            self.shared.all.advance(all);
        }
    }

    fn be_in(&self, company: Company) {
        self.shared.alone.store(company == Company::Nobody, Ordering::Release);
    }

    fn readers(&mut self) -> Vec<Reader> {
        std::mem::take(&mut self.shared.wishes().readers)
    }

    fn checkpoints(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.wishes().checkpoints)
    }

    fn close(&mut self) {
        self.shared.wishes().closing = true;
    }

    fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.shared.wishes().requests.is_empty()
    }

    fn stop(&mut self) {
        self.be_in(Company::Others);
        let mut wishes = self.shared.wishes();
        wishes.stopped = true;
        wishes.bytes = 0;
        let waiting = (
            std::mem::take(&mut wishes.requests),
            std::mem::take(&mut wishes.readers),
            std::mem::take(&mut wishes.checkpoints),
        );
        drop(wishes);
        // Dropping an answer says that there will be none.
        drop(waiting);
        self.under_way.clear();
        self.frozen = None;
        for watchers in [&self.shared.applied, &self.shared.majority, &self.shared.all] {
            watchers.close();
        }
    }
}
