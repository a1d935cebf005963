//! The leaks that the hunt must find, each in a node that has it and no other.
//!
//! A hunt that finds each of them has shown for every kind of place that it would see a trace
//! there. The leaks are in the product's own code behind its feature `planted-leaks`; the numbers
//! are those of the places where data can stay, listed in this folder's README.

use anyhow::{Context as _, Result, bail};

use crate::deeds::Deeds;
use crate::find::{Find, Place};
use crate::hunt::Ground;
use crate::places::core_file;
use crate::rounds::{Surroundings, crash};
use crate::search::Search;
use crate::stage::{Setting, Stage};

/// The binary that has leaks.
const BINARY: &str = "notrace-planted";
/// Enough runs that the task ends in each of its ways but the one that takes long.
const RUNS: usize = 12;

/// A leak, and the hunt that is to find it.
pub struct Leak {
    /// Its number.
    pub number: u32,
    /// What a careless implementation would do.
    pub what: &'static str,
    /// In which file it is planted.
    pub file: &'static str,
    /// The hunt.
    pub place: Place,
    /// How what it says of where begins; empty where that does not matter.
    pub at: &'static str,
}

/// How a leak fared.
pub enum Fared {
    /// The named hunt found it; and what else was found.
    Caught {
        /// What the named hunt found.
        find: Find,
        /// How many finds there were in all.
        finds: usize,
    },
    /// It was not found where it should be.
    Missed(Vec<Find>),
    /// The place cannot be searched here.
    Skipped(&'static str),
}

const fn leak(
    number: u32,
    place: Place,
    at: &'static str,
    file: &'static str,
    what: &'static str,
) -> Leak {
    Leak { number, what, file, place, at }
}

/// All of them.
pub const LEAKS: [Leak; 42] = [
    leak(1, Place::Memory, "node", "jail/leak", "freed memory is not wiped"),
    leak(
        2,
        Place::Memory,
        "node",
        "front/body",
        "a buffer is emptied and used for the next client",
    ),
    leak(3, Place::Memory, "node", "node/stack", "stacks are not wiped before threads wait"),
    leak(4, Place::Registers, "node", "node/request/run", "a thread waits with data in registers"),
    leak(5, Place::Memory, "node", "node/request/run", "a future with data never ends"),
    leak(6, Place::Memory, "node", "node/request/run", "a thread that blocks keeps its scratch"),
    leak(7, Place::Files, "", "front/tls", "what connections are encrypted with goes to a file"),
    leak(8, Place::Memory, "node", "front/accept", "a closed connection's buffers are kept"),
    leak(9, Place::Memory, "node", "front/translate", "answers are kept for another try"),
    leak(10, Place::Memory, "worker", "sandbox/execute", "a store is kept with its linear memory"),
    leak(11, Place::OpenFiles, "", "worker/supervisor/slot", "a slot is used again as it is"),
    leak(12, Place::Memory, "worker", "jail/leak", "a worker's freed memory, with its globals"),
    leak(13, Place::Memory, "worker", "worker/worker", "a worker's stack is not wiped"),
    leak(14, Place::Memory, "worker", "sandbox/execute", "host objects outlive their guest"),
    leak(15, Place::OpenFiles, "node", "worker/compile", "a module's file in memory stays open"),
    leak(16, Place::Files, "", "worker/cache", "compiled code lies readable on disk"),
    leak(17, Place::Memory, "worker", "sandbox/host/io", "a host function keeps what passes"),
    leak(18, Place::Memory, "node", "sandbox/execute", "a trap dumps what the guest had"),
    leak(19, Place::Output, "", "jail/process", "a panic says its message"),
    leak(
        20,
        Place::Memory,
        "node",
        "node/request/run",
        "a cache in a static grows by each argument",
    ),
    leak(
        21,
        Place::Memory,
        "template",
        "worker/worker",
        "workers share memory with their template",
    ),
    leak(22, Place::Memory, "node", "jail/secret", "keys lie in ordinary memory"),
    leak(25, Place::Wire, "", "node/request/run", "the input crosses loopback in the clear"),
    leak(26, Place::OpenFiles, "node", "worker/supervisor/run", "the input is piped to its worker"),
    leak(27, Place::OpenFiles, "node", "front/body", "bodies are spooled to a nameless file"),
    leak(30, Place::CoreFile, "", "jail/process", "a crash writes a core file"),
    leak(31, Place::Files, "", "node/request/release", "a crash reporter writes a report"),
    leak(32, Place::Kernel, "", "node/request/run", "an argument goes to the kernel's log"),
    leak(
        33,
        Place::ProcessTable,
        "node",
        "node/request/run",
        "a thread is named after an argument",
    ),
    leak(
        34,
        Place::Fences,
        "node",
        "node/request/run",
        "rings of buffers are shared with the kernel",
    ),
    leak(35, Place::Fences, "node", "node/request/run", "pages may be merged with others'"),
    leak(
        37,
        Place::Kernel,
        "",
        "node/request/run",
        "a key in a keyring is named after an argument",
    ),
    leak(41, Place::Output, "", "node/request/run", "inputs are logged"),
    leak(42, Place::Answers, "/metrics", "front/routes", "a metric has arguments for labels"),
    leak(43, Place::Answers, "", "front/routes", "a client's trace id is told to others"),
    leak(44, Place::Receipts, "", "node/request/receipt", "a receipt has the input's bare digest"),
    leak(45, Place::Files, "", "front/body", "bodies are spooled to a file"),
    leak(46, Place::OpenFiles, "node", "worker/cache", "a removed module's code is kept"),
    leak(47, Place::Files, "", "node/values", "a version is numbered by its value's first bytes"),
    leak(48, Place::Image, "", "node/files", "an old master key is unlinked, not overwritten"),
    leak(56, Place::Answers, "/debug/last", "front/routes", "a debugging door is left open"),
    leak(57, Place::Wire, "", "node/request/run", "a name is looked up that has data in it"),
];

/// Leaks that are none, and must not be found: a build that has leaks and uses none of them, and
/// one whose workers stay as they are once they are done, with everything wiped.
pub const NONE: [(u32, &str); 2] = [
    (0, "a build with leaks, and none chosen"),
    (100, "workers that stay alive once they are done"),
];

/// Whether this place can be searched here.
fn unsearchable(leak: &Leak, surroundings: &Surroundings) -> Option<&'static str> {
    match leak.place {
        Place::Wire if surroundings.capture.is_none() => Some("no network of its own"),
        Place::Image if surroundings.image.is_none() => Some("no image can be mounted"),
        Place::CoreFile if !core_file::is_written_here() => Some("no core file is written here"),
        Place::Kernel if std::fs::metadata("/dev/kmsg").is_err() && leak.number == 32 => {
            Some("there is no kernel log")
        }
        _ => None,
    }
}

/// Starts a node with this leak and hunts.
///
/// # Errors  Something does not go as it should.
pub async fn try_leak(leak: &Leak, surroundings: &Surroundings) -> Result<Fared> {
    if let Some(why) = unsearchable(leak, surroundings) {
        return Ok(Fared::Skipped(why));
    }
    let finds = hunt(leak.number, surroundings).await;
    let finds = finds.with_context(|| format!("leak {}: {}", leak.number, leak.what))?;
    let named = |find: &&Find| find.place == leak.place && find.at.starts_with(leak.at);
    Ok(match finds.iter().find(named) {
        Some(find) => Fared::Caught { find: find.clone(), finds: finds.len() },
        None => Fared::Missed(finds),
    })
}

/// Hunts in a build with leaks of which none is to be found.
///
/// # Errors  Something is found, or does not go as it should.
pub async fn try_none(number: u32, surroundings: &Surroundings) -> Result<()> {
    let finds = hunt(number, surroundings).await?;
    match finds.as_slice() {
        [] => Ok(()),
        [first, ..] => bail!("{} finds without a leak, the first: {first}", finds.len()),
    }
}

async fn hunt(number: u32, surroundings: &Surroundings) -> Result<Vec<Find>> {
    let home = surroundings.image.as_ref().map(|image| image.folder(number)).transpose()?;
    let mut stage = Stage::start(Setting { binary: BINARY, leak: Some(number), home }).await?;
    let path = Deeds::prepare(&stage.door).await?;
    let mut deeds = Deeds::default();
    drop(deeds.run(&stage.door, &path, RUNS).await?);
    deeds.be_refused(&stage.door).await?;
    deeds.upload_and_remove(&stage).await?;
    deeds.shred(&stage).await?;
    let search = Search::of(&deeds.canaries)?;
    let ground = Ground {
        stage: &stage,
        capture: surroundings.capture.as_ref(),
        image: surroundings.image.as_ref(),
    };
    let mut finds = ground.hunt(&search, &deeds).await?;
    finds.append(&mut deeds.finds);
    if number == 30 {
        finds.extend(crash(&mut stage, &path).await?);
        return Ok(finds);
    }
    stage.end().await?;
    Ok(finds)
}
