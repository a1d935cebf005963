//! Small clusters, walked exhaustively. Each test prints how many states there were.

use std::io::Write as _;

use notrace_store_protocol::layout::{Mode, Senders};
use notrace_tests_model::model::Scenario;
use stateright::{Checker, Expectation, HasDiscoveries, Model};

/// Walks a scenario to its end, and says how large it was.
fn walk(name: &str, scenario: Scenario, reached: &[&str]) {
    let failed = HasDiscoveries::AnyFailures;
    let checker = scenario.clone().checker().threads(2).finish_when(failed).spawn_bfs().join();
    let (found, states) = (checker.discoveries(), checker.unique_state_count());
    let (steps, depth) = (checker.state_count(), checker.max_depth());
    let told = format!("{name}: {states} states by {steps} steps, at most {depth} from the first");
    // Who runs the tests with --no-capture sees it; nobody else needs it.
    drop(writeln!(std::io::stdout(), "{told}"));
    for property in scenario.properties() {
        let path = found.get(property.name).filter(|_| property.expectation == Expectation::Always);
        if let Some(path) = path {
            let wrong = path.last_state().world.failures.clone();
            panic!("{}: {wrong:?} after {:?}", property.name, path.clone().into_actions());
        }
    }
    for reached in reached {
        assert!(found.contains_key(reached), "never reached: {reached}");
    }
}

#[test]
fn three_members_and_two_updates_of_one_sender() {
    let scenario = Scenario { updates: 2, ..Scenario::quiet(3) };
    walk("two updates", scenario, &["an update is delivered by all"]);
}

#[test]
fn three_members_two_updates_and_a_crash_of_anybody() {
    let scenario = Scenario { updates: 2, crashes: 1, ..Scenario::quiet(3) };
    let reached = ["a view follows", "the trim cuts an update off"];
    walk("two updates and a crash", scenario, &reached);
}

#[test]
fn three_senders_an_update_and_a_crash_of_the_leader() {
    let senders = Senders::All;
    let quiet = Scenario::quiet(3);
    let scenario = Scenario { updates: 1, crashes: 1, victim: Some(0), senders, ..quiet };
    walk("an update among three senders, and a crash of the leader", scenario, &["a view follows"]);
}

#[test]
fn a_leader_that_dies_while_another_leaves() {
    let scenario = Scenario { leavers: 1, crashes: 1, victim: Some(0), ..Scenario::quiet(3) };
    let reached = ["a second leader begins anew", "a second leader keeps what the first proposed"];
    walk("a leave, and a crash of the leader", scenario, &reached);
}

#[test]
fn an_update_and_a_mistaken_suspicion() {
    let scenario = Scenario { updates: 1, mistakes: 1, ..Scenario::quiet(3) };
    walk("an update and a mistaken suspicion", scenario, &["a view follows"]);
}

#[test]
fn a_join_and_a_crash_of_anybody() {
    let scenario = Scenario { joiners: 1, crashes: 1, ..Scenario::quiet(2) };
    walk("a join and a crash", scenario, &["a learner is taken into the shard"]);
}

#[test]
fn two_members_that_both_die_and_come_back() {
    let quiet = Scenario::quiet(2);
    let scenario =
        Scenario { updates: 1, crashes: 2, restarts: 2, ticks: 1, mode: Mode::Durable, ..quiet };
    walk("a total restart of two", scenario, &["a restart begins anew"]);
}
