//! All that was measured, as tables in Markdown.

mod scenes;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::cluster::failover::Failure;
use crate::cluster::histogram::Histogram;
use crate::cluster::joiner::Joined;
use crate::cluster::load::Cell;
use crate::cluster::options::Kind;
use crate::table::figure;

/// What clients did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Put,
    Get,
    Watch,
}

/// One row, in the order in which rows stand in the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) operation: Operation,
    pub(crate) value_bytes: usize,
    pub(crate) clients: usize,
    pub(crate) kind: Kind,
    /// The place of the durability in the order of what it costs; and its name.
    pub(crate) durability: Option<(usize, &'static str)>,
}

/// What a node at rest takes.
pub(crate) struct Rest {
    pub(crate) kind: Kind,
    pub(crate) node: usize,
    pub(crate) percent: f64,
    pub(crate) resident_mb: f64,
    pub(crate) all_mb: f64,
}

/// Everything measured so far.
#[derive(Default)]
pub(crate) struct Report {
    /// Sentences that stand before the tables.
    pub(crate) facts: Vec<String>,
    pub(crate) syncs: Vec<Histogram>,
    pub(crate) filled_syncs: Vec<Histogram>,
    pub(crate) three_syncs: Vec<Histogram>,
    pub(crate) near_trips: Vec<Histogram>,
    pub(crate) round_trips: Vec<Histogram>,
    pub(crate) rest: Vec<Rest>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) joined: Vec<Joined>,
    pub(crate) rows: BTreeMap<Row, Vec<Cell>>,
}

impl Kind {
    /// What it is called in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::EtcdTls => "etcd, TLS",
            Self::Notrace => "notrace",
            Self::OneNode => "notrace, one node",
        }
    }
}

impl Operation {
    /// What it is called in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "linearizable get",
            Self::Watch => "put to its event",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts.iter().try_for_each(|fact| writeln!(f, "{fact}\n"))?;
        if !self.syncs.is_empty() {
            self.machine(f)?;
        }
        self.rest(f)?;
        scenes::failures(&self.failures, f)?;
        scenes::joined(&self.joined, f)?;
        if self.rows.is_empty() {
            return Ok(());
        }
        self.loads(f)
    }
}

impl Report {
    fn machine(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| the machine alone | p50 µs | p99 µs | max µs |\n|---|---:|---:|---:|")?;
        let rows = [
            ("fdatasync after 512 B, file filled before", &self.filled_syncs),
            ("fdatasync after 512 B, file that grows", &self.syncs),
            ("fdatasync after 512 B, three filled files at once", &self.three_syncs),
            ("TCP round trip of 64 B on loopback, one processor", &self.near_trips),
            ("TCP round trip of 64 B on loopback, two processors", &self.round_trips),
        ];
        for (what, rounds) in rows {
            let at = |part| micros(median(rounds, |times| times.quantile(part) as f64));
            let most = micros(greatest(rounds, |times| times.most() as f64));
            writeln!(f, "| {what} | {} | {} | {most} |", at(0.5), at(0.99))?;
        }
        let p50 = |rounds| median(rounds, |times: &Histogram| times.quantile(0.5) as f64);
        let sum = |syncs| micros(2.0 * (p50(syncs) + p50(&self.round_trips)));
        let (alone, three) = (sum(&self.filled_syncs), sum(&self.three_syncs));
        writeln!(f, "| **2 fdatasync (one file) + 2 round trips** | {alone} | | |")?;
        writeln!(f, "| **2 fdatasync (three files at once) + 2 round trips** | {three} | | |\n")
    }

    fn rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rest.is_empty() {
            return Ok(());
        }
        writeln!(f, "| at rest | node | % of a core | resident MB | with its workers, MB (PSS) |")?;
        writeln!(f, "|---|---:|---:|---:|---:|")?;
        for rest in &self.rest {
            writeln!(
                f,
                "| {} | {} | {:.2} | {:.0} | {:.0} |",
                rest.kind.name(),
                rest.node,
                rest.percent,
                rest.resident_mb,
                rest.all_mb
            )?;
        }
        writeln!(f)
    }

    fn loads(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = [
            "1/s",
            "least to greatest",
            "p50 ms",
            "p99 ms",
            "max ms",
            "processor s, servers",
            "clients",
            "all else",
            "1/s ÷ etcd",
            "p50 ÷ etcd",
            "1/s ÷ etcd TLS",
            "p50 ÷ etcd TLS",
        ];
        writeln!(f, "| what | bytes | clients | system | {} |", columns.join(" | "))?;
        writeln!(f, "|---|---:|---:|---|{}", "---:|".repeat(columns.len()))?;
        for (row, cells) in &self.rows {
            let mut system = row.kind.name().to_owned();
            if let Some((_, durability)) = row.durability {
                write!(system, ", {durability}")?;
            }
            let failures: u64 = cells.iter().map(|cell| cell.failures).sum();
            if failures > 0 {
                write!(system, " ({failures} failed)")?;
            }
            let rate = median(cells, |cell| cell.per_second);
            let least = -greatest(cells, |cell| -cell.per_second);
            let most = greatest(cells, |cell| cell.per_second);
            let millis = |nanos: f64| format!("{:.2}", nanos / 1e6);
            let time = |part| median(cells, |cell| cell.times.quantile(part) as f64);
            let figures = [
                figure(rate),
                format!("{} to {}", figure(least), figure(most)),
                millis(time(0.5)),
                millis(time(0.99)),
                millis(greatest(cells, |cell| cell.times.most() as f64)),
                figure(median(cells, |cell| cell.servers_seconds)),
                figure(median(cells, |cell| cell.clients_seconds)),
                figure(median(cells, |cell| cell.others_seconds)),
                self.ratios(row, Kind::Etcd),
                self.ratios(row, Kind::EtcdTls),
            ];
            let (what, bytes, clients) = (row.operation.name(), row.value_bytes, row.clients);
            let figures = figures.join(" | ");
            writeln!(f, "| {what} | {bytes} | {clients} | {system} | {figures} |")?;
        }
        Ok(())
    }

    /// Throughput and median time over those of `peer` in the same place: two columns.
    fn ratios(&self, row: &Row, peer: Kind) -> String {
        let other = self.rows.get(&Row { kind: peer, durability: None, ..*row });
        let (Some(own), Some(other)) = (self.rows.get(row), other) else { return " | ".to_owned() };
        let ratio = |what: fn(&Cell) -> f64| median(own, what) / median(other, what);
        let rate = ratio(|cell| cell.per_second);
        let time = ratio(|cell| cell.times.quantile(0.5) as f64);
        format!("{rate:.2} | {time:.2}")
    }
}

fn micros(nanos: f64) -> String {
    figure(nanos / 1e3)
}

fn greatest<T>(rounds: &[T], what: impl Fn(&T) -> f64) -> f64 {
    rounds.iter().map(what).fold(f64::NEG_INFINITY, f64::max)
}

fn median<T>(rounds: &[T], what: impl Fn(&T) -> f64) -> f64 {
    let mut figures: Vec<f64> = rounds.iter().map(what).collect();
    figures.sort_by(f64::total_cmp);
    let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
    (at(figures.len().saturating_sub(1) / 2) + at(figures.len() / 2)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(per_second: f64, nanos: u64) -> Cell {
        let mut times = Histogram::default();
        times.record(nanos);
        Cell { per_second, times, ..Cell::default() }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0], |figure| *figure), 3.0);
        assert_eq!(median(&[4.0, 1.0, 2.0], |figure| *figure), 2.0);
        assert!(median(&[], |figure: &f64| *figure).is_nan());
    }

    #[test]
    fn ratios_are_of_medians_in_the_same_place() {
        let etcd = Row {
            operation: Operation::Put,
            value_bytes: 256,
            clients: 64,
            kind: Kind::Etcd,
            durability: None,
        };
        let ours = Row { kind: Kind::Notrace, durability: Some((2, "all_durable")), ..etcd };
        let elsewhere = Row { clients: 1, ..ours };
        let mut report = Report::default();
        let rounds = [(100.0, 8_000_000), (1.0, 1), (900.0, 9_000_000)];
        report.rows.insert(etcd, rounds.map(|(rate, nanos)| cell(rate, nanos)).into());
        report.rows.insert(ours, vec![cell(500.0, 2_000_000)]);
        report.rows.insert(elsewhere, vec![cell(50.0, 2_000_000)]);
        assert_eq!(report.ratios(&ours, Kind::Etcd), "5.00 | 0.25");
        assert_eq!(report.ratios(&ours, Kind::EtcdTls), " | ");
        assert_eq!(report.ratios(&elsewhere, Kind::Etcd), " | ");
        let text = report.to_string();
        assert!(text.contains("| put | 256 | 64 | notrace, all_durable | 500 | 500 to 500 | 2.00"));
    }
}
