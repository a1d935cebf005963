//! Feeds a node with hostile modules: `cargo xtask hostile`.
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a rate and a figure need a clock")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use notrace_tests_hostile::feed::Feeder;
use notrace_tests_hostile::make::{Made, Maker};
use notrace_tests_hostile::neighbour::{self, Times};

const USAGE: &str = "usage: hostile [--modules N] [--seed S] [--from F] | --by-hand | \
                     --figure MODULES-A-SECOND";
/// After so many modules the node is looked at.
const LOOK_EVERY: u64 = 100;
/// Of the figure: rounds, and how long each half of one is.
const ROUNDS: usize = 3;
const SPAN: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    match told() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn told() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--by-hand"] => runtime.block_on(by_hand()),
        ["--figure", rate] => runtime.block_on(figure(rate.parse().context(USAGE)?)),
        options => {
            let (mut modules, mut seed, mut from) = (1_000, 1, 0);
            for option in options.chunks(2) {
                match option {
                    ["--modules", many] => modules = many.parse().context(USAGE)?,
                    ["--seed", number] => seed = number.parse().context(USAGE)?,
                    ["--from", number] => from = number.parse().context(USAGE)?,
                    _ => bail!(USAGE),
                }
            }
            runtime.block_on(many(seed, from, modules))
        }
    }
}

/// Modules by number. One that is answered as none may be is told, and the next is fed.
async fn many(seed: u64, from: u64, modules: u64) -> Result<()> {
    let (mut feeder, mut maker) = (Feeder::begin().await?, Maker::new()?);
    let (began, mut wrong) = (Instant::now(), 0);
    for number in from..from.saturating_add(modules) {
        let made = maker.make(seed, number);
        if let Err(error) = feeder.feed(&made).await {
            wrong += 1;
            let (kind, name, bytes) = (made.kind, &made.name, made.bytes.len());
            say(&format!(
                "WRONG: seed {seed}, number {number}, {kind} ({name}, {bytes} bytes): {error:#}"
            ));
        }
        let done = number - from + 1;
        if done.is_multiple_of(LOOK_EVERY) || done == modules {
            feeder
                .is_unharmed()
                .await
                .with_context(|| format!("after seed {seed}, number {number}"))?;
        }
        if done.is_multiple_of(10 * LOOK_EVERY) {
            let rate = done as f64 / began.elapsed().as_secs_f64();
            say(&format!("{done} modules, {rate:.0} a second, {wrong} wrong"));
        }
    }
    table(&feeder);
    say(&format!("{modules} modules in {} s, {wrong} wrong", began.elapsed().as_secs()));
    ensure!(wrong == 0, "{wrong} modules were answered as none may be");
    Ok(())
}

/// All that was written by hand, and each bomb as large as it gets.
async fn by_hand() -> Result<()> {
    let (mut feeder, maker) = (Feeder::begin().await?, Maker::new()?);
    say("| module | kind | bytes | became | seconds |\n|---|---|---:|---|---:|");
    for Made { kind, name, bytes } in maker.by_hand_all() {
        let (size, began) = (bytes.len(), Instant::now());
        let made = Made { kind, name: name.clone(), bytes };
        let became = feeder.feed(&made).await.with_context(|| name.clone())?;
        let took = began.elapsed().as_secs_f64();
        say(&format!("| `{name}` | {kind} | {size} | {became} | {took:.2} |"));
        feeder.is_unharmed().await.with_context(|| format!("after {name}"))?;
    }
    Ok(())
}

/// How an honest neighbour fares alone and beside so many modules a second.
async fn figure(rate: u32) -> Result<()> {
    let (mut feeder, mut maker) = (Feeder::begin().await?, Maker::new()?);
    let pause = Duration::from_secs(1) / rate.max(1);
    let mut number = 0;
    say("| round | neighbour | runs | p50 | p99 | modules a second |");
    say("|---|---|---:|---:|---:|---:|");
    for round in 1..=ROUNDS {
        for beside in [false, true] {
            let stop = Arc::new(AtomicBool::new(false));
            let (credentials, path) = (feeder.node().credentials.clone(), feeder.echo().to_owned());
            let client = tokio::spawn(neighbour::runs(credentials, path, stop.clone()));
            let (until, first) = (Instant::now() + SPAN, number);
            let mut next = tokio::time::interval(pause);
            while Instant::now() < until {
                next.tick().await;
                if beside {
                    feeder.feed(&maker.make(7, number)).await?;
                    number += 1;
                }
            }
            stop.store(true, Ordering::Relaxed);
            let times: Times = client.await??;
            let fed = (number - first) as f64 / SPAN.as_secs_f64();
            let (p50, p99) = (times.at(500).as_micros(), times.at(990).as_micros());
            let who = if beside { "beside the feeder" } else { "alone" };
            say(&format!(
                "| {round} | {who} | {} | {p50} us | {p99} us | {fed:.1} |",
                times.count()
            ));
        }
    }
    Ok(())
}

fn table(feeder: &Feeder) {
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    say("| kind | became | modules |\n|---|---|---:|");
    for ((kind, became), count) in &feeder.tally {
        *kinds.entry(kind.to_string()).or_default() += count;
        say(&format!("| {kind} | {became} | {count} |"));
    }
    for (kind, count) in kinds {
        say(&format!("| {kind} | all | {count} |"));
    }
}

fn say(line: &str) {
    // Whether anybody reads it changes nothing.
    let _ = writeln!(std::io::stdout(), "{line}");
}
