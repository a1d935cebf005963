//! Violence: clients are at work, something happens at a moment drawn at random, and the hunt
//! follows; where that ended the node, once over what it left and once in the node that is started
//! on its folder again.
//!
//! 1. `load`: clients who do not care what they are answered.
//! 2. `hits`: what happens.
//! 3. `scene`: a node on a disk of its own, hit and hunted.

mod hits;
mod load;
mod scene;

use anyhow::Result;
use rustix::process::Signal;

use crate::controls::Shown;
use crate::find::Find;
use crate::places::wire::Capture;
use hits::{Hit, Victim};
use scene::Scene;

/// What happens, by name.
const FAULTS: [(&str, Hit); 13] = [
    ("`kill -9` of a worker", Hit::Signal(Victim::Worker, Signal::KILL)),
    ("SIGSEGV of a worker", Hit::Signal(Victim::Worker, Signal::SEGV)),
    ("panic of a worker (SIGABRT)", Hit::Signal(Victim::Worker, Signal::ABORT)),
    ("`kill -9` of the template", Hit::Signal(Victim::Template, Signal::KILL)),
    ("`kill -9` of the workers' namespace", Hit::Signal(Victim::Init, Signal::KILL)),
    ("`kill -9` of the node", Hit::Signal(Victim::Node, Signal::KILL)),
    ("SIGSEGV of the node", Hit::Signal(Victim::Node, Signal::SEGV)),
    ("panic of the node (SIGABRT)", Hit::Signal(Victim::Node, Signal::ABORT)),
    ("out of memory, the kernel kills", Hit::MemoryShort),
    ("the disk is full", Hit::DiskFull),
    ("the disk fails", Hit::DiskFails),
    ("power cut, what the disk has", Hit::PowerCut),
    ("all clients vanish", Hit::ClientsGone),
];

/// What came of one fault.
pub struct Row {
    /// Which.
    pub fault: &'static str,
    /// At how many moments it happened.
    pub points: usize,
    /// At how many of them a run was under way.
    pub under_way: usize,
    /// How many canaries there were.
    pub canaries: usize,
    /// What was found.
    pub finds: Vec<Find>,
    /// Why it did not happen.
    pub skipped: Option<String>,
}

/// Everything that happens and has `only` in its name, each at so many moments; `say` hears of each
/// row. The places that are shown to be searched.
///
/// # Errors  Something does not go as it should: a node that does not come back, above all.
pub async fn all(
    points: usize,
    only: &str,
    capture: Option<&Capture>,
    mut say: impl FnMut(&Row),
) -> Result<Shown> {
    let (mut scene, shown) = Scene::begin(capture).await?;
    for (fault, hit) in FAULTS.into_iter().filter(|(fault, _)| fault.contains(only)) {
        let mut row =
            Row { fault, points: 0, under_way: 0, canaries: 0, finds: Vec::new(), skipped: None };
        while row.points < points && row.skipped.is_none() {
            match scene.point(hit, &mut row).await {
                Ok(()) => row.points += 1,
                Err(scene::Stop::Impossible(why)) => row.skipped = Some(why),
                Err(scene::Stop::Failed(error)) => {
                    return Err(error.context(format!("{fault}, point {}", row.points)));
                }
            }
        }
        say(&row);
    }
    scene.end().await?;
    Ok(shown)
}
