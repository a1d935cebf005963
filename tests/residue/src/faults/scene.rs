//! A node on a disk of its own, hit and hunted.

use std::time::Duration;

use anyhow::{Context as _, Error, Result, ensure};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustix::process::Signal;
use tokio::time::timeout;

use super::Row;
use super::hits::{self, Hit, Room, Victim};
use super::load::Load;
use crate::controls::{self, Shown};
use crate::deeds::{Deeds, compiled};
use crate::find::{Find, Place};
use crate::hunt::Ground;
use crate::places::image::Image;
use crate::places::wire::Capture;
use crate::places::{core_file, files, kernel};
use crate::search::Search;
use crate::stage::{Setting, Stage};
use notrace_tests_rig::process::until;

/// Within which time after the first answers it happens.
const MOMENT_MAX_MICROS: u64 = 300_000;
/// How long clients go on afterwards, with a node that is still there or one that is not.
const AFTER: Duration = Duration::from_millis(100);
/// How long something may take to come about, or processes to be gone.
const TURN_MAX: Duration = Duration::from_secs(30);
/// How long somebody may take to be killed for want of memory. Nobody may need any.
const WANT_MAX: Duration = Duration::from_secs(2);

/// Why there is no point.
pub(super) enum Stop {
    /// Not on this machine.
    Impossible(String),
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A node that is hit again and again.
pub(super) struct Scene<'a> {
    image: Image,
    stage: Stage,
    path: String,
    capture: Option<&'a Capture>,
}

impl<'a> Scene<'a> {
    /// Starts a node and takes the controls.
    pub(super) async fn begin(capture: Option<&'a Capture>) -> Result<(Self, Shown)> {
        let image = Image::mount().context("this needs a file system of its own, so root")?;
        let stage = start(&image).await?;
        let path = Deeds::prepare(&stage.door).await?;
        let scene = Self { image, stage, path, capture };
        let shown = controls::take(&scene.ground(), &scene.path).await?;
        compiled(&scene.stage.door, &scene.path).await?;
        Ok((scene, shown))
    }

    /// Ends the node as an operator does.
    pub(super) async fn end(self) -> Result<()> {
        self.stage.end().await
    }

    fn ground(&self) -> Ground<'_> {
        Ground { stage: &self.stage, capture: self.capture, image: Some(&self.image) }
    }

    /// Clients work, it happens, and the hunt follows.
    pub(super) async fn point(&mut self, hit: Hit, row: &mut Row) -> Result<(), Stop> {
        let room = match hit {
            Hit::MemoryShort => Some(self.room()?),
            _ => None,
        };
        let mut load = Load::begin(&self.stage.door, &self.path);
        until(TURN_MAX, || (load.answered() > 0).then_some(())).await?;
        // It is the moment that is drawn; nobody is waited for.
        let moment = Duration::from_micros(random()? % MOMENT_MAX_MICROS);
        let _ = timeout(moment, std::future::pending::<()>()).await;
        row.under_way += usize::from(load.is_under_way());
        let ids: Vec<u32> = self.stage.processes().into_iter().map(|(id, _)| id).collect();
        let filler = self.happen(hit, &mut load, room.as_ref()).await?;
        let _ = timeout(AFTER, std::future::pending::<()>()).await;
        let canaries = load.end().await?;
        let survived = self.stage.is_alive();
        let search = Search::of(&canaries)?;
        row.canaries += canaries.len();
        if survived {
            row.finds.extend(self.ground().hunt(&search, &Deeds::default()).await?);
            row.finds.extend(core_file::collect(&search, &self.stage.current())?);
        } else {
            until(TURN_MAX, || (!ids.iter().any(|id| hits::is_there(*id))).then_some(())).await?;
            row.finds.extend(self.what_it_left(&search)?);
            drop(room);
            self.again(hit).await?;
            row.finds.extend(self.ground().hunt(&search, &Deeds::default()).await?);
        }
        if let Some(filler) = filler {
            std::fs::remove_file(filler)?;
            self.opens().await?;
        }
        // And it serves, as if nothing had happened.
        let mut deeds = Deeds::default();
        drop(deeds.run(&self.stage.door, &self.path, 1).await.context("it does not serve")?);
        Ok(())
    }

    /// A room for the node and its processes.
    fn room(&self) -> Result<Room, Stop> {
        let ids: Vec<u32> = self.stage.processes().into_iter().map(|(id, _)| id).collect();
        Room::of(&ids).map_err(|error| Stop::Impossible(format!("{error:#}")))
    }

    /// Lets it happen. A file that is to be removed afterwards, if there is any.
    async fn happen(
        &mut self,
        hit: Hit,
        load: &mut Load,
        room: Option<&Room>,
    ) -> Result<Option<std::path::PathBuf>> {
        match hit {
            Hit::Signal(victim, signal) => self.signal(victim, signal).await?,
            Hit::MemoryShort => {
                let room = room.context("a room")?;
                let before = self.stage.processes();
                room.shrink()?;
                let somebody = || before.iter().find(|(id, _)| !hits::is_there(*id));
                // Nobody may want more memory than there is; then nothing happens.
                let _ = until(WANT_MAX, || somebody().map(drop)).await;
                room.widen()?;
            }
            Hit::DiskFull => return hits::fill(&self.image.root()).map(Some),
            Hit::DiskFails => {
                self.image.fail()?;
                self.stage.ended().await.context("its disk failed")?;
            }
            Hit::PowerCut => {
                hits::signal(self.stage.id(), Signal::STOP)?;
                self.image.keep_as_it_is()?;
                hits::signal(self.stage.id(), Signal::KILL)?;
                self.stage.ended().await?;
            }
            Hit::ClientsGone => load.vanish(),
        }
        Ok(None)
    }

    async fn signal(&mut self, victim: Victim, signal: Signal) -> Result<()> {
        let role = match victim {
            Victim::Worker => "worker",
            Victim::Template => "template",
            Victim::Init => "init",
            Victim::Node => "node",
        };
        let those = || {
            let all = self.stage.processes().into_iter().filter(|(_, known)| *known == role);
            let ids: Vec<u32> = all.map(|(id, _)| id).collect();
            hits::busiest(&ids)
        };
        // All workers may be at their end just now.
        let id = until(TURN_MAX, those).await.context("nobody to be hit")?;
        let mut again = hits::signal(id, signal)?;
        if victim == Victim::Node {
            // Its parent, which we are, has to wait for it.
            while again && self.stage.is_alive() {
                again = hits::signal(id, signal)?;
            }
            return self.stage.ended().await;
        }
        let gone = || {
            again = again && hits::is_there(id) && hits::signal(id, signal).unwrap_or(false);
            (!hits::is_there(id)).then_some(())
        };
        until(TURN_MAX, gone).await.context("it does not end")
    }

    /// What there is of a node that is gone.
    fn what_it_left(&self, search: &Search) -> Result<Vec<Find>> {
        let mut finds = core_file::collect(search, &self.stage.current())?;
        for folder in self.stage.folders() {
            finds.extend(files::below(search, &folder)?);
        }
        for file in self.stage.output() {
            finds.extend(files::one(search, &file, Place::Output)?);
        }
        finds.extend(kernel::everything(search)?);
        finds.extend(self.image.search_as_it_is(search)?);
        Ok(finds)
    }

    /// Waits until the node says that it serves.
    async fn opens(&self) -> Result<()> {
        let mut again = tokio::time::interval(AFTER);
        let open = async {
            while !self.stage.door.is_open().await {
                again.tick().await;
            }
        };
        timeout(TURN_MAX, open).await.context("there is room again, and it does not serve")
    }

    /// Starts a node on the same folder.
    async fn again(&mut self, hit: Hit) -> Result<()> {
        match hit {
            Hit::DiskFails => self.image.mend().await?,
            Hit::PowerCut => self.image.power_up().await?,
            _ => {}
        }
        self.stage = start(&self.image).await.context("it does not start again")?;
        compiled(&self.stage.door, &self.path).await
    }
}

async fn start(image: &Image) -> Result<Stage> {
    let home = Some(image.root().join("home"));
    Stage::start(Setting { binary: "notrace", leak: None, home }).await
}

fn random() -> Result<u64> {
    let mut bytes = [0; 8];
    let drawn = SystemRandom::new().fill(&mut bytes);
    ensure!(drawn.is_ok(), "no randomness");
    Ok(u64::from_le_bytes(bytes))
}
