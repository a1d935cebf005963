//! What a run costs: `throughput [CALLERS] [SECONDS] [IDLE_WORKERS]`.
//!
//! Processor time is that of the node's side and of all of its workers together.
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::fmt::Arguments;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::private::Private;
use notrace_runtime_worker::{
    Code, End, Given, Job, KillReason, Limits, Supervisor, SupervisorConfig, Tenant, compile_main,
    scrub, sweep_main, worker_main,
};

#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

const WAIT: Duration = Duration::from_secs(10);

/// Answers at once, with nothing.
const GUEST: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("worker") => worker_main(),
        Some("compile") => compile_main(),
        Some("sweep") => {
            sweep_main();
            return Ok(());
        }
        _ => {}
    }
    let number = |index: usize, otherwise: u64| {
        args.get(index).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let (callers, seconds) = (number(0, 16), Duration::from_secs(number(1, 5)));
    let idle_workers = u16::try_from(number(2, 16))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(callers, seconds, idle_workers))
}

async fn measure(callers: u64, seconds: Duration, idle_workers: u16) -> Result<()> {
    let began = Instant::now();
    let config = SupervisorConfig { idle_workers, running_max: 64, ..SupervisorConfig::default() };
    let supervisor = Supervisor::start(config).await?;
    say(format_args!("started in {:?}", began.elapsed()));
    for (fence, state) in supervisor.fences() {
        say(format_args!("  {fence:?} {state:?}"));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    processes()?;
    let busy_before = processor_time()?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    say(format_args!("idle for 3 s: {:?} of processor time", processor_time()? - busy_before));
    let began = Instant::now();
    let module = wat::parse_str(GUEST)?;
    let digest = Digest::of(Domain::Module, &module);
    let code = supervisor.compile(digest, &Private::new(module)).await?.code;
    say(format_args!("compiled in {:?}, {} bytes of code", began.elapsed(), code.bytes()));
    unloaded(&supervisor, &code, End::Answered).await?;
    // The same without loading and running: what hand-over and end cost by themselves.
    let refused = End::Killed(KillReason::CodeRefused);
    unloaded(&supervisor, &code.altered()?, refused).await?;
    loaded(&supervisor, &code, callers, seconds).await?;
    let began = Instant::now();
    supervisor.drain().await;
    say(format_args!("drained in {:?}", began.elapsed()));
    forking().await
}

/// Many workers at once, of which none gets a job.
async fn forking() -> Result<()> {
    const WORKERS: u16 = 500;
    let config =
        SupervisorConfig { idle_workers: WORKERS, running_max: 1, ..SupervisorConfig::default() };
    let (began, busy_before) = (Instant::now(), processor_time()?);
    let supervisor = Supervisor::start(config).await?;
    while supervisor.idle_workers() < usize::from(WORKERS) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = began.elapsed() / u32::from(WORKERS);
    tokio::time::sleep(Duration::from_millis(200)).await;
    supervisor.drain().await;
    let busy = (processor_time()? - busy_before) / u32::from(WORKERS);
    say(format_args!(
        "a worker and its slot: {took:?} until it waits; {busy:?} of processor time with its end"
    ));
    Ok(())
}

fn job(code: &Code) -> Job {
    Job {
        tenant: Tenant(Digest::of(Domain::Session, b"")),
        code: code.clone(),
        given: Given::plain(b"hello".to_vec()),
        objects: vec![],
        time_unix_micros: 0,
        seed: [0; 32],
        limits: Limits::default(),
    }
}

/// One run at a time, with a pause between that lets the pool fill up again.
async fn unloaded(supervisor: &Supervisor, code: &Code, end: End) -> Result<()> {
    let (mut ran, mut scrubbed) = (Vec::new(), Vec::new());
    for _ in 0..1000 {
        let began = Instant::now();
        let (outcome, residue) = supervisor.run(job(code), WAIT).await?;
        ran.push(began.elapsed());
        scrub(residue).await;
        scrubbed.push(began.elapsed());
        ensure!(outcome.end == end, "{:?}", outcome.end);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    say(format_args!("alone, {end:?}: until the worker is dead {}", spread(ran)?));
    say(format_args!("  until it is scrubbed {}", spread(scrubbed)?));
    Ok(())
}

/// As many callers as given, each with its next job at once.
async fn loaded(supervisor: &Supervisor, code: &Code, callers: u64, span: Duration) -> Result<()> {
    let (began, busy_before) = (Instant::now(), processor_time()?);
    let faults_before = ticks("/proc/self/stat", 8..9)?;
    let mut tasks = Vec::new();
    for _ in 0..callers {
        let (supervisor, code) = (supervisor.clone(), code.clone());
        tasks.push(tokio::spawn(async move {
            let mut took = Vec::new();
            while began.elapsed() < span {
                let began = Instant::now();
                let (outcome, residue) = supervisor.run(job(&code), WAIT).await?;
                scrub(residue).await;
                ensure!(outcome.end == End::Answered, "{:?}", outcome.end);
                took.push(began.elapsed());
            }
            Ok(took)
        }));
    }
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await??);
    }
    let (span, busy) = (began.elapsed(), processor_time()? - busy_before);
    let count = took.len() as f64;
    say(format_args!(
        "{callers} callers: {:.0} runs/s; each {:.0} us of processor time, {:.0} faults; {}",
        count / span.as_secs_f64(),
        busy.as_secs_f64() * 1e6 / count,
        (ticks("/proc/self/stat", 8..9)? - faults_before) as f64 / count,
        spread(took)?
    ));
    Ok(())
}

fn spread(mut took: Vec<Duration>) -> Result<String> {
    took.sort();
    let at = |part: usize| took.get(took.len() * part / 100).context("nothing was measured");
    Ok(format!("p50 {:?} p99 {:?}", at(50)?, at(99)?))
}

/// Processor time of this process, of those it has seen off, and of those that are there.
fn processor_time() -> Result<Duration> {
    let mut ticks = ticks("/proc/self/stat", 11..15)?;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let path = entry.path();
        let status = std::fs::read_to_string(path.join("status")).unwrap_or_default();
        let parent = format!("PPid:\t{}\n", std::process::id());
        if status.contains(&parent) {
            ticks += self::ticks(&path.join("stat").to_string_lossy(), 11..13).unwrap_or(0);
        }
    }
    Ok(Duration::from_millis(ticks * 10))
}

/// The sum of some fields of a `stat` file, counted from behind the name.
fn ticks(path: &str, fields: std::ops::Range<usize>) -> Result<u64> {
    let text = std::fs::read_to_string(path)?;
    let (_, rest) = text.rsplit_once(')').context("no name")?;
    let rest: Vec<&str> = rest.split_whitespace().collect();
    Ok(rest.get(fields).context("too short")?.iter().flat_map(|field| field.parse::<u64>()).sum())
}

/// The memory of the processes that wait.
fn processes() -> Result<()> {
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let read =
            |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let status = read("status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        if field("PPid:") == std::process::id().to_string() {
            let (resident, own) = (field("VmRSS:"), field("RssAnon:"));
            say(format_args!("  {} resident {resident}, own {own}", field("NSpid:")));
        }
    }
    Ok(())
}

fn say(line: Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
