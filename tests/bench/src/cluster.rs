//! Three members of notrace beside three members of etcd: the same load, by turns, on one machine.
//!
//! [`options`] says what is asked for. [`system`] is what runs, of either kind: [`etcd`] starts
//! one, [`notrace`] the other, [`tls`], [`grpc`] with [`message`], and [`https`] are their
//! clients. [`load`] drives them and counts into a [`histogram`]; [`machine`] measures the steps
//! that neither can do without; [`report`] prints all. [`failover`] and [`joiner`] are scenes of
//! notrace alone, with clients of [`paced`].
//!
//! Each round starts each system anew, so that all begin with an empty store and none rests in
//! memory while another is measured. The order turns around from round to round. Clients take
//! the nodes in turn, and the first client another node in each round, since one node leads.

mod etcd;
mod failover;
mod grpc;
mod histogram;
mod https;
mod joiner;
mod load;
mod machine;
mod message;
mod notrace;
mod options;
mod paced;
mod report;
mod system;
mod tls;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use notrace_tests_rig::node;
use notrace_tests_rig::process::{memory_mb, processor_time};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use crate::cluster::load::{Cell, Load, Work};
use crate::cluster::options::{Kind, Options, Scene};
use crate::cluster::report::{Operation, Report, Rest, Row};
use crate::cluster::system::System;

/// Members of a cluster.
const MEMBERS: usize = 3;
/// How long a system is left alone before its rest is measured.
const CALM: Duration = Duration::from_secs(3);

struct Bench {
    options: Options,
    binary: PathBuf,
    dir: PathBuf,
    report: Report,
}

/// Measures what `words` ask for and prints the tables.
///
/// # Errors  A word is not understood, or a system that is there cannot be measured.
pub(crate) async fn measure(words: &[String]) -> Result<()> {
    if words.iter().any(|word| word == "--help") {
        return Ok(std::io::stdout().write_all(options::HELP.as_bytes())?);
    }
    let mut options = Options::parse(words)?;
    let binary = node::binary()?;
    // The folder for temporary files is often in memory, where nothing is ever synced.
    let beside = binary.parent().context("a binary in a folder")?.to_owned();
    let dir = options.dir.clone().unwrap_or(beside);
    let mut report = Report::default();
    report.facts.push(format!("Machine: {}.", machine::describe(&dir)));
    choose(&mut options, &binary, &mut report);
    report.facts.push(format!(
        "Rounds: {}, of {} s for each load; medians of rounds, `max` the greatest of all. Clients \
         run on the same machine. A ratio of rates above 1 and one of times below 1 is in favour \
         of the line it stands in.",
        options.rounds,
        options.length.as_secs_f64()
    ));
    let mut bench = Bench { options, binary, dir, report };
    let mut stop = signal(SignalKind::terminate())?;
    // Whoever stops it does not want to look for members that run on.
    let ended = tokio::select! {
        ended = bench.rounds() => ended,
        _ = stop.recv() => Err(anyhow!("stopped")),
        _ = tokio::signal::ctrl_c() => Err(anyhow!("stopped")),
    };
    // What was measured until then is told all the same.
    std::io::stdout().write_all(bench.report.to_string().as_bytes())?;
    ended
}

/// Leaves out what is not to be had here, and says so.
fn choose(options: &mut Options, binary: &Path, report: &mut Report) {
    let kinds = &mut options.kinds;
    if kinds.iter().any(|kind| matches!(kind, Kind::Etcd | Kind::EtcdTls)) {
        match etcd::version() {
            Some(version) => report.facts.push(format!("etcd {version}, three members.")),
            None => {
                kinds.retain(|kind| !matches!(kind, Kind::Etcd | Kind::EtcdTls));
                report.facts.push(format!("{}.", etcd::MISSING));
            }
        }
    }
    if kinds.contains(&Kind::Notrace) && !notrace::has_cluster(binary) {
        kinds.retain(|kind| *kind != Kind::Notrace);
        if !kinds.contains(&Kind::OneNode) {
            kinds.push(Kind::OneNode);
        }
        let fact = "This binary of notrace cannot be a member of a cluster: ONE NODE was measured.";
        report.facts.push(fact.to_owned());
    }
    report.facts.iter().for_each(|fact| say(fact));
}

impl Bench {
    async fn rounds(&mut self) -> Result<()> {
        for round in 0..self.options.rounds {
            self.round(round).await?;
        }
        Ok(())
    }

    async fn round(&mut self, round: usize) -> Result<()> {
        for scene in self.options.scenes.clone() {
            match scene {
                Scene::Idle if round == 0 => self.all_at_rest().await?,
                Scene::Idle => {}
                Scene::Failover => self.failover().await?,
                Scene::Joiner => self.joiner().await?,
            }
        }
        if !self.options.scenes.is_empty() {
            return Ok(());
        }
        let dir = self.folder()?;
        let report = &mut self.report;
        report.syncs.push(machine::syncs(dir.path(), 1, machine::Space::Grows)?);
        report.filled_syncs.push(machine::syncs(dir.path(), 1, machine::Space::Filled)?);
        report.three_syncs.push(machine::syncs(dir.path(), MEMBERS, machine::Space::Filled)?);
        report.near_trips.push(machine::round_trips(machine::Ends::Together)?);
        report.round_trips.push(machine::round_trips(machine::Ends::Apart)?);
        drop(dir);
        for (turn, value_bytes) in self.options.sizes.clone().into_iter().enumerate() {
            let mut kinds = self.options.kinds.clone();
            if round % 2 == 1 {
                kinds.reverse();
            }
            for kind in kinds {
                let first = round == 0 && turn == 0;
                let what = kind.name();
                let measured = self.system(kind, round, value_bytes, first).await;
                measured.with_context(|| format!("measuring {what}"))?;
            }
        }
        Ok(())
    }

    /// A folder of its own for one system, on the disk where all others have been.
    fn folder(&self) -> Result<TempDir> {
        // What the last one left to be written is not to be paid for by the next.
        Command::new("sync").status().context("sync")?;
        let folder = tempfile::Builder::new().prefix("cluster-").tempdir_in(&self.dir);
        folder.with_context(|| format!("a folder in {}", self.dir.display()))
    }

    async fn start(&self, kind: Kind, dir: TempDir) -> Result<System> {
        match kind {
            Kind::Etcd => etcd::start(dir, etcd::Wire::Plain).await,
            Kind::EtcdTls => etcd::start(dir, etcd::Wire::Tls).await,
            Kind::Notrace => notrace::Members::start(&self.binary, dir, MEMBERS).await,
            Kind::OneNode => notrace::one(&self.binary, dir).await,
        }
    }

    async fn all_at_rest(&mut self) -> Result<()> {
        for kind in self.options.kinds.clone() {
            let system = self.start(kind, self.folder()?).await?;
            self.rest(kind, &system).await;
        }
        Ok(())
    }

    /// Everything that one system does in one round with values of one size.
    async fn system(
        &mut self,
        kind: Kind,
        round: usize,
        value_bytes: usize,
        first: bool,
    ) -> Result<()> {
        let dir = self.folder()?;
        let mut system = self.start(kind, dir).await?;
        if first {
            match kind {
                Kind::Etcd | Kind::EtcdTls => etcd::check(&system).await?,
                Kind::Notrace | Kind::OneNode => notrace::check(&system).await?,
            }
            self.rest(kind, &system).await;
        }
        let durabilities: Vec<Option<(usize, &'static str)>> = match kind {
            Kind::Etcd | Kind::EtcdTls => vec![None],
            Kind::Notrace | Kind::OneNode => {
                self.options.durabilities.iter().copied().map(Some).collect()
            }
        };
        let mut load = Load {
            work: Work::Put,
            place: "full".into(),
            value_bytes,
            clients: 1,
            first_node: round,
            members: self.options.members,
            warm_up: self.options.length / 5,
            length: self.options.length,
        };
        let clients = self.options.clients.clone();
        for durability in durabilities {
            for clients in clients.iter().copied() {
                let order = durability.map_or(0, |(order, _)| order);
                load = Load { clients, place: format!("puts-{order}-{clients}").into(), ..load };
                let (operation, place) = (Operation::Put, Arc::clone(&load.place));
                system.make(&place, durability.map_or("", |(_, name)| name)).await?;
                let cell = load::run(&mut system, &load).await?;
                system.remove(&place).await?;
                self.add(Row { operation, value_bytes, clients, kind, durability }, cell);
            }
        }
        load = Load { work: Work::Get, place: "full".into(), ..load };
        system.make(&load.place, "all_durable").await?;
        load::fill(&system, &load.place, value_bytes).await?;
        for clients in clients {
            load.clients = clients;
            let cell = load::run(&mut system, &load).await?;
            let operation = Operation::Get;
            self.add(Row { operation, value_bytes, clients, kind, durability: None }, cell);
        }
        let cell = load::watch(&mut system, &load).await?;
        let row =
            Row { operation: Operation::Watch, value_bytes, clients: 1, kind, durability: None };
        self.add(row, cell);
        Ok(())
    }

    /// What each node takes while nobody asks anything of it.
    async fn rest(&mut self, kind: Kind, system: &System) {
        let idle = self.options.idle;
        if idle.is_zero() {
            return;
        }
        tokio::time::sleep(CALM).await;
        let used = || -> Vec<Duration> {
            let trees = system.nodes.iter().map(|node| node.tree());
            trees.map(|tree| tree.into_iter().map(processor_time).sum()).collect()
        };
        let before = used();
        tokio::time::sleep(idle).await;
        let spans = before.into_iter().zip(used());
        for (number, (node, (before, after))) in (1..).zip(system.nodes.iter().zip(spans)) {
            let used = after.saturating_sub(before);
            self.report.rest.push(Rest {
                kind,
                node: number,
                percent: used.as_secs_f64() / idle.as_secs_f64() * 100.0,
                resident_mb: memory_mb(node.id()).1,
                all_mb: node.tree().into_iter().map(|id| memory_mb(id).0).sum(),
            });
        }
    }

    fn add(&mut self, row: Row, cell: Cell) {
        say(&format!(
            "{}, {} B, {} clients, {}: {:.0}/s, p50 {:.2} ms, processor {:.1} + {:.1} + {:.1} s",
            row.kind.name(),
            row.value_bytes,
            row.clients,
            row.durability.map_or(row.operation.name(), |(_, name)| name),
            cell.per_second,
            cell.times.quantile(0.5) as f64 / 1e6,
            cell.servers_seconds,
            cell.clients_seconds,
            cell.others_seconds
        ));
        self.report.rows.entry(row).or_default().push(cell);
    }
}

/// Tells whoever waits how far it is. The tables alone go to standard output.
fn say(line: &str) {
    // Nobody may be listening, and that is nobody's mistake.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The time, which a benchmark is about.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}
