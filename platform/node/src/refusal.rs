//! Why something was not done: a closed list, without a byte of any client in it but what is the
//! requester's own to see.

use std::time::Duration;

use notrace_policy_promise::private::Private;
use notrace_policy_rules::{Denied, LockedOut};
use notrace_runtime_worker::{Refused, Resource, TrapKind};
use notrace_sdk_seal::SealError;
use notrace_store_protocol::ids::Version;

/// A refusal or a failure of one request. The node goes on after any of them.
#[derive(thiserror::Error)]
pub enum Refusal {
    /// The rules say no.
    #[error("{0}")]
    Denied(Denied),
    /// Rules that are none.
    #[error(
        "these are no rules{}; `notrace rules check FILE` tells each mistake", at(*.place)
    )]
    RulesMalformed {
        /// Line and column of the first mistake, if it is anywhere in particular.
        place: Option<(usize, usize)>,
    },
    /// Rules that nobody could change any more.
    #[error("{0}")]
    LockedOut(LockedOut),
    /// No pool of this name.
    #[error("there is no pool of this name; `notrace pool create NAME` makes one")]
    PoolUnknown,
    /// The pool exists.
    #[error("a pool of this name exists already, with other properties")]
    PoolExists,
    /// As many pools as a node has.
    #[error("the node has as many pools as it can keep")]
    PoolsFull,
    /// No such object, or none at that version or time.
    #[error("there is no such object at the version or time asked for")]
    ObjectUnknown,
    /// The object's keys were destroyed.
    #[error("the object was shredded: its keys are destroyed and it cannot be read again")]
    ObjectShredded,
    /// The version or the change asked for is no longer kept.
    #[error("the history asked for is no longer kept; read the object anew and go on from there")]
    HistoryTrimmed,
    /// A condition did not hold.
    #[error("{}", mismatch(*.current))]
    VersionMismatch {
        /// The version it is at, if it exists.
        current: Option<Version>,
        /// Which operation of a transaction failed.
        index: Option<u32>,
    },
    /// A transaction writes one key twice.
    #[error("the transaction writes a key that an earlier operation of it writes too")]
    WrittenTwice {
        /// Which operation it was, counted from 0.
        index: u32,
    },
    /// A transaction's keys are in different shards.
    #[error(
        "the transaction's keys are kept apart; give them a common tag in braces, as in \
         {{kitchen}}/lamp, and they are kept together"
    )]
    NotTogether,
    /// The same idempotency key came with another request.
    #[error("this idempotency key was used with another request; use a fresh one")]
    IdempotencyMismatch,
    /// Disk or store bound reached.
    #[error("there is no space left; nothing was changed")]
    OutOfSpace,
    /// Overload.
    #[error("the node is busy; try again in a moment")]
    Busy {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// No such task.
    #[error("there is no such task; `notrace task push FILE` uploads one")]
    TaskUnknown,
    /// The task was accepted but is not compiled yet.
    #[error("the task is still being compiled; follow its events or try again in a moment")]
    TaskCompiling,
    /// As many tasks as a node keeps.
    #[error("the node has as many tasks as it can keep")]
    TasksFull,
    /// The module cannot run here.
    #[error("{0}")]
    Module(Refused),
    /// Compiling took more than it may.
    #[error("compiling this module took more time or memory than is allowed")]
    CompileLimit,
    /// The task itself said no.
    #[error("the task ran and reported a failure of its own")]
    TaskFailed {
        /// What it said, for the requester alone.
        message: Option<Private<String>>,
        /// The exit code of a command.
        exit: Option<i32>,
        /// Both, sealed for a requester who sealed the request.
        sealed: Option<Vec<u8>>,
    },
    /// The task trapped.
    #[error("the task trapped: {}", trap(*.kind))]
    TaskTrapped {
        /// The kind of trap.
        kind: TrapKind,
        /// The task's own frames at the trap, a line each, innermost first; for the requester
        /// alone.
        frames: Option<Private<String>>,
        /// The same, sealed for a requester who sealed the request.
        sealed: Option<Vec<u8>>,
    },
    /// The task used up one of its bounds.
    #[error("the task used up its {}: {}", resource_word(*.resource), bound(*.resource, *.limit))]
    TaskExhausted {
        /// Which.
        resource: Resource,
        /// How much there was: units of fuel, milliseconds, or bytes.
        limit: u64,
        /// How much was used in the same unit, where that is known.
        used: Option<u64>,
    },
    /// The worker was ended by one of its fences.
    #[error("the task's worker was stopped by a fence")]
    TaskKilled,
    /// A request is not in the form of a sealed one.
    #[error("{0}")]
    SealMalformed(SealError),
    /// A sealed request does not open for what it is sent for.
    #[error("the sealed request was altered, or is for another task, promise or objects")]
    SealBroken,
    /// A request is sealed to a key that is not held here.
    #[error("the request is sealed to another node's key, or to one whose time is over")]
    SealKeyUnknown,
    /// A sealed request came before.
    #[error("this very request was taken before; seal each request anew")]
    SealReplayed,
    /// A request key has taken all that it can remember.
    #[error("this request key has taken as many requests as it can remember; seal to the next one")]
    SealKeySpent {
        /// When there will be another.
        retry_after: Duration,
    },
    /// No such receipt, or no longer.
    #[error("there is no such receipt, or its window has ended")]
    ReceiptUnknown,
    /// The request names something outside its bounds.
    #[error("{what} must be at most {most}")]
    TooMuch {
        /// What is bounded.
        what: &'static str,
        /// The bound.
        most: u64,
    },
    /// The node cannot log and therefore does not serve, or cannot reach who would. Nothing was
    /// done.
    #[error("the node is not serving; try again later or elsewhere")]
    Unavailable,
    /// The node takes nothing new. Nothing was done.
    #[error("the node is about to end and takes nothing new; ask another of its group")]
    Stopping,
    /// It may have been done or not.
    #[error(
        "whether it was done is not known here; repeat it under the same idempotency key, or look"
    )]
    OutcomeUnknown,
    /// Too few members are left.
    #[error(
        "too few of the group's members are left; bring nodes back until more than half are there"
    )]
    NoMajority,
    /// A join token that is none.
    #[error("the join token is not one of this group, or was used, or has expired")]
    InviteUnknown,
    /// The node is alone by configuration.
    #[error("this node keeps its store alone; start it with --cluster HOST:PORT")]
    NotACluster,
    /// Nobody would be left of the group.
    #[error("this is the last member of its group; what it holds would be gone with it")]
    LastMember,
    /// The host has lost something that is required and that it had when the node started.
    #[error("this host has lost `{0}`, without which no task is run")]
    PostureLost(&'static str),
    /// No node has this number.
    #[error("no node of the group has this number")]
    NodeUnknown,
    /// A member is not forgotten.
    #[error("the node is a member at the moment")]
    MemberPresent,
    /// A member is where another wants to be.
    #[error("a member of the group is at this address already")]
    AddressTaken,
    /// An address of a node is none.
    #[error("`address` is not a HOST:PORT at which other nodes could reach the new one")]
    AddressMalformed,
    /// What should not happen. The sentence names our own part, never data.
    #[error("the node failed in {0}")]
    Internal(&'static str),
}

impl core::fmt::Debug for Refusal {
    /// Prints the sentence. What a task said of itself is not part of it.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

fn at(place: Option<(usize, usize)>) -> String {
    place.map_or(String::new(), |(line, column)| format!(" (line {line}, column {column})"))
}

fn mismatch(current: Option<Version>) -> String {
    match current {
        Some(version) => {
            format!("the object is at version {version}, not where the request needs it")
        }
        None => {
            "the object does not exist, so it is at no version that could be required".to_owned()
        }
    }
}

/// A bound in words, with the setting that changes it.
fn bound(resource: Resource, limit: u64) -> String {
    match resource {
        Resource::Fuel => format!("{limit} units are allowed (`task.fuel` of the node)"),
        Resource::Time => {
            format!("{limit} ms were allowed (`--timeout`, or `Notrace-Timeout-Ms`)")
        }
        Resource::Memory => format!("{limit} bytes are allowed (`task.memory_mib` of the node)"),
        Resource::Output => format!("{limit} bytes are allowed (`task.output_mib` of the node)"),
    }
}

/// The kind of trap, as WebAssembly names it.
pub fn trap(kind: TrapKind) -> &'static str {
    kind.as_str()
}

/// What a task used up, in a word.
pub(crate) fn resource_word(resource: Resource) -> &'static str {
    match resource {
        Resource::Fuel => "fuel",
        Resource::Time => "time",
        Resource::Memory => "memory",
        Resource::Output => "output",
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}
