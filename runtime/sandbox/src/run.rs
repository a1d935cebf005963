//! One run: what it is given, what it may use, how it ended.

use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::private::Private;
use serde::{Deserialize, Serialize};

/// Everything one run is given. It reaches nothing else.
pub struct Grant {
    /// Arguments, without a program's name before them.
    pub args: Vec<Private<String>>,
    /// The input.
    pub input: Private<Vec<u8>>,
    /// The objects at the run's cut, opened.
    pub objects: Vec<(ObjectName, Private<Vec<u8>>)>,
    /// Where the run's clocks stand, in microseconds since 1970.
    pub time_unix_micros: u64,
    /// What all of the run's randomness grows from.
    pub seed: [u8; 32],
}

/// What one run may use up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Units of work, about one per instruction.
    pub fuel: u64,
    /// All linear memories together, in bytes.
    pub memory_bytes: u64,
    /// All tables together, in elements.
    pub table_elements: u64,
    /// The answer, in bytes.
    pub output_bytes: u64,
}

/// How a run ended, what it answered, and what it used.
pub struct Ended {
    /// How it ended.
    pub end: End,
    /// The answer; empty unless the run answered.
    pub answer: Private<Vec<u8>>,
    /// What the run said beside its answer, for its owner alone: standard error, the task's error
    /// text, or the frames of a trap.
    pub message: Option<Private<String>>,
    /// Units of work it used.
    pub fuel_used: u64,
    /// The most linear memory it had, in bytes.
    pub memory_peak_bytes: u64,
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum End {
    /// It ran to its end and answered.
    Answered,
    /// It ran to its end and said that it failed.
    Failed(Failure),
    /// It did something that WebAssembly forbids.
    Trapped(TrapKind),
    /// It used up something.
    Exhausted(Resource),
}

/// How a task says that it failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Failure {
    /// It left with this status, which is not 0.
    Exit(u8),
    /// `run` answered an error.
    Error,
}

/// What a run can use up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Resource {
    /// Units of work.
    Fuel,
    /// Time on the wall.
    Time,
    /// Memory or tables.
    Memory,
    /// The answer's size.
    Output,
}

/// What a task did that WebAssembly, or its host, forbids.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum TrapKind {
    /// It gave up by itself: `abort`, `panic`, `unreachable`.
    Unreachable,
    /// Its calls nested too deep.
    StackOverflow,
    /// It read or wrote outside its memory.
    MemoryOutOfBounds,
    /// It used a table outside its bounds, or an empty element of it.
    TableOutOfBounds,
    /// It called a function of another type than it expected.
    BadSignature,
    /// It divided by zero, or a conversion did not fit.
    Arithmetic,
    /// It broke the component model's rules, such as with a string that is not UTF-8 or a handle
    /// that it does not have.
    Convention,
    /// It asked the host for more at once than one call may: random bytes, handles, arguments.
    TooMuchAtOnce,
    /// It could not be started: its parts do not fit together, or it has too many of them.
    NotStarted,
    /// Another kind.
    Other,
}

impl TrapKind {
    /// The kind of trap, as WebAssembly names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::StackOverflow => "call stack exhausted",
            Self::MemoryOutOfBounds => "out of bounds memory access",
            Self::TableOutOfBounds => "out of bounds table access",
            Self::BadSignature => "indirect call type mismatch",
            Self::Arithmetic => "integer divide by zero, overflow or a bad conversion",
            Self::Convention => "a breach of the component model's rules",
            Self::TooMuchAtOnce => "more asked of the host than one call may",
            Self::NotStarted => "it could not be started",
            Self::Other => "a trap of another kind",
        }
    }
}
