//! The command line, as types. Every command has its example beside it.

mod cluster;
mod object;
mod rules;
mod task;

pub(crate) use cluster::{ClusterCommand, ClusterInvite};
pub(crate) use object::{Get, History, Ls, Named, Put, Shred, Watch};
pub(crate) use rules::{RulesCheck, RulesCommand, RulesPush, RulesShow};
pub(crate) use task::{
    AuditCommand, AuditLog, AuditVerify, Check, Language, New, PromiseCommand, Push, Run,
    TaskCommand, TaskNamed,
};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use notrace_platform_node::{CarrierWord, Provider};
use notrace_policy_promise::cohosting::Cohosting;
use notrace_policy_promise::label::Label;
use notrace_policy_promise::name::PoolName;
use notrace_sdk_client::wire::pool::{
    Consistency, Durability, Failures, Retain, Sizes, Times, Transport,
};

/// Runs code on private data and leaves nothing behind.
#[derive(Parser)]
#[command(
    name = "notrace",
    version,
    max_term_width = 100,
    after_help = "Example:\n  \
        notrace demo                       the whole story, on this machine, in seconds\n\n\
        Client commands read the file that $NOTRACE_CONFIG names, or ./node/client.toml;\n\
        $NOTRACE_URL names another node of the same group.\n\
        Exit codes: 0 done, 1 the task itself failed, 2 wrong usage, 3 not found,\n\
        4 not permitted, 5 conflict, 6 not trusted, 7 unavailable, 8 a limit was reached."
)]
pub(crate) struct Cli {
    /// Print data as JSON, and refusals as problem+json on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// How long to go on trying when no node does what is asked, such as 5s [default: 30s]
    #[arg(long, global = true, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) patience: Option<Duration>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Tell the whole story on this machine: store, run, verify, shred, and show that it is gone
    #[command(after_help = "Examples:\n  notrace demo\n  notrace demo --cluster")]
    Demo(Demo),
    /// Run a node with an embedded store
    Serve(Serve),
    /// List the host's mitigations, with how to turn on what is off
    #[command(after_help = "Example:\n  notrace posture")]
    Posture,
    /// Say whether the node serves, and with what
    #[command(after_help = "Example:\n  notrace status --json")]
    Status,
    /// Print counts of what the node did, in which no request shows, as Prometheus reads them
    #[command(after_help = "Example:\n  notrace metrics")]
    Metrics,
    /// Create, list, show and shred pools
    #[command(subcommand)]
    Pool(PoolCommand),
    /// Store a value
    Put(Put),
    /// Read a value
    Get(Get),
    /// Say what there is to know of a value without reading it
    Head(Get),
    /// List the objects of a pool
    Ls(Ls),
    /// Put a tombstone in an object's place
    Rm(Named),
    /// List the versions of an object
    History(History),
    /// Destroy the keys of all versions of an object
    Shred(Shred),
    /// Print each change of a pool as one JSON object a line
    Watch(Watch),
    /// Write, check, upload, list and remove tasks
    #[command(subcommand)]
    Task(TaskCommand),
    /// Run a task once
    Run(Run),
    /// Show the node's promise, or verify who signed it
    #[command(subcommand)]
    Promise(PromiseCommand),
    /// Check, push and show the rules of who may do what
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Verify a receipt offline, or read the ledger
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look at the group of nodes, invite one, or leave
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Say what an error code means and what to do about it
    Explain(Explain),
    /// Print a completion script for a shell
    Completions(Completions),
}

#[derive(Args)]
pub(crate) struct Demo {
    /// Tell another story: three nodes, of which one is killed
    #[arg(long)]
    pub(crate) cluster: bool,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
        notrace serve --dir ./node\n  \
        notrace serve --dir ./one --cluster 127.0.0.1:7543\n  \
        notrace serve --dir ./two --listen 127.0.0.1:7444 --cluster 127.0.0.1:7544 \\\n      \
        --join 127.0.0.1:7443 --token TOKEN\n\n\
        A node whose folder is in a group already ignores --join and its token, so the same\n\
        command starts it again.")]
pub(crate) struct Serve {
    /// The folder that holds all the node keeps; made at the first start
    #[arg(long, default_value = "./node", value_name = "FOLDER")]
    pub(crate) dir: PathBuf,
    /// Where to listen, over what the configuration says [default: 127.0.0.1:7443]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// A TOML file of settings; unknown keys are errors
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Refuse to serve when a required fence is missing on this host
    #[arg(long)]
    pub(crate) strict: bool,
    /// Whose runs may be on the same hardware at the same time: shared, tenant_exclusive_core or
    /// tenant_exclusive_node [default: shared]
    #[arg(long, value_name = "MODE")]
    pub(crate) cohosting: Option<Cohosting>,
    /// Listen here for other nodes, to keep the store together with them
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) cluster: Option<SocketAddr>,
    /// What carries what nodes tell each other: tcp or libfabric; the same at all of a group
    /// [default: tcp]
    #[arg(long, value_name = "FABRIC", requires = "cluster", value_parser = fabric)]
    pub(crate) fabric: Option<CarrierWord>,
    /// Which provider of libfabric: tcp, shm, verbs or efa [default: tcp]
    #[arg(long, value_name = "PROVIDER", requires = "fabric", value_parser = provider)]
    pub(crate) provider: Option<Provider>,
    /// Tell other nodes this HOST:PORT instead; a name is looked up at each attempt
    #[arg(long, value_name = "HOST:PORT", requires = "cluster")]
    pub(crate) advertise: Option<String>,
    /// Join the group of the node that clients find here
    #[arg(long, value_name = "HOST:PORT", requires = "cluster")]
    pub(crate) join: Option<String>,
    /// The one-time token that `notrace cluster invite` printed
    #[arg(
        long,
        value_name = "TOKEN",
        requires = "join",
        conflicts_with = "token_file",
        // A token may begin with any of its letters.
        allow_hyphen_values = true
    )]
    pub(crate) token: Option<String>,
    /// A file with the token
    #[arg(long, value_name = "FILE", requires = "join")]
    pub(crate) token_file: Option<PathBuf>,
    /// When founding a group: a folder of tokens, one in each file, that are good for a day
    #[arg(long, value_name = "FOLDER", requires = "cluster", conflicts_with = "join")]
    pub(crate) invites: Option<PathBuf>,
    /// When founding a group: divide the keys into so many shards [default: 1]
    #[arg(long, value_name = "NUMBER", requires = "cluster", conflicts_with = "join",
        value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) shards: Option<u16>,
    /// When founding a group: keep each shard on so many nodes, where there are enough [default: 5]
    #[arg(long, value_name = "NUMBER", requires = "cluster", conflicts_with = "join",
        value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) copies: Option<u16>,
}

fn fabric(word: &str) -> Result<CarrierWord, &'static str> {
    match word {
        "tcp" => Ok(CarrierWord::Tcp),
        "libfabric" => Ok(CarrierWord::Libfabric),
        _ => Err("it is tcp or libfabric"),
    }
}

fn provider(word: &str) -> Result<Provider, &'static str> {
    match word {
        "tcp" => Ok(Provider::Tcp),
        "shm" => Ok(Provider::Shm),
        "verbs" => Ok(Provider::Verbs),
        "efa" => Ok(Provider::Efa),
        _ => Err("it is tcp, shm, verbs or efa"),
    }
}

#[derive(Subcommand)]
pub(crate) enum PoolCommand {
    /// Create a pool
    Create(PoolCreate),
    /// List the pools
    #[command(after_help = "Example:\n  notrace pool list")]
    List,
    /// Show one pool
    #[command(after_help = "Example:\n  notrace pool show photos")]
    Show(PoolNamed),
    /// Destroy the keys of everything in a pool
    #[command(after_help = "Example:\n  notrace pool shred photos")]
    Shred(PoolNamed),
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  notrace pool create photos --retain 30d --durability all_durable\n  \
        notrace pool create scans --retain 1d --sizes 64k --times 1s --failures alike"
)]
pub(crate) struct PoolCreate {
    /// The pool's name: a-z, 0-9, `-`, `_` and `.`
    pub(crate) name: PoolName,
    /// How long a version is kept from when it was written: 90s, 15m, 12h, 30d or forever
    #[arg(long)]
    pub(crate) retain: Retain,
    /// When a put is acknowledged: delivered, majority_durable or all_durable; volatile keeps the
    /// pool in memory alone
    #[arg(long)]
    pub(crate) durability: Option<Durability>,
    /// What a read may see: linearizable, causal or scratch
    #[arg(long)]
    pub(crate) consistency: Option<Consistency>,
    /// How requests must come: tls, or sealed to the worker
    #[arg(long)]
    pub(crate) transport: Option<Transport>,
    /// The confidentiality label of its objects
    #[arg(long)]
    pub(crate) label: Option<Label>,
    /// To which lengths sealed answers are filled up: exact, padme, powers (of two), 4k, 64k, 1m
    /// or 16m
    #[arg(long)]
    pub(crate) sizes: Option<Sizes>,
    /// When answers leave: at_once, at the next multiple of 10ms, 100ms, 1s or 10s, or at the
    /// deadline
    #[arg(long)]
    pub(crate) times: Option<Times>,
    /// Whether outsiders can tell failures from answers: told, or alike, which takes sealed runs
    /// only
    #[arg(long)]
    pub(crate) failures: Option<Failures>,
}

#[derive(Args)]
pub(crate) struct PoolNamed {
    /// The pool's name
    pub(crate) name: PoolName,
}

#[derive(Args)]
#[command(after_help = "Example:\n  notrace explain version_mismatch")]
pub(crate) struct Explain {
    /// The code, as it stands in brackets after `error`; all codes if left out
    pub(crate) code: Option<String>,
}

#[derive(Args)]
#[command(after_help = "Example:\n  notrace completions bash > \
        ~/.local/share/bash-completion/completions/notrace")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}
