//! What is known of a task, as it is stored and read back at start.

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::name::{ObjectKey, ObjectName};
use notrace_store_objects::At;
use notrace_store_protocol::time::Hlc;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::node::Node;
use crate::refusal::Refusal;
use crate::tasks::compiling::Facts;
use crate::tasks::{Compiling, Entry, TaskAbout, module_key, modules_pool};

/// The stored form of what is known of a task.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredAbout {
    pub(super) world: String,
    pub(super) imports: Vec<String>,
    size_bytes: u64,
    time: u64,
}

impl StoredAbout {
    /// What was found out just now.
    pub(super) fn now(facts: Facts, size_bytes: u64) -> Self {
        let time = crate::clock::wall().to_wire();
        Self { world: facts.world, imports: facts.imports, size_bytes, time }
    }

    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        postcard::to_stdvec(self).ok()
    }
}

impl Node {
    /// Reads the known tasks back from the store, at start.
    pub(crate) fn load_tasks(&self) -> Result<(), Refusal> {
        let mut after: Option<ObjectKey> = None;
        loop {
            let page = self.list_here(&modules_pool(), "", after.as_ref(), 1000)?;
            let (entries, more) = page;
            for entry in &entries {
                if let Some(about) = self.load_about(&entry.key) {
                    let (sender, _) = watch::channel(Compiling::Ready);
                    let entry = Entry { states: sender, about };
                    self.tasks_table().with(|tasks| tasks.insert(entry.about.digest, entry));
                }
            }
            after = entries.into_iter().last().map(|entry| entry.key);
            if !more {
                return Ok(());
            }
        }
    }

    /// Learns what other members have done to a task: that it is there, or not any more.
    pub(super) fn learn_of_task(&self, digest: Digest) {
        let Ok(key) = module_key(digest, "about") else { return };
        match self.load_about(&key) {
            Some(about) => self.tasks_table().with(|tasks| {
                tasks.entry(digest).or_insert_with(|| {
                    let (states, _) = watch::channel(Compiling::Ready);
                    Entry { states, about }
                });
            }),
            // What is being compiled here is not stored yet.
            None => self.tasks_table().with(|tasks| {
                let ready = |entry: &Entry| matches!(*entry.states.borrow(), Compiling::Ready);
                if tasks.get(&digest).is_some_and(ready) {
                    tasks.remove(&digest);
                }
            }),
        }
    }

    fn load_about(&self, key: &ObjectKey) -> Option<TaskAbout> {
        let digits = key.as_str().strip_suffix("/about")?;
        let digest: Digest = format!("sha256:{digits}").parse().ok()?;
        let name = ObjectName { pool: modules_pool(), key: key.clone() };
        let got = self.get_here(&name, At::Latest).ok()?;
        let stored: StoredAbout = got.value.reveal(|bytes| postcard::from_bytes(bytes).ok())?;
        Some(TaskAbout {
            digest,
            world: stored.world,
            imports: stored.imports,
            size_bytes: stored.size_bytes,
            time: Hlc::from_wire(stored.time),
        })
    }
}
