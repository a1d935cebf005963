//! What is measured, as asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

pub(crate) const HELP: &str = "\
bench --cluster [OPTIONS]    three members of notrace beside three of etcd, by turns

  --seconds N       how long each load lasts, after a fifth of that to warm up [5]; no pool
                    holds over 500,000 values, so much longer ones fill it
  --rounds N        how often all is measured [3]
  --clients N,...   how many clients there are at once [1,16,64]
  --sizes N,...     bytes of a value [256,10240]
  --systems S,...   of etcd, etcd-tls, notrace, one-node [etcd,etcd-tls,notrace]
  --members N       how many of the members clients talk to; others in each round [3]
  --idle N          seconds over which members at rest are watched; 0 for not at all [20]
  --dir FOLDER      where all members keep their files [beside the binary]
";

/// A system under measure. In the order in which they stand in the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Etcd,
    EtcdTls,
    Notrace,
    OneNode,
}

/// What to measure.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) length: Duration,
    pub(crate) rounds: usize,
    pub(crate) clients: Vec<usize>,
    pub(crate) sizes: Vec<usize>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) members: usize,
    pub(crate) idle: Duration,
    pub(crate) dir: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            length: Duration::from_secs(5),
            rounds: 3,
            clients: vec![1, 16, 64],
            sizes: vec![256, 10 << 10],
            kinds: vec![Kind::Etcd, Kind::EtcdTls, Kind::Notrace],
            members: 3,
            idle: Duration::from_secs(20),
            dir: None,
        }
    }
}

impl Options {
    /// Reads the words after `--cluster`.
    ///
    /// # Errors  One is not known, or its value is not a sensible one.
    pub(crate) fn parse(words: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(name) = words.next() {
            let value = words.next().with_context(|| format!("{name} needs a value\n\n{HELP}"))?;
            let wrong = || format!("{name} {value} is not understood\n\n{HELP}");
            match name.as_str() {
                "--seconds" => options.length = seconds(value).with_context(wrong)?,
                "--rounds" => options.rounds = value.parse().with_context(wrong)?,
                "--clients" => options.clients = numbers(value).with_context(wrong)?,
                "--sizes" => options.sizes = numbers(value).with_context(wrong)?,
                "--members" => options.members = value.parse().with_context(wrong)?,
                "--idle" => options.idle = seconds(value).with_context(wrong)?,
                "--dir" => options.dir = Some(value.into()),
                "--systems" => {
                    let kinds: Option<Vec<Kind>> = value.split(',').map(kind).collect();
                    options.kinds = kinds.with_context(wrong)?;
                }
                _ => bail!(wrong()),
            }
        }
        Ok(options)
    }
}

fn seconds(value: &str) -> Result<Duration> {
    Ok(Duration::try_from_secs_f64(value.parse()?)?)
}

fn numbers(value: &str) -> Result<Vec<usize>> {
    value.split(',').map(|number| Ok(number.parse()?)).collect()
}

fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "etcd" => Kind::Etcd,
        "etcd-tls" => Kind::EtcdTls,
        "notrace" => Kind::Notrace,
        "one-node" => Kind::OneNode,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        let options = parse("--seconds 0.5 --clients 1,64 --systems etcd,one-node").unwrap();
        assert_eq!(options.length, Duration::from_millis(500));
        assert_eq!(options.clients, [1, 64]);
        assert!(options.kinds == [Kind::Etcd, Kind::OneNode]);
        assert_eq!((options.rounds, options.sizes), (3, vec![256, 10_240]));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let lines = ["--fast 1", "--seconds", "--seconds -1", "--systems zookeeper", "--sizes 1,"];
        assert!(lines.iter().all(|line| parse(line).is_err()));
    }
}
