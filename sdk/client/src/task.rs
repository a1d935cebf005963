//! Tasks: upload, list, show, remove.

use bytes::Bytes;
use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::limits::MODULE_BYTES_MAX;
use notrace_policy_promise::name::TaskName;
use notrace_sdk_wire::path::TASKS;
use notrace_sdk_wire::task::{EVENT, Task, TaskAccepted, TaskEvent, TaskList, TaskState};
use notrace_sdk_wire::{Code, Problem, Version};
use reqwest::header::IF_MATCH;
use reqwest::{Method, StatusCode};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{Call, transport_error};
use crate::client::Client;
use crate::deed::Deed;
use crate::error::Error;
use crate::limits::{RESUMES_MAX, SILENCE_MAX};
use crate::object::query;
use crate::source::Source;
use crate::sse::Parser;

/// Which task is meant: by digest, or by a name given at upload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TaskRef {
    /// This module and no other.
    Digest(Digest),
    /// Whatever this name stands for now.
    Name(TaskName),
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskRef::Digest(digest) => digest.fmt(f),
            TaskRef::Name(name) => name.fmt(f),
        }
    }
}

/// How far an upload is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PushStep {
    /// This many bytes have gone out.
    Sent(u64),
    /// The node compiles; this long so far.
    Compiling(Duration),
}

/// Told about each step of an upload.
pub type PushProgress = Arc<dyn Fn(PushStep) + Send + Sync>;

/// What to upload, and under which name.
#[derive(Clone)]
pub struct Push {
    /// The module.
    pub module: Bytes,
    /// A name to give it.
    pub name: Option<TaskName>,
    /// The version at which that name was last given, to move it.
    pub if_version: Option<Version>,
    /// Somebody who wants to know how far it is.
    pub progress: Option<PushProgress>,
}

impl Client {
    /// Uploads a module and waits until it can run.
    /// # Errors  `module_malformed`, `import_refused`, `module_too_large`;
    /// [`Error::DigestDiffers`] if the node names another module than the one that was sent.
    /// # Cancel  The node may go on and accept it.
    pub async fn task_push(&self, push: &Push) -> Result<TaskAccepted, Error> {
        if push.module.len() > MODULE_BYTES_MAX {
            return Err(Error::TooLarge { what: "the module", limit: MODULE_BYTES_MAX as u64 });
        }
        let sent = Digest::of(Domain::Module, &push.module);
        let name = push.name.as_ref().map(TaskName::as_str);
        let path = format!("{TASKS}{}", query(&[("name", name)]));
        let deed = if push.if_version.is_some() { Deed::PushOver } else { Deed::Push };
        let mut call = Call::to(deed, Method::PUT, path)?;
        if let Some(version) = push.if_version {
            call = call.with(IF_MATCH.as_str(), &version.to_etag())?;
        }
        let mut body = Source::bytes(push.module.clone());
        if let Some(progress) = push.progress.clone() {
            body = body.watched(Arc::new(move |bytes| progress(PushStep::Sent(bytes))));
        }
        let reply = self.whole(&call.body(body, "application/wasm")).await?;
        let accepted = if reply.response.status() == StatusCode::ACCEPTED {
            // The module's own digest says where its events are; the node's word is not needed.
            self.wait_until_ready(&TaskRef::Digest(sent), push.progress.as_ref()).await?
        } else {
            serde_json::from_slice(&reply.body).map_err(|_| Error::NotUnderstood("its JSON"))?
        };
        if accepted.digest == sent {
            Ok(accepted)
        } else {
            Err(Error::DigestDiffers { sent, answered: accepted.digest })
        }
    }

    /// Every task this client may see, a page at a time, after the given digest.
    /// # Errors  As any call.
    pub async fn tasks(&self, after: Option<&Digest>) -> Result<TaskList, Error> {
        let after = after.map(Digest::to_string);
        self.ask(&Call::get(format!("{TASKS}{}", query(&[("after", after.as_deref())])))).await
    }

    /// One task.
    /// # Errors  `task_unknown`.
    pub async fn task(&self, task: &TaskRef) -> Result<Task, Error> {
        self.ask(&Call::get(format!("{TASKS}/{task}"))).await
    }

    /// Removes a task.
    /// # Errors  `task_unknown`.
    /// # Cancel  It may have been removed all the same.
    pub async fn task_remove(&self, task: &TaskRef) -> Result<(), Error> {
        self.send(&Call::to(Deed::RemoveTask, Method::DELETE, format!("{TASKS}/{task}"))?)
            .await
            .map(drop)
    }

    /// Follows a task's events until it is ready or has failed.
    async fn wait_until_ready(
        &self,
        task: &TaskRef,
        progress: Option<&PushProgress>,
    ) -> Result<TaskAccepted, Error> {
        for _ in 0..RESUMES_MAX {
            match self.follow(task, progress).await {
                Ok(Some(event)) => {
                    if let Some(problem) = event.problem {
                        return Err(Error::Refused(Box::new(problem)));
                    }
                    if event.state == TaskState::Failed {
                        let code = Code::ModuleUncompilable;
                        let problem = Problem::new(code, code.meaning());
                        return Err(Error::Refused(Box::new(problem)));
                    }
                    return self.task(task).await.map(accepted);
                }
                // The stream broke off; what became of the task is asked anew.
                Ok(None) | Err(Error::CutOff | Error::TimedOut | Error::Unreachable) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::CutOff)
    }

    /// One stream of a task's events: the last one, or `None` if it broke off before.
    async fn follow(
        &self,
        task: &TaskRef,
        progress: Option<&PushProgress>,
    ) -> Result<Option<TaskEvent>, Error> {
        let call = Call::get(format!("{TASKS}/{task}/events"));
        let call = call.with("Accept", "text/event-stream")?;
        let mut response = self.send(&call).await?.response;
        let mut parser = Parser::default();
        loop {
            let chunk = tokio::time::timeout(SILENCE_MAX, response.chunk()).await;
            let chunk = chunk.map_err(|_| Error::TimedOut)?;
            let Some(bytes) = chunk.map_err(|error| transport_error(&error))? else {
                return Ok(None);
            };
            let mut events = Vec::new();
            parser.feed(&bytes, |event| events.push(event))?;
            for event in events.iter().filter(|event| event.name == EVENT) {
                let event: TaskEvent = serde_json::from_str(&event.data)
                    .map_err(|_| Error::NotUnderstood("a task's event"))?;
                if event.state != TaskState::Compiling {
                    return Ok(Some(event));
                }
                if let Some(progress) = progress {
                    progress(PushStep::Compiling(Duration::from_millis(event.elapsed_ms)));
                }
            }
        }
    }
}

fn accepted(task: Task) -> TaskAccepted {
    let Task { digest, world, imports, size_bytes, names, services, .. } = task;
    let name = names.into_iter().next().map(|named| named.name);
    TaskAccepted { digest, world, imports, size_bytes, name, services }
}

/// A text that is neither a digest nor a task's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a task is `sha256:` and 64 hexadecimal digits, or a name of a-z, 0-9, -, _ and .")]
pub struct NotATask;

impl FromStr for TaskRef {
    type Err = NotATask;

    fn from_str(text: &str) -> Result<Self, NotATask> {
        if text.starts_with("sha256:") {
            text.parse().map(TaskRef::Digest).map_err(|_| NotATask)
        } else {
            text.parse().map(TaskRef::Name).map_err(|_| NotATask)
        }
    }
}
