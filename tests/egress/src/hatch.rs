//! The hatch: the one opening in all four walls, through which a run's end and answer are taken.
//!
//! What comes through it cannot be stopped, only kept small and given to nobody but who asked. So
//! it is counted: how many of some symbols, each sent by a run of its own, are told apart by who
//! asked, and how many by the public log. The last rows are of a worker that was taken over.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use notrace_policy_promise::receipt::Ended;
use notrace_runtime_jail::process::exit_now;
use notrace_runtime_worker::weakened::raw;
use notrace_runtime_worker::{Code, End, Outcome, Supervisor, scrub};

use crate::outside::Outside;
use crate::runs::{self, WAIT, compile, job};
use crate::walls::Walls;

/// Of one way.
pub(crate) struct Counted {
    pub(crate) name: &'static str,
    pub(crate) tried: usize,
    /// How many the kernel tells apart, of a worker that was taken over.
    pub(crate) process: Option<usize>,
    /// How many who asked tells apart.
    pub(crate) asker: usize,
    /// How many a receipt tells apart.
    pub(crate) receipt: usize,
    /// How many these may be.
    most: (usize, usize),
}

impl Counted {
    /// Whether the way was open where it has to be, and no wider than it may be.
    pub(crate) fn holds(&self) -> bool {
        let control = match self.process {
            Some(told) => told == self.tried,
            None => self.asker == self.most.0,
        };
        control && self.asker <= self.most.0 && self.receipt <= self.most.1
    }
}

/// A way, what a guest does to send a symbol, how many there are, and what may come of them: told
/// apart by who asked, and by a receipt.
type Way = (&'static str, &'static str, u32, (usize, usize));

const SYMBOLS: u32 = 32;
const ALL: usize = SYMBOLS as usize;

/// Symbols begin with 1, and are the time of the run.
#[rustfmt::skip]
const WAYS: &[Way] = &[
    ("content of the answer", "(call $put (call $symbol)) (call $say (i32.const 1) (i32.const 4))",
        SYMBOLS, (ALL, 1)),
    ("size of the answer", "(call $say (i32.const 1) (call $symbol))", SYMBOLS, (ALL, 1)),
    ("exit status of a command", "(call $exit (call $symbol))", SYMBOLS, (ALL, 1)),
    ("standard error", "(call $put (call $symbol)) (call $say (i32.const 2) (i32.const 4))
        (call $exit (i32.const 1))", SYMBOLS, (ALL, 1)),
    ("kind of trap", "(call $trap (call $symbol))", 6, (5, 1)),
    ("limit it runs into", "(call $exhaust (call $symbol))", 3, (3, 3)),
    ("units of work", "(call $work (i32.mul (call $symbol) (i32.const 100)))", SYMBOLS, (ALL, 1)),
    ("memory it had", "(drop (memory.grow (call $symbol)))", SYMBOLS, (ALL, 1)),
    // Closed: two looks at a clock see the same, and chance is no news.
    ("clock, while it works", "(call $clock_twice) (call $say (i32.const 1) (i32.const 8))", 1,
        (1, 1)),
    ("chance", "(drop (call $random (i32.const 64) (i32.const 8)))
        (call $say (i32.const 1) (i32.const 8))", 1, (1, 1)),
];

/// Attempts from here on end the process by a status, and from the second by a signal.
const STATUSES: u32 = 0x1000;
const SIGNALS: u32 = 0x2000;
/// Whether the clock moves for native code: what a guest sees stand still.
const CLOCK: u32 = 0x3000;
const FATAL: [i32; 8] = [
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGABRT,
    libc::SIGUSR1,
    libc::SIGKILL,
    libc::SIGTERM,
    libc::SIGXCPU,
    libc::SIGSYS,
];
/// The first status that is tried. Two of those that follow are words of ours.
const FIRST_STATUS: u32 = 64;

/// Makes one attempt, in a worker without walls. `None` if it is none of this module's.
pub(crate) fn attempt(number: u32) -> Option<bool> {
    match number {
        STATUSES..SIGNALS => exit_now(i32::try_from(FIRST_STATUS + number - STATUSES).unwrap_or(0)),
        SIGNALS..CLOCK => {
            let signal = FATAL.get((number - SIGNALS) as usize).copied().unwrap_or(0);
            let this = std::process::id() as usize;
            let _ = raw::call(libc::SYS_kill, [this, signal as usize, 0, 0, 0, 0]);
            Some(false)
        }
        CLOCK => Some(clock_moves()),
        _ => None,
    }
}

#[expect(clippy::disallowed_methods, reason = "native code, which has a clock")]
fn clock_moves() -> bool {
    let began = Instant::now();
    (0..1_000_000).any(|_| Instant::now() != began)
}

/// Counts all of them.
pub(crate) async fn counted(outside: &Outside) -> Result<Vec<Counted>> {
    let folder = runs::folder()?;
    let supervisor = runs::supervisor(folder.path(), Walls::WHOLE, outside.numbers).await?;
    let mut counted = Vec::new();
    for (name, body, symbols, most) in WAYS {
        let code = compile(&supervisor, &module(body)).await.context(*name)?;
        let mut seen = Told::default();
        for symbol in 1..=*symbols {
            seen.run(&supervisor, &code, symbol).await?;
        }
        let tried = *symbols as usize;
        counted.push(Counted { process: None, ..seen.counted(name, tried, *most) });
    }
    counted.push(time(&supervisor).await?);
    supervisor.drain().await;
    let open = runs::supervisor(folder.path(), Walls::NONE, outside.numbers).await?;
    let code = compile(&open, runs::GUEST).await?;
    let fatal = u32::try_from(FATAL.len())?;
    let ways = [
        ("status of the process", STATUSES, SYMBOLS, (2, 1)),
        ("signal that ends the process", SIGNALS, fatal, (4, 1)),
        ("clock, for native code", CLOCK, 1, (1, 1)),
    ];
    for (name, first, symbols, most) in ways {
        let mut seen = Told::default();
        for number in first..first + symbols {
            seen.run(&open, &code, number).await?;
        }
        if first == CLOCK {
            anyhow::ensure!(seen.answered, "the clock stands still for native code");
        }
        counted.push(seen.counted(name, symbols as usize, most));
    }
    open.drain().await;
    Ok(counted)
}

/// What was told apart.
#[derive(Default)]
struct Told {
    process: BTreeSet<String>,
    asker: BTreeSet<String>,
    receipt: BTreeSet<String>,
    answered: bool,
}

impl Told {
    async fn run(&mut self, supervisor: &Supervisor, code: &Code, symbol: u32) -> Result<()> {
        let (outcome, residue) = supervisor.run(limited(code, symbol), WAIT).await?;
        let scrubbed = scrub(residue).await;
        self.answered |= outcome.end == End::Answered;
        self.process.insert(format!("{:?}", scrubbed.exit()));
        self.receipt.insert(format!("{:?}", Ended::from(outcome.end)));
        self.asker.insert(shown(&outcome));
        Ok(())
    }

    fn counted(self, name: &'static str, tried: usize, most: (usize, usize)) -> Counted {
        let (asker, receipt) = (self.asker.len(), self.receipt.len());
        Counted { name, tried, process: Some(self.process.len()), asker, receipt, most }
    }
}

/// A run whose limits are soon reached.
fn limited(code: &Code, symbol: u32) -> notrace_runtime_worker::Job {
    let mut job = job(code, symbol);
    job.limits.fuel = 100_000_000;
    job.limits.memory_bytes = 16 << 20;
    job.limits.output_bytes = 1 << 16;
    job
}

/// Everything that reaches who asked.
fn shown(outcome: &Outcome) -> String {
    let Outcome { end, answer, message, failure, fuel_used, memory_peak_bytes, slot: _ } = outcome;
    let answer = answer.reveal(|answer| format!("{answer:?}"));
    let message = message.as_ref().map(|message| message.reveal(|message| message.clone()));
    match end {
        // A worker that is not whole says nothing of its own.
        End::Killed(reason) => format!("{reason:?}"),
        end => format!("{end:?} {answer} {message:?} {failure:?} {fuel_used} {memory_peak_bytes}"),
    }
}

/// How long a run takes, as anybody sees who waits for it, in steps of many milliseconds.
#[expect(clippy::disallowed_methods, reason = "what is measured is time")]
async fn time(supervisor: &Supervisor) -> Result<Counted> {
    const STEPS: u32 = 4;
    const APART: Duration = Duration::from_millis(2);
    let body = "(call $work (i32.mul (call $symbol) (i32.const 10000000)))";
    let code = compile(supervisor, &module(body)).await?;
    let mut shortest = Vec::new();
    for symbol in 1..=STEPS {
        let mut times = Vec::new();
        for _ in 0..3 {
            let began = Instant::now();
            let (outcome, residue) = supervisor.run(job(&code, symbol), WAIT).await?;
            times.push(began.elapsed());
            scrub(residue).await;
            anyhow::ensure!(outcome.end == End::Answered, "a run that only takes time answers");
        }
        shortest.extend(times.into_iter().min());
    }
    let steps = shortest.windows(2).filter(|pair| match pair {
        [before, after] => *after > *before + APART,
        _ => false,
    });
    let (tried, asker) = (STEPS as usize, 1 + steps.count());
    // Noise may hide some; that there is none to be told apart would be no measurement.
    Ok(Counted {
        name: "time until it ends",
        tried,
        process: None,
        asker,
        receipt: 1,
        most: (asker.max(2), 1),
    })
}

fn module(body: &str) -> String {
    format!("(module {PARTS} (func (export \"_start\") {body}))")
}

const PARTS: &str = r#"
  (import "wasi_snapshot_preview1" "clock_time_get"
    (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (table 1 funcref)
  (func $symbol (result i32)
    (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 0)))
    (i32.wrap_i64 (i64.div_u (i64.load (i32.const 0)) (i64.const 1000))))
  (func $put (param i32) (i32.store (i32.const 64) (local.get 0)))
  (func $say (param $to i32) (param $bytes i32)
    (i32.store (i32.const 8) (i32.const 64))
    (i32.store (i32.const 12) (local.get $bytes))
    (drop (call $write (local.get $to) (i32.const 8) (i32.const 1) (i32.const 16))))
  (func $work (param $left i32)
    (loop $again
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left))))
  (func $forever (loop $again (br $again)))
  (func $clock_twice
    (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 0)))
    (call $work (i32.const 1000000))
    (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 24)))
    (i64.store (i32.const 64) (i64.sub (i64.load (i32.const 24)) (i64.load (i32.const 0)))))
  (func $deep (param i32) (result i32)
    (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (local.get 0)))
  (func $exhaust (param $how i32)
    (if (i32.eq (local.get $how) (i32.const 1)) (then (call $forever)))
    (if (i32.eq (local.get $how) (i32.const 2)) (then
      (loop $again (call $say (i32.const 1) (i32.const 65536)) (br $again))))
    (drop (memory.grow (i32.const 4096)))
    (i32.store (i32.const 0x1000000) (i32.const 1)))
  (func $trap (param $how i32)
    (if (i32.eq (local.get $how) (i32.const 1)) (then unreachable))
    (if (i32.eq (local.get $how) (i32.const 2)) (then
      (drop (i32.div_s (i32.const 1) (i32.sub (local.get $how) (i32.const 2))))))
    (if (i32.eq (local.get $how) (i32.const 3)) (then
      (drop (i32.load (i32.const 0x7FFFFFFF)))))
    (if (i32.eq (local.get $how) (i32.const 4)) (then (call_indirect (i32.const 0))))
    (if (i32.eq (local.get $how) (i32.const 5)) (then
      (drop (i32.div_s (i32.const 0x80000000) (i32.sub (local.get $how) (i32.const 6))))))
    (drop (call $deep (i32.const 0))))
"#;
