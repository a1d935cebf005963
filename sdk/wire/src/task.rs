//! Tasks: what an upload, a listing and a compile's progress answer.

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::name::TaskName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::text::{self, words};
use crate::time::Time;
use crate::version::Version;

/// The answer to an accepted upload.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct TaskAccepted {
    /// The module's SHA-256, its name from now on.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    pub digest: Digest,
    /// The world it was taken for, such as `wasi:cli/command`.
    pub world: String,
    /// What it imports beyond its world.
    pub imports: Vec<String>,
    /// The module's size, in bytes.
    pub size_bytes: u64,
    /// The name it was given at upload.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::maybe")]
    #[schema(value_type = Option<String>)]
    pub name: Option<TaskName>,
    /// The services it may call.
    #[serde(default)]
    pub services: Vec<String>,
}

words! {
    /// How far a task is.
    TaskState, NotATaskState, "a task's state is one of compiling, ready, failed":
    /// Not runnable yet.
    Compiling = "compiling",
    /// Runnable.
    Ready = "ready",
    /// Will not become runnable.
    Failed = "failed",
}

/// A task as it is: the answer to `GET /v1/tasks/{digest}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct Task {
    /// The module's SHA-256.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    pub digest: Digest,
    /// The world it was taken for.
    pub world: String,
    /// What it imports beyond its world.
    pub imports: Vec<String>,
    /// The module's size, in bytes.
    pub size_bytes: u64,
    /// How far it is.
    pub state: TaskState,
    /// The names that stand for it now.
    #[serde(default)]
    pub names: Vec<NamedAs>,
    /// When it was first uploaded.
    pub time: Time,
    /// The services it may call.
    #[serde(default)]
    pub services: Vec<String>,
}

/// A name that stands for a task.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct NamedAs {
    /// The name.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    pub name: TaskName,
    /// The version at which it was given; `If-Match` with it moves the name.
    pub version: Version,
}

/// The answer to `GET /v1/tasks`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct TaskList {
    /// The tasks, by digest.
    pub tasks: Vec<Task>,
    /// Whether there are more: ask again with `after` set to the last digest.
    #[serde(default)]
    pub more: bool,
}

/// What `GET /v1/tasks/{digest}/events` streams, under the event name `state`. The stream ends
/// after a state other than `compiling`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct TaskEvent {
    /// How far the task is.
    pub state: TaskState,
    /// How long it has taken so far, in milliseconds.
    pub elapsed_ms: u64,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The `event:` name of a [`TaskEvent`].
pub const EVENT: &str = "state";
