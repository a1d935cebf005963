//! Names of tasks: objects of a pool of the platform's own, moved by conditional puts.

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::name::{ObjectName, TaskName};
use notrace_policy_promise::private::Private;
use notrace_store_objects::{At, Condition, ListEntry};
use notrace_store_protocol::ids::Version;

use tokio::sync::watch;

use crate::limits::TASKS_MAX;
use crate::node::Node;
use crate::refusal::Refusal;
use crate::tasks::{Compiling, TaskRef, TaskState, module_key, modules_pool, names_pool};

impl Node {
    /// The digest that a client's name for a task stands for.
    /// # Errors  [`Refusal::TaskUnknown`]
    pub async fn resolve(&self, task: &TaskRef) -> Result<Digest, Refusal> {
        match self.resolve_here(task) {
            // Another member may have taken it in, and this one not have heard of it yet.
            Err(Refusal::TaskUnknown) if self.group().links.is_some() => {
                self.latest().await?;
                self.resolve_here(task)
            }
            resolved => resolved,
        }
    }

    fn resolve_here(&self, task: &TaskRef) -> Result<Digest, Refusal> {
        let digest = match task {
            TaskRef::Digest(digest) => *digest,
            TaskRef::Name(name) => {
                let name = name_object(name)?;
                let got = self.get_here(&name, At::Latest).map_err(|refusal| match refusal {
                    Refusal::ObjectUnknown => Refusal::TaskUnknown,
                    other => other,
                })?;
                let text = got.value.reveal(|text| String::from_utf8(text.clone()).ok());
                text.and_then(|text| text.parse().ok())
                    .ok_or(Refusal::Internal("reading a name"))?
            }
        };
        if self.group().links.is_some() {
            self.learn_of_task(digest);
        }
        let known = self.tasks_table().with(|tasks| tasks.contains_key(&digest));
        if known { Ok(digest) } else { Err(Refusal::TaskUnknown) }
    }

    /// Removes a name, or a task with all its names. The module's keys are destroyed.
    /// # Errors  [`Refusal::TaskUnknown`], [`Refusal::VersionMismatch`] for a name's condition.
    pub async fn remove_task(&self, task: &TaskRef, condition: Condition) -> Result<(), Refusal> {
        let digest = match task {
            TaskRef::Name(name) => {
                let removed = self.delete(&name_object(name)?, condition, None).await;
                return removed.map(drop).map_err(|refusal| match refusal {
                    Refusal::ObjectUnknown => Refusal::TaskUnknown,
                    other => other,
                });
            }
            TaskRef::Digest(digest) => *digest,
        };
        let _registering = self.tasks_table().registering().await;
        self.resolve(task).await?;
        for (name, _, target) in self.names() {
            if target == digest {
                self.delete(&name_object(&name)?, Condition::Always, None).await?;
            }
        }
        for part in ["module", "about"] {
            let name = ObjectName { pool: modules_pool(), key: module_key(digest, part)? };
            match self.shred(&name, Condition::Always).await {
                Ok(_) | Err(Refusal::ObjectUnknown | Refusal::ObjectShredded) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        self.codes().remove(digest);
        self.tasks_table().with(|tasks| tasks.remove(&digest));
        Ok(())
    }

    /// All names of tasks.
    pub fn task_names(&self) -> Vec<TaskName> {
        self.names().into_iter().map(|(name, ..)| name).collect()
    }

    /// Names a task that is still being compiled once it runs: a name never stands for what may
    /// turn out to be no task. If the condition does not hold by then, the name stays as it is.
    pub(super) fn name_once_ready(
        &self,
        mut states: watch::Receiver<Compiling>,
        name: &TaskName,
        digest: Digest,
        condition: Condition,
    ) {
        let (node, name) = (self.clone(), name.clone());
        tokio::spawn(async move {
            let settled = states.wait_for(|state| state.state() != TaskState::Compiling).await;
            if settled.is_ok_and(|state| state.state() == TaskState::Ready) {
                // Whoever asked has been answered; `GET /v1/tasks/{name}` tells what came of it.
                let _ = node.name_task(&name, digest, condition).await;
            }
        });
    }

    pub(super) async fn name_task(
        &self,
        name: &TaskName,
        digest: Digest,
        condition: Condition,
    ) -> Result<(), Refusal> {
        let object = name_object(name)?;
        if condition == Condition::Always
            && let Ok(got) = self.get_here(&object, At::Latest)
        {
            // Giving a task the name it has is no change; taking one away needs the version.
            let current = got.place.version;
            let same = got.value.reveal(|text| **text == *digest.to_string().as_bytes());
            let mismatch = Refusal::VersionMismatch { current: Some(current), index: None };
            return if same { Ok(()) } else { Err(mismatch) };
        }
        let value = Private::new(digest.to_string().into_bytes());
        let condition = if condition == Condition::Always { Condition::Absent } else { condition };
        self.put(&object, value, condition, None).await.map(drop)
    }

    pub(super) fn names(&self) -> Vec<(TaskName, Version, Digest)> {
        let Ok((entries, _)) = self.list_here(&names_pool(), "", None, TASKS_MAX) else {
            return Vec::new();
        };
        let read = |entry: ListEntry| {
            let name: TaskName = entry.key.as_str().parse().ok()?;
            let got = self.get_here(&name_object(&name).ok()?, At::Latest).ok()?;
            let text = got.value.reveal(|text| String::from_utf8(text.clone()).ok())?;
            Some((name, entry.version, text.parse().ok()?))
        };
        entries.into_iter().filter_map(read).collect()
    }
}

fn name_object(name: &TaskName) -> Result<ObjectName, Refusal> {
    let key = name.as_str().parse().map_err(|_| Refusal::Internal("naming a task"))?;
    Ok(ObjectName { pool: names_pool(), key })
}
