//! Positive controls: each place is shown to be searched by finding there what was put there.
//!
//! They are taken in every run. A hunt that finds nothing and has no control that found something
//! proves nothing, so it fails.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::pipe::{SpliceFlags, pipe, splice};
use rustix::process::{Pid, Signal, kill_process};

use crate::canary::{Canary, What};
use crate::find::{Find, Finds, Place};
use crate::guest::Mode;
use crate::hunt::Ground;
use crate::places::image::Image;
use crate::places::wire::Capture;
use crate::places::{core_file, files, kernel, memory, processes};
use crate::search::Search;
use crate::sleeper::Sleeper;
use crate::stage::Stage;

/// How long a canary may take to come up where it must.
const MOST: Duration = Duration::from_secs(20);

/// Places whose control found what it should, and those that cannot be searched here, with why.
#[derive(Default, Debug)]
pub struct Shown {
    /// Searched, and shown to be.
    pub seeing: Vec<Place>,
    /// Not searched.
    pub skipped: Vec<(Place, String)>,
}

impl Shown {
    fn see(&mut self, place: Place, finds: &[Find]) -> Result<()> {
        ensure!(finds.iter().any(|find| find.place == place), "the hunt is blind: {place}");
        self.seeing.push(place);
        Ok(())
    }
}

/// Takes every control.
///
/// # Errors  A place is not searched as it should be.
pub async fn take(ground: &Ground<'_>, path: &str) -> Result<Shown> {
    let mut shown = Shown::default();
    let canary = Canary::text(What::Control)?;
    let search = Search::of([&canary])?;
    of_this_process(&mut shown, &search, &canary, ground.stage)?;
    of_files(&mut shown, &search, &canary, ground.stage)?;
    of_answers(&mut shown, ground.stage).await?;
    in_a_worker(ground, path).await?;
    match ground.capture {
        Some(capture) => on_the_wire(&mut shown, &search, &canary, capture).await?,
        None => {
            let why = "a network namespace needs root and `unshare`".to_owned();
            shown.skipped.push((Place::Wire, why));
        }
    }
    match ground.image {
        Some(image) => on_an_image(&mut shown, &search, &canary, image)?,
        None => {
            let why = "a loop device needs root, `mount` and `mkfs.ext4`".to_owned();
            shown.skipped.push((Place::Image, why));
        }
    }
    match core_file::is_written_here() {
        true => {
            core_file::control(&ground.stage.current())?;
            shown.seeing.push(Place::CoreFile);
        }
        false => {
            let why = "this kernel hands crashes to a program or another folder".to_owned();
            shown.skipped.push((Place::CoreFile, why));
        }
    }
    Ok(shown)
}

/// Memory, open files, the process table, registers and fences, of this very process or a child.
fn of_this_process(
    shown: &mut Shown,
    search: &Search,
    canary: &Canary,
    stage: &Stage,
) -> Result<()> {
    let own = std::process::id();
    shown.see(Place::Memory, &memory::of_process(search, own, "this")?)?;
    let mut file = File::from(memfd_create("control", MemfdFlags::CLOEXEC)?);
    file.write_all(canary.bytes())?;
    shown.see(Place::OpenFiles, &memory::of_open_files(search, own, "this"))?;
    drop(file);
    let child = Sleeper::start(canary, &stage.current())?;
    shown.see(Place::ProcessTable, &processes::table(search, child.id(), "child"))?;
    // Where lifting its bound is refused, its fences are those of its parent, and seen to be.
    let pid = Pid::from_raw(child.id().cast_signed()).context("a process")?;
    let _ = core_file::unbind(pid);
    shown.see(Place::Fences, &processes::fences(child.id(), "child"))?;
    registers(shown, search, canary)
}

/// A thread that waits in a call with eight bytes of the canary for an argument.
fn registers(shown: &mut Shown, search: &Search, canary: &Canary) -> Result<()> {
    let word = canary.bytes().first_chunk::<8>().context("eight bytes")?;
    let length = usize::from_le_bytes(*word);
    let ((from, end), (_kept, to)) = (pipe()?, pipe()?);
    let waiting = std::thread::spawn(move || {
        let _ = splice(&from, None, &to, None, length, SpliceFlags::empty());
    });
    let mut finds = Vec::new();
    while finds.is_empty() && !waiting.is_finished() {
        finds = processes::registers(search, std::process::id(), "this");
        std::thread::yield_now();
    }
    drop(end);
    let _ = waiting.join();
    shown.see(Place::Registers, &finds)
}

fn of_files(shown: &mut Shown, search: &Search, canary: &Canary, stage: &Stage) -> Result<()> {
    for folder in stage.folders() {
        let path = folder.join("control");
        fs::write(&path, canary.bytes())?;
        let finds = files::below(search, &folder)?;
        fs::remove_file(path)?;
        shown.see(Place::Files, &finds)?;
    }
    shown.seeing.dedup();
    // The node's first lines name its folder; so what it prints is what is searched.
    let home = Canary::of(What::Control, stage.home().as_os_str().as_encoded_bytes());
    let [stdout, stderr] = stage.output();
    let search_home = Search::of([&home])?;
    shown.see(Place::Output, &files::one(&search_home, &stdout, Place::Output)?)?;
    // And it says all that it ever says, so what is searched is as much as it can be.
    let said = Canary::of(What::Control, b"event=serving members=1");
    shown.see(Place::Output, &files::one(&Search::of([&said])?, &stderr, Place::Output)?)?;
    shown.seeing.dedup();
    ensure!(kernel::log_can_be_read() || fs::metadata("/dev/kmsg").is_err(), "no kernel log");
    match kernel::SHARED.iter().find(|folder| fs::metadata(folder).is_ok()) {
        Some(folder) => {
            let path = std::path::Path::new(folder).join(format!("control-{}", std::process::id()));
            fs::write(&path, canary.bytes())?;
            let finds = kernel::everything(search);
            fs::remove_file(path)?;
            shown.see(Place::Kernel, &finds?)
        }
        None => {
            shown.skipped.push((Place::Kernel, "no shared memory with a name here".to_owned()));
            Ok(())
        }
    }
}

/// What is asked of the node is searched: the ledger's key is in what it says of itself.
async fn of_answers(shown: &mut Shown, stage: &Stage) -> Result<()> {
    let key = Canary::of(What::Control, stage.door.credentials.ledger_vkey.as_bytes());
    let search = Search::of([&key])?;
    let mut finds = Finds::new(&search, Place::Answers);
    let mut link = stage.door.stranger().await?;
    let about = link.ask_ok("GET", "/v1/node", &[], Bytes::new()).await?;
    finds.look(&about, "/v1/node");
    shown.see(Place::Answers, &finds.all)?;
    let origin = stage.door.credentials.ledger_vkey.split('+').next().unwrap_or_default();
    let search = Search::of([&Canary::of(What::Control, origin.as_bytes())])?;
    let mut finds = Finds::new(&search, Place::Receipts);
    let checkpoint = link.ask_ok("GET", "/v1/ledger/checkpoint", &[], Bytes::new()).await?;
    finds.look(&checkpoint, "the checkpoint");
    shown.see(Place::Receipts, &finds.all)
}

/// While a task runs, what it was given is in its worker, and the hunt sees it there.
async fn in_a_worker(ground: &Ground<'_>, path: &str) -> Result<()> {
    let canary = Canary::raw(What::Control)?;
    let search = Search::of([&canary])?;
    let input = Bytes::from(Mode::Lasts.input(&canary, 0));
    let (mut link, path) = (ground.stage.door.link().await?, path.to_owned());
    let running = tokio::spawn(async move {
        link.ask("POST", &path, &[("notrace-timeout-ms", "20000")], input).await
    });
    let in_a_worker = async {
        loop {
            let finds = ground.in_processes(&search)?;
            let seen = finds
                .iter()
                .any(|find| find.place == Place::Memory && find.at.starts_with("worker"));
            if seen {
                return Ok::<_, anyhow::Error>(());
            }
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(MOST, in_a_worker).await;
    running.abort();
    // The run goes on without its client; its worker is ended, so that it takes no other's place.
    for (id, _) in ground.stage.processes().into_iter().filter(|(_, role)| *role == "worker") {
        if memory::of_process(&search, id, "worker").is_ok_and(|finds| !finds.is_empty()) {
            kill_process(Pid::from_raw(id.cast_signed()).context("a process")?, Signal::KILL)?;
        }
    }
    seen.context("the canary was in no worker, so finding none later would mean nothing")?
}

/// What is sent without TLS is seen.
async fn on_the_wire(
    shown: &mut Shown,
    search: &Search,
    canary: &Canary,
    capture: &Capture,
) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    client.write_all(canary.bytes())?;
    drop(client);
    let mut received = Vec::new();
    listener.accept()?.0.read_to_end(&mut received)?;
    let seen = async {
        loop {
            let (finds, _) = capture.search(search)?;
            if !finds.is_empty() {
                return Ok::<_, anyhow::Error>(finds);
            }
            tokio::task::yield_now().await;
        }
    };
    let finds = tokio::time::timeout(MOST, seen).await.context("the capture is blind")??;
    shown.see(Place::Wire, &finds)
}

fn on_an_image(shown: &mut Shown, search: &Search, canary: &Canary, image: &Image) -> Result<()> {
    let path = image.root().join("control");
    let mut file = File::create(&path)?;
    file.write_all(canary.bytes())?;
    file.sync_all()?;
    fs::remove_file(path)?;
    // Its name is gone, and its block is still there.
    shown.see(Place::Image, &image.search(search)?)
}
