//! One run: a lab, a group, load, a storm, and the checks when all is healed.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::chance::Chance;
use crate::checks::{Violation, durable, equal, ledger, linear, watches};
use crate::cluster::Cluster;
use crate::contents::Contents;
use crate::door::Door;
use crate::history::{Call, POOLS};
use crate::lab::Lab;
use crate::limits::{ANSWER_MAX, CLIENTS};
use crate::load::auditor::Auditor;
use crate::load::client::{Client, Seen};
use crate::load::shredder::{self, Shredder};
use crate::load::watcher::{Target, Watcher};
use crate::moment::Clock;
use crate::plan::{Plan, Shape};
use crate::storm;

/// Prefixes that are watched in each pool: all keys, and some of them.
const PREFIXES: [&str; 2] = ["", "k0"];

/// What came of a run.
pub struct Outcome {
    /// What was done to the group, without what this machine cannot do.
    pub plan: Plan,
    /// What a reader has to know of the machine.
    pub remarks: String,
    /// What must not be; empty if all is well.
    pub violations: Vec<Violation>,
    /// What happened, in figures.
    pub figures: Figures,
}

/// What happened, in figures.
#[derive(Default, Debug)]
pub struct Figures {
    /// Faults that were left out.
    pub left_out: usize,
    /// Calls that were answered, and not.
    pub calls: (usize, usize),
    /// Attempts that came to nothing.
    pub failures: u64,
    /// Changes that watchers were told of, and connections that this took.
    pub told: (usize, u64),
    /// Leaves that were added to the public log, and heads that were seen.
    pub leaves: (u64, usize),
    /// Objects that were shredded, and shreddings that were not acknowledged.
    pub shredded: (usize, u64),
    /// Starts that were refused while a disk was full.
    pub refused: u64,
    /// The view in the end; each change of members begins one.
    pub view: u32,
    /// Logs that the members keep; one is meant.
    pub logs: usize,
    /// How long the group took to be founded.
    pub founded: Duration,
    /// How long until every member was in the group again.
    pub healed: Duration,
    /// How long the checks took.
    pub checked: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, failures, told, leaves, logs, shredded, refused, view, .. } = self;
        let [founded, healed, checked] =
            [self.founded, self.healed, self.checked].map(|took| took.as_secs_f64());
        write!(f, "{} calls answered, {} never, {failures} attempts failed; ", calls.0, calls.1)?;
        write!(f, "{} changes told over {} connections; ", told.0, told.1)?;
        write!(f, "{} leaves, {} heads, {logs} logs; ", leaves.0, leaves.1)?;
        write!(f, "{} objects shredded, {} perhaps; ", shredded.0, shredded.1)?;
        write!(f, "{refused} starts refused, view {view} in the end; founded in {founded:.1} s, ")?;
        write!(f, "whole {healed:.1} s after the last fault, checked in {checked:.1} s")
    }
}

/// What all clients saw.
struct Witnesses {
    seen: Vec<Seen>,
    watchers: Vec<Watcher>,
    auditor: Auditor,
    shredder: Shredder,
}

/// Does one run of `length` on so many hosts.
/// # Errors  The run could not be done at all. What the group did wrong is in the outcome.
pub async fn run(seed: u64, hosts: usize, length: Duration) -> Result<Outcome> {
    let chance = Chance::of(seed);
    let began = Clock::start();
    let lab = Lab::start(hosts)?;
    let (plan, left_out) = Plan::draw(seed, hosts, length).possible(&lab.abilities);
    let remarks = lab.abilities.words();
    let mut cluster = Cluster::found(lab, plan.shape, &mut chance.part(2)).await?;
    let mut figures = Figures { left_out, founded: began.elapsed(), ..Figures::default() };
    let doors = cluster.doors();
    make_pools(&doors).await?;
    let auditor = Auditor::new(doors.clone(), chance.part(3)).await?;

    let clock = Clock::start();
    let mut load = begin(&doors, &chance, clock, length);
    let audit = tokio::spawn(auditor.audit(clock, length));
    let shredder = Shredder::new(doors.clone(), chance.part(4));
    let shred = tokio::spawn(shredder.shred(clock, length));
    let storm = storm::perform(&mut cluster, &plan, &clock).await?;
    let whole = Clock::start();
    let mut violations: Vec<Violation> =
        storm.fallen.into_iter().map(|text| Violation::new("life", text)).collect();
    figures.refused = storm.refused;
    if let Err(error) = cluster.whole().await {
        violations.push(Violation::new("healing", format!("{error:#}")));
        let panicked = cluster.panicked().into_iter();
        violations.extend(panicked.map(|text| Violation::new("life", text)));
        return Ok(Outcome { plan, remarks, violations, figures });
    }
    figures.healed = whole.elapsed();

    let seen = join(&mut load.clients).await?;
    let mut members = Vec::new();
    for (at, door) in doors.iter().enumerate() {
        match Contents::of(door, (at, doors.len())).await {
            Ok(contents) => members.push(contents),
            Err(error) => {
                let text = format!("member {at} cannot be read: {error:#}");
                violations.push(Violation::new("reading", text));
            }
        }
    }
    let newest = members.first().cloned().unwrap_or_default();
    load.point(&newest);
    let versions = (0..).zip(POOLS).flat_map(|(pool, _)| newest.newest_of_each(pool, ""));
    figures.view = versions.map(|(_, version)| version.view).max().unwrap_or_default();
    let watchers = join(&mut load.watchers).await?;
    let mut auditor = audit.await?;
    if let Err(error) = auditor.close().await {
        violations.push(Violation::new("ledger", format!("{error:#}")));
    }
    let mut shredder = shred.await?;
    if let Err(error) = shredder.look_again().await {
        violations.push(Violation::new("forgetting", format!("{error:#}")));
    }
    let fallen = cluster.fallen()?.into_iter();
    violations.extend(fallen.map(|fallen| Violation::new("life", fallen.said)));
    let panicked = cluster.panicked().into_iter();
    violations.extend(panicked.map(|text| Violation::new("life", text)));
    let checking = Clock::start();
    let witnesses = Witnesses { seen, watchers, auditor, shredder };
    violations.extend(judge(&witnesses, members, plan.shape)?);
    count(&mut figures, &witnesses);
    figures.checked = checking.elapsed();
    Ok(Outcome { plan, remarks, violations, figures })
}

async fn make_pools(doors: &[Door]) -> Result<()> {
    let mut line = doors.first().context("no member")?.open().await?;
    for (name, durability) in POOLS.into_iter().chain([shredder::POOL]) {
        let spec = format!("{{\"retain\":\"forever\",\"durability\":\"{durability}\"}}");
        let headers = [("content-type", "application/json")];
        let path = format!("/v1/pools/{name}");
        let answer = line.ask("PUT", &path, &headers, Bytes::from(spec)).await?;
        anyhow::ensure!(answer.status == 201, "a pool was answered {}", answer.status);
    }
    Ok(())
}

/// Clients at work.
struct Load {
    clients: JoinSet<Seen>,
    watchers: JoinSet<Watcher>,
    targets: Vec<(u8, &'static str, watch::Sender<Option<Target>>)>,
}

fn begin(doors: &[Door], chance: &Chance, clock: Clock, length: Duration) -> Load {
    let last = length + ANSWER_MAX;
    let mut load = Load { clients: JoinSet::new(), watchers: JoinSet::new(), targets: Vec::new() };
    for number in 0..CLIENTS {
        let chance = chance.part(100 + number as u64);
        load.clients.spawn(Client::new(number, doors.to_vec(), chance, clock).drive(length, last));
    }
    for pool in 0..POOLS.len() as u8 {
        for (at, prefix) in (0..).zip(PREFIXES) {
            let (sender, receiver) = watch::channel(None);
            let chance = chance.part(200 + u64::from(pool) * 10 + at);
            let watcher = Watcher::new(pool, prefix, doors.to_vec(), chance);
            load.watchers.spawn(watcher.follow(receiver, clock, last + ANSWER_MAX));
            load.targets.push((pool, prefix, sender));
        }
    }
    load
}

impl Load {
    /// Tells the watchers how far there is to follow.
    fn point(&self, contents: &Contents) {
        for (pool, prefix, sender) in &self.targets {
            // A watcher that has given up listens no more.
            let _ = sender.send(Some(contents.newest_of_each(*pool, prefix)));
        }
    }
}

async fn join<T: 'static>(set: &mut JoinSet<T>) -> Result<Vec<T>> {
    let mut ended = Vec::new();
    while let Some(one) = set.join_next().await {
        ended.push(one?);
    }
    Ok(ended)
}

fn judge(witnesses: &Witnesses, members: Vec<Contents>, shape: Shape) -> Result<Vec<Violation>> {
    let Witnesses { seen, watchers, auditor, shredder } = witnesses;
    let mut violations = Vec::new();
    let oddities = seen.iter().flat_map(|seen| &seen.oddities);
    violations.extend(oddities.map(|text| Violation::new("answer", text.clone())));
    let again = shredder.seen_again.iter();
    violations.extend(again.map(|text| Violation::new("forgetting", text.clone())));
    let calls: Vec<Call> = seen.iter().flat_map(|seen| seen.calls.iter().copied()).collect();
    let merged = merge(&members);
    violations.extend(equal::check(&members));
    violations.extend(durable::check(&calls, &members));
    violations.extend(watches::check(watchers, &merged, shape));
    violations.extend(ledger::check(&auditor.logs));
    // The search is as deep as a history is long.
    let search = std::thread::Builder::new().stack_size(512 << 20);
    let search = search.spawn(move || linear::check(&calls, &merged))?;
    match search.join() {
        Ok(found) => violations.extend(found),
        Err(_) => violations.push(Violation::new("linearizability", "the search broke off")),
    }
    Ok(violations)
}

/// The first member's contents with the values that any member read back.
fn merge(members: &[Contents]) -> Contents {
    let mut merged = members.first().cloned().unwrap_or_default();
    for other in members.iter().skip(1) {
        for (key, history) in &mut merged.histories {
            let theirs = other.histories.get(key).into_iter().flatten();
            for (mine, theirs) in history.iter_mut().zip(theirs) {
                if mine.version == theirs.version {
                    mine.value = mine.value.or(theirs.value);
                }
            }
        }
    }
    merged
}

fn count(figures: &mut Figures, witnesses: &Witnesses) {
    let Witnesses { seen, watchers, auditor, shredder } = witnesses;
    let calls = || seen.iter().flat_map(|seen| &seen.calls);
    let answered = calls().filter(|call| call.answered.is_some()).count();
    figures.calls = (answered, calls().count() - answered);
    figures.failures = seen.iter().map(|seen| seen.failures).sum();
    let last = |watcher: &Watcher| watcher.told.last().map_or(0, |told| told.connection);
    let connections = watchers.iter().map(|watcher| u64::from(last(watcher))).sum();
    figures.told = (watchers.iter().map(|watcher| watcher.told.len()).sum(), connections);
    let heads = auditor.logs.iter().map(|log| log.heads.len()).sum();
    figures.leaves = (auditor.runs, heads);
    figures.shredded = (shredder.shredded.len(), shredder.failures);
    let keys: std::collections::BTreeSet<&str> =
        auditor.logs.iter().map(|log| log.key.as_str()).collect();
    figures.logs = keys.len();
}
