//! Paced load: clients that ask at fixed times, however long the last answer took, and remember
//! each answer. So a moment without service counts as long as it was, and for all who would have
//! asked in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::cluster::histogram::Histogram;
use crate::cluster::load::{Keys, Work, value};
use crate::cluster::now;
use crate::cluster::system::{Client, Door};

/// How often each client asks.
pub(crate) const PACE: Duration = Duration::from_millis(5);
/// Bytes of each value.
const VALUE_BYTES: usize = 256;
/// How long a client that knows other members waits for one.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long one waits that knows none.
const PATIENCE_ALONE: Duration = Duration::from_secs(10);
/// How long a client waits after a failure.
const PAUSE: Duration = Duration::from_millis(5);

/// An answer.
#[derive(Clone, Copy)]
pub(crate) struct Answered {
    /// When it was to be asked for.
    pub(crate) due: Instant,
    /// When it was there.
    pub(crate) ended: Instant,
}

/// Clients that run until they are told to end.
pub(crate) struct Paced {
    running: JoinSet<Result<(usize, Work, Vec<Answered>)>>,
    over: Arc<AtomicBool>,
}

/// What each client saw: whose it was, what it did, and the answers in order.
pub(crate) type Seen = Vec<(usize, Work, Vec<Answered>)>;

impl Paced {
    /// Starts a client that puts and one that gets for each of `groups`: the members it may ask,
    /// of which it takes the next after a failure.
    pub(crate) fn start(groups: &[Vec<Door>], place: &Arc<str>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut running = JoinSet::new();
        for (number, doors) in groups.iter().enumerate() {
            for work in [Work::Put, Work::Get] {
                let (doors, place, over) = (doors.clone(), place.clone(), over.clone());
                running.spawn(async move {
                    let answers = drive(&doors, work, &place, number, &over).await?;
                    Ok((number, work, answers))
                });
            }
        }
        Self { running, over }
    }

    /// Ends them.
    ///
    /// # Errors  One could not even begin.
    pub(crate) async fn end(mut self) -> Result<Seen> {
        self.over.store(true, Ordering::Relaxed);
        let mut seen = Vec::new();
        while let Some(ended) = self.running.join_next().await {
            seen.push(ended??);
        }
        Ok(seen)
    }
}

async fn drive(
    doors: &[Door],
    work: Work,
    place: &str,
    number: usize,
    over: &AtomicBool,
) -> Result<Vec<Answered>> {
    let patience = if doors.len() > 1 { PATIENCE } else { PATIENCE_ALONE };
    let mut doors = doors.iter().cycle();
    let mut client = Some(doors.next().context("a member to ask")?.open().await?);
    let (mut keys, value) = (Keys::new(number as u64 + 1), value(VALUE_BYTES));
    let (mut answers, mut due) = (Vec::new(), now());
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep_until(due.into()).await;
        let name = format!("{place}/key-{:05}", keys.next());
        let asked = async {
            let open = match client.take() {
                Some(client) => client,
                None => doors.next().context("a member to ask")?.open().await?,
            };
            ask(open, work, &name, value.clone()).await
        };
        match tokio::time::timeout(patience, asked).await {
            Ok(Ok(open)) => {
                client = Some(open);
                answers.push(Answered { due, ended: now() });
                due += PACE;
            }
            // What was due is still due.
            Ok(Err(_)) | Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    Ok(answers)
}

async fn ask(mut client: Client, work: Work, name: &str, value: Bytes) -> Result<Client> {
    match work {
        Work::Put => drop(client.put(name, value).await?),
        Work::Get => drop(client.get(name).await?),
    }
    Ok(client)
}

/// How long answers took that were due within a span, of those who did `work`.
pub(crate) fn times(seen: &Seen, work: Work, from: Instant, until: Instant) -> Histogram {
    let mut times = Histogram::default();
    let answers = seen.iter().filter(|(_, did, _)| *did == work).flat_map(|(_, _, it)| it);
    for answer in answers.filter(|answer| answer.due >= from && answer.due < until) {
        times.record((answer.ended - answer.due).as_nanos() as u64);
    }
    times
}

/// The longest time that one client was without an answer, from `from` on.
pub(crate) fn longest_gap<'a>(
    clients: impl Iterator<Item = &'a Vec<Answered>>,
    from: Instant,
) -> Duration {
    let gaps = clients.flat_map(|answers| {
        let ends: Vec<Instant> = answers.iter().map(|it| it.ended).collect();
        let pairs: Vec<_> = ends.iter().copied().zip(ends.iter().skip(1).copied()).collect();
        pairs.into_iter().filter(move |(_, next)| *next > from).map(|(one, next)| next - one)
    });
    gaps.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(millis: &[u64]) -> (Instant, Vec<Answered>) {
        let begin = now();
        let at = |millis: &u64| begin + Duration::from_millis(*millis);
        (begin, millis.iter().map(|it| Answered { due: at(it), ended: at(it) }).collect())
    }

    #[test]
    fn the_longest_gap_is_of_one_client_and_after_the_moment_asked_for() {
        let (begin, one) = answers(&[0, 90, 100, 110, 150]);
        let from = begin + Duration::from_millis(95);
        assert_eq!(longest_gap([&one].into_iter(), from), Duration::from_millis(40));
        assert_eq!(longest_gap([&one].into_iter(), begin), Duration::from_millis(90));
    }

    #[test]
    fn times_are_of_one_kind_of_work_and_one_span() {
        let (begin, one) = answers(&[0, 5, 10]);
        let seen = vec![(0, Work::Put, one.clone()), (0, Work::Get, one)];
        let until = begin + Duration::from_millis(10);
        assert_eq!(times(&seen, Work::Put, begin, until).total(), 2);
    }
}
