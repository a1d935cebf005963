//! Every bound of the supervisor and its workers. Sizes are bytes unless the name says otherwise.

use std::time::Duration;

use notrace_policy_promise::limits::{
    ANSWER_BYTES_MAX, INPUT_BYTES_MAX, MODULE_BYTES_MAX, RUN_ARG_BYTES_MAX, RUN_ARGS_MAX,
    RUN_OBJECTS_MAX,
};
use notrace_sdk_seal::limits::{
    FAILURE_MESSAGE_BYTES_MAX, SEALED_ANSWER_BYTES_MAX, SEALED_REQUEST_BYTES_MAX,
};
use notrace_sdk_seal::{DataKey, RunKeys};

/// The most that one job may hand over: input, arguments and objects, sealed.
pub const JOB_BYTES_MAX: usize = 1 << 30;
/// What a slot's exchange file may grow to. It is sparse: untouched parts cost nothing.
pub const EXCHANGE_BYTES: usize = JOB_BYTES_MAX + (64 << 20);
/// The secret page of a slot: the run's key, one key for each object, and the keys of a client that
/// sealed its request.
pub const SECRET_BYTES: usize = 4096;
/// The largest message on the channel between supervisor and template.
pub const MESSAGE_BYTES_MAX: usize = 1024;
/// The most descriptors one message carries.
pub const MESSAGE_DESCRIPTORS_MAX: usize = 3;
/// The longest message a failed task may leave for its owner.
pub const GUEST_MESSAGE_BYTES_MAX: usize = 64 << 10;
/// The most slots a supervisor can have: workers that wait, and workers that run.
pub const SLOTS_MAX: usize = 1024;
/// The most callers that may wait for a worker at once; further ones are told to come back.
pub const WAITING_MAX: usize = 1024;
/// An exchange file that grew beyond this is given back to the kernel after the run.
pub const EXCHANGE_KEPT_BYTES: usize = 256 << 10;
/// How long after its wall time a run is given to end by itself before it is killed.
pub const GRACE: Duration = Duration::from_millis(250);
/// Processor time beyond the wall time before the kernel ends a worker: the last backstop.
pub const PROCESSOR_SECONDS_SPARE: u64 = 2;
/// The longest wall time one run may ask for.
pub const WALL_MAX: Duration = Duration::from_secs(600);
/// Memory a worker may use beyond the guest's own: the job, the answer, and its own tables.
pub const WORKER_OWN_BYTES: u64 = 128 << 20;
/// How long a template may take until it is ready.
pub const TEMPLATE_START: Duration = Duration::from_secs(20);
/// How often strays are looked for while a dead template's namespace ends.
pub const STRAY_PAUSE: Duration = Duration::from_millis(5);
/// How often at most. Strays have no work that could take them longer.
pub const STRAY_TRIES_MAX: u32 = 1000;
/// The longest pause between two attempts to start a template.
pub const TEMPLATE_PAUSE_MAX: Duration = Duration::from_secs(5);

/// The most modules compiled at once.
pub const COMPILING_MAX: usize = 2;
/// Processor time for one module.
pub const COMPILE_PROCESSOR_SECONDS: u64 = 60;
/// Wall time for one module.
pub const COMPILE_WALL: Duration = Duration::from_secs(90);
/// Memory for compiling one module.
pub const COMPILE_BYTES: u64 = 2 << 30;
/// The largest compiled module.
pub const CODE_BYTES_MAX: usize = 512 << 20;
/// The largest description of a module that comes with its code.
pub const FACTS_BYTES_MAX: usize = 4 << 20;

const _: () = assert!(
    (RUN_OBJECTS_MAX + 1) * DataKey::BYTES + RunKeys::BYTES <= SECRET_BYTES,
    "all keys fit the secret page"
);
const _: () = assert!(SEALED_REQUEST_BYTES_MAX < JOB_BYTES_MAX, "a sealed input fits a job");
const _: () = assert!(SEALED_ANSWER_BYTES_MAX < EXCHANGE_BYTES, "a sealed answer fits as well");
const _: () = assert!(GUEST_MESSAGE_BYTES_MAX <= FAILURE_MESSAGE_BYTES_MAX, "nothing is cut");
const _: () = assert!(
    INPUT_BYTES_MAX + RUN_ARGS_MAX * RUN_ARG_BYTES_MAX < JOB_BYTES_MAX,
    "the largest input fits a job"
);
const _: () = assert!(ANSWER_BYTES_MAX < EXCHANGE_BYTES, "the largest answer fits the exchange");
const _: () = assert!(MODULE_BYTES_MAX < CODE_BYTES_MAX, "code is larger than its module");
const _: () = assert!(EXCHANGE_BYTES <= u32::MAX as usize, "lengths fit 32 bits");
/// The most compiled modules kept ready in memory.
pub const HOT_CODE_FILES_MAX: usize = 256;
/// The most bytes of compiled modules kept ready in memory.
pub const HOT_CODE_BYTES_MAX: u64 = 512 << 20;
/// How long the sweeper may take to end.
pub const SWEEPING_MAX: Duration = Duration::from_secs(5);
/// How long a core stays its tenant's after the last run on it.
pub const KEPT: Duration = Duration::from_secs(10);
