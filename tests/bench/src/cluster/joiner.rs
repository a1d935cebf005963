//! A member that joins a group with much state: what its catching up costs those who are there.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::fs::statvfs;
use tokio::task::JoinSet;

use crate::cluster::histogram::Histogram;
use crate::cluster::load::{Work, value};
use crate::cluster::notrace::Members;
use crate::cluster::paced::{Paced, times};
use crate::cluster::{Bench, now, say};

/// Members before, of which a majority is all.
const MEMBERS: usize = 2;
/// Bytes of each value of the state, and clients that put them.
const VALUE_BYTES: usize = 64 << 10;
const FILLERS: usize = 8;
/// How long clients are watched before, and again after.
const CALM: Duration = Duration::from_secs(10);
/// What log, checkpoints and copies of the state take on the disk, in states.
const DISK_STATES: u64 = 12;

/// What was measured.
pub(crate) struct Joined {
    pub(crate) state_bytes: u64,
    pub(crate) took: Duration,
    pub(crate) lines: Vec<(Work, [Histogram; 3])>,
}

impl Bench {
    /// Fills a group of two, then lets a third member join while clients go on.
    ///
    /// # Errors  The disk has no room for that, or a member fails.
    pub(crate) async fn joiner(&mut self) -> Result<()> {
        let bytes = self.options.state_bytes;
        let dir = self.folder()?;
        let disk = statvfs(dir.path())?;
        let room = disk.f_bavail.saturating_mul(disk.f_frsize);
        ensure!(room > DISK_STATES * bytes, "{DISK_STATES} times the state does not fit the disk");
        let mut members = Members::new(&self.binary, dir, MEMBERS + 1)?;
        for _ in 0..MEMBERS {
            members.add().await?;
        }
        members.whole().await?;
        members.system.make("state", "delivered").await?;
        fill(&members, bytes).await?;
        say(&format!("a group of {MEMBERS} holds {} MiB", bytes >> 20));
        let place: Arc<str> = "calm".into();
        members.system.make(&place, "all_durable").await?;
        let doors: Vec<_> = members.system.doors.iter().map(|door| vec![door.clone()]).collect();
        // What the filling left to be written is not part of what is compared.
        tokio::time::sleep(CALM).await;
        let clients = Paced::start(&doors, &place);
        tokio::time::sleep(CALM / 5).await;
        let from = now();
        tokio::time::sleep(CALM).await;
        let begun = now();
        members.add().await?;
        members.whole().await?;
        let ended = now();
        tokio::time::sleep(CALM / 5).await;
        let after = now();
        tokio::time::sleep(CALM).await;
        let over = now();
        let seen = clients.end().await?;
        let lines = [Work::Put, Work::Get].map(|work| {
            let spans = [(from, begun), (begun, ended), (after, over)];
            (work, spans.map(|(from, until)| times(&seen, work, from, until)))
        });
        let took = ended - begun;
        self.report.joined.push(Joined { state_bytes: bytes, took, lines: lines.into() });
        Ok(())
    }
}

async fn fill(members: &Members, bytes: u64) -> Result<()> {
    let count = bytes.div_ceil(VALUE_BYTES as u64);
    let mut running = JoinSet::new();
    for filler in 0..FILLERS {
        let door = members.system.door(filler)?.clone();
        running.spawn(async move {
            let (mut client, value) = (door.open().await?, value(VALUE_BYTES));
            for key in (filler as u64..count).step_by(FILLERS) {
                client.put(&format!("state/key-{key}"), value.clone()).await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}
