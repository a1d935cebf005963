//! Many runs, hunted in batches: one search has the canaries of a whole batch.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::What;
use crate::canary::Canary;
use crate::controls::{self, Shown};
use crate::deeds::Deeds;
use crate::find::{Find, Place};
use crate::guest::Mode;
use crate::hunt::{Ground, in_settled_processes};
use crate::places::image::Image;
use crate::places::wire::Capture;
use crate::places::{core_file, files, kernel, memory};
use crate::search::Search;
use crate::stage::{Setting, Stage};

/// How many runs one search is for.
pub const BATCH: usize = 100;

/// What came of all rounds.
pub struct Report {
    /// How many runs there were.
    pub runs: usize,
    /// How many canaries they had.
    pub canaries: usize,
    /// How often all places were searched.
    pub hunts: usize,
    /// What was found.
    pub finds: Vec<Find>,
    /// What was there while the connection of the first requests was still open.
    pub while_open: Vec<Find>,
    /// Which places are shown to be searched.
    pub shown: Shown,
    /// How long the runs took, and how long the hunts.
    pub took: [Duration; 2],
}

/// Where the rounds are.
pub struct Surroundings {
    /// Frames, where this program has a network of its own.
    pub capture: Option<Capture>,
    /// Blocks, where a file system can be mounted.
    pub image: Option<Image>,
}

impl Surroundings {
    /// What this machine and this user have of it.
    ///
    /// # Errors  A place that should be there is not.
    pub fn here(own_network: bool) -> Result<Self> {
        let capture = own_network.then(Capture::begin).transpose()?;
        Ok(Self { capture, image: Image::mount().ok() })
    }
}

/// Does so many runs and hunts after each batch; `say` hears of each.
///
/// # Errors  Something does not go as it should, or a place cannot be searched.
#[expect(clippy::disallowed_methods, reason = "figures need a clock")]
pub async fn honest(
    runs: usize,
    surroundings: &Surroundings,
    mut say: impl FnMut(&Report),
) -> Result<Report> {
    let home = surroundings.image.as_ref().map(|image| image.root().join("home"));
    let mut stage = Stage::start(Setting { binary: "notrace", leak: None, home }).await?;
    let path = Deeds::prepare(&stage.door).await?;
    let ground = Ground {
        stage: &stage,
        capture: surroundings.capture.as_ref(),
        image: surroundings.image.as_ref(),
    };
    let shown = controls::take(&ground, &path).await?;
    let (finds, while_open, took) = (Vec::new(), Vec::new(), [Duration::ZERO; 2]);
    let mut report = Report { runs: 0, canaries: 0, hunts: 0, finds, while_open, shown, took };
    // Somebody else is connected all the while, and says nothing.
    let mut idle = stage.door.link().await?;
    idle.ask_ok("GET", "/v1/health", &[], Bytes::new()).await?;
    let mut all: Vec<Canary> = Vec::new();
    while report.runs < runs {
        let began = Instant::now();
        let mut deeds = Deeds::default();
        let link = deeds.run(&stage.door, &path, BATCH.min(runs - report.runs)).await?;
        if report.hunts == 0 {
            report.while_open = self::while_open(&stage, &deeds).await?;
        }
        drop(link);
        deeds.be_refused(&stage.door).await?;
        deeds.upload_and_remove(&stage).await?;
        deeds.shred(&stage).await?;
        let ran = Instant::now();
        let search = Search::of(&deeds.canaries)?;
        report.finds.append(&mut deeds.finds);
        report.finds.extend(ground.hunt(&search, &deeds).await?);
        report.runs += deeds.runs;
        report.canaries += deeds.canaries.len();
        report.hunts += 1;
        all.append(&mut deeds.canaries);
        let [acting, hunting] = &mut report.took;
        *acting += ran - began;
        *hunting += ran.elapsed();
        say(&report);
    }
    // And once more for all of them: something may come up late.
    let search = Search::of_many(&all)?;
    report.finds.extend(ground.hunt(&search, &Deeds::default()).await?);
    report.hunts += 1;
    drop(idle);
    report.finds.extend(crash(&mut stage, &path).await?);
    Ok(report)
}

/// What is found of plain requests while their own connection is open, and idle: what TLS and HTTP
/// have in their buffers. It is no failure, and is counted so that nobody forgets it.
async fn while_open(stage: &Stage, deeds: &Deeds) -> Result<Vec<Find>> {
    let canaries = deeds.canaries.iter().filter(|canary| canary.what() != What::Session);
    in_settled_processes(stage, &Search::of(canaries)?).await
}

/// Crashes a worker, and then the node, each in the middle of a run, as a fault in either would,
/// and looks for what that left. An honest node leaves nothing; it has ended then.
///
/// # Errors  They do not end.
pub async fn crash(stage: &mut Stage, path: &str) -> Result<Vec<Find>> {
    if !core_file::is_written_here() {
        return Ok(Vec::new());
    }
    let (of_worker, running, worker) = in_the_middle(stage, path).await?;
    core_file::crash(worker)?;
    stage.wait_for_end_of(worker).await?;
    running.abort();
    let mut finds = core_file::collect(&of_worker, &stage.current())?;
    let (of_node, running, _) = in_the_middle(stage, path).await?;
    core_file::crash(stage.id())?;
    stage.ended().await?;
    running.abort();
    finds.extend(core_file::collect(&of_node, &stage.current())?);
    // It died with a request in its memory, and had no moment to clear anything away.
    for folder in stage.folders() {
        finds.extend(files::below(&of_node, &folder)?);
    }
    for file in stage.output() {
        finds.extend(files::one(&of_node, &file, Place::Output)?);
    }
    finds.extend(kernel::everything(&of_node)?);
    Ok(finds)
}

/// A run that does not end by itself: the search for its input, its client, and its worker.
async fn in_the_middle(stage: &Stage, path: &str) -> Result<(Search, JoinHandle<()>, u32)> {
    let canary = Canary::raw(What::Input)?;
    let search = Search::of([&canary])?;
    let input = Bytes::from(Mode::Lasts.input(&canary, 0));
    let (mut link, path) = (stage.door.link().await?, path.to_owned());
    let running = tokio::spawn(async move {
        // How it ends is not its client's to judge: somebody is about to crash.
        let _ = link.ask("POST", &path, &[("notrace-timeout-ms", "20000")], input).await;
    });
    loop {
        ensure!(!running.is_finished(), "the run is over already");
        let workers = stage.processes().into_iter().filter(|(_, role)| *role == "worker");
        let mut with_canary = workers.filter(|(id, role)| {
            memory::of_process(&search, *id, role).is_ok_and(|finds| !finds.is_empty())
        });
        match with_canary.next() {
            Some((id, _)) => return Ok((search, running, id)),
            None => tokio::task::yield_now().await,
        }
    }
}

/// Whether every place was searched or said to be skipped.
///
/// # Errors  One was neither.
pub fn accounted_for(shown: &Shown) -> Result<()> {
    for place in PLACES {
        let skipped = shown.skipped.iter().any(|(skipped, _)| *skipped == place);
        ensure!(skipped || shown.seeing.contains(&place), "no control was taken: {place}");
    }
    Ok(())
}

/// All places.
pub const PLACES: [Place; 13] = [
    Place::Memory,
    Place::Registers,
    Place::OpenFiles,
    Place::Files,
    Place::Image,
    Place::CoreFile,
    Place::ProcessTable,
    Place::Output,
    Place::Answers,
    Place::Receipts,
    Place::Wire,
    Place::Kernel,
    Place::Fences,
];
