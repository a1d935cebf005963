//! Compiling: what makes a task of a module, and makes its code again when that is lost.

use std::sync::Arc;

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::private::Private;
use notrace_runtime_worker::{CacheError, Code, CompileError, Refused};
use notrace_store_objects::{At, Condition};

use crate::node::Node;
use crate::objects::TransactOp;
use crate::refusal::Refusal;
use crate::tasks::stored::StoredAbout;
use crate::tasks::{TaskState, module_key, modules_pool};

/// The same with the reason, for those who follow.
#[derive(Clone)]
pub(crate) enum Compiling {
    Running,
    Ready,
    Failed(Arc<Failure>),
}

/// Why a module did not compile.
pub(crate) enum Failure {
    Refused(Refused),
    Limit,
    OutOfSpace,
    Node,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::OutOfSpace => Failure::OutOfSpace,
            _ => Failure::Node,
        }
    }
}

impl Compiling {
    pub(crate) fn state(&self) -> TaskState {
        match self {
            Compiling::Running => TaskState::Compiling,
            Compiling::Ready => TaskState::Ready,
            Compiling::Failed(_) => TaskState::Failed,
        }
    }

    pub(crate) fn failure(&self) -> Option<Refusal> {
        let Compiling::Failed(failure) = self else { return None };
        Some(match &**failure {
            Failure::Refused(why) => Refusal::Module(why.clone()),
            Failure::Limit => Refusal::CompileLimit,
            Failure::OutOfSpace => Refusal::OutOfSpace,
            Failure::Node => Refusal::Internal("compiling"),
        })
    }
}

/// What compiling found out.
pub(super) struct Facts {
    pub(super) world: String,
    pub(super) imports: Vec<String>,
}

impl Node {
    pub(super) async fn compile_and_register(
        &self,
        digest: Digest,
        module: Private<Vec<u8>>,
    ) -> Result<(), Failure> {
        let compiled = self.compile(digest, &module).await?;
        let about = StoredAbout::now(compiled, module.reveal(Vec::len) as u64);
        let _registering = self.tasks_table().registering().await;
        let known = self.tasks_table().with(|tasks| {
            let entry = tasks.get_mut(&digest)?;
            entry.about.world.clone_from(&about.world);
            entry.about.imports.clone_from(&about.imports);
            Some(())
        });
        let stored = match known {
            Some(()) => self.store_task(digest, module, &about).await,
            None => Err(Failure::Node),
        };
        if stored.is_err() {
            self.codes().remove(digest);
        }
        stored
    }

    async fn store_task(
        &self,
        digest: Digest,
        module: Private<Vec<u8>>,
        about: &StoredAbout,
    ) -> Result<(), Failure> {
        let about = about.encode().ok_or(Failure::Node)?;
        let put = |part: &str, value: Private<Vec<u8>>| {
            let key = module_key(digest, part).map_err(|_| Failure::Node)?;
            Ok::<_, Failure>(TransactOp::Put { key, value, condition: Condition::Always })
        };
        let ops = vec![put("module", module)?, put("about", Private::new(about))?];
        self.transact(&modules_pool(), ops, None).await?;
        Ok(())
    }

    async fn compile(&self, digest: Digest, module: &Private<Vec<u8>>) -> Result<Facts, Failure> {
        let compiled = self.workers().compile(digest, module).await;
        let compiled = compiled.map_err(|error| match error {
            CompileError::Refused(why) => Failure::Refused(why),
            // A module that the compiler does not survive is one that cannot be compiled.
            CompileError::Limit | CompileError::Crashed => Failure::Limit,
            CompileError::Host => Failure::Node,
        })?;
        let facts = Facts {
            world: compiled.task.world.to_string(),
            imports: compiled.task.beyond_world.iter().map(ToString::to_string).collect(),
        };
        self.codes().put(&compiled.code).map_err(|error| match error {
            CacheError::Files(std::io::ErrorKind::StorageFull) => Failure::OutOfSpace,
            _ => Failure::Node,
        })?;
        Ok(facts)
    }

    /// A task's compiled code, ready to be handed to a worker.
    /// # Errors  [`Refusal::TaskCompiling`] while there is none yet: a run never pays for
    /// compiling.
    pub(crate) async fn code(&self, digest: Digest) -> Result<Code, Refusal> {
        if let Some(code) = self.codes().get(digest) {
            return Ok(code);
        }
        let state = self.tasks_table().with(|tasks| {
            let entry = tasks.get(&digest).ok_or(Refusal::TaskUnknown)?;
            let state = entry.states.borrow().clone();
            if state.state() == TaskState::Ready {
                // Its code is not cached: another version of us made it, or the cache was cleared.
                entry.states.send_replace(Compiling::Running);
            }
            Ok::<_, Refusal>(state)
        })?;
        if state.state() == TaskState::Ready {
            let node = self.clone();
            tokio::spawn(async move { node.recompile(digest).await });
        }
        Err(state.failure().unwrap_or(Refusal::TaskCompiling))
    }

    async fn recompile(&self, digest: Digest) {
        let stored = module_key(digest, "module")
            .and_then(|key| self.get_here(&ObjectName { pool: modules_pool(), key }, At::Latest));
        let state = match stored {
            Ok(got) => match self.compile(digest, &got.value).await {
                Ok(_) => Compiling::Ready,
                Err(failure) => Compiling::Failed(Arc::new(failure)),
            },
            Err(_) => Compiling::Failed(Arc::new(Failure::Node)),
        };
        let _registering = self.tasks_table().registering().await;
        if !self.tasks_table().knows(digest) {
            self.codes().remove(digest);
        }
        self.tasks_table().set(digest, state);
    }
}
