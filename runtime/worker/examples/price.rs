//! What each protection of a run costs: `cargo xtask bench price`.
//!
//! The same sealed run of 1 KiB, with all fences, and with some left out, which takes a build with
//! debug assertions: no other can leave any out. Everything is measured in turn, several times, so
//! that what else the machine does befalls all alike; medians of the rounds are told.
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "figures need a clock")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::private::Private;
use notrace_policy_promise::release::{Failures, Sizes};
use notrace_runtime_sandbox::{AuthenticCode, Grant, Sandbox};
use notrace_runtime_worker::weakened::{Plan, compile_main, worker_main};
use notrace_runtime_worker::{
    Code, End, Fence, Given, Job, Limits, Supervisor, SupervisorConfig, Tenant, scrub, sweep_main,
};
use notrace_sdk_seal::{
    Binding, Content, Draw, RequestKey, SealedRequest, public_key, seal_request,
};

/// As in the product: what is freed is zero.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

const WAIT: Duration = Duration::from_secs(10);
const ROUNDS: usize = 7;
const ALONE: usize = 300;
const CALLERS: usize = 16;
const SPAN: Duration = Duration::from_secs(2);
const SECRET: [u8; 32] = [5; 32];

/// Answers its input.
const ECHO: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 64))
    (loop $more
      (i32.store (i32.const 4) (i32.const 4096))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (i32.load (i32.const 8)) (then
        (i32.store (i32.const 4) (i32.load (i32.const 8)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
        (br $more))))))"#;

/// What is left out, by name.
const LEFT_OUT: [(&str, &[Fence]); 11] = [
    ("seccomp", &[Fence::Seccomp]),
    ("Landlock", &[Fence::Landlock { abi: 0 }]),
    (
        "namespaces and the empty root",
        &[
            Fence::MountNamespace,
            Fence::EmptyRoot,
            Fence::NetNamespace,
            Fence::PidNamespace,
            Fence::IpcNamespace,
            Fence::UtsNamespace,
        ],
    ),
    ("a user of its own for each worker", &[Fence::OwnUser]),
    ("no capability, no new right", &[Fence::Capabilities, Fence::NoNewPrivileges]),
    ("bounds on what it may use", &[Fence::ResourceLimits]),
    ("no descriptor", &[Fence::ClosedDescriptors, Fence::NoDescriptors]),
    ("code that cannot change or grow", &[Fence::SealedCode, Fence::NoExecGain]),
    (
        "speculation controls",
        &[Fence::StoreBypassOff, Fence::IndirectBranchOff, Fence::CacheFlush, Fence::CoreScheduled],
    ),
    (
        "nothing to be traced, dumped or read",
        &[Fence::NoCoreDump, Fence::NotDumpable, Fence::BareArguments],
    ),
    ("memory that is never swapped", &[Fence::LockedMemory]),
];

fn main() -> ExitCode {
    let word = std::env::args().nth(1).unwrap_or_default();
    match (word.as_str(), told()) {
        ("worker", Some(plan)) => worker_main(plan),
        ("compile", Some(plan)) => compile_main(plan),
        ("sweep", _) => return sweep_main(),
        _ => {}
    }
    let measured = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match measured.map_err(Into::into).and_then(|runtime| runtime.block_on(measure())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// What the name of the program says: a worker is given no arguments and no environment.
fn told() -> Option<Plan> {
    let exe = std::env::current_exe().ok()?;
    let bits = exe.file_name()?.to_str()?.strip_prefix("price-")?;
    Some(Plan::from_bits(bits.parse().ok()?))
}

/// Two figures of each round.
#[derive(Default)]
struct Seen {
    alone_us: Vec<f64>,
    a_second: Vec<f64>,
}

async fn measure() -> Result<()> {
    let folder = tempfile::tempdir_in(std::env::current_exe()?.parent().context("a folder")?)?;
    let mut plans = vec![("all".to_owned(), Plan::WHOLE)];
    let without = LEFT_OUT.iter().map(|(what, fences)| ((*what).to_owned(), Plan::without(fences)));
    plans.extend(without);
    plans.push(("none".to_owned(), Plan::only(&[])));
    let plans: Vec<(String, PathBuf)> = plans
        .into_iter()
        .map(|(what, plan)| Ok((what, program(folder.path(), plan)?)))
        .collect::<Result<_>>()?;
    let mut seen: Vec<Seen> = plans.iter().map(|_| Seen::default()).collect();
    let (mut plain, mut inside) = (Seen::default(), Vec::new());
    for _ in 0..ROUNDS {
        for ((_, exe), seen) in plans.iter().zip(&mut seen) {
            round(exe, true, seen).await?;
        }
        let (_, whole) = plans.first().context("a plan")?;
        round(whole, false, &mut plain).await?;
        inside.push(in_this_process()?);
    }
    tell(&plans, &seen, &plain, inside)
}

fn program(folder: &Path, plan: Plan) -> Result<PathBuf> {
    let path = folder.join(format!("price-{}", plan.bits()));
    if !path.exists() {
        std::fs::hard_link(std::env::current_exe()?, &path)?;
    }
    Ok(path)
}

fn tell(plans: &[(String, PathBuf)], seen: &[Seen], plain: &Seen, inside: Vec<f64>) -> Result<()> {
    let of =
        |seen: &Seen| Ok::<_, anyhow::Error>((median(&seen.alone_us)?, median(&seen.a_second)?));
    let (all_us, all_runs) = of(seen.first().context("all")?)?;
    say("| a sealed run of 1 KiB | p50 alone | runs/s | this costs |\n|---|---:|---:|---|");
    for ((what, _), seen) in plans.iter().zip(seen) {
        let (us, runs) = of(seen)?;
        let costs = format!("{:+.0} us, {:+.1} %", all_us - us, 100.0 * (runs / all_runs - 1.0));
        match what.as_str() {
            "all" => say(&format!("| **all fences** | {us:.0} us | {runs:.0} | |")),
            "none" => say(&format!("| no fence at all | {us:.0} us | {runs:.0} | {costs} |")),
            what => say(&format!("| without: {what} | {us:.0} us | {runs:.0} | {costs} |")),
        }
    }
    let (us, runs) = of(plain)?;
    let costs = format!("{:+.0} us, {:+.1} %", all_us - us, 100.0 * (runs / all_runs - 1.0));
    say(&format!("| not sealed in the worker | {us:.0} us | {runs:.0} | {costs} |"));
    let us = median(&inside)?;
    say(&format!(
        "| the guest alone, in one process for all | {us:.0} us | | {:+.0} us |",
        all_us - us
    ));
    Ok(())
}

/// One supervisor's life.
async fn round(exe: &Path, sealed: bool, seen: &mut Seen) -> Result<()> {
    let (exe, running_max) = (exe.to_owned(), 64);
    let config =
        SupervisorConfig { exe, idle_workers: 16, running_max, ..SupervisorConfig::default() };
    let supervisor = Supervisor::start(config).await?;
    let module = wat::parse_str(ECHO)?;
    let digest = Digest::of(Domain::Module, &module);
    let code = supervisor.compile(digest, &Private::new(module)).await?.code;
    let mut took = Vec::new();
    for _ in 0..ALONE {
        let job = job(&code, sealed)?;
        let began = Instant::now();
        once(&supervisor, job).await?;
        took.push(began.elapsed().as_secs_f64() * 1e6);
        // The pool fills up again: this is about one run, not about the next one.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    seen.alone_us.push(median(&took)?);
    let began = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (supervisor, code) = (supervisor.clone(), code.clone());
        callers.spawn(async move {
            let mut count = 0_u32;
            while began.elapsed() < SPAN {
                once(&supervisor, job(&code, sealed)?).await?;
                count += 1;
            }
            Ok::<_, anyhow::Error>(count)
        });
    }
    let mut count = 0;
    while let Some(ended) = callers.join_next().await {
        count += ended??;
    }
    seen.a_second.push(f64::from(count) / began.elapsed().as_secs_f64());
    supervisor.drain().await;
    Ok(())
}

async fn once(supervisor: &Supervisor, job: Job) -> Result<()> {
    let (outcome, residue) = supervisor.run(job, WAIT).await?;
    scrub(residue).await;
    ensure!(outcome.end == End::Answered, "{:?}", outcome.end);
    Ok(())
}

fn job(code: &Code, sealed: bool) -> Result<Job> {
    let input = [b'x'; 1024];
    let given = if sealed {
        let promise = Digest::of(Domain::Promise, b"");
        let public = public_key(&SECRET);
        let key = RequestKey { public, from_unix_s: 0, until_unix_s: 1, promise };
        let task = Digest::of(Domain::Module, b"");
        let binding = Binding { task, promise, objects: &[] };
        let draw = Draw { ephemeral: [8; 32].into(), nonce: [9; 32] };
        let content = Content { args: &[], input: &input, sizes: Sizes::Powers };
        let (bytes, _) = seal_request(&key, &binding, &content, &draw)?;
        let request = SealedRequest::parse(bytes)?;
        let keys = request.keys(&SECRET, &binding)?;
        let content = request.into_content();
        Given::Sealed { keys, content, sizes: Sizes::Powers, failures: Failures::Told }
    } else {
        Given::plain(input.to_vec())
    };
    Ok(Job {
        tenant: Tenant(Digest::of(Domain::Session, b"")),
        code: code.clone(),
        given,
        objects: vec![],
        time_unix_micros: 0,
        seed: [0; 32],
        limits: Limits::default(),
    })
}

/// The same guest, loaded and run in this very process: without a process of its own, fences, seals
/// and scrubbing.
fn in_this_process() -> Result<f64> {
    let sandbox = Sandbox::new()?;
    let compiled = sandbox.compile(&wat::parse_str(ECHO)?);
    let code = compiled.map_err(|refused| anyhow::anyhow!("{refused}"))?.code;
    let mut took = Vec::new();
    for _ in 0..ALONE {
        let began = Instant::now();
        let loaded = sandbox.load(AuthenticCode::copied(code.clone()))?;
        let input = Private::new(vec![b'x'; 1024]);
        let (args, objects) = (vec![], vec![]);
        let grant = Grant { args, input, objects, time_unix_micros: 0, seed: [0; 32] };
        let ended = sandbox.run(loaded, grant, (&Limits::default()).into());
        took.push(began.elapsed().as_secs_f64() * 1e6);
        ensure!(ended.end == notrace_runtime_sandbox::End::Answered, "{:?}", ended.end);
    }
    median(&took)
}

fn median(figures: &[f64]) -> Result<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().context("nothing was measured")
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
