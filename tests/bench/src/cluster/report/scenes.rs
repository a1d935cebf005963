//! The tables of scenes.

use std::fmt;
use std::time::Duration;

use crate::cluster::failover::{Failure, Fault, whom};
use crate::cluster::histogram::Histogram;
use crate::cluster::joiner::Joined;
use crate::cluster::load::Work;
use crate::cluster::report::{greatest, median};

/// A line for each way to fail: medians of rounds, and the longest gap of all.
pub(super) fn failures(failures: &[Failure], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if failures.is_empty() {
        return Ok(());
    }
    let columns = [
        "noticed after, ms",
        "served after that, ms",
        "longest gap, puts",
        "gets",
        "clients of the failed one",
    ];
    writeln!(f, "| all_durable, a request each 5 ms | {} |", columns.join(" | "))?;
    writeln!(f, "|---|{}", "---:|".repeat(columns.len()))?;
    for (fault, leads) in
        [Fault::Kill, Fault::Stop].into_iter().flat_map(|it| [(it, true), (it, false)])
    {
        let same = |failure: &&Failure| failure.fault == fault && failure.leads == leads;
        let rounds: Vec<&Failure> = failures.iter().filter(same).collect();
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let figures = [
            median(&rounds, |it| millis(it.noticed)),
            median(&rounds, |it| millis(it.served)),
            greatest(&rounds, |it| it.gaps.first().map_or(f64::NAN, |gap| millis(*gap))),
            greatest(&rounds, |it| it.gaps.last().map_or(f64::NAN, |gap| millis(*gap))),
            greatest(&rounds, |it| millis(it.moved)),
        ];
        let figures = figures.map(|figure| format!("{figure:.0}")).join(" | ");
        writeln!(f, "| {}, {} | {figures} |", fault.name(), whom(leads))?;
    }
    writeln!(f)
}

/// A line for puts and one for gets, of each round.
pub(super) fn joined(joined: &[Joined], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for joined in joined {
        let (mib, seconds) = (joined.state_bytes >> 20, joined.took.as_secs_f64());
        writeln!(f, "A third member joined two with {mib} MiB in {seconds:.1} s.\n")?;
        let columns = [
            "p50 ms before",
            "p99",
            "p50 while it joins",
            "p99",
            "max",
            "p99 ÷ before",
            "p99 after",
        ];
        writeln!(f, "| a request each 5 ms at each | {} |", columns.join(" | "))?;
        writeln!(f, "|---|{}", "---:|".repeat(columns.len()))?;
        for (work, [before, during, after]) in &joined.lines {
            let at = |times: &Histogram, part| times.quantile(part) as f64 / 1e6;
            let (calm, busy) = (at(before, 0.99), at(during, 0.99));
            let most = during.most() as f64 / 1e6;
            let figures =
                [at(before, 0.5), calm, at(during, 0.5), busy, most, busy / calm, at(after, 0.99)];
            let figures = figures.map(|figure| format!("{figure:.2}")).join(" | ");
            let what = if *work == Work::Put { "put, all_durable" } else { "linearizable get" };
            writeln!(f, "| {what} | {figures} |")?;
        }
        writeln!(f)?;
    }
    Ok(())
}
