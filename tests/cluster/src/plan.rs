//! Faults from a seed: which, where, when and for how long. Every plan ends healed.

use std::fmt;
use std::time::Duration;

use crate::chance::Chance;
use crate::lab::ability::{Abilities, Ability};

/// Something that goes wrong at one place for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A node is killed with SIGKILL, and started again.
    Kill(usize),
    /// All nodes are killed at once, and started again.
    KillAll,
    /// A node is stopped with SIGSTOP, and goes on.
    Pause(usize),
    /// Nothing gets from one host to another; answers to it do.
    CutOneWay(usize, usize),
    /// Nothing gets between one host and all others.
    Isolate(usize),
    /// This share of all packets between one host and the others gets lost, in percent.
    Lose(usize, u8),
    /// What a host sends is slow.
    SlowLink(usize),
    /// A host's disk is full.
    FullDisk(usize),
    /// Each synchronization of a host's disk takes so many milliseconds longer.
    SlowDisk(usize, u64),
    /// A host's wall clock is off by so many milliseconds.
    Clock(usize, i64),
}

/// A fault and its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// When it begins, from the start of the load.
    pub at: Duration,
    /// When it is healed.
    pub until: Duration,
    /// What it is.
    pub fault: Fault,
}

/// How a group divides its keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Into how many shards.
    pub shards: u16,
    /// On how many nodes each of these is.
    pub copies: u16,
}

/// The group that a run is done with, and all that goes wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Where it comes from.
    pub seed: u64,
    /// How many hosts there are.
    pub hosts: usize,
    /// How they divide the keys.
    pub shape: Shape,
    /// How long the load lasts; everything is healed before.
    pub length: Duration,
    /// By the time at which they begin.
    pub steps: Vec<Step>,
}

impl Fault {
    /// What has to be possible for it.
    #[must_use]
    pub fn takes(&self) -> Option<Ability> {
        match self {
            Self::Kill(_) | Self::KillAll | Self::Pause(_) => None,
            Self::CutOneWay(..) | Self::Isolate(_) => Some(Ability::Partition),
            Self::Lose(..) => Some(Ability::Loss),
            Self::SlowLink(_) => Some(Ability::SlowLink),
            Self::FullDisk(_) => Some(Ability::FullDisk),
            Self::SlowDisk(..) => Some(Ability::SlowDisk),
            Self::Clock(..) => Some(Ability::Clock),
        }
    }

    fn draw(chance: &mut Chance, hosts: usize) -> Self {
        let host = chance.below(hosts as u64) as usize;
        let other = (host + 1 + chance.below(hosts.saturating_sub(1) as u64) as usize) % hosts;
        let alone = hosts == 1;
        match chance.below(100) {
            0..25 => Self::Kill(host),
            25..30 => Self::KillAll,
            30..45 => Self::Pause(host),
            45..55 if !alone => Self::CutOneWay(host, other),
            55..68 if !alone => Self::Isolate(host),
            68..76 if !alone => Self::Lose(host, chance.within(5, 40) as u8),
            76..80 if !alone => Self::SlowLink(host),
            80..87 => Self::FullDisk(host),
            87..93 => Self::SlowDisk(host, chance.within(20, 400)),
            93..100 => {
                let millis = chance.within(10, 600_000) as i64;
                Self::Clock(host, if chance.percent(50) { millis } else { -millis })
            }
            _ => Self::Kill(host),
        }
    }
}

impl Shape {
    /// Half of all groups keep everything together; of the others each shard is on two nodes at
    /// least, so that one may be lost.
    fn draw(chance: &mut Chance, hosts: usize) -> Self {
        let hosts = hosts as u16;
        if hosts < 3 || chance.percent(50) {
            return Self { shards: 1, copies: hosts };
        }
        let (shards, copies) = (chance.within(2, 4), chance.within(2, u64::from(hosts)));
        Self { shards: shards as u16, copies: copies as u16 }
    }

    /// Whether all versions of a pool are in one order.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.shards == 1
    }
}

impl Plan {
    /// Draws a plan: a fault every 1.2 s on average, each for 0.3 to 4 s, on `hosts` hosts.
    #[must_use]
    pub fn draw(seed: u64, hosts: usize, length: Duration) -> Self {
        let mut chance = Chance::of(seed).part(1);
        let hosts = hosts.max(1);
        let (mut steps, mut at) = (Vec::new(), Duration::from_millis(200));
        // The last stretch is without faults, so that calls meet a group that has just healed.
        let quiet = length.saturating_sub(length / 8);
        while at < quiet {
            let fault = Fault::draw(&mut chance, hosts);
            let lasts = Duration::from_millis(chance.within(300, 4_000));
            let until = (at + lasts).min(quiet);
            steps.push(Step { at, until, fault });
            at += Duration::from_millis(chance.within(200, 2_200));
        }
        let shape = Shape::draw(&mut Chance::of(seed).part(5), hosts);
        Self { seed, hosts, shape, length, steps }
    }

    /// The plan without what cannot be done here, and how many faults that were.
    #[must_use]
    pub fn possible(mut self, abilities: &Abilities) -> (Self, usize) {
        let before = self.steps.len();
        self.steps.retain(|step| step.fault.takes().is_none_or(|takes| abilities.has(takes)));
        let left_out = before - self.steps.len();
        (self, left_out)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, hosts, shape: Shape { shards, copies }, length, steps } = self;
        write!(f, "seed {seed}: {hosts} hosts, {shards} shards on {copies} hosts each, ")?;
        writeln!(f, "{:.1} s of load", length.as_secs_f64())?;
        for Step { at, until, fault } in steps {
            let (at, until) = (at.as_secs_f64(), until.as_secs_f64());
            writeln!(f, "  {at:6.2} s to {until:6.2} s  {fault:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod a_plan {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(20);

    #[test]
    fn is_the_same_for_the_same_seed_and_prints_so() {
        let one = Plan::draw(7, 3, LENGTH);
        assert_eq!(one, Plan::draw(7, 3, LENGTH));
        assert_eq!(one.to_string(), Plan::draw(7, 3, LENGTH).to_string());
        assert_ne!(one.steps, Plan::draw(8, 3, LENGTH).steps);
    }

    #[test]
    fn ends_healed_and_touches_hosts_that_there_are() {
        for seed in 0..500 {
            let plan = Plan::draw(seed, 3, LENGTH);
            assert!(plan.steps.len() > 5, "{plan}");
            for step in &plan.steps {
                assert!(step.at < step.until && step.until < plan.length, "{plan}");
                match step.fault {
                    Fault::CutOneWay(from, to) => assert!(from != to && from < 3 && to < 3),
                    Fault::Kill(host) | Fault::Pause(host) => assert!(host < 3),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn has_every_kind_of_fault_among_a_hundred() {
        let drawn = |seed| Plan::draw(seed, 3, LENGTH).steps;
        let all: Vec<Step> = (0..100).flat_map(drawn).collect();
        let kinds: std::collections::BTreeSet<String> = all
            .iter()
            .map(|step| format!("{:?}", step.fault).split('(').next().unwrap().to_owned())
            .collect();
        assert_eq!(kinds.len(), 10, "{kinds:?}");
    }

    #[test]
    fn divides_the_keys_of_some_groups_and_each_part_survives_a_node() {
        let shapes: Vec<Shape> = (0..100).map(|seed| Plan::draw(seed, 3, LENGTH).shape).collect();
        assert!(shapes.iter().filter(|shape| shape.is_one()).count() > 30);
        assert!(shapes.iter().filter(|shape| !shape.is_one()).count() > 30);
        assert!(shapes.iter().all(|shape| (2..=3).contains(&shape.copies)));
        assert!((0..100).all(|seed| Plan::draw(seed, 1, LENGTH).shape.is_one()));
    }

    #[test]
    fn of_one_host_cuts_nothing() {
        let cuts = |step: &Step| step.fault.takes() == Some(Ability::Partition);
        assert!(!(0..100).any(|seed| Plan::draw(seed, 1, LENGTH).steps.iter().any(cuts)));
    }

    #[test]
    fn leaves_out_what_the_machine_cannot_do() {
        let mut abilities = Abilities::default();
        abilities.lacks(Ability::Partition, &anyhow::anyhow!("no root"));
        let (plan, left_out) = Plan::draw(7, 3, Duration::from_secs(200)).possible(&abilities);
        assert!(left_out > 0);
        assert!(plan.steps.iter().all(|step| step.fault.takes() != Some(Ability::Partition)));
        assert!(abilities.words().contains("no root"));
    }
}
