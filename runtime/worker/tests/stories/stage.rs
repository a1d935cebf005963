//! The stage: a supervisor on this binary, jobs for it, and a look at the processes there are.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::private::Private;
use notrace_runtime_worker::{
    Code, Compiled, Fence, Given, GrantedObject, Job, Limits, Outcome, Residue, State, Supervisor,
    SupervisorConfig, Tenant, scrub,
};
use notrace_sdk_seal::{DataKey, seal};

/// Long enough for a debug build on a busy machine.
pub(crate) const WAIT: Duration = Duration::from_secs(20);

pub(crate) async fn supervisor(idle_workers: u16, running_max: u16) -> Result<Supervisor> {
    let exe = std::env::current_exe()?;
    Ok(Supervisor::start(SupervisorConfig {
        exe,
        idle_workers,
        running_max,
        ..SupervisorConfig::default()
    })
    .await?)
}

/// How many cores there are, as far as this process may use them, told by the kernel's own list of
/// hardware threads.
pub(crate) fn cores() -> u8 {
    let allowed = rustix::thread::sched_getaffinity(None).ok();
    let cpus = (0..1024).filter(|cpu| allowed.as_ref().is_some_and(|set| set.is_set(*cpu)));
    let siblings = cpus.map(|cpu| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        std::fs::read_to_string(path).unwrap_or_default()
    });
    siblings.collect::<std::collections::BTreeSet<_>>().len() as u8
}

pub(crate) async fn compile(supervisor: &Supervisor, text: &str) -> Result<Code> {
    let Compiled { code, .. } = compile_bytes(supervisor, wat::parse_str(text)?).await?;
    Ok(code)
}

pub(crate) async fn compile_bytes(supervisor: &Supervisor, module: Vec<u8>) -> Result<Compiled> {
    let digest = Digest::of(Domain::Module, &module);
    Ok(supervisor.compile(digest, &Private::new(module)).await?)
}

pub(crate) fn job(code: &Code, input: &[u8]) -> Job {
    Job {
        tenant: Tenant(Digest::of(Domain::Session, b"")),
        code: code.clone(),
        given: Given::plain(input.to_vec()),
        objects: vec![],
        time_unix_micros: 1_700_000_000_000_000,
        seed: [7; 32],
        limits: Limits { wall: WAIT, ..Limits::default() },
    }
}

pub(crate) fn object(name: &str, content: &[u8]) -> Result<GrantedObject> {
    let (key, ad) = (DataKey::from_bytes(&[9; 32]), b"version 1:1".to_vec());
    let sealed: Arc<[u8]> = seal(&key, [5; 12], &ad, content.to_vec())?.into();
    Ok(GrantedObject { name: name.parse()?, sealed, ad, key })
}

/// Runs and scrubs.
pub(crate) async fn run(supervisor: &Supervisor, job: Job) -> Result<Outcome> {
    let (outcome, residue): (Outcome, Residue) = supervisor.run(job, WAIT).await?;
    scrub(residue).await;
    Ok(outcome)
}

pub(crate) fn answer(outcome: &Outcome) -> Vec<u8> {
    outcome.answer.reveal(Vec::clone)
}

/// A process as /proc shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    /// Its number in a namespace of its own; nought for one that has none: the sweeper.
    pub(crate) inner_pid: i32,
    pub(crate) zombie: bool,
    pub(crate) ticks: u64,
}

fn seen(path: &Path) -> Option<Seen> {
    let status = std::fs::read_to_string(path.join("status")).ok()?;
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default()
    };
    let stat = std::fs::read_to_string(path.join("stat")).ok()?;
    let after: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Seen {
        pid: field("Pid:").parse().ok()?,
        parent: field("PPid:").parse().ok()?,
        inner_pid: match field("NSpid:").split_once(char::is_whitespace) {
            Some((_, inner)) => inner.trim().parse().ok()?,
            None => 0,
        },
        zombie: field("State:").starts_with('Z'),
        ticks: after.get(11)?.parse::<u64>().ok()? + after.get(12)?.parse::<u64>().ok()?,
    })
}

/// The children of process `parent`, lowest number first: sweeper, init, template, workers.
pub(crate) fn children_of(parent: u32) -> Vec<Seen> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found: Vec<Seen> = entries.filter_map(|entry| seen(&entry.path())).collect();
    found.retain(|process| process.parent.unsigned_abs() == parent);
    found.sort_by_key(|process| process.inner_pid);
    found
}

pub(crate) fn children() -> Vec<Seen> {
    children_of(std::process::id())
}

pub(crate) fn kill(process: &Seen) -> Result<()> {
    let pid = rustix::process::Pid::from_raw(process.pid).context("a pid")?;
    Ok(rustix::process::kill_process(pid, rustix::process::Signal::KILL)?)
}

/// Waits until `holds`, asking again and again, but not forever.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let mut again = tokio::time::interval(Duration::from_millis(5));
    let happened = async {
        while !holds() {
            again.tick().await;
        }
    };
    let in_time = tokio::time::timeout(WAIT, happened).await;
    in_time.map_err(|_| anyhow::anyhow!("never happened: {what}"))
}

pub(crate) fn missing(supervisor: &Supervisor) -> Vec<(Fence, State)> {
    let mut fences = supervisor.fences();
    fences.retain(|(_, state)| *state != State::On);
    fences
}

/// `report`: starts a supervisor wherever it was put, runs something, and says what is missing.
pub(crate) async fn report() -> ExitCode {
    let told: Result<()> = async {
        let supervisor = supervisor(2, 1).await?;
        let code = compile(&supervisor, crate::guests::ECHO).await?;
        let outcome = run(&supervisor, job(&code, b"still runs")).await?;
        ensure!(answer(&outcome) == b"still runs", "it ended with {:?}", outcome.end);
        for (fence, state) in missing(&supervisor) {
            crate::say(&format!("{fence:?} {state:?}"));
        }
        supervisor.drain().await;
        ensure!(children().is_empty(), "processes are left");
        Ok(())
    }
    .await;
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// `crash`: starts a supervisor, says so, and waits to be killed.
pub(crate) async fn crash() -> ExitCode {
    let Ok(supervisor) = supervisor(3, 1).await else { return ExitCode::FAILURE };
    let all = || supervisor.idle_workers() == 3;
    if until("three wait", all).await.is_err() {
        return ExitCode::FAILURE;
    }
    crate::say("ready");
    std::future::pending::<()>().await;
    ExitCode::SUCCESS
}

pub(crate) fn exe() -> Result<PathBuf> {
    Ok(std::env::current_exe()?)
}
