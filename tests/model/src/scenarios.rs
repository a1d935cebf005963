//! The scenarios that are walked, and what each must have reached so that it is not empty.

use std::fmt;

use notrace_store_protocol::layout::{Mode, Senders};
use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::model::Scenario;

/// A scenario with a name.
#[derive(Clone, Debug)]
pub struct Story {
    /// What happens in it.
    pub name: &'static str,
    /// Its bounds.
    pub scenario: Scenario,
    /// Properties that must have been reached.
    pub reached: &'static [&'static str],
}

/// How large a walk was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// Different states.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// Steps from the first to the farthest one.
    pub depth: usize,
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} states by {} steps, depth {}", self.states, self.steps, self.depth)
    }
}

/// Those that take seconds, and are walked before every change lands.
#[must_use]
pub fn short() -> Vec<Story> {
    let (three, two) = (Scenario::quiet(3), Scenario::quiet(2));
    vec![
        Story {
            name: "two updates of one sender",
            scenario: Scenario { updates: 2, ..three.clone() },
            reached: &["an update is delivered by all"],
        },
        Story {
            name: "two updates, a crash of anybody at any instant",
            scenario: Scenario { updates: 2, crashes: 1, ..three.clone() },
            reached: &["a view follows", "the trim cuts an update off"],
        },
        Story {
            name: "an update among three senders, a crash of the leader",
            scenario: Scenario {
                updates: 1,
                crashes: 1,
                victim: Some(0),
                senders: Senders::All,
                ..three.clone()
            },
            reached: &["a view follows"],
        },
        Story {
            name: "a leave, a crash of the leader in the middle",
            scenario: Scenario { leavers: 1, crashes: 1, victim: Some(0), ..three.clone() },
            reached: &[
                "a second leader begins anew",
                "a second leader keeps what the first proposed",
            ],
        },
        Story {
            name: "a suspicion of one that is alive",
            scenario: Scenario { mistakes: 1, ..three },
            reached: &["a view follows"],
        },
        Story {
            name: "a join, a crash of the joiner",
            scenario: Scenario { joiners: 1, crashes: 1, victim: Some(2), ..two.clone() },
            reached: &["a learner is taken into the shard"],
        },
        Story {
            name: "two members that both die and come back with their disks",
            scenario: Scenario {
                updates: 1,
                crashes: 2,
                restarts: 2,
                ticks: 1,
                mode: Mode::Durable,
                ..two
            },
            reached: &["a restart begins anew"],
        },
    ]
}

/// Those that take minutes.
#[must_use]
pub fn long() -> Vec<Story> {
    let (three, two) = (Scenario::quiet(3), Scenario::quiet(2));
    vec![
        Story {
            name: "a join, a crash of anybody at any instant",
            scenario: Scenario { joiners: 1, crashes: 1, ..two },
            reached: &["a learner is taken into the shard"],
        },
        Story {
            name: "an update, a suspicion of one that is alive",
            scenario: Scenario { updates: 1, mistakes: 1, ..three.clone() },
            reached: &["a view follows"],
        },
        Story {
            name: "an update, a leave, a crash of the leader",
            scenario: Scenario { updates: 1, leavers: 1, crashes: 1, victim: Some(0), ..three },
            reached: &["a second leader keeps what the first proposed"],
        },
    ]
}

/// Walks every state of a story.
/// # Errors  What was found wrong, and the shortest way there; or what was never reached.
pub fn walk(story: &Story) -> Result<Extent, String> {
    let failed = HasDiscoveries::AnyFailures;
    let checker = story.scenario.clone().checker().threads(2).finish_when(failed);
    let checker = checker.spawn_bfs().join();
    let found = checker.discoveries();
    for property in story.scenario.properties() {
        let path = found.get(property.name).filter(|_| property.expectation == Expectation::Always);
        if let Some(path) = path {
            let wrong = path.last_state().world.failures.clone();
            let actions = path.clone().into_actions();
            return Err(format!("not so: {}; {wrong:?} after {actions:?}", property.name));
        }
    }
    if let Some(missing) = story.reached.iter().find(|name| !found.contains_key(*name)) {
        return Err(format!("never reached: {missing}"));
    }
    Ok(Extent {
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth(),
    })
}
