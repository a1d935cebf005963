//! Every technique, run under every choice of walls.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::private::Private;
use notrace_runtime_worker::{
    Code, CompileError, End, Given, Job, KillReason, Limits, Supervisor, SupervisorConfig, Tenant,
    scrub,
};

use crate::outside::{Numbers, Outside};
use crate::walls::{Wall, Walls};
use crate::zoo::{self, Proof};

/// What became of a technique.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// It got out.
    Out,
    /// The module that asked for it was not taken.
    NotTaken,
    /// The worker was ended at the call.
    Killed,
    /// The call was refused, or what was sent never arrived.
    Refused,
}

/// What became of each technique under each choice of walls.
pub(crate) type Seen = BTreeMap<Walls, Vec<Fate>>;

pub(crate) const WAIT: Duration = Duration::from_secs(20);

/// A component that makes the attempt whose number is the time of its run.
pub(crate) const GUEST: &str = r#"(component
  (import "zoo:egress/attempt@0.1.0" (instance $zoo
    (export "attempt" (func (param "technique" u32) (result u32)))))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (export "now" (func (result u64)))))
  (core func $attempt (canon lower (func $zoo "attempt")))
  (core func $now (canon lower (func $clock "now")))
  (core module $Main
    (import "" "attempt" (func $attempt (param i32) (result i32)))
    (import "" "now" (func $now (result i64)))
    (func (export "run") (result i32)
      (call $attempt (i32.wrap_i64 (i64.div_u (call $now) (i64.const 1000))))))
  (core instance $main (instantiate $Main (with "" (instance
    (export "attempt" (func $attempt)) (export "now" (func $now))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))"#;

/// All techniques under all choices of walls, and under some without their ground.
pub(crate) async fn all(outside: &mut Outside) -> Result<Seen> {
    let folder = tempfile::tempdir_in(exe_folder()?)?;
    let code = open_code(folder.path(), outside.numbers).await?;
    let mut seen = Seen::new();
    for walls in Walls::choices().chain(Walls::without_ground()) {
        let supervisor = supervisor(folder.path(), walls, outside.numbers).await?;
        if walls.has(Wall::Import) {
            ensure!(!taken(&supervisor, GUEST).await?, "a module with an open import was taken");
        }
        let fates = tried(&supervisor, &code, walls, outside).await?;
        supervisor.drain().await;
        seen.insert(walls, fates);
    }
    Ok(seen)
}

fn exe_folder() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    Ok(exe.parent().context("a folder")?.to_path_buf())
}

/// A supervisor whose workers have these walls.
pub(crate) async fn supervisor(
    folder: &Path,
    walls: Walls,
    numbers: Numbers,
) -> Result<Supervisor> {
    let exe = exe(folder, walls, numbers)?;
    let config =
        SupervisorConfig { exe, idle_workers: 3, running_max: 1, ..SupervisorConfig::default() };
    Ok(Supervisor::start(config).await?)
}

/// This program, under the name that tells it what it is to be.
pub(crate) fn exe(folder: &Path, walls: Walls, numbers: Numbers) -> Result<PathBuf> {
    let exe = folder.join(format!("egress-{}-{}", walls.bits(), numbers.to_name()));
    if !exe.exists() {
        std::fs::hard_link(std::env::current_exe()?, &exe)?;
    }
    Ok(exe)
}

async fn open_code(folder: &Path, numbers: Numbers) -> Result<Code> {
    let supervisor = supervisor(folder, Walls::NONE, numbers).await?;
    let code = compile(&supervisor, GUEST).await.context("without walls the import is taken")?;
    supervisor.drain().await;
    Ok(code)
}

pub(crate) async fn compile(supervisor: &Supervisor, text: &str) -> Result<Code> {
    let module = wat::parse_str(text)?;
    let digest = Digest::of(Domain::Module, &module);
    Ok(supervisor.compile(digest, &Private::new(module)).await?.code)
}

/// Whether a module is taken; one that is not is refused, and nothing else.
pub(crate) async fn taken(supervisor: &Supervisor, text: &str) -> Result<bool> {
    let module = wat::parse_str(text)?;
    let digest = Digest::of(Domain::Module, &module);
    match supervisor.compile(digest, &Private::new(module)).await {
        Ok(_) => Ok(true),
        Err(CompileError::Refused(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A supervisor with every wall, for modules that need no attempt.
pub(crate) async fn whole(folder: &Path, numbers: Numbers) -> Result<Supervisor> {
    supervisor(folder, Walls::WHOLE, numbers).await
}

pub(crate) fn folder() -> Result<tempfile::TempDir> {
    Ok(tempfile::tempdir_in(exe_folder()?)?)
}

/// Each technique, in a run of its own. Where the import is not open, its module would not have
/// been taken; code that was compiled elsewhere is given to the worker all the same.
async fn tried(
    supervisor: &Supervisor,
    code: &Code,
    walls: Walls,
    outside: &mut Outside,
) -> Result<Vec<Fate>> {
    let mut fates = Vec::new();
    for (number, technique) in (0..).zip(zoo::all()) {
        let (outcome, residue) =
            supervisor.run(job(code, number), WAIT).await.context(technique.name)?;
        scrub(residue).await;
        let arrived = outside.has(&outside.numbers.token(walls, number));
        let out = match technique.proof {
            Proof::Arrives => arrived,
            Proof::Done => arrived || outcome.end == End::Answered,
        };
        fates.push(match outcome.end {
            _ if out => Fate::Out,
            End::Killed(KillReason::CodeRefused) if walls.has(Wall::Import) => Fate::NotTaken,
            End::Killed(KillReason::Seccomp) => Fate::Killed,
            // How a run ends that got as far as the attempt: it says no, or dies of it.
            End::Failed { .. } | End::Killed(KillReason::Garbled | KillReason::Fault) => {
                Fate::Refused
            }
            // What it asked for was done, and nothing came of it.
            End::Answered => Fate::Refused,
            end => bail!("{}: the run never came to the attempt: {end:?}", technique.name),
        });
    }
    Ok(fates)
}

pub(crate) fn job(code: &Code, number: u32) -> Job {
    Job {
        tenant: Tenant(Digest::of(Domain::Session, b"")),
        code: code.clone(),
        given: Given::plain(vec![]),
        objects: vec![],
        time_unix_micros: u64::from(number),
        seed: [7; 32],
        limits: Limits { wall: WAIT, ..Limits::default() },
    }
}
