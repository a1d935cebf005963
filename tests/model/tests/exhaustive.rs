//! The short scenarios, walked exhaustively.

use std::io::Write as _;

use notrace_tests_model::scenarios::{short, walk};

fn walks(name: &str) {
    let Some(story) = short().into_iter().find(|story| story.name == name) else {
        panic!("there is no story of this name");
    };
    match walk(&story) {
        Ok(extent) => drop(writeln!(std::io::stdout(), "{name}: {extent}")),
        Err(wrong) => panic!("{wrong}"),
    }
}

#[test]
fn two_updates_of_one_sender() {
    walks("two updates of one sender");
}

#[test]
fn two_updates_and_a_crash_of_anybody_at_any_instant() {
    walks("two updates, a crash of anybody at any instant");
}

#[test]
fn an_update_among_three_senders_and_a_crash_of_the_leader() {
    walks("an update among three senders, a crash of the leader");
}

#[test]
fn a_leave_and_a_crash_of_the_leader_in_the_middle() {
    walks("a leave, a crash of the leader in the middle");
}

#[test]
fn a_suspicion_of_one_that_is_alive() {
    walks("a suspicion of one that is alive");
}

#[test]
fn a_join_and_a_crash_of_the_joiner() {
    walks("a join, a crash of the joiner");
}

#[test]
fn two_members_that_both_die_and_come_back_with_their_disks() {
    walks("two members that both die and come back with their disks");
}
