//! Commands on tasks, runs and what proves them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::label::Label;
use notrace_policy_promise::name::{ObjectName, TaskName};
use notrace_policy_promise::release::Sizes;
use notrace_sdk_client::task::TaskRef;
use notrace_sdk_client::wire::Version;

#[derive(Subcommand)]
pub(crate) enum TaskCommand {
    /// Write an example that builds
    New(New),
    /// Say what the upload will say, without a node
    Check(Check),
    /// Upload a module and wait until it can run
    Push(Push),
    /// List the tasks
    #[command(after_help = "Example:\n  notrace task list")]
    List,
    /// Show one task
    #[command(after_help = "Example:\n  notrace task show classify")]
    Show(TaskNamed),
    /// Remove a task
    #[command(after_help = "Example:\n  notrace task rm classify")]
    Rm(TaskNamed),
}

/// What an example can be written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Language {
    /// C, built with clang alone
    C,
    /// Rust
    Rust,
    /// WebAssembly text, which a node takes as it is once assembled
    Wat,
}

#[derive(Args)]
#[command(after_help = "Example:\n  notrace task new shout --lang c")]
pub(crate) struct New {
    /// The task's name; a folder of this name is made
    pub(crate) name: TaskName,
    /// The language
    #[arg(long)]
    pub(crate) lang: Language,
}

#[derive(Args)]
#[command(after_help = "Example:\n  notrace task check classify.wasm")]
pub(crate) struct Check {
    /// The module
    pub(crate) file: PathBuf,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  notrace task push classify.wasm\n  \
    notrace task push classify.wasm --name classify")]
pub(crate) struct Push {
    /// The module
    pub(crate) file: PathBuf,
    /// A name that it can be run by as well
    #[arg(long)]
    pub(crate) name: Option<TaskName>,
    /// Move the name, if it was last given at this version
    #[arg(long, value_name = "VERSION", requires = "name")]
    pub(crate) if_version: Option<Version>,
}

#[derive(Args)]
pub(crate) struct TaskNamed {
    /// The task: its digest or a name
    pub(crate) task: TaskRef,
}

#[derive(Args)]
#[command(after_help = "Example:\n  notrace run classify --object photos/rash.png \
    --input question.json --receipt r.proof\n\n\
    The answer goes to standard output untouched, all else to standard error. A task that\n\
    fails gives exit code 1 and one sentence with its reason code. Arguments, input and answer\n\
    travel sealed to the task's worker: the node cannot read them. With --plain they travel in\n\
    TLS alone, the node sees them in passing and keeps neither, and the receipt says so.")]
pub(crate) struct Run {
    /// The task: its digest or a name
    pub(crate) task: TaskRef,
    /// An object it may read; below /objects/POOL/KEY for a WASI command
    #[arg(long = "object", value_name = "POOL/KEY")]
    pub(crate) objects: Vec<ObjectName>,
    /// A label that the answer is not to carry; takes the right to declassify it
    #[arg(long, value_name = "LABEL")]
    pub(crate) declassify: Vec<Label>,
    /// Its input: a file, or - for standard input
    #[arg(long, value_name = "FILE|-")]
    pub(crate) input: Option<PathBuf>,
    /// An argument; repeatable, in order
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) args: Vec<String>,
    /// How long it may take, such as 5s or 500ms
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Do not seal the request: the node sees it, and the answer, in passing
    #[arg(long)]
    pub(crate) plain: bool,
    /// To which length input and arguments are filled up when sealed: exact, padme (12 % at most),
    /// powers (of two), 4k, 64k, 1m or 16m
    #[arg(long, default_value = "powers", conflicts_with = "plain")]
    pub(crate) sizes: Sizes,
    /// Wait for the receipt and write it to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum PromiseCommand {
    /// Print the promise that the node serves under
    #[command(after_help = "Example:\n  notrace promise show")]
    Show,
    /// Check that the node's key signed it
    #[command(after_help = "Example:\n  notrace promise verify")]
    Verify,
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Verify a receipt; needs no node, only the ledger's key from the credentials
    #[command(after_help = "Example:\n  notrace audit verify r.proof")]
    Verify(AuditVerify),
    /// Print the ledger's checkpoint and its newest entries
    #[command(after_help = "Example:\n  notrace audit log --limit 20")]
    Log(AuditLog),
}

#[derive(Args)]
pub(crate) struct AuditVerify {
    /// The receipt, as `run --receipt` wrote it
    pub(crate) file: PathBuf,
    /// The ledger's verifier key, instead of the one in the credentials
    #[arg(long, value_name = "KEY")]
    pub(crate) vkey: Option<String>,
    /// The log's origin, if it is not the key's name
    #[arg(long, requires = "vkey")]
    pub(crate) origin: Option<String>,
    /// The task that the receipt must be of
    #[arg(long, value_name = "DIGEST")]
    pub(crate) task: Option<Digest>,
}

#[derive(Args)]
pub(crate) struct AuditLog {
    /// How many entries, newest first
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
}
