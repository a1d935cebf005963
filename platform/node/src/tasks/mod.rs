//! Tasks: uploaded once, compiled once, named at will.
//!
//! A task's module and what is known of it are objects of a pool of the platform's own, so they are
//! sealed, versioned and replicated like all others; a name is an object too, and moving one is a
//! conditional put. Compiled code is only a cache beside them.

mod compiling;
mod names;
mod stored;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::limits::MODULE_BYTES_MAX;
use notrace_policy_promise::name::{ObjectKey, PoolName, TaskName};
use notrace_policy_promise::private::Private;
use notrace_store_objects::Condition;
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::time::Hlc;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::limits::TASKS_MAX;
use crate::node::Node;
use crate::progress::Progress;
use crate::refusal::Refusal;

pub(crate) use compiling::Compiling;

/// A module on its way in.
pub struct Upload {
    /// The module's bytes.
    pub module: Private<Vec<u8>>,
    /// The name it is to have.
    pub name: Option<TaskName>,
    /// What must hold of the name.
    pub condition: Condition,
}

/// An upload that was accepted.
pub struct Uploaded {
    /// What is known of the task.
    pub about: TaskAbout,
    /// How far it is.
    pub state: TaskState,
    /// The name it was given.
    pub name: Option<TaskName>,
    /// Whether the task was not known before.
    pub new: bool,
}

/// What is known of a task without running it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskAbout {
    /// The module's SHA-256.
    pub digest: Digest,
    /// The world it is for.
    pub world: String,
    /// What it imports beyond that world.
    pub imports: Vec<String>,
    /// The module's size.
    pub size_bytes: u64,
    /// When it was first uploaded.
    pub time: Hlc,
}

/// A task as it is.
pub struct TaskInfo {
    /// What is known of it.
    pub about: TaskAbout,
    /// How far it is.
    pub state: TaskState,
    /// Its names, each with the version at which it was given.
    pub names: Vec<(TaskName, Version)>,
}

/// How a client names a task.
pub enum TaskRef {
    /// By the module's digest.
    Digest(Digest),
    /// By a name.
    Name(TaskName),
}

/// How far a task is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TaskState {
    /// Not runnable yet.
    Compiling,
    /// Runnable.
    Ready,
    /// Will not become runnable.
    Failed,
}

/// The tasks of a node.
#[derive(Default)]
pub(crate) struct Tasks {
    known: Mutex<BTreeMap<Digest, Entry>>,
    /// Held while a task is put into the store or taken out of it, so that one which is removed
    /// while it is compiled does not come back when that is done.
    registering: tokio::sync::Mutex<()>,
}

pub(super) struct Entry {
    pub(super) about: TaskAbout,
    pub(super) states: watch::Sender<Compiling>,
}

impl Entry {
    fn has_failed(&self) -> bool {
        self.states.borrow().state() == TaskState::Failed
    }
}

pub(crate) fn modules_pool() -> PoolName {
    PoolName::reserved("tasks")
}

pub(crate) fn names_pool() -> PoolName {
    PoolName::reserved("names")
}

impl Tasks {
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut BTreeMap<Digest, Entry>) -> R) -> R {
        work(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn registering(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.registering.lock().await
    }

    fn knows(&self, digest: Digest) -> bool {
        self.with(|tasks| tasks.contains_key(&digest))
    }

    fn set(&self, digest: Digest, state: Compiling) {
        self.with(|tasks| {
            if let Some(entry) = tasks.get(&digest) {
                entry.states.send_replace(state);
            }
        });
    }
}

impl Node {
    /// Takes a module in: checks, compiles and registers it, waiting at most `wait`; what takes
    /// longer goes on by itself. Idempotent by digest.
    /// # Errors  [`Refusal`]; nothing is registered then.
    /// # Cancel  Dropping the future abandons the answer, not the compiling.
    pub async fn upload(&self, upload: Upload, wait: Duration) -> Result<Uploaded, Refusal> {
        let Upload { module, name, condition } = upload;
        let size_bytes = module.reveal(Vec::len);
        if size_bytes > MODULE_BYTES_MAX {
            let most = MODULE_BYTES_MAX as u64;
            return Err(Refusal::TooMuch { what: "a module's size in bytes", most });
        }
        let digest = module.reveal(|module| Digest::of(Domain::Module, module));
        let (mut states, new) = self.begin(digest, module)?;
        let settled = states.wait_for(|state| state.state() != TaskState::Compiling);
        // Not settled in time is an answer too. The sender's end means that the task was removed.
        if matches!(timeout(wait, settled).await, Ok(Err(_))) {
            return Err(Refusal::TaskUnknown);
        }
        let state = states.borrow().clone();
        if let Some(refusal) = state.failure() {
            self.tasks_table().with(|tasks| {
                // Unless the same bytes are on their way again already.
                if tasks.get(&digest).is_some_and(Entry::has_failed) {
                    tasks.remove(&digest);
                }
            });
            return Err(refusal);
        }
        if let Some(name) = &name {
            match state.state() {
                TaskState::Compiling => self.name_once_ready(states, name, digest, condition),
                _ => self.name_task(name, digest, condition).await?,
            }
        }
        let about = self.tasks_table().with(|tasks| {
            tasks.get(&digest).map(|entry| entry.about.clone()).ok_or(Refusal::TaskUnknown)
        })?;
        Ok(Uploaded { about, state: state.state(), name, new })
    }

    /// The task's entry, beginning to compile it if it is new or did not compile before: what was
    /// the node's own fault then may go well now.
    fn begin(
        &self,
        digest: Digest,
        module: Private<Vec<u8>>,
    ) -> Result<(watch::Receiver<Compiling>, bool), Refusal> {
        let size_bytes = module.reveal(Vec::len) as u64;
        let (states, new) = self.tasks_table().with(|tasks| {
            match tasks.get(&digest) {
                Some(entry) if !entry.has_failed() => {
                    return Ok((entry.states.subscribe(), false));
                }
                None if tasks.len() >= TASKS_MAX => return Err(Refusal::TasksFull),
                Some(_) | None => {}
            }
            let about = TaskAbout {
                digest,
                world: "not known until compiled".to_owned(),
                imports: Vec::new(),
                size_bytes,
                time: crate::clock::wall(),
            };
            let (sender, receiver) = watch::channel(Compiling::Running);
            tasks.insert(digest, Entry { about, states: sender });
            Ok((receiver, true))
        })?;
        if new {
            let node = self.clone();
            tokio::spawn(async move {
                let state = match node.compile_and_register(digest, module).await {
                    Ok(()) => Compiling::Ready,
                    Err(failure) => Compiling::Failed(Arc::new(failure)),
                };
                node.tasks_table().set(digest, state);
            });
        }
        Ok((states, new))
    }

    /// A task as it is.
    /// # Errors  [`Refusal::TaskUnknown`]
    pub fn task(&self, digest: Digest) -> Result<TaskInfo, Refusal> {
        let names = self.names();
        self.tasks_table().with(|tasks| {
            let entry = tasks.get(&digest).ok_or(Refusal::TaskUnknown)?;
            Ok(info(entry, &names))
        })
    }

    /// The tasks after `after`, by digest, and whether there are more.
    pub fn tasks(&self, after: Option<Digest>, limit: usize) -> (Vec<TaskInfo>, bool) {
        let names = self.names();
        self.tasks_table().with(|tasks| {
            let rest =
                tasks.iter().filter(|(digest, _)| after.is_none_or(|after| **digest > after));
            let mut rest = rest.map(|(_, entry)| info(entry, &names));
            let page: Vec<TaskInfo> = rest.by_ref().take(limit).collect();
            (page, rest.next().is_some())
        })
    }

    /// Follows a task's compiling.
    /// # Errors  [`Refusal::TaskUnknown`]
    pub fn progress(&self, digest: Digest) -> Result<Progress, Refusal> {
        self.tasks_table().with(|tasks| {
            let entry = tasks.get(&digest).ok_or(Refusal::TaskUnknown)?;
            Ok(Progress::follow(entry.states.subscribe()))
        })
    }
}

fn info(entry: &Entry, names: &[(TaskName, Version, Digest)]) -> TaskInfo {
    let about = entry.about.clone();
    let own = names.iter().filter(|(_, _, digest)| *digest == about.digest);
    TaskInfo {
        names: own.map(|(name, version, _)| (name.clone(), *version)).collect(),
        state: entry.states.borrow().state(),
        about,
    }
}

pub(super) fn module_key(digest: Digest, part: &str) -> Result<ObjectKey, Refusal> {
    let text = digest.to_string().replacen("sha256:", "", 1);
    format!("{text}/{part}").parse().map_err(|_| Refusal::Internal("naming a task"))
}
