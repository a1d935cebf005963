//! Commands on objects.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use notrace_policy_promise::name::{BadName, ObjectName, PoolName};
use notrace_sdk_client::watch::Mark;
use notrace_sdk_client::wire::{Time, Version};

#[derive(Args)]
#[command(after_help = "Examples:\n  notrace put photos/rash.png rash.png\n  \
    echo hello | notrace put notes/today - --if-absent")]
pub(crate) struct Put {
    /// The object: POOL/KEY
    #[arg(value_name = "POOL/KEY")]
    pub(crate) name: ObjectName,
    /// The file to store, or - for standard input
    #[arg(value_name = "FILE|-")]
    pub(crate) file: PathBuf,
    /// Store only if this version is current
    #[arg(long, value_name = "VERSION", conflicts_with = "if_absent")]
    pub(crate) if_version: Option<Version>,
    /// Store only if there is no object of this key
    #[arg(long)]
    pub(crate) if_absent: bool,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  notrace get photos/rash.png -o rash.png\n  \
    notrace get photos/rash.png --at 2026-11-22T21:00:00Z > rash.png")]
pub(crate) struct Get {
    /// The object: POOL/KEY
    #[arg(value_name = "POOL/KEY")]
    pub(crate) name: ObjectName,
    /// This version instead of the current one
    #[arg(long, conflicts_with = "at")]
    pub(crate) version: Option<Version>,
    /// The version that was current at this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Time>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// A pool, and maybe the start of keys in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Within {
    pub(crate) pool: PoolName,
    pub(crate) prefix: Option<String>,
}

impl FromStr for Within {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let (pool, prefix) = match text.split_once('/') {
            Some((pool, prefix)) => (pool, Some(prefix).filter(|prefix| !prefix.is_empty())),
            None => (text, None),
        };
        Ok(Self { pool: pool.parse()?, prefix: prefix.map(str::to_owned) })
    }
}

#[derive(Args)]
#[command(after_help = "Example:\n  notrace ls photos/2026")]
pub(crate) struct Ls {
    /// The pool, and the start of the keys to list: POOL[/PREFIX]
    #[arg(value_name = "POOL[/PREFIX]")]
    pub(crate) within: Within,
    /// Start after this key
    #[arg(long, value_name = "KEY")]
    pub(crate) after: Option<String>,
    /// List at most this many
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

#[derive(Args)]
#[command(after_help = "Example:\n  notrace rm photos/rash.png")]
pub(crate) struct Named {
    /// The object: POOL/KEY
    #[arg(value_name = "POOL/KEY")]
    pub(crate) name: ObjectName,
    /// Only if this version is current
    #[arg(long, value_name = "VERSION")]
    pub(crate) if_version: Option<Version>,
}

#[derive(Args)]
#[command(after_help = "Example:\n  notrace history photos/rash.png")]
pub(crate) struct History {
    /// The object: POOL/KEY
    #[arg(value_name = "POOL/KEY")]
    pub(crate) name: ObjectName,
}

#[derive(Args)]
#[command(after_help = "Example:\n  notrace shred photos/rash.png")]
pub(crate) struct Shred {
    /// The object: POOL/KEY
    #[arg(value_name = "POOL/KEY")]
    pub(crate) name: ObjectName,
}

#[derive(Args)]
#[command(after_help = "Example:\n  notrace watch photos --from 1:42")]
pub(crate) struct Watch {
    /// The pool, and the start of the keys to watch: POOL[/PREFIX]
    #[arg(value_name = "POOL[/PREFIX]")]
    pub(crate) within: Within,
    /// Start after this version instead of now; where a pool is in several shards, one for each,
    /// with commas in between
    #[arg(long, value_name = "VERSION")]
    pub(crate) from: Option<Mark>,
}
