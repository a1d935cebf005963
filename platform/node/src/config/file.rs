//! The file as written, and how it changes the defaults.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use notrace_policy_promise::limits::ANSWER_BYTES_MAX;
use notrace_policy_promise::release::Release;
use serde::Deserialize;

use super::{
    Carrier, CarrierWord, Cluster, Config, ConfigError, Provider, Strictness, TaskBounds, Workers,
};
use crate::limits::{DATA_SHARDS_MAX, NODES_MAX};
use crate::telemetry::Says;

/// The file as written. Every key is optional and has the default that [`Config::new`] gives.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    listen: Option<SocketAddr>,
    strict: Option<bool>,
    names: Option<Vec<String>>,
    operator: Option<String>,
    workers: Option<FileWorkers>,
    task: Option<FileTask>,
    release: Option<FileRelease>,
    store: Option<FileStore>,
    ledger: Option<FileLedger>,
    cluster: Option<FileCluster>,
    telemetry: Option<FileTelemetry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in [cluster]")]
struct FileCluster {
    listen: SocketAddr,
    fabric: Option<CarrierWord>,
    provider: Option<Provider>,
    card: Option<IpAddr>,
    advertise: Option<String>,
    shards: Option<u64>,
    copies: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in [telemetry]")]
struct FileTelemetry {
    events: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in [workers]")]
struct FileWorkers {
    idle: Option<u16>,
    running_max: Option<u16>,
    wait_ms: Option<u64>,
    cohosting: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in [task]")]
struct FileTask {
    fuel: Option<u64>,
    memory_mib: Option<u64>,
    output_mib: Option<u64>,
    timeout_ms: Option<u64>,
    timeout_ms_max: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in [release]")]
struct FileRelease {
    sizes: Option<String>,
    times: Option<String>,
    failures: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in [store]")]
struct FileStore {
    mib_max: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in [ledger]")]
struct FileLedger {
    epoch_ms: Option<u64>,
    receipt_window_hours: Option<u64>,
}

impl File {
    pub(super) fn change(self, config: &mut Config) -> Result<(), ConfigError> {
        config.listen = self.listen.unwrap_or(config.listen);
        if self.strict == Some(true) {
            config.strictness = Strictness::Refuse;
        }
        config.names = self.names.unwrap_or_default();
        config.operator = self.operator.unwrap_or_else(|| config.operator.clone());
        if let Some(workers) = self.workers {
            workers.change(&mut config.workers)?;
        }
        if let Some(task) = self.task {
            task.change(&mut config.task)?;
        }
        if let Some(release) = self.release {
            release.change(&mut config.release)?;
        }
        if self.telemetry.is_some_and(|telemetry| telemetry.events == Some(true)) {
            config.says = Says::Events;
        }
        config.cluster = self.cluster.map(FileCluster::checked).transpose()?;
        if let Some(mib) = self.store.and_then(|store| store.mib_max) {
            config.store_bytes_max = within("store.mib_max", mib, 1, 1 << 20)? << 20;
        }
        if let Some(ledger) = self.ledger {
            let epoch = ledger.epoch_ms.unwrap_or(config.epoch.as_millis() as u64);
            config.epoch = Duration::from_millis(within("ledger.epoch_ms", epoch, 20, 60_000)?);
            let hours = ledger.receipt_window_hours.unwrap_or(24);
            let hours = within("ledger.receipt_window_hours", hours, 1, 24 * 366)?;
            config.receipt_window = Duration::from_secs(hours * 60 * 60);
        }
        Ok(())
    }
}

impl FileCluster {
    fn checked(self) -> Result<Cluster, ConfigError> {
        let Self { listen, fabric, provider, card, advertise, shards, copies } = self;
        let carrier = Carrier::of(fabric, provider)?;
        let number = |key, number: Option<u64>, most: usize| {
            let number = number.map(|number| within(key, number, 1, most as u64)).transpose();
            number.map(|number| number.map(|number| number as u16))
        };
        let shards = number("cluster.shards", shards, DATA_SHARDS_MAX)?;
        let copies = number("cluster.copies", copies, NODES_MAX)?;
        Ok(Cluster { listen, carrier, card, advertise, shards, copies })
    }
}

impl FileWorkers {
    fn change(self, workers: &mut Workers) -> Result<(), ConfigError> {
        let idle = u64::from(self.idle.unwrap_or(workers.idle));
        let running = u64::from(self.running_max.unwrap_or(workers.running_max));
        let wait = self.wait_ms.unwrap_or(workers.wait.as_millis() as u64);
        workers.idle = within("workers.idle", idle, 1, 256)? as u16;
        workers.running_max = within("workers.running_max", running, 1, 1024)? as u16;
        if let Some(cohosting) = self.cohosting {
            let known = "`workers.cohosting` is one of shared, tenant_exclusive_core, \
                         tenant_exclusive_node";
            workers.cohosting = cohosting.parse().map_err(|_| ConfigError::Word(known))?;
        }
        workers.wait = Duration::from_millis(within("workers.wait_ms", wait, 0, 60_000)?);
        Ok(())
    }
}

impl FileRelease {
    fn change(self, release: &mut Release) -> Result<(), ConfigError> {
        if let Some(sizes) = self.sizes {
            let known = "`release.sizes` is one of exact, padme, powers, 4k, 64k, 1m, 16m";
            release.sizes = sizes.parse().map_err(|_| ConfigError::Word(known))?;
        }
        if let Some(times) = self.times {
            let known = "`release.times` is one of at_once, 10ms, 100ms, 1s, 10s, deadline";
            release.times = times.parse().map_err(|_| ConfigError::Word(known))?;
        }
        if let Some(failures) = self.failures {
            let known = "`release.failures` is one of told, alike";
            release.failures = failures.parse().map_err(|_| ConfigError::Word(known))?;
        }
        Ok(())
    }
}

impl FileTask {
    fn change(self, task: &mut TaskBounds) -> Result<(), ConfigError> {
        let mib = |bytes: u64| bytes >> 20;
        let fuel = self.fuel.unwrap_or(task.fuel);
        let memory = self.memory_mib.unwrap_or(mib(task.memory_bytes));
        let output = self.output_mib.unwrap_or(mib(task.output_bytes));
        let wall_max = self.timeout_ms_max.unwrap_or(task.wall_max.as_millis() as u64);
        let wall = self.timeout_ms.unwrap_or((task.wall.as_millis() as u64).min(wall_max));
        task.fuel = within("task.fuel", fuel, 1_000, 1 << 50)?;
        task.memory_bytes = within("task.memory_mib", memory, 1, 4096)? << 20;
        task.output_bytes =
            within("task.output_mib", output, 1, mib(ANSWER_BYTES_MAX as u64))? << 20;
        let wall_max = within("task.timeout_ms_max", wall_max, 1, 600_000)?;
        task.wall_max = Duration::from_millis(wall_max);
        task.wall = Duration::from_millis(within("task.timeout_ms", wall, 1, wall_max)?);
        Ok(())
    }
}

pub(super) fn malformed(text: &str, error: &toml::de::Error) -> ConfigError {
    let begin = error.span().map_or(0, |span| span.start);
    let before = text.get(..begin).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    ConfigError::Malformed { line, column, what: error.message().replace('\n', ", ") }
}

fn within(key: &'static str, value: u64, least: u64, most: u64) -> Result<u64, ConfigError> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(ConfigError::OutOfBounds { key, least, most })
    }
}
