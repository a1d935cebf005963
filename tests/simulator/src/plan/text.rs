//! A plan as one line: `120000 crash 2 torn loud; 180000 start 2`.

use core::fmt;
use core::str::FromStr;

use super::{Action, Fault, Loss, Moment, Plan, Victim};

/// A text that is no fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotAPlan(pub String);

impl fmt::Display for NotAPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a fault: {}", self.0)
    }
}

impl core::error::Error for NotAPlan {}

impl Plan {
    /// The faults as one line.
    #[must_use]
    pub fn line(&self) -> String {
        let faults: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        faults.join("; ")
    }

    /// The faults of such a line.
    /// # Errors  [`NotAPlan`] with the part that is none.
    pub fn faults_of(line: &str) -> Result<Vec<Fault>, NotAPlan> {
        let parts = line.split(';').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::parse).collect()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.at)?;
        match self.what {
            Action::Crash { node, loss, loud } => {
                write!(f, "crash {node} {} {}", word(loss), if loud { "loud" } else { "silent" })
            }
            Action::Start { node } => write!(f, "start {node}"),
            Action::Never { node } => write!(f, "never {node}"),
            Action::Pause { node } => write!(f, "pause {node}"),
            Action::Resume { node } => write!(f, "resume {node}"),
            Action::Break { one, other } => write!(f, "break {one} {other}"),
            Action::Block { from, to } => write!(f, "block {from} {to}"),
            Action::Unblock { from, to } => write!(f, "unblock {from} {to}"),
            Action::Split { set } => write!(f, "split {set}"),
            Action::Heal => f.write_str("heal"),
            Action::SlowLinks { node, times } => write!(f, "slow-links {node} {times}"),
            Action::SlowDisk { node, times } => write!(f, "slow-disk {node} {times}"),
            Action::Jump { node, by } => write!(f, "jump {node} {by}"),
            Action::Leave { node } => write!(f, "leave {node}"),
            Action::Refound { shard } => write!(f, "refound {shard}"),
            Action::Burst { node, shard, count } => write!(f, "burst {node} {shard} {count}"),
            Action::Checkpoint { node, shard } => write!(f, "checkpoint {node} {shard}"),
            Action::Suspect { node, by } => write!(f, "suspect {node} {by}"),
            Action::Ambush { moment, victim, loss, after } => {
                let (moment, victim) = (MOMENTS[moment as usize].0, VICTIMS[victim as usize].0);
                write!(f, "ambush {moment} {victim} {} {after}", word(loss))
            }
        }
    }
}

const MOMENTS: [(&str, Moment); 6] = [
    ("call", Moment::Call),
    ("propose", Moment::Propose),
    ("echo", Moment::Echo),
    ("install", Moment::Install),
    ("fetch", Moment::Fetch),
    ("learned", Moment::Learned),
];

const VICTIMS: [(&str, Victim); 4] = [
    ("actor", Victim::Actor),
    ("other", Victim::Other),
    ("leader", Victim::Leader),
    ("everybody", Victim::Everybody),
];

const fn word(loss: Loss) -> &'static str {
    match loss {
        Loss::Kept => "kept",
        Loss::Torn => "torn",
        Loss::Lost => "lost",
    }
}

impl FromStr for Fault {
    type Err = NotAPlan;

    fn from_str(text: &str) -> Result<Self, NotAPlan> {
        let mut words = text.split_whitespace();
        let fault = words.next().and_then(|at| at.parse().ok()).and_then(|at| {
            let what = action(words.next()?, &mut words)?;
            words.next().is_none().then_some(Self { at, what })
        });
        fault.ok_or_else(|| NotAPlan(text.to_owned()))
    }
}

fn action<'a>(name: &str, words: &mut impl Iterator<Item = &'a str>) -> Option<Action> {
    Some(match name {
        "crash" => Action::Crash { node: next(words)?, loss: loss(words)?, loud: loud(words)? },
        "start" => Action::Start { node: next(words)? },
        "never" => Action::Never { node: next(words)? },
        "pause" => Action::Pause { node: next(words)? },
        "resume" => Action::Resume { node: next(words)? },
        "break" => Action::Break { one: next(words)?, other: next(words)? },
        "block" => Action::Block { from: next(words)?, to: next(words)? },
        "unblock" => Action::Unblock { from: next(words)?, to: next(words)? },
        "split" => Action::Split { set: next(words)? },
        "heal" => Action::Heal,
        "slow-links" => Action::SlowLinks { node: next(words)?, times: next(words)? },
        "slow-disk" => Action::SlowDisk { node: next(words)?, times: next(words)? },
        "jump" => Action::Jump { node: next(words)?, by: next(words)? },
        "leave" => Action::Leave { node: next(words)? },
        "refound" => Action::Refound { shard: next(words)? },
        "burst" => Action::Burst { node: next(words)?, shard: next(words)?, count: next(words)? },
        "checkpoint" => Action::Checkpoint { node: next(words)?, shard: next(words)? },
        "suspect" => Action::Suspect { node: next(words)?, by: next(words)? },
        "ambush" => {
            let name = words.next()?;
            let (_, moment) = *MOMENTS.iter().find(|(word, _)| *word == name)?;
            let name = words.next()?;
            let (_, victim) = *VICTIMS.iter().find(|(word, _)| *word == name)?;
            Action::Ambush { moment, victim, loss: loss(words)?, after: next(words)? }
        }
        _ => return None,
    })
}

fn next<'a, T: FromStr>(words: &mut impl Iterator<Item = &'a str>) -> Option<T> {
    words.next()?.parse().ok()
}

fn loss<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Loss> {
    let name = words.next()?;
    [Loss::Kept, Loss::Torn, Loss::Lost].into_iter().find(|loss| word(*loss) == name)
}

fn loud<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<bool> {
    match words.next()? {
        "loud" => Some(true),
        "silent" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod a_plan_written_down {
    use super::*;

    #[test]
    fn reads_as_the_same_plan() {
        for seed in 0..200 {
            let plan = Plan::of(seed);
            assert_eq!(Plan::faults_of(&plan.line()), Ok(plan.faults));
        }
    }

    #[test]
    fn refuses_what_it_would_not_write() {
        for bad in ["crash 1 kept loud", "5 crash 1", "5 heal 1", "5 ambush dawn actor kept 1"] {
            assert!(Plan::faults_of(bad).is_err(), "{bad}");
        }
    }
}
