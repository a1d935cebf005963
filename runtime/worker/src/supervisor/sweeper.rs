//! The process that clears what the dead leave, seen from the supervisor.

use std::io::{PipeWriter, Write as _, pipe};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::OFlags;
use tokio::time::timeout;

use super::process::Process;
use super::template::open_child;
use crate::limits::SWEEPING_MAX;
use crate::sweep::{FAREWELL, SOMEBODY_DIED};

/// Started with the supervisor, and anew if it is not there when it is needed.
pub(crate) struct Sweeper {
    exe: PathBuf,
    running: Mutex<Option<Running>>,
}

struct Running {
    process: Arc<Process>,
    words: PipeWriter,
}

impl Sweeper {
    /// One that is not there yet.
    pub(super) fn of(exe: &Path) -> Self {
        Self { exe: exe.to_owned(), running: Mutex::new(None) }
    }

    /// Starts it.
    pub(super) fn begin(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        *running = launch(&self.exe);
    }

    /// A process of ours died in the middle of something. Never waits.
    pub(crate) fn somebody_died(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let told = running.as_mut().is_some_and(|running| running.tell(SOMEBODY_DIED));
        if !told {
            // One that was killed is replaced; it is waited for before its number is free again.
            if let Some(Running { process, .. }) = running.take() {
                process.kill();
                process.reap();
            }
            *running = launch(&self.exe);
            if let Some(running) = running.as_mut() {
                running.tell(SOMEBODY_DIED);
            }
        }
    }

    /// Lets it finish what it is at, and end.
    pub(super) async fn see_off(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { process, mut words }) = running else { return };
        let _ = words.write_all(&[FAREWELL]);
        if timeout(SWEEPING_MAX, process.ended()).await.is_err() {
            process.kill();
            process.ended().await;
        }
        process.reap();
    }
}

impl Running {
    /// Whether it is there to hear it. A pipe that is full says the same already.
    fn tell(&mut self, word: u8) -> bool {
        match self.words.write_all(&[word]) {
            Ok(()) => true,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

fn launch(exe: &Path) -> Option<Running> {
    let (theirs, words) = pipe().ok()?;
    rustix::fs::fcntl_setfl(&words, OFlags::NONBLOCK).ok()?;
    let child = Command::new(exe)
        .arg0("notrace")
        .arg("sweep")
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A terminal's ^C does not reach it.
        .process_group(0)
        .spawn()
        .ok()?;
    let (process, _) = open_child(&child)?;
    Some(Running { process: Arc::new(process), words })
}
