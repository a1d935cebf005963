//! Asking a shard, wherever it is: here if this node holds it, otherwise at a node that does. Who
//! is asked by another member and does not hold the shard says so and asks nobody else.

use std::time::Duration;

use bytes::Bytes;
use notrace_policy_promise::name::PoolName;
use notrace_store_objects::{
    Answer, At, Change, Command, Condition, Missing, Objects, Question, Reply, ShredScope,
};
use notrace_store_protocol::ids::{NodeId, ShardId, Version, ViewId};
use notrace_store_protocol::machine::{Durability, Machine, Malformed};
use notrace_store_protocol::view::Fate;
use notrace_store_replica::{CallError, Generation, ReadError, Replicated, SendError};

use super::Part;
use crate::limits::{FAR_TRIES_MAX, FOLLOW_MAX, SAFE_WAIT_MAX};
use crate::node::Node;
use crate::objects::missing;
use crate::refusal::Refusal;

/// What a member asks of another: to order a command, to answer a question, to shred.
pub(super) const ORDER: u8 = 2;
pub(super) const ASK: u8 = 3;
pub(super) const SHRED: u8 = 4;
/// To tell what changes, as soon as something does.
pub(super) const FOLLOW: u8 = 5;

/// How careful a read is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Care {
    /// What it sees at least.
    pub(crate) sight: Sight,
    /// How safe what it found is before it is told.
    pub(crate) safe: Durability,
}

/// What a read sees at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sight {
    /// Whatever is at hand.
    Any,
    /// What was told in the asker's view of the group, and before.
    InView,
    /// Everything that anybody was told of before.
    Latest,
}

impl Care {
    /// Whatever is at hand.
    pub(crate) const NONE: Self = Self { sight: Sight::Any, safe: Durability::Delivered };
    /// Everything that anybody was told of before, however safe.
    pub(crate) const LATEST: Self = Self { sight: Sight::Latest, safe: Durability::Delivered };
}

impl Node {
    /// Orders a command in a shard and waits until it is as safe as asked.
    /// # Errors  [`Refusal`]; [`Refusal::OutcomeUnknown`] where it may have been ordered.
    pub(crate) async fn order_at(
        &self,
        shard: ShardId,
        command: Command,
        durability: Durability,
    ) -> Result<Reply, Refusal> {
        let shelf = self.shelf(shard)?;
        if self.holds(shard) {
            return order_here(shelf, command, durability).await;
        }
        let mut call = vec![ORDER];
        call.extend_from_slice(&shard.0.to_be_bytes());
        call.push(durability_byte(durability));
        call.extend_from_slice(&Objects::encode(&command));
        let told = self.call_holder(shard, call, false).await?;
        Reply::decode(&told).map_err(garbled)
    }

    /// Asks a shard.
    /// # Errors  [`Refusal`], of which [`Missing`] is what the machine says.
    pub(crate) async fn ask(
        &self,
        shard: ShardId,
        question: &Question,
        care: Care,
    ) -> Result<Result<Answer, Missing>, Refusal> {
        let shelf = self.shelf(shard)?;
        if self.holds(shard) {
            return ask_here(shelf, question, care, self.group().view()).await;
        }
        let mut call = vec![ASK];
        call.extend_from_slice(&shard.0.to_be_bytes());
        call.extend_from_slice(&[sight_byte(care.sight), durability_byte(care.safe)]);
        call.extend_from_slice(&self.group().view().number().to_be_bytes());
        call.extend_from_slice(&question.encode());
        let told = self.call_holder(shard, call, true).await?;
        Answer::decode(&told).map_err(garbled)
    }

    /// Has a shard's part of a pool shredded by a node that holds it. The shred travels as the
    /// command that it will become, without its keys.
    pub(crate) async fn shred_far(
        &self,
        (shard, pool): (ShardId, &PoolName),
        scope: ShredScope,
        condition: Condition,
    ) -> Result<Reply, Refusal> {
        let mut call = vec![SHRED];
        call.extend_from_slice(&shard.0.to_be_bytes());
        call.extend_from_slice(&crate::objects::condition_bytes(&condition));
        let (pool, rewrapped) = (pool.clone(), Vec::new());
        let command = Command::Shred { pool, scope, from_epoch: 0, to_epoch: 0, rewrapped };
        call.extend_from_slice(&Objects::encode(&command));
        let told = self.call_holder(shard, call, false).await?;
        Reply::decode(&told).map_err(garbled)
    }

    /// The safe changes of a part after `from`, and how far that is; waits for some, but not for
    /// longer than `wait`.
    /// # Errors  [`Refusal::PoolUnknown`], [`Refusal::HistoryTrimmed`], and those of reaching it.
    pub(crate) async fn follow_part(
        &self,
        part: &Part,
        prefix: &str,
        from: Version,
        limit: u32,
        wait: Duration,
    ) -> Result<(Vec<Change>, Version), Refusal> {
        let (pool, prefix) = (part.pool.clone(), prefix.to_owned());
        let question = Question::Changes { pool, prefix, from, limit };
        // Who follows at a node that the others have lost must learn of it, and go elsewhere.
        if !self.group().member.status().serves() {
            return Err(Refusal::NoMajority);
        }
        if self.holds(part.shard) {
            return follow_here(self.shelf(part.shard)?, &question, from, wait).await;
        }
        let mut call = vec![FOLLOW];
        call.extend_from_slice(&part.shard.0.to_be_bytes());
        call.extend_from_slice(&(wait.as_millis() as u16).to_be_bytes());
        call.extend_from_slice(&question.encode());
        let told = self.call_holder(part.shard, call, true).await?;
        let (frontier, changes) = told.split_first_chunk().ok_or_else(|| garbled(Malformed))?;
        match Answer::decode(changes).map_err(garbled)?.map_err(missing)? {
            Answer::Changes(changes) => {
                Ok((changes, Version::from_wire(u64::from_be_bytes(*frontier))))
            }
            _ => Err(garbled(Malformed)),
        }
    }

    /// How far a shard is: up to where everything is safe. Nothing of a part that is not there.
    pub(crate) async fn frontier_of(&self, part: &Part) -> Result<Version, Refusal> {
        if self.holds(part.shard) {
            let shelf = self.shelf(part.shard)?;
            let is_there = shelf.read(|objects| objects.pool(&part.pool).is_some());
            return Ok(if is_there { shelf.safe().0 } else { Version::ZERO });
        }
        let care = Care { safe: Durability::MajorityDurable, ..Care::LATEST };
        if let Err(Missing::PoolUnknown) =
            self.ask(part.shard, &Question::Pool(part.pool.clone()), care).await?
        {
            return Ok(Version::ZERO);
        }
        let nothing = Question::Values { objects: Vec::new(), at: At::Latest };
        match self.ask(part.shard, &nothing, care).await? {
            Ok(Answer::Values(version, _)) => Ok(version),
            _ => Err(garbled(Malformed)),
        }
    }

    /// Whether this node holds all of a shard. The home shard is held by every node.
    pub(crate) fn holds(&self, shard: ShardId) -> bool {
        let at = usize::from(shard.0);
        shard == super::HOME
            || self.group().member.status().shards.get(at).is_some_and(|shard| shard.holds)
    }

    /// Whether retention and the like are this node's to see to, among those who hold the shard.
    pub(crate) fn leads(&self, shard: ShardId) -> bool {
        let status = self.group().member.status();
        let first =
            status.view.as_ref().and_then(|view| view.shard(shard)?.members.first().copied());
        first.is_none_or(|first| first == status.node)
    }

    pub(crate) fn shelf(&self, shard: ShardId) -> Result<&Replicated<Objects>, Refusal> {
        self.group().shelves.shelf(shard).ok_or(Refusal::Internal("finding a shard"))
    }

    /// Calls a node that holds the shard; another one if the first certainly did nothing, or if
    /// asking twice does no harm.
    async fn call_holder(
        &self,
        shard: ShardId,
        call: Vec<u8>,
        harmless: bool,
    ) -> Result<Bytes, Refusal> {
        for holder in self.holders(shard)?.into_iter().take(FAR_TRIES_MAX) {
            let told = match self.group().member.p2p_send(holder, call.clone()).await {
                Ok(told) => told,
                Err(CallError::Unreachable | CallError::Busy) => continue,
                Err(CallError::TooLarge) => return Err(Refusal::OutOfSpace),
                Err(CallError::NoAnswer) if harmless => continue,
                Err(CallError::Stopped) if harmless => return Err(Refusal::Unavailable),
                Err(CallError::NoAnswer | CallError::Stopped) => {
                    return Err(Refusal::OutcomeUnknown);
                }
            };
            match told.split_first() {
                Some((&DONE, rest)) => {
                    let (view, _) = rest.split_first_chunk().ok_or_else(|| garbled(Malformed))?;
                    self.group().note_view(u32::from_be_bytes(*view));
                    return Ok(told.slice(DONE_BYTES..));
                }
                Some((&NOT_HERE, _)) => {}
                Some((code, rest)) => return Err(refusal(*code, rest)),
                None => return Err(garbled(Malformed)),
            }
        }
        Err(Refusal::Unavailable)
    }

    /// Who holds a shard: those to whom there is a link first.
    fn holders(&self, shard: ShardId) -> Result<Vec<NodeId>, Refusal> {
        let status = self.group().member.status();
        let view = status.view.as_ref().filter(|_| status.serves()).ok_or(Refusal::NoMajority)?;
        let held = view.shard(shard).filter(|shard| shard.fate == Fate::Held);
        let others = held.into_iter().flat_map(|shard| shard.members.iter().copied());
        let mut others: Vec<NodeId> = others.filter(|node| *node != status.node).collect();
        others.sort_by_key(|node| (status.suspected.contains(node), !status.linked.contains(node)));
        Ok(others)
    }
}

/// Does what another member asks of a shard that this node holds.
pub(super) async fn serve(node: &Node, call: &Bytes) -> Vec<u8> {
    let told = match call.split_first_chunk::<3>() {
        Some(([kind, shard @ ..], rest)) => {
            let shard = ShardId(u16::from_be_bytes(*shard));
            if node.group().shelves.shelf(shard).is_none() || !node.holds(shard) {
                return vec![NOT_HERE];
            }
            serve_here(node, *kind, shard, rest).await
        }
        None => Err(garbled(Malformed)),
    };
    match told {
        Ok(told) => [&[DONE][..], &node.group().view().number().to_be_bytes(), &told].concat(),
        Err(refusal) => code(&refusal),
    }
}

async fn serve_here(
    node: &Node,
    kind: u8,
    shard: ShardId,
    call: &[u8],
) -> Result<Vec<u8>, Refusal> {
    let malformed = || garbled(Malformed);
    match kind {
        ORDER => {
            let (durability, command) = call.split_first().ok_or_else(malformed)?;
            let durability = durability_of(*durability).ok_or_else(malformed)?;
            let command = Objects::decode(command).map_err(garbled)?;
            let reply = order_here(node.shelf(shard)?, command, durability).await?;
            Ok(reply.encode())
        }
        ASK => {
            let ([sight, safe], rest) = call.split_first_chunk().ok_or_else(malformed)?;
            let (view, question) = rest.split_first_chunk().ok_or_else(malformed)?;
            let sight = sight_of(*sight).ok_or_else(malformed)?;
            let safe = durability_of(*safe).ok_or_else(malformed)?;
            let view = ViewId::new(u32::from_be_bytes(*view)).ok_or_else(malformed)?;
            let question = Question::decode(question).map_err(garbled)?;
            let care = Care { sight, safe };
            Ok(Answer::encode(&ask_here(node.shelf(shard)?, &question, care, view).await?))
        }
        SHRED => {
            let (condition, command) = call.split_first_chunk::<9>().ok_or_else(malformed)?;
            let condition = crate::objects::condition_of(condition).ok_or_else(malformed)?;
            let command = Objects::decode(command).map_err(garbled)?;
            let Command::Shred { pool, scope, .. } = command else { return Err(malformed()) };
            Ok(node.shred_here((shard, &pool), scope, condition).await?.encode())
        }
        FOLLOW => {
            let (wait, question) = call.split_first_chunk().ok_or_else(malformed)?;
            let wait = Duration::from_millis(u16::from_be_bytes(*wait).into()).min(FOLLOW_MAX);
            let question = Question::decode(question).map_err(garbled)?;
            let Question::Changes { from, .. } = &question else { return Err(malformed()) };
            let shelf = node.shelf(shard)?;
            let (changes, frontier) = follow_here(shelf, &question, *from, wait).await?;
            let mut told = frontier.to_wire().to_be_bytes().to_vec();
            told.extend_from_slice(&Answer::encode(&Ok(Answer::Changes(changes))));
            Ok(told)
        }
        _ => Err(malformed()),
    }
}

async fn follow_here(
    shelf: &Replicated<Objects>,
    question: &Question,
    from: Version,
    wait: Duration,
) -> Result<(Vec<Change>, Version), Refusal> {
    let began = tokio::time::Instant::now();
    loop {
        // The frontier first: what comes between the two reads is then read again, not lost.
        let (frontier, _) = shelf.safe();
        let answer = shelf.read(|objects| question.look(objects)).map_err(missing)?;
        let Answer::Changes(mut changes) = answer else { return Err(garbled(Malformed)) };
        changes.retain(|change| change.version <= frontier);
        let left = wait.saturating_sub(began.elapsed());
        if !changes.is_empty() || left.is_zero() {
            return Ok((changes, frontier));
        }
        let settled = shelf.settled_past(from.max(frontier));
        if let Ok(false) = tokio::time::timeout(left, settled).await {
            return Err(Refusal::Unavailable);
        }
    }
}

pub(crate) async fn order_here(
    shelf: &Replicated<Objects>,
    command: Command,
    durability: Durability,
) -> Result<Reply, Refusal> {
    let sent = in_time(shelf.ordered_send(command, durability), Refusal::OutcomeUnknown).await?;
    sent.map(|delivered| delivered.reply).map_err(|error| match error {
        SendError::Busy => Refusal::Busy { retry_after: Duration::from_secs(1) },
        SendError::OutOfSpace | SendError::TooLarge => Refusal::OutOfSpace,
        SendError::NoMajority => Refusal::NoMajority,
        SendError::NotHere | SendError::Lost => Refusal::Unavailable,
        SendError::Stopped | SendError::Unknown => Refusal::OutcomeUnknown,
    })
}

async fn ask_here(
    shelf: &Replicated<Objects>,
    question: &Question,
    care: Care,
    view: ViewId,
) -> Result<Result<Answer, Missing>, Refusal> {
    match care.sight {
        Sight::Any => {}
        Sight::InView => shelf.caught_up(view).await.map_err(unread)?,
        Sight::Latest => latest_of(shelf).await?,
    }
    let generation = shelf.generation();
    let (answer, now) = shelf.read(|objects| (question.look(objects), objects.version()));
    // What is not there may have been taken away a moment ago.
    let newest = answer.as_ref().map_or(Some(now), |answer| answer.newest(now));
    if let Some(newest) = newest {
        safe_at(shelf, (newest, generation), care.safe).await?;
    }
    Ok(answer)
}

/// Bounds a wait for the disks of others: one that is full or stuck must not hold up for ever those
/// who wait for all of them.
pub(crate) async fn in_time<T>(wait: impl Future<Output = T>, late: Refusal) -> Result<T, Refusal> {
    tokio::time::timeout(SAFE_WAIT_MAX, wait).await.map_err(|_| late)
}

/// Waits until everything is applied here that anybody was told of.
pub(crate) async fn latest_of<M: Machine>(shelf: &Replicated<M>) -> Result<(), Refusal> {
    shelf.latest().await.map_err(unread)
}

fn unread(error: ReadError) -> Refusal {
    match error {
        ReadError::NoMajority => Refusal::NoMajority,
        ReadError::Busy => Refusal::Busy { retry_after: Duration::from_secs(1) },
        ReadError::NotHere | ReadError::Stopped => Refusal::Unavailable,
    }
}

async fn safe_at(
    shelf: &Replicated<Objects>,
    (version, generation): (Version, Generation),
    durability: Durability,
) -> Result<(), Refusal> {
    let safe = shelf.is_safe(version, generation, durability);
    match in_time(safe, Refusal::Unavailable).await? {
        true => Ok(()),
        false => Err(Refusal::Unavailable),
    }
}

fn garbled(_: Malformed) -> Refusal {
    Refusal::Internal("understanding another member")
}

fn sight_byte(sight: Sight) -> u8 {
    match sight {
        Sight::Any => 0,
        Sight::InView => 1,
        Sight::Latest => 2,
    }
}

fn sight_of(byte: u8) -> Option<Sight> {
    match byte {
        0 => Some(Sight::Any),
        1 => Some(Sight::InView),
        2 => Some(Sight::Latest),
        _ => None,
    }
}

fn durability_byte(durability: Durability) -> u8 {
    match durability {
        Durability::Delivered => 0,
        Durability::MajorityDurable => 1,
        Durability::AllDurable => 2,
    }
}

fn durability_of(byte: u8) -> Option<Durability> {
    match byte {
        0 => Some(Durability::Delivered),
        1 => Some(Durability::MajorityDurable),
        2 => Some(Durability::AllDurable),
        _ => None,
    }
}

/// What is answered when too much is asked at once. Nothing was done.
pub(super) fn busy() -> Vec<u8> {
    code(&Refusal::Busy { retry_after: Duration::from_secs(1) })
}

/// What an answer begins with: that it was done, that the shard is elsewhere, or why not.
const DONE: u8 = 0;
/// What comes before the answer then: that, and the view of whoever did it.
const DONE_BYTES: usize = 1 + size_of::<u32>();
const NOT_HERE: u8 = 1;
const UNAVAILABLE: u8 = 2;
const NO_MAJORITY: u8 = 3;
const BUSY: u8 = 4;
const OUT_OF_SPACE: u8 = 5;
const POOL_UNKNOWN: u8 = 6;
const OBJECT_UNKNOWN: u8 = 7;
const SHREDDED: u8 = 8;
const TRIMMED: u8 = 9;
const MISMATCH: u8 = 10;
const POOLS_FULL: u8 = 11;
const INTERNAL: u8 = 12;
const OUTCOME_UNKNOWN: u8 = 13;

fn code(refusal: &Refusal) -> Vec<u8> {
    let code = match refusal {
        Refusal::Unavailable => UNAVAILABLE,
        Refusal::OutcomeUnknown => OUTCOME_UNKNOWN,
        Refusal::NoMajority => NO_MAJORITY,
        Refusal::Busy { .. } => BUSY,
        Refusal::OutOfSpace => OUT_OF_SPACE,
        Refusal::PoolUnknown => POOL_UNKNOWN,
        Refusal::ObjectUnknown => OBJECT_UNKNOWN,
        Refusal::ObjectShredded => SHREDDED,
        Refusal::HistoryTrimmed => TRIMMED,
        Refusal::PoolsFull => POOLS_FULL,
        Refusal::VersionMismatch { current, .. } => {
            let mut told = vec![MISMATCH];
            told.extend(current.iter().flat_map(|version| version.to_wire().to_be_bytes()));
            return told;
        }
        _ => INTERNAL,
    };
    vec![code]
}

fn refusal(code: u8, rest: &[u8]) -> Refusal {
    match code {
        UNAVAILABLE => Refusal::Unavailable,
        OUTCOME_UNKNOWN => Refusal::OutcomeUnknown,
        NO_MAJORITY => Refusal::NoMajority,
        BUSY => Refusal::Busy { retry_after: Duration::from_secs(1) },
        OUT_OF_SPACE => Refusal::OutOfSpace,
        POOL_UNKNOWN => missing(Missing::PoolUnknown),
        OBJECT_UNKNOWN => missing(Missing::ObjectUnknown),
        SHREDDED => missing(Missing::Shredded),
        TRIMMED => missing(Missing::Trimmed),
        POOLS_FULL => Refusal::PoolsFull,
        MISMATCH => {
            let current = rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
            Refusal::VersionMismatch { current: current.map(Version::from_wire), index: None }
        }
        _ => Refusal::Internal("asking another member"),
    }
}
