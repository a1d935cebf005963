//! The node's configuration: one TOML file, read once, unknown keys are errors.

mod file;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use notrace_policy_promise::cohosting::Cohosting;
use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::limits::ANSWER_BYTES_MAX;
use notrace_policy_promise::release::{Release, Sizes};
use serde::Deserialize;

use crate::files;
use crate::group::GroupShape;
use crate::limits::CONFIG_BYTES_MAX;
use crate::telemetry::Says;
use file::{File, malformed};

/// What a node is told at start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder that holds everything the node keeps.
    pub dir: PathBuf,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where clients find it; known once it listens.
    pub url: String,
    /// How it meets other nodes; none for a node that keeps its store alone.
    pub cluster: Option<Cluster>,
    /// Whether it refuses to serve when a required fence or mitigation is missing.
    pub strictness: Strictness,
    /// Names besides the listening address that the certificate is for.
    pub names: Vec<String>,
    /// Who operates the node, in the promise.
    pub operator: String,
    /// Workers.
    pub workers: Workers,
    /// Whether what happens to the node is said on standard error.
    pub says: Says,
    /// Bounds of one run.
    pub task: TaskBounds,
    /// What shows outside of runs that read no pool, and what pools are made with that do not say.
    pub release: Release,
    /// The most ciphertext the store keeps, in bytes.
    pub store_bytes_max: u64,
    /// How long an epoch of the ledger lasts.
    pub epoch: Duration,
    /// How long receipts are kept.
    pub receipt_window: Duration,
}

/// How a node meets others of its group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cluster {
    /// Where it listens for them.
    pub listen: SocketAddr,
    /// What carries what they tell each other; the same at all nodes of a group.
    pub carrier: Carrier,
    /// The address of the card that libfabric writes through, where it is not the one in `listen`.
    pub card: Option<IpAddr>,
    /// What they are told instead, as `HOST:PORT`; a name is looked up at each attempt.
    pub advertise: Option<String>,
    /// Into how many shards a group that it founds divides its keys; one if not said.
    pub shards: Option<u16>,
    /// How many nodes hold each of them; five if not said.
    pub copies: Option<u16>,
}

impl Cluster {
    /// Meets others here, and leaves the rest as it is usual.
    #[must_use]
    pub fn at(listen: SocketAddr) -> Self {
        let (advertise, shards, copies) = (None, None, None);
        Self { listen, carrier: Carrier::Tcp, card: None, advertise, shards, copies }
    }

    /// What others are told to reach this node at: `HOST:PORT`. Of a node that listens on any port
    /// it is known once it listens.
    /// # Errors  [`ConfigError::Advertise`], [`ConfigError::Unreachable`]
    pub fn told(&self) -> Result<String, ConfigError> {
        match &self.advertise {
            Some(told) if port_of(told).is_some_and(|port| port > 0) => Ok(told.clone()),
            Some(_) => Err(ConfigError::Advertise),
            None if self.listen.ip().is_unspecified() => Err(ConfigError::Unreachable),
            None => Ok(self.listen.to_string()),
        }
    }

    /// The shape of a group that is founded so.
    #[must_use]
    pub fn shape(&self) -> GroupShape {
        let usual = GroupShape::default();
        GroupShape {
            shards: self.shards.unwrap_or(usual.shards),
            copies: self.copies.unwrap_or(usual.copies),
        }
    }

    /// Whether a group of this shape is what is asked for, as far as that is said.
    pub(crate) fn allows(&self, shape: GroupShape) -> bool {
        self.shards.is_none_or(|shards| shards == shape.shards)
            && self.copies.is_none_or(|copies| copies == shape.copies)
    }
}

/// The port of `HOST:PORT`, if the host is one that another could reach.
pub(crate) fn port_of(address: &str) -> Option<u16> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match bare.unwrap_or(host).parse::<IpAddr>() {
        Ok(ip) => !ip.is_unspecified() && ip.is_ipv6() == bare.is_some(),
        Err(_) => is_name(host),
    };
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    if is_host && is_number { port.parse().ok() } else { None }
}

/// Whether this may be a host's name. Underscores are not of the domain name system, but of what
/// names containers.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(fits)
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
}

/// What carries what nodes tell each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    /// TCP with TLS 1.3.
    Tcp,
    /// Libfabric; for a program that was built with it.
    Libfabric(Provider),
}

/// Which of libfabric's providers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// TCP.
    Tcp,
    /// Memory that processes of one machine share.
    Shm,
    /// InfiniBand and RoCE.
    Verbs,
    /// Elastic Fabric Adapters.
    Efa,
}

/// The word for a carrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CarrierWord {
    /// [`Carrier::Tcp`].
    Tcp,
    /// [`Carrier::Libfabric`].
    Libfabric,
}

impl Carrier {
    /// What two words say, of which either may be left out.
    /// # Errors  [`ConfigError::ProviderAlone`]
    pub fn of(
        fabric: Option<CarrierWord>,
        provider: Option<Provider>,
    ) -> Result<Self, ConfigError> {
        match (fabric, provider) {
            (Some(CarrierWord::Libfabric), provider) => {
                Ok(Self::Libfabric(provider.unwrap_or(Provider::Tcp)))
            }
            (_, None) => Ok(Self::Tcp),
            (_, Some(_)) => Err(ConfigError::ProviderAlone),
        }
    }
}

/// What a missing fence means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strictness {
    /// The node says what is missing and serves.
    Tell,
    /// The node refuses to serve.
    Refuse,
}

/// How many workers there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Workers {
    /// How many wait, already jailed.
    pub idle: u16,
    /// How many may run at once.
    pub running_max: u16,
    /// How long a run waits for a worker before it is refused as busy.
    pub wait: Duration,
    /// Whose runs may be on the same hardware at the same time.
    pub cohosting: Cohosting,
}

/// Bounds of one run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskBounds {
    /// Fuel, in wasmtime's unit: about one instruction.
    pub fuel: u64,
    /// Linear memory, all memories together.
    pub memory_bytes: u64,
    /// The answer.
    pub output_bytes: u64,
    /// Wall time when the request names none.
    pub wall: Duration,
    /// The most wall time a request may name.
    pub wall_max: Duration,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such file.
    #[error("there is no configuration file of this path")]
    NoFile,
    /// The file cannot be read.
    #[error("the configuration file cannot be read ({0}); check its path and rights")]
    Unreadable(std::io::ErrorKind),
    /// It is not TOML, or has a key or value we do not know. The operator's own file is shown to
    /// the operator alone.
    #[error("line {line}, column {column}: {what}")]
    Malformed {
        /// In which line, from 1.
        line: usize,
        /// Behind how many characters of it, from 1.
        column: usize,
        /// What is wrong there.
        what: String,
    },
    /// What others are told is no address.
    #[error("`advertise` must be HOST:PORT, which other nodes reach this one at")]
    Advertise,
    /// Others are told nothing that they could reach.
    #[error("a node that listens on all of its host's addresses needs `advertise` = HOST:PORT")]
    Unreachable,
    /// There is a provider, and no libfabric that it could be of.
    #[error("`provider` is libfabric's; it goes with `fabric` = libfabric")]
    ProviderAlone,
    /// A word is none of those there are.
    #[error("{0}")]
    Word(&'static str),
    /// A value is outside its bounds.
    #[error("`{key}` must be between {least} and {most}")]
    OutOfBounds {
        /// Which key.
        key: &'static str,
        /// The least value.
        least: u64,
        /// The greatest value.
        most: u64,
    },
}

impl Config {
    /// The defaults, for a node in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7443)),
            url: String::new(),
            cluster: None,
            strictness: Strictness::Tell,
            names: Vec::new(),
            operator: "unnamed operator".to_owned(),
            says: Says::Nothing,
            workers: Workers {
                idle: 16,
                running_max: 32,
                wait: Duration::from_secs(2),
                cohosting: Cohosting::Shared,
            },
            task: TaskBounds {
                fuel: 20_000_000_000,
                memory_bytes: 256 << 20,
                output_bytes: ANSWER_BYTES_MAX as u64,
                wall: Duration::from_secs(10),
                wall_max: Duration::from_secs(60),
            },
            release: Release { sizes: Sizes::Powers, ..Release::OPEN },
            store_bytes_max: 4 << 30,
            epoch: Duration::from_secs(1),
            receipt_window: Duration::from_secs(24 * 60 * 60),
        }
    }

    /// The defaults for a node in `dir`, changed by the file at `path`.
    /// # Errors  [`ConfigError`], with line and column where the file is at fault.
    pub fn read(dir: &Path, path: &Path) -> Result<Self, ConfigError> {
        let bytes =
            files::read_bounded(path, CONFIG_BYTES_MAX).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => ConfigError::NoFile,
                kind => ConfigError::Unreadable(kind),
            })?;
        let text = String::from_utf8_lossy(&bytes);
        let file: File = toml::from_str(&text).map_err(|error| malformed(&text, &error))?;
        let mut config = Self::new(dir);
        file.change(&mut config)?;
        Ok(config)
    }

    /// What stands for this configuration in receipts. The folder is not part of it.
    pub fn digest(&self) -> Digest {
        let Self { workers, task, release, .. } = self;
        let numbers: [u64; 15] = [
            u64::from(self.strictness == Strictness::Refuse),
            u64::from(workers.idle),
            u64::from(workers.running_max),
            workers.wait.as_millis() as u64,
            task.fuel,
            task.memory_bytes,
            task.output_bytes,
            task.wall.as_millis() as u64,
            task.wall_max.as_millis() as u64,
            self.store_bytes_max,
            self.receipt_window.as_secs(),
            u64::from(release.sizes.code()),
            u64::from(release.times.code()),
            u64::from(release.failures.code()),
            u64::from(workers.cohosting.code()),
        ];
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        Digest::of_parts(Domain::Config, &[&bytes, self.operator.as_bytes()])
    }
}

#[cfg(test)]
mod tests;
