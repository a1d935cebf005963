//! Performs a plan, fault by fault, at its moments.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use crate::cluster::Cluster;
use crate::lab::Slow;
use crate::moment::Clock;
use crate::plan::{Fault, Plan};

/// How long after its disk was cleared it may still be noticed that a node did not start.
const GRACE: Duration = Duration::from_secs(2);

/// What came of a plan.
#[derive(Default)]
pub struct Storm {
    /// Nodes that ended though nobody killed them, and what they said.
    pub fallen: Vec<String>,
    /// Starts that were refused for want of space, while a disk was full.
    pub refused: u64,
    /// Until when a node may refuse to start because its disk is or was just full.
    full: BTreeMap<usize, Duration>,
    /// Those who did.
    waiting: BTreeSet<usize>,
}

/// A fault begins, or is healed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Begin,
    Heal,
}

/// Performs `plan` by `clock`, whose nought is when the load began.
/// # Errors  A fault cannot be done though the lab said it could; everything else is a finding.
pub async fn perform(cluster: &mut Cluster, plan: &Plan, clock: &Clock) -> Result<Storm> {
    let mut storm = Storm::default();
    let begins = plan.steps.iter().map(|step| (step.at, Turn::Begin, *step));
    let heals = plan.steps.iter().map(|step| (step.until, Turn::Heal, *step));
    let mut turns: Vec<_> = begins.chain(heals).collect();
    turns.sort_by_key(|(at, ..)| *at);
    for (number, (at, turn, step)) in turns.iter().enumerate() {
        clock.reach(*at).await;
        storm.look(cluster, clock)?;
        // A fault of the same kind at the same place that goes on keeps what this one would heal.
        let goes_on = turns.iter().skip(number + 1).any(|(_, later, other)| {
            *later == Turn::Heal
                && other.at <= *at
                && other != step
                && same_place(&other.fault, &step.fault)
        });
        let done = match turn {
            Turn::Begin => begin(cluster, &step.fault),
            Turn::Heal if goes_on => Ok(()),
            Turn::Heal => heal(cluster, &step.fault),
        };
        if let Fault::FullDisk(host) = step.fault {
            let until = storm.full.entry(host).or_default();
            *until = step.until.max(*until) + GRACE;
            if *turn == Turn::Heal && storm.waiting.remove(&host) {
                cluster.start(host)?;
            }
        }
        done.with_context(|| format!("{:?}", step.fault))?;
    }
    clock.reach(plan.length).await;
    storm.look(cluster, clock)?;
    for host in 0..plan.hosts {
        cluster.start(host)?;
    }
    Ok(storm)
}

impl Storm {
    /// Notes who has fallen, and starts them again, so that the rest of the run says something.
    fn look(&mut self, cluster: &mut Cluster, clock: &Clock) -> Result<()> {
        for fallen in cluster.fallen()? {
            // A node may refuse to start on a full disk, in words; it is started again later.
            let full_until = self.full.get(&fallen.host).copied().unwrap_or_default();
            if fallen.refused && clock.elapsed() < full_until {
                self.refused += 1;
                self.waiting.insert(fallen.host);
                continue;
            }
            self.fallen.push(fallen.said);
            cluster.start(fallen.host)?;
        }
        Ok(())
    }
}

fn same_place(one: &Fault, other: &Fault) -> bool {
    use Fault::{Clock, FullDisk, Kill, Lose, Pause, SlowDisk, SlowLink};
    match (one, other) {
        (Kill(a), Kill(b)) | (Pause(a), Pause(b)) | (FullDisk(a), FullDisk(b)) => a == b,
        (SlowLink(a), SlowLink(b)) | (SlowDisk(a, _), SlowDisk(b, _)) => a == b,
        (Clock(a, _), Clock(b, _)) | (Lose(a, _), Lose(b, _)) => a == b,
        _ => one == other,
    }
}

fn begin(cluster: &mut Cluster, fault: &Fault) -> Result<()> {
    let count = cluster.lab.hosts.len();
    let all = 0..count;
    match *fault {
        Fault::Kill(host) => cluster.kill(host),
        Fault::KillAll => all.into_iter().try_for_each(|host| cluster.kill(host)),
        Fault::Pause(host) => cluster.signal(host, Signal::STOP),
        Fault::CutOneWay(from, to) => cluster.lab.lose(from, to, 100),
        Fault::Isolate(host) => treat(cluster, host, 100),
        Fault::Lose(host, percent) => treat(cluster, host, percent),
        Fault::SlowLink(host) => cluster.lab.slow_link(host, Slow::Yes),
        Fault::FullDisk(host) => cluster.lab.host(host)?.fill_disk(),
        Fault::SlowDisk(host, millis) => cluster.lab.host(host)?.slow_disk(millis * 1000),
        Fault::Clock(host, millis) => cluster.lab.host(host)?.move_clock(millis),
    }
}

fn heal(cluster: &mut Cluster, fault: &Fault) -> Result<()> {
    let count = cluster.lab.hosts.len();
    match *fault {
        Fault::Kill(host) => cluster.start(host),
        Fault::KillAll => (0..count).try_for_each(|host| cluster.start(host)),
        Fault::Pause(host) => cluster.signal(host, Signal::CONT),
        Fault::CutOneWay(from, to) => cluster.lab.lose(from, to, 0),
        Fault::Isolate(host) | Fault::Lose(host, _) => treat(cluster, host, 0),
        Fault::SlowLink(host) => cluster.lab.slow_link(host, Slow::No),
        Fault::FullDisk(host) => cluster.lab.host(host)?.clear_disk(),
        Fault::SlowDisk(host, _) => cluster.lab.host(host)?.slow_disk(0),
        Fault::Clock(host, _) => cluster.lab.host(host)?.move_clock(0),
    }
}

/// Lets packets between a host and all others get lost, both ways.
fn treat(cluster: &mut Cluster, host: usize, percent: u8) -> Result<()> {
    for other in (0..cluster.lab.hosts.len()).filter(|other| *other != host) {
        cluster.lab.lose(host, other, percent)?;
        cluster.lab.lose(other, host, percent)?;
    }
    Ok(())
}
