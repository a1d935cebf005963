//! The hunt itself: every place, one after the other.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use notrace_tests_rig::Link;

use crate::deeds::Deeds;
use crate::find::{Find, Finds, Place};
use crate::places::image::Image;
use crate::places::wire::Capture;
use crate::places::{files, kernel, memory, processes};
use crate::search::Search;
use crate::stage::Stage;

/// What other clients ask for, and what those ask for who look for a door that was left open.
const ASKED: [&str; 22] = [
    "/v1/health",
    "/v1/node",
    "/v1/promise",
    "/v1/openapi.json",
    "/v1/cluster",
    "/v1/tasks",
    "/v1/pools",
    "/v1/pools/p",
    "/v1/objects/p",
    "/v1/objects/p/k?history",
    "/v1/objects/p/unknown",
    "/v1/receipts/unknown",
    "/v1/unknown",
    "/metrics",
    "/v1/metrics",
    "/debug",
    "/debug/pprof/heap",
    "/debug/last",
    "/debug/vars",
    "/healthz",
    "/.env",
    "/",
];

/// How often a place is searched again before what is there counts as there to stay: a connection
/// that was closed takes the node a moment to bury.
const TRIES: usize = 4;

/// What is searched in.
pub struct Ground<'a> {
    /// The node.
    pub stage: &'a Stage,
    /// The frames since the last hunt, where they are captured.
    pub capture: Option<&'a Capture>,
    /// The blocks below the node's folder, where it is on an image.
    pub image: Option<&'a Image>,
}

impl Ground<'_> {
    /// Looks everywhere for what `deeds` left.
    ///
    /// # Errors  A place that should be searched cannot be.
    pub async fn hunt(&self, search: &Search, deeds: &Deeds) -> Result<Vec<Find>> {
        let mut finds = self.answers(search).await?;
        finds.extend(self.receipts(search, deeds).await?);
        finds.extend(in_settled_processes(self.stage, search).await?);
        finds.extend(self.at_rest(search)?);
        Ok(finds)
    }

    /// What the node's processes have right now.
    ///
    /// # Errors  The node itself cannot be looked into.
    pub fn in_processes(&self, search: &Search) -> Result<Vec<Find>> {
        in_processes(self.stage, search)
    }

    /// What lies somewhere: in files, on the disk, in the kernel, in what was printed and sent.
    fn at_rest(&self, search: &Search) -> Result<Vec<Find>> {
        let mut finds = kernel::everything(search)?;
        for folder in self.stage.folders() {
            finds.extend(files::below(search, &folder)?);
        }
        for file in self.stage.output() {
            finds.extend(files::one(search, &file, Place::Output)?);
        }
        if let Some(capture) = self.capture {
            finds.extend(capture.search(search)?.0);
        }
        if let Some(image) = self.image {
            finds.extend(image.search(search)?);
        }
        Ok(finds)
    }

    /// What others are answered: the same owner on another connection, and somebody without any
    /// right.
    async fn answers(&self, search: &Search) -> Result<Vec<Find>> {
        let mut finds = Finds::new(search, Place::Answers);
        for mut link in [self.stage.door.link().await?, self.stage.door.stranger().await?] {
            for path in ASKED {
                look_at_answer(&mut finds, &mut link, path).await?;
            }
        }
        Ok(finds.all)
    }

    /// Every receipt, and the ledger as its mirrors see it.
    async fn receipts(&self, search: &Search, deeds: &Deeds) -> Result<Vec<Find>> {
        let mut finds = Finds::new(search, Place::Receipts);
        let mut link = self.stage.door.link().await?;
        for receipt in &deeds.receipts {
            let path = format!("{receipt}?wait=true");
            let status = look_at_answer(&mut finds, &mut link, &path).await?;
            ensure!(status == 200, "a receipt was answered {status}");
        }
        let checkpoint = link.ask_ok("GET", "/v1/ledger/checkpoint", &[], Bytes::new()).await?;
        finds.look(&checkpoint, "the checkpoint");
        let size = String::from_utf8_lossy(&checkpoint).lines().nth(1).map(str::parse::<u64>);
        let size = size.context("a checkpoint without a size")??;
        for index in 0..size.div_ceil(256) {
            let width = (size - index * 256).min(256);
            let part = if width == 256 { String::new() } else { format!(".p/{width}") };
            for level in ["0", "entries"] {
                let path = format!("/v1/ledger/tile/{level}/{index:03}{part}");
                look_at_answer(&mut finds, &mut link, &path).await?;
            }
        }
        Ok(finds.all)
    }
}

/// What the node's processes have, once they had their turn.
///
/// # Errors  The node itself cannot be looked into.
pub async fn in_settled_processes(stage: &Stage, search: &Search) -> Result<Vec<Find>> {
    let mut finds = Vec::new();
    for _ in 0..TRIES {
        stage.door.let_it_settle().await?;
        finds = in_processes(stage, search)?;
        if finds.is_empty() {
            break;
        }
    }
    Ok(finds)
}

fn in_processes(stage: &Stage, search: &Search) -> Result<Vec<Find>> {
    let mut finds = Vec::new();
    for (id, role) in stage.processes() {
        match memory::of_process(search, id, role) {
            Ok(found) => finds.extend(found),
            // A worker may end while it is looked at; then there is nothing to look at.
            Err(error) => ensure!(id != stage.id(), "the node itself: {error}"),
        }
        finds.extend(memory::of_open_files(search, id, role));
        finds.extend(processes::table(search, id, role));
        finds.extend(processes::registers(search, id, role));
        finds.extend(processes::fences(id, role));
    }
    Ok(finds)
}

/// Searches an answer, its headers included, and tells its status.
async fn look_at_answer(finds: &mut Finds<'_>, link: &mut Link, path: &str) -> Result<u16> {
    let answer = link.ask("GET", path, &[], Bytes::new()).await?;
    finds.look(answer.body(), path);
    for (name, value) in answer.headers() {
        finds.look(name.as_str().as_bytes(), path);
        finds.look(value.as_bytes(), path);
    }
    Ok(answer.status().as_u16())
}
