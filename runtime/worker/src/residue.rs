//! What a run leaves, and its removal.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::limits::SECRET_BYTES;
use crate::supervisor::Inner;
use crate::supervisor::process::{Exit, Process};
use crate::supervisor::seat::Seat;
use crate::supervisor::slot::Slot;
use crate::supervisor::template::Membership;

/// What a run left: a dead worker, and a slot with traces of it. To be [scrubbed](scrub); if it is
/// dropped instead, the worker is killed and scrubbed in the background, and no proof comes of it.
#[must_use = "a run is not over before its residue is scrubbed"]
pub struct Residue {
    inner: Arc<Inner>,
    process: Arc<Process>,
    /// Taken when it is wiped.
    slot: Option<Slot>,
    /// Given up when the slot is wiped.
    place: Option<Place>,
    exit: Option<Exit>,
    run: u64,
}

/// What a worker occupies besides its slot.
pub(crate) struct Place {
    /// Keeps the worker's template from being seen off.
    pub(crate) _membership: Membership,
    /// One of those that may run at once. A worker that never got a job has none.
    pub(crate) _permit: Option<OwnedSemaphorePermit>,
    /// The core that is its tenant's while the process lives.
    pub(crate) _seat: Option<Seat>,
}

impl Residue {
    pub(crate) fn new(
        inner: Arc<Inner>,
        process: Process,
        slot: Slot,
        place: Place,
        run: u64,
    ) -> Self {
        let process = Arc::new(process);
        Self { inner, process, slot: Some(slot), place: Some(place), exit: None, run }
    }

    /// The number of the run.
    pub fn run(&self) -> u64 {
        self.run
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Returns once the worker has ended: its memory is then unmapped.
    pub(crate) async fn ended(&self) {
        #[cfg(feature = "planted-leaks")]
        if crate::leak::is_warm() {
            return crate::leak::answered(self).await;
        }
        self.process.ended().await;
    }

    /// Whether a worker that is still there has answered.
    #[cfg(feature = "planted-leaks")]
    pub(crate) fn holds_answer(&self) -> bool {
        self.slot.as_ref().is_some_and(Slot::holds_answer)
    }

    /// How the worker ended. To be asked only once it has.
    pub(crate) fn exit(&mut self) -> Exit {
        #[cfg(feature = "planted-leaks")]
        if crate::leak::is_warm() && self.holds_answer() {
            return *self.exit.get_or_insert(Exit::Status(0));
        }
        *self.exit.get_or_insert_with(|| {
            let exit = self.process.reap().unwrap_or(Exit::Unknown);
            if exit != Exit::Status(0) {
                self.inner.sweeper.somebody_died();
            }
            exit
        })
    }

    /// The sealed answer in the slot of a worker that is dead.
    pub(crate) fn answer(&mut self, output_bytes_max: u64) -> Option<Vec<u8>> {
        self.slot.as_mut()?.answer(output_bytes_max)
    }
}

impl Drop for Residue {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        self.process.kill();
        let (inner, process) = (self.inner.clone(), self.process.clone());
        let (place, reaped) = (self.place.take(), self.exit.is_some());
        self.inner.runtime.spawn(async move {
            process.ended().await;
            if !reaped {
                process.reap();
                inner.sweeper.somebody_died();
            }
            wipe(&inner, slot);
            drop(place);
        });
    }
}

/// Proof that a run's worker is dead and its slot wiped. Only [`scrub`] makes one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scrubbed {
    run: u64,
    exit: Exit,
    secret_memory: bool,
    wiped_bytes: u64,
}

impl Scrubbed {
    /// The number of the run.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// How the worker ended. It is out of the kernel's table.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether the run's keys lay in `memfd_secret` pages.
    pub fn secret_memory(&self) -> bool {
        self.secret_memory
    }

    /// How many shared bytes were wiped, the secret page and the exchange together.
    pub fn wiped_bytes(&self) -> u64 {
        self.wiped_bytes
    }
}

/// Removes what a run left. Returns once the worker is dead, out of the kernel's table, and its
/// slot wiped.
///
/// # Cancel  It is scrubbed in the background.
pub async fn scrub(mut residue: Residue) -> Scrubbed {
    residue.ended().await;
    let (exit, run) = (residue.exit(), residue.run);
    // There is no await below: from here it is done in one go.
    let (secret_memory, wiped_bytes) =
        residue.slot.take().map_or((false, 0), |slot| wipe(&residue.inner, slot));
    residue.place = None;
    Scrubbed { run, exit, secret_memory, wiped_bytes }
}

/// Wipes the slot of a worker that is dead, and returns it to the pool, which orders a new worker.
fn wipe(inner: &Inner, mut slot: Slot) -> (bool, u64) {
    let secret_memory = slot.is_secret_memory();
    match slot.wipe() {
        Ok(bytes) => {
            inner.pool().give_back(slot);
            (secret_memory, bytes)
        }
        // Then the memory itself goes; a slot less is better than a slot with traces.
        Err(_) => {
            let index = slot.index();
            drop(slot);
            if let Ok(slot) = Slot::new(index) {
                inner.pool().give_back(slot);
            }
            (secret_memory, SECRET_BYTES as u64)
        }
    }
}
