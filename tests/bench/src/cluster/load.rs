//! Closed-loop load: clients on a connection each, with one request at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use notrace_tests_rig::process::processor_time;
use tokio::task::JoinSet;

use crate::cluster::histogram::Histogram;
use crate::cluster::machine;
use crate::cluster::now;
use crate::cluster::system::{Door, System};

/// Keys that a load is spread over.
pub(crate) const KEYS: u64 = 10_000;
/// Failed requests of one client after which the measurement is given up.
const FAILURES_MAX: u64 = 50;
/// How long a client waits after a failure.
const PAUSE: Duration = Duration::from_millis(10);
/// Clients that fill a place.
const FILLERS: usize = 64;

/// What clients do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Put,
    Get,
}

/// One load.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) work: Work,
    /// Where the keys are.
    pub(crate) place: Arc<str>,
    pub(crate) value_bytes: usize,
    pub(crate) clients: usize,
    /// The node of the first client; the others follow in turn.
    pub(crate) first_node: usize,
    /// After so many nodes it is the turn of the first again.
    pub(crate) members: usize,
    pub(crate) warm_up: Duration,
    pub(crate) length: Duration,
}

/// What one load saw.
#[derive(Clone, Default)]
pub(crate) struct Cell {
    pub(crate) per_second: f64,
    pub(crate) times: Histogram,
    pub(crate) failures: u64,
    pub(crate) servers_seconds: f64,
    pub(crate) clients_seconds: f64,
    /// What all else on the machine used, kernel threads among it.
    pub(crate) others_seconds: f64,
}

/// When clients begin to count, and when they end.
#[derive(Clone, Copy)]
struct Span {
    from: Instant,
    until: Instant,
}

/// Runs one load to its end.
///
/// # Errors  A client fails again and again, or a node is gone.
pub(crate) async fn run(system: &mut System, load: &Load) -> Result<Cell> {
    let mut opened = Vec::new();
    for client in 0..load.clients {
        let door = system.door(load.first_node + client % load.members.max(1))?.clone();
        opened.push((door.open().await?, door));
    }
    let from = now() + load.warm_up;
    let span = Span { from, until: from + load.length };
    let mut running = JoinSet::new();
    for (number, (client, door)) in (1..).zip(opened) {
        running.spawn(drive(client, door, load.clone(), span, number));
    }
    let mut cell = Cell::default();
    tokio::time::sleep_until(span.from.into()).await;
    let meter = Meter::begin(system);
    tokio::time::sleep_until(span.until.into()).await;
    meter.end(system, &mut cell);
    while let Some(ended) = running.join_next().await {
        let (times, failures) = ended??;
        cell.times.merge(&times);
        cell.failures += failures;
    }
    cell.per_second = cell.times.total() as f64 / load.length.as_secs_f64();
    system.check_alive()?;
    Ok(cell)
}

async fn drive(
    mut client: crate::cluster::system::Client,
    door: Door,
    load: Load,
    span: Span,
    number: u64,
) -> Result<(Histogram, u64)> {
    let value = value(load.value_bytes);
    let mut keys = Keys::new(number);
    let (mut times, mut failures) = (Histogram::default(), 0);
    loop {
        let name = format!("{}/key-{:05}", load.place, keys.next());
        let sent = now();
        if sent >= span.until {
            return Ok((times, failures));
        }
        let done = match load.work {
            Work::Put => client.put(&name, value.clone()).await.map(drop),
            Work::Get => client.get(&name).await.and_then(|found| check(found, &load)),
        };
        let ended = now();
        match done {
            Ok(()) if ended >= span.from && ended <= span.until => {
                times.record((ended - sent).as_nanos() as u64);
            }
            Ok(()) => {}
            Err(error) => {
                failures += 1;
                ensure!(failures < FAILURES_MAX, error.context("a client gave up"));
                tokio::time::sleep(PAUSE).await;
                client = door.open().await?;
            }
        }
    }
}

fn check(found: Option<Bytes>, load: &Load) -> Result<()> {
    let found = found.context("a key that was put is not there")?;
    ensure!(found.len() == load.value_bytes, "a value of another length");
    Ok(())
}

/// Puts every key once.
///
/// # Errors  A put fails.
pub(crate) async fn fill(system: &System, place: &Arc<str>, value_bytes: usize) -> Result<()> {
    let mut running = JoinSet::new();
    for filler in 0..FILLERS {
        let (door, place) = (system.door(filler)?.clone(), Arc::clone(place));
        running.spawn(async move {
            let (mut client, value) = (door.open().await?, value(value_bytes));
            for key in (filler as u64..KEYS).step_by(FILLERS) {
                client.put(&format!("{place}/key-{key:05}"), value.clone()).await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

/// The time from the sending of a put at one node to the arrival of its event at the next node.
///
/// # Errors  A put fails, or an event is not that of the put.
pub(crate) async fn watch(system: &mut System, load: &Load) -> Result<Cell> {
    let mut cell = Cell::default();
    let nodes = system.doors.len();
    for node in 0..nodes {
        let name = format!("{}/watched-{node}", load.place);
        let mut writer = system.open(node).await?;
        let mut watch = system.open(node + 1).await?.watch(&name).await?;
        let value = value(load.value_bytes);
        for length in [load.warm_up, load.length] {
            let (meter, mut times) = (Meter::begin(system), Histogram::default());
            let until = now() + length / nodes as u32;
            loop {
                let sent = now();
                if sent >= until {
                    break;
                }
                let arrives = async { watch.next().await.map(|version| (version, now())) };
                let (put, (version, arrived)) =
                    tokio::try_join!(writer.put(&name, value.clone()), arrives)?;
                ensure!(put == version, "an event of another put");
                times.record((arrived - sent).as_nanos() as u64);
            }
            if length == load.length {
                meter.end(system, &mut cell);
                cell.times.merge(&times);
            }
        }
    }
    cell.per_second = cell.times.total() as f64 / load.length.as_secs_f64();
    system.check_alive()?;
    Ok(cell)
}

/// Processor time used until some moment.
struct Meter {
    servers: Duration,
    clients: Duration,
    machine: Duration,
}

impl Meter {
    fn begin(system: &System) -> Self {
        let clients = processor_time(std::process::id());
        Self { servers: system.processor_time(), clients, machine: machine::busy() }
    }

    /// Adds what was used since then.
    fn end(self, system: &System, cell: &mut Cell) {
        let now = Self::begin(system);
        let servers = now.servers.saturating_sub(self.servers);
        let clients = now.clients.saturating_sub(self.clients);
        let others = now.machine.saturating_sub(self.machine).saturating_sub(servers + clients);
        cell.servers_seconds += servers.as_secs_f64();
        cell.clients_seconds += clients.as_secs_f64();
        cell.others_seconds += others.as_secs_f64();
    }
}

/// A value that does not compress.
pub(crate) fn value(length: usize) -> Bytes {
    // Letters that do not repeat soon; neither of the two compresses what it stores.
    let mut keys = Keys::new(length as u64);
    (0..length).map(|_| b'a' + (keys.next() % 26) as u8).collect()
}

/// Keys in an order that looks random. Source: Marsaglia, "Xorshift RNGs", 2003.
pub(crate) struct Keys(u64);

impl Keys {
    /// From one of many beginnings.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next key's number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % KEYS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_spread_over_all_there_are() {
        let mut keys = Keys::new(1);
        let mut seen = vec![0; KEYS as usize];
        (0..KEYS * 20).for_each(|_| seen[keys.next() as usize] += 1);
        assert!(seen.iter().all(|count| (1..80).contains(count)));
    }
}
