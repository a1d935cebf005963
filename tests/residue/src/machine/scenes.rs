//! What happens to the machine, and the hunt after it.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::guest::{Freed, Guest};
use super::recipe::Recipe;
use crate::canary::{Canary, What};
use crate::deeds::{Deeds, compiled};
use crate::find::{Find, Place};
use crate::guest::Mode;
use crate::places::files;
use crate::search::Search;
use crate::stage::Door;

/// How many runs end as they should before anything happens.
const RUNS: usize = 48;
/// How long a run that never ends may take, in milliseconds: longer than it takes to find it.
const LASTS_MS: &str = "120000";
/// How long a machine is left alone before it is searched, in seconds: what died is cleared then.
const LEFT_ALONE_S: u32 = 3;
/// How long what was killed may take to be gone.
const GONE_MAX: Duration = Duration::from_secs(60);

/// Who is hit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Victim {
    Worker,
    Node,
}

/// What hits somebody in the middle of a run: its name, and what the guest's shell does.
///
/// A fault that recurs, as real ones do, comes again when its handler has looked at it.
const FAULTS: [(&str, Victim, &str); 7] = [
    ("kill -9 of the worker", Victim::Worker, "kill -9 $victim"),
    ("SIGSEGV of the worker", Victim::Worker, "while kill -SEGV $victim; do true; done"),
    ("panic of the worker, SIGABRT", Victim::Worker, "kill -ABRT $victim"),
    ("kill -9 of the node", Victim::Node, "kill -9 $node"),
    ("SIGSEGV of the node", Victim::Node, "while kill -SEGV $node; do true; done"),
    ("panic of the node, SIGABRT", Victim::Node, "kill -ABRT $node"),
    (
        "out of memory, the kernel kills the node",
        Victim::Node,
        "echo 1000 > /proc/$node/oom_score_adj; echo f > /proc/sysrq-trigger",
    ),
];

/// The guest's number for a process other than the node that does nothing but compute.
const FIND_WORKER: &str = "victim=; while [ -z \"$victim\" ]; do for p in /proc/[0-9]*; do \
     n=${p#/proc/}; [ $n = $node ] && continue; [ $n = $$ ] && continue; \
     grep -q State:.R $p/status 2>/dev/null && grep -q VmRSS $p/status || continue; \
     a=$(cut -d' ' -f14 $p/stat); sleep 0.4; b=$(cut -d' ' -f14 $p/stat 2>/dev/null); \
     [ $((${b:-0} - ${a:-0})) -ge 15 ] && victim=$n; done; done";

/// What was found after something.
pub struct Row {
    /// After what.
    pub after: String,
    /// How many canaries were hunted.
    pub canaries: usize,
    /// What was found in all of the machine's memory; nothing where that was not searched.
    pub memory: Option<Vec<Find>>,
    /// What was found on its disk.
    pub disk: Vec<Find>,
}

impl Row {
    fn found(&self) -> usize {
        self.memory.as_ref().map_or(0, Vec::len) + self.disk.len()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self
            .memory
            .as_ref()
            .map_or("not searched".to_owned(), |finds| format!("{} found", finds.len()));
        let (after, canaries, disk) = (&self.after, self.canaries, self.disk.len());
        write!(formatter, "| {after} | {canaries} | {memory} | {disk} found |")
    }
}

/// Everything that happens to a machine that zeroes memory as it is freed; each row is told to
/// `say`. Whether nothing was found.
///
/// # Errors  The machine does not do what it should, or a control is not found.
pub async fn zeroed(recipe: &Recipe, say: &mut impl FnMut(&Row)) -> Result<bool> {
    let (mut scene, mut clean) = (Scene::begin(recipe, Freed::Zeroed).await?, true);
    let mut tell = |row: Row| {
        say(&row);
        clean &= row.found() == 0;
    };
    tell(scene.normal_ends().await?);
    for (after, victim, command) in FAULTS {
        tell(scene.fault(after, victim, command).await?);
    }
    tell(scene.power_cut().await?);
    Ok(clean)
}

/// The same on a machine that does not zero it; whether that was found, as it must be: a search
/// that sees nothing here would see nothing anywhere.
///
/// # Errors  The machine does not do what it should, or a control is not found.
pub async fn kept(recipe: &Recipe, say: &mut impl FnMut(&Row)) -> Result<bool> {
    let mut scene = Scene::begin(recipe, Freed::Kept).await?;
    let mut found = 0;
    let mut tell = |row: Row| {
        say(&row);
        found += row.memory.as_ref().map_or(0, Vec::len);
    };
    tell(scene.normal_ends().await?);
    for (after, victim, command) in FAULTS.into_iter().filter(|fault| fault.1 == Victim::Node) {
        tell(scene.fault(after, victim, command).await?);
    }
    Ok(found > 0)
}

/// A machine, and what is there to be found in it.
struct Scene {
    guest: Guest,
    door: Door,
    path: String,
    /// Kept by the guest's shell, and written into a file.
    control: Search,
}

impl Scene {
    async fn begin(recipe: &Recipe, freed: Freed) -> Result<Self> {
        let (mut guest, door) = Guest::boot(recipe, freed).await?;
        let control = Canary::text(What::Control)?;
        let text = control.as_text();
        guest.types(&format!("kept={text}; echo {text} > /data/control"))?;
        let path = Deeds::prepare(&door).await?;
        compiled(&door, &path).await?;
        Ok(Self { guest, door, path, control: Search::of([&control])? })
    }

    async fn normal_ends(&mut self) -> Result<Row> {
        let mut deeds = Deeds::default();
        drop(deeds.run(&self.door, &self.path, RUNS).await?);
        deeds.be_refused(&self.door).await?;
        self.door.let_it_settle().await?;
        self.hunt("runs that ended, and refusals".to_owned(), &deeds.canaries)
    }

    /// A run is in the middle, and something happens to its worker or to the node.
    async fn fault(&mut self, after: &str, victim: Victim, command: &str) -> Result<Row> {
        let (canary, running) = self.in_the_middle().await?;
        self.guest.types(command)?;
        tokio::time::timeout(GONE_MAX, running).await??;
        if victim == Victim::Node {
            self.guest.types("wait $node; true")?;
        } else {
            self.door.let_it_settle().await?;
        }
        let row = self.hunt(after.to_owned(), &[canary])?;
        if victim == Victim::Node {
            self.guest.types("serve")?;
            self.door = self.guest.door().await?;
        } else {
            self.door.let_it_settle().await?;
        }
        Ok(row)
    }

    async fn power_cut(mut self) -> Result<Row> {
        let (canary, running) = self.in_the_middle().await?;
        let (search, control) = (Search::of([&canary])?, self.control);
        let disk = self.guest.cut_power(|disk| on_disk(&search, &control, disk))?;
        running.abort();
        Ok(Row { after: "power cut".to_owned(), canaries: 1, memory: None, disk })
    }

    /// Begins a run that never ends, and waits until its worker computes.
    async fn in_the_middle(&mut self) -> Result<(Canary, JoinHandle<()>)> {
        let canary = Canary::raw(What::Input)?;
        let input = Bytes::from(Mode::Lasts.input(&canary, 0));
        let (mut link, path) = (self.door.link().await?, self.path.clone());
        let running = tokio::spawn(async move {
            // How it ends is not its client's to judge: something is about to happen.
            let _ = link.ask("POST", &path, &[("notrace-timeout-ms", LASTS_MS)], input).await;
        });
        self.guest.types(FIND_WORKER)?;
        ensure!(!running.is_finished(), "the run is over already");
        Ok((canary, running))
    }

    fn hunt(&mut self, after: String, canaries: &[Canary]) -> Result<Row> {
        self.guest.types(&format!("sleep {LEFT_ALONE_S}"))?;
        let (search, control) = (Search::of_many(canaries)?, &self.control);
        let (memory, disk) = self.guest.at_a_standstill(|memory, disk| {
            let is_there = !files::one(control, memory, Place::Memory)?.is_empty();
            ensure!(is_there, "the search of the machine's memory is blind");
            Ok((files::one(&search, memory, Place::Memory)?, on_disk(&search, control, disk)?))
        })?;
        let memory = memory.into_iter().map(|find| self.with_its_page(find)).collect();
        Ok(Row { after, canaries: canaries.len(), memory: Some(memory), disk })
    }

    /// Says in whose page something was found, as far as the kernel knows.
    fn with_its_page(&mut self, find: Find) -> Find {
        let begin = find.at.rsplit_once(", 0x").and_then(|(_, range)| {
            u64::from_str_radix(range.split_once(' ').map_or(range, |(begin, _)| begin), 16).ok()
        });
        match begin.and_then(|begin| self.guest.page(begin).ok()) {
            Some(page) => Find { at: format!("{}, {page}", find.at), ..find },
            None => find,
        }
    }
}

fn on_disk(search: &Search, control: &Search, disk: &Path) -> Result<Vec<Find>> {
    let is_there = !files::one(control, disk, Place::Image)?.is_empty();
    ensure!(is_there, "the search of the machine's disk is blind");
    files::one(search, disk, Place::Image)
}
