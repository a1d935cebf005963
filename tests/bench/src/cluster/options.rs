//! What is measured, as asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// Durabilities of a pool, from the cheapest on.
const DURABILITIES: [&str; 3] = ["delivered", "majority_durable", "all_durable"];

pub(crate) const HELP: &str = "\
bench --cluster [OPTIONS]    three members of notrace beside three of etcd, by turns

  --seconds N       how long each load lasts, after a fifth of that to warm up [5]; no pool
                    holds over 500,000 values, so much longer ones fill it
  --rounds N        how often all is measured [3]
  --clients N,...   how many clients there are at once [1,16,64]
  --sizes N,...     bytes of a value [256,10240]
  --systems S,...   of etcd, etcd-tls, notrace, one-node [etcd,etcd-tls,notrace]
  --durable D,...   of delivered, majority_durable, all_durable: what puts wait for [all]
  --members N       how many of the members clients talk to; others in each round [3]
  --idle N          seconds over which members at rest are watched; 0 for not at all [20]
  --dir FOLDER      where all members keep their files [beside the binary]

of notrace alone, instead of the loads above:

  --joiner [MIB]    a third member joins two that hold so much: what clients feel of it [1024]
  --failover        members are killed and stopped under load, each way once a round
  --idle            members at rest, of all systems; no load
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
    /// Durabilities of pools, in the order of what they cost.
    pub(crate) durabilities: Vec<(usize, &'static str)>,
    pub(crate) members: usize,
    pub(crate) idle: Duration,
    pub(crate) dir: Option<PathBuf>,
    /// Scenes to measure instead of the loads.
    pub(crate) scenes: Vec<Scene>,
    /// What the group holds that another member joins.
    pub(crate) state_bytes: u64,
}

/// Something that is measured apart from the loads. In the order in which they are played.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    Idle,
    Failover,
    Joiner,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            length: Duration::from_secs(5),
            rounds: 3,
            clients: vec![1, 16, 64],
            sizes: vec![256, 10 << 10],
            kinds: vec![Kind::Etcd, Kind::EtcdTls, Kind::Notrace],
            durabilities: DURABILITIES.into_iter().enumerate().collect(),
            members: 3,
            idle: Duration::from_secs(20),
            dir: None,
            scenes: Vec::new(),
            state_bytes: 1 << 30,
        }
    }
}

impl Options {
    /// Reads the words after `--cluster`.
    ///
    /// # Errors  One is not known, or its value is not a sensible one.
    pub(crate) fn parse(words: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = words.iter().peekable();
        while let Some(name) = words.next() {
            let more = words.next_if(|word| !word.starts_with("--"));
            match (name.as_str(), more) {
                ("--failover", None) => options.scenes.push(Scene::Failover),
                ("--idle", None) => options.scenes.push(Scene::Idle),
                ("--joiner", mib) => {
                    options.scenes.push(Scene::Joiner);
                    if let Some(mib) = mib {
                        options.state_bytes = mib.parse::<u64>()?.saturating_mul(1 << 20);
                    }
                }
                (_, value) => options.take(name, value)?,
            }
        }
        Ok(options)
    }

    /// Takes an option that has a value.
    fn take(&mut self, name: &str, value: Option<&String>) -> Result<()> {
        let value = value.with_context(|| format!("{name} needs a value\n\n{HELP}"))?;
        let wrong = || format!("{name} {value} is not understood\n\n{HELP}");
        match name {
            "--seconds" => self.length = seconds(value).with_context(wrong)?,
            "--rounds" => self.rounds = value.parse().with_context(wrong)?,
            "--clients" => self.clients = numbers(value).with_context(wrong)?,
            "--sizes" => self.sizes = numbers(value).with_context(wrong)?,
            "--durable" => {
                let known = |name: &str| DURABILITIES.iter().position(|it| *it == name);
                let order = value.split(',').map(known).collect::<Option<Vec<_>>>();
                let order = order.with_context(wrong)?;
                self.durabilities.retain(|(at, _)| order.contains(at));
            }
            "--members" => self.members = value.parse().with_context(wrong)?,
            "--idle" => self.idle = seconds(value).with_context(wrong)?,
            "--dir" => self.dir = Some(value.into()),
            "--systems" => {
                let kinds: Option<Vec<Kind>> = value.split(',').map(kind).collect();
                self.kinds = kinds.with_context(wrong)?;
            }
            _ => bail!(wrong()),
        }
        Ok(())
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
        assert_eq!(options.durabilities.len(), 3);
        assert!(options.kinds == [Kind::Etcd, Kind::OneNode]);
        assert_eq!((options.rounds, options.sizes), (3, vec![256, 10_240]));
    }

    #[test]
    fn scenes_need_no_value_and_may_have_one() {
        let options = parse("--joiner 64 --failover --idle --rounds 1").unwrap();
        assert!(options.scenes == [Scene::Joiner, Scene::Failover, Scene::Idle]);
        assert_eq!((options.state_bytes, options.rounds), (64 << 20, 1));
        let options = parse("--idle 5").unwrap();
        assert!(options.scenes.is_empty() && options.idle == Duration::from_secs(5));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let lines = [
            "--fast 1",
            "--seconds",
            "--seconds -1",
            "--durable disk",
            "--failover 2",
            "--systems zookeeper",
            "--sizes 1,",
        ];
        assert!(lines.iter().all(|line| parse(line).is_err()));
    }
}
