//! Clients who do not care what they are answered: something is about to happen to it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::canary::{Canary, What};
use crate::guest::{Mode, turned};
use crate::stage::Door;

const CLIENTS: usize = 3;
/// Runs on one connection.
const RUNS: usize = 6;
/// How long a client waits before it asks a node again that is not there.
const PAUSE: Duration = Duration::from_millis(5);
/// How long clients may take to be done once they shall.
const END_MAX: Duration = Duration::from_secs(60);
/// What a run does and how long its input is, one after the other.
const RUN: [(Mode, usize, &str); 6] = [
    (Mode::Answers, 0, "20000"),
    (Mode::Lasts, 0, "60"),
    (Mode::Answers, 40_000, "20000"),
    (Mode::Fails, 0, "20000"),
    (Mode::Answers, 700_000, "20000"),
    (Mode::Traps, 900, "20000"),
];

/// Clients at work.
pub(super) struct Load {
    told: Arc<Told>,
    clients: JoinSet<()>,
}

/// What clients tell.
#[derive(Default)]
struct Told {
    canaries: Mutex<Vec<Canary>>,
    stop: AtomicBool,
    under_way: AtomicUsize,
    answered: AtomicUsize,
}

impl Load {
    /// Lets them begin.
    pub(super) fn begin(door: &Door, path: &str) -> Self {
        let told = Arc::new(Told::default());
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let (door, path, told) = (door.clone(), path.to_owned(), told.clone());
            clients.spawn(async move {
                let mut again = tokio::time::interval(PAUSE);
                while !told.stop.load(Ordering::SeqCst) {
                    // Refusals and broken connections are what it is all about.
                    if told.connection(&door, &path, number).await.is_err() {
                        again.tick().await;
                    }
                }
            });
        }
        Self { told, clients }
    }

    /// Whether any run is under way, as clients see it.
    pub(super) fn is_under_way(&self) -> bool {
        self.told.under_way.load(Ordering::SeqCst) > 0
    }

    /// How many answers came so far.
    pub(super) fn answered(&self) -> usize {
        self.told.answered.load(Ordering::SeqCst)
    }

    /// Takes all clients away in the midst of what they do.
    pub(super) fn vanish(&mut self) {
        self.clients.abort_all();
    }

    /// Waits until all clients are done and gone; what they planted.
    ///
    /// # Errors  They do not come back.
    pub(super) async fn end(mut self) -> Result<Vec<Canary>> {
        self.told.stop.store(true, Ordering::SeqCst);
        let done = async { while self.clients.join_next().await.is_some() {} };
        tokio::time::timeout(END_MAX, done).await.context("a client is never answered")?;
        Ok(std::mem::take(&mut *self.told.canaries()))
    }
}

impl Told {
    fn canaries(&self) -> std::sync::MutexGuard<'_, Vec<Canary>> {
        self.canaries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object, and a few runs on it.
    async fn connection(&self, door: &Door, path: &str, number: usize) -> Result<()> {
        let mut link = door.link().await?;
        let object = Canary::raw(What::Object)?;
        let bytes = Bytes::copy_from_slice(object.bytes());
        self.canaries().extend([turned(&object), object]);
        link.ask("PUT", "/v1/objects/p/k", &[], bytes).await?;
        for index in number..number + RUNS {
            let (mode, filler, timeout) = *RUN.get(index % RUN.len()).context("a run")?;
            let canary = match mode {
                Mode::Fails => Canary::text(What::Message)?,
                _ => Canary::raw(What::Input)?,
            };
            let argument = Canary::text(What::Argument)?;
            let headers = [
                ("notrace-object", "p/k"),
                ("notrace-arg", argument.as_text()),
                ("notrace-timeout-ms", timeout),
            ];
            let input = Bytes::from(mode.input(&canary, filler));
            self.canaries().extend([turned(&canary), canary, argument.clone()]);
            self.under_way.fetch_add(1, Ordering::SeqCst);
            let answer = link.ask("POST", path, &headers, input).await;
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            answer?;
            self.answered.fetch_add(1, Ordering::SeqCst);
            if self.stop.load(Ordering::SeqCst) {
                break;
            }
        }
        Ok(())
    }
}
