//! A job, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use notrace_policy_promise::limits::{
    ANSWER_BYTES_MAX, INPUT_BYTES_MAX, RUN_ARG_BYTES_MAX, RUN_ARGS_MAX, RUN_OBJECTS_MAX,
};
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::private::Private;
use notrace_policy_promise::receipt::Ended;
use notrace_policy_promise::release::{Failures, Sizes};
use notrace_runtime_sandbox as sandbox;
use notrace_runtime_sandbox::{Failure, Resource, TrapKind};
use notrace_sdk_seal::limits::SEALED_REQUEST_BYTES_MAX;
use notrace_sdk_seal::{DataKey, RunKeys};
use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::cores::Tenant;
use crate::limits::{JOB_BYTES_MAX, WALL_MAX};

/// One run: what to run, and everything it may see.
pub struct Job {
    /// On whose behalf.
    pub tenant: Tenant,
    /// The compiled task.
    pub code: Code,
    /// Its arguments and its input.
    pub given: Given,
    /// The objects it was granted, as they lie in the store.
    pub objects: Vec<GrantedObject>,
    /// The time at which the guest's clocks stand, in microseconds since 1970.
    pub time_unix_micros: u64,
    /// What the guest's randomness grows from.
    pub seed: [u8; 32],
    /// What it may use up.
    pub limits: Limits,
}

/// What a task is given besides objects, and so what its answer is.
pub enum Given {
    /// In the clear: its answer comes back in the clear too.
    Plain {
        /// Its arguments.
        args: Vec<Private<String>>,
        /// Its input.
        input: Private<Vec<u8>>,
    },
    /// Sealed by the client: opened in the worker only, where the answer is sealed as well.
    Sealed {
        /// The keys of this run.
        keys: RunKeys,
        /// Arguments and input, as the client sealed them.
        content: Vec<u8>,
        /// To which lengths what comes of it is filled up.
        sizes: Sizes,
        /// Whether a failure is to be told from an answer before it is opened.
        failures: Failures,
    },
}

impl Given {
    /// This input in the clear, without arguments.
    #[must_use]
    pub fn plain(input: Vec<u8>) -> Self {
        Given::Plain { args: Vec::new(), input: Private::new(input) }
    }
}

/// An object as it lies in the store, with its key. It is opened in the worker only.
pub struct GrantedObject {
    /// What the guest knows it by.
    pub name: ObjectName,
    /// Its stored ciphertext.
    pub sealed: Arc<[u8]>,
    /// What the ciphertext is bound to.
    pub ad: Vec<u8>,
    /// Its data key.
    pub key: DataKey,
}

/// What one run may use up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Units of work, as the engine counts them.
    pub fuel: u64,
    /// Memory of the guest, in bytes.
    pub memory_bytes: u64,
    /// Elements of all of the guest's tables together.
    pub table_elements: u64,
    /// The answer, in bytes.
    pub output_bytes: u64,
    /// Time on the wall.
    pub wall: Duration,
}

impl Default for Limits {
    /// What a task gets that asks for nothing in particular.
    fn default() -> Self {
        Self {
            fuel: 10_000_000_000,
            memory_bytes: 256 << 20,
            table_elements: 1 << 20,
            output_bytes: 16 << 20,
            wall: Duration::from_secs(5),
        }
    }
}

impl From<&Limits> for sandbox::Limits {
    fn from(limits: &Limits) -> Self {
        let Limits { fuel, memory_bytes, table_elements, output_bytes, wall: _ } = *limits;
        Self { fuel, memory_bytes, table_elements, output_bytes }
    }
}

/// How a run ended, what it answered, and what it used.
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What it answered, sealed if the job was; empty unless it ran to its end.
    pub answer: Private<Vec<u8>>,
    /// What it said about its failure, for its owner only.
    pub message: Option<Private<String>>,
    /// The same with its exit status, sealed, if the job was.
    pub failure: Option<Vec<u8>>,
    /// Units of work it used.
    pub fuel_used: u64,
    /// The most memory it had, in bytes.
    pub memory_peak_bytes: u64,
    /// The number of this run: strictly rising over the life of the supervisor.
    pub slot: u64,
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum End {
    /// It ran to its end and answered.
    Answered,
    /// It ran to its end and said that it failed.
    Failed {
        /// The status of a command; none if it answered an error.
        exit: Option<i32>,
    },
    /// It did something that WebAssembly or its host forbids.
    Trapped(TrapKind),
    /// It used up something.
    Exhausted(Resource),
    /// It did not come to an end of its own.
    Killed(KillReason),
}

impl From<sandbox::End> for End {
    fn from(end: sandbox::End) -> Self {
        match end {
            sandbox::End::Answered => End::Answered,
            sandbox::End::Failed(Failure::Error) => End::Failed { exit: None },
            sandbox::End::Failed(Failure::Exit(status)) => {
                End::Failed { exit: Some(i32::from(status)) }
            }
            sandbox::End::Trapped(kind) => End::Trapped(kind),
            sandbox::End::Exhausted(resource) => End::Exhausted(resource),
        }
    }
}

impl From<End> for Ended {
    /// What a receipt says of it: its kind, and nothing that a task could choose freely.
    fn from(end: End) -> Self {
        match end {
            End::Answered => Ended::Answered,
            End::Failed { .. } => Ended::Failed,
            End::Trapped(_) => Ended::Trapped,
            End::Exhausted(Resource::Fuel) => Ended::FuelExhausted,
            End::Exhausted(Resource::Time) => Ended::TimeExhausted,
            End::Exhausted(Resource::Memory) => Ended::MemoryExhausted,
            End::Exhausted(Resource::Output) => Ended::OutputExhausted,
            End::Killed(_) => Ended::Killed,
        }
    }
}

/// What kept a run from an end of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KillReason {
    /// Its wall time was over and it did not end by itself.
    Time,
    /// It used up its processor time.
    Processor,
    /// It made a system call that is not on the list. Worth an alarm: no guest can do that.
    Seccomp,
    /// It faulted, which includes running out of memory outside the guest's own.
    Fault,
    /// Our own code in it panicked.
    Panic,
    /// Someone else ended it: the kernel short of memory, or an operator.
    Outside,
    /// It ended as if all were well, but its answer was not authentic.
    Garbled,
    /// The request or an object did not open under its key: the store is damaged.
    NotAuthentic,
    /// What the client sealed does not open: it was altered on its way, or is no content.
    SealBroken,
    /// The code is not of this engine, or of none. It must be compiled again.
    CodeRefused,
}

/// Why a job was not run. Nothing of it was handed over in any of these cases.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RunError {
    /// No worker became free in the time given, or too many wait already.
    #[error("all workers are busy")]
    Busy,
    /// The supervisor is draining.
    #[error("the supervisor takes no more jobs")]
    Draining,
    /// The job is larger than a slot.
    #[error("the job is too large to hand over")]
    TooLarge,
    /// The machine has no memory or chance to give.
    #[error("the host is out of something a run needs")]
    Host,
}

impl Job {
    /// Whether every part is within its bound.
    pub(crate) fn check(&self) -> Result<(), RunError> {
        let (given, given_fits) = match &self.given {
            Given::Plain { args, input } => {
                let mut lengths = args.iter().map(|arg| arg.reveal(String::len));
                let fit =
                    args.len() <= RUN_ARGS_MAX && lengths.all(|bytes| bytes <= RUN_ARG_BYTES_MAX);
                let input = input.reveal(Vec::len);
                (input, fit && input <= INPUT_BYTES_MAX)
            }
            Given::Sealed { content, .. } => {
                (content.len(), content.len() <= SEALED_REQUEST_BYTES_MAX)
            }
        };
        let objects = self.objects.iter().map(|object| object.sealed.len() + object.ad.len());
        let whole = objects.fold(given, usize::saturating_add);
        let limits_fit =
            self.limits.wall <= WALL_MAX && self.limits.output_bytes <= ANSWER_BYTES_MAX as u64;
        let fits = given_fits
            && limits_fit
            && self.objects.len() <= RUN_OBJECTS_MAX
            && whole <= JOB_BYTES_MAX - (1 << 20);
        if fits { Ok(()) } else { Err(RunError::TooLarge) }
    }
}
