//! What can be done to hosts on this machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Something that not every machine lets be done. Killing and stopping processes always works.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Ability {
    /// No packet gets from one host to another.
    Partition,
    /// Some packets do not.
    Loss,
    /// Packets take long.
    SlowLink,
    /// A disk is full.
    FullDisk,
    /// A disk takes long to say that data is safe.
    SlowDisk,
    /// A wall clock jumps.
    Clock,
}

/// What this machine lacks, and why; and how it does what it does in an unusual way.
#[derive(Clone, Default, Debug)]
pub struct Abilities {
    lacking: BTreeMap<Ability, String>,
    remarks: Vec<String>,
}

impl Abilities {
    /// Whether it can be done.
    #[must_use]
    pub fn has(&self, ability: Ability) -> bool {
        !self.lacking.contains_key(&ability)
    }

    /// Notes that it cannot be done, and why.
    pub fn lacks(&mut self, ability: Ability, why: &anyhow::Error) {
        self.lacking.entry(ability).or_insert_with(|| format!("{why:#}"));
    }

    /// Notes that it is done in another way than the usual one.
    pub fn remark(&mut self, remark: &str) {
        self.remarks.push(remark.to_owned());
    }

    /// What a reader has to know to judge a run; empty where all is as it should be.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = String::new();
        for (ability, why) in &self.lacking {
            let _ = writeln!(words, "left out here: {ability:?}, because {why}");
        }
        for remark in &self.remarks {
            let _ = writeln!(words, "note: {remark}");
        }
        words
    }
}
