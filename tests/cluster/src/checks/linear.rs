//! Linearizability: each call seems to happen at one moment between its begin and its answer.
//!
//! Decided by `stateright`'s tester on one object at a time, which suffices because linearizability
//! is local (Theorem 1 of the source). The search is exponential, so an object's history is cut at
//! moments at which no call was under way. What the object can be at a cut is found by asking the
//! tester: a value can stand there if the calls before, with a read of that value after them, are
//! linearizable.
//!
//! A call without an answer may have happened at any time, or never, and crosses every cut. First
//! the members' histories are believed about it: it happened if its value is in them, and before
//! the first answer that shows as much or more. If an order is found so, there is one. Only if none
//! is found are all possibilities tried. What cannot be decided within its bounds is a violation.
//!
//! Source: Herlihy and Wing, "Linearizability: A Correctness Condition for Concurrent Objects"
//! (TOPLAS 1990); Horn and Kroening, "Faster linearizability checking via P-compositionality"
//! (FORTE 2015) for cutting.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use notrace_sdk_wire::object::Change;
use stateright::semantics::{ConsistencyTester, LinearizabilityTester};

use super::Violation;
use super::object::Object;
use crate::contents::Contents;
use crate::history::{Answered, Call, Key, Op, Ret, Value};
use crate::limits::{SEARCH_STEPS_MAX, UNKNOWN_MAX};

const CHECK: &str = "linearizability";

/// What an object can be at a cut: its value, and which unanswered calls have happened.
type State = (Option<Value>, BTreeSet<usize>);

/// Judges every object's history.
#[must_use]
pub fn check(calls: &[Call], contents: &Contents) -> Vec<Violation> {
    let mut by_key: BTreeMap<Key, Vec<Call>> = BTreeMap::new();
    for call in calls {
        by_key.entry(call.key).or_default().push(*call);
    }
    let mut found = Vec::new();
    for (key, mut calls) in by_key {
        calls.sort_by_key(|call| call.begun);
        let believed = believe(&calls, &contents.versions(key));
        let verdict = decide(&believed).or_else(|_| decide(&calls));
        found.extend(verdict.err().map(|text| Violation::new(CHECK, format!("{key}: {text}"))));
    }
    found
}

impl Contents {
    /// The versions at which values were put, with the values.
    fn versions(&self, key: Key) -> BTreeMap<Value, notrace_sdk_wire::Version> {
        let puts = self.histories.get(&key).into_iter().flatten();
        let puts = puts.filter(|entry| entry.change == Change::Put);
        puts.filter_map(|entry| Some((entry.value?, entry.version))).collect()
    }
}

/// The calls with answers put in, where there were none, for what the histories show.
fn believe(calls: &[Call], put: &BTreeMap<Value, notrace_sdk_wire::Version>) -> Vec<Call> {
    let believed = calls.iter().filter_map(|call| {
        if call.answered.is_some() {
            return Some(*call);
        }
        let version = *put.get(&call.op.stores()?)?;
        let shows = calls.iter().filter_map(|other| other.answered);
        let shows = shows.filter(|answered| answered.version >= Some(version));
        let at = shows.map(|answered| answered.at).min().unwrap_or(u64::MAX);
        let answered = Answered { at, ret: Ret::Done, version: Some(version) };
        Some(Call { answered: Some(answered), ..*call })
    });
    believed.collect()
}

/// Whether one object's calls, by their begin, are linearizable; if not, where it fails.
fn decide(calls: &[Call]) -> Result<(), String> {
    let left = Rc::new(Cell::new(SEARCH_STEPS_MAX));
    let (known, unknown): (Vec<Call>, Vec<Call>) =
        calls.iter().partition(|call| call.answered.is_some());
    // What changes nothing, and was not answered, says nothing.
    let unknown: Vec<Call> = unknown.into_iter().filter(|call| call.op != Op::Get).collect();
    let segments = cut(&known);
    let mut states: BTreeSet<State> = BTreeSet::from([(None, BTreeSet::new())]);
    for (at, segment) in segments.iter().enumerate() {
        let end = segments.get(at + 1).and_then(|next| next.first());
        let end = end.map_or(u64::MAX, |call| call.begun);
        let mut next = BTreeSet::new();
        for (value, happened) in &states {
            let open = unknown.iter().enumerate();
            let open = open.filter(|(number, call)| call.begun < end && !happened.contains(number));
            let open: Vec<usize> = open.map(|(number, _)| number).collect();
            if open.len() > UNKNOWN_MAX {
                return Err(format!("not decided: {} calls without an answer", open.len()));
            }
            for chosen in subsets(&open) {
                let forced: Vec<Call> =
                    chosen.iter().filter_map(|number| unknown.get(*number).copied()).collect();
                for ending in endings(segment, &forced, *value) {
                    if is_linearizable(segment, &forced, *value, ending, &left) {
                        next.insert((ending, happened.union(&chosen).copied().collect()));
                    }
                }
            }
        }
        if left.get() == 0 {
            return Err(format!("not decided within {SEARCH_STEPS_MAX} steps"));
        }
        if next.is_empty() {
            return Err(told(segment, &states));
        }
        states = next;
    }
    Ok(())
}

/// Runs of calls between moments at which none was under way.
fn cut(calls: &[Call]) -> Vec<Vec<Call>> {
    let mut segments: Vec<Vec<Call>> = Vec::new();
    let mut busy_until = None;
    for call in calls {
        let at = call.answered.map_or(u64::MAX, |answered| answered.at);
        match segments.last_mut() {
            Some(segment) if Some(call.begun) <= busy_until => segment.push(*call),
            _ => segments.push(vec![*call]),
        }
        busy_until = busy_until.max(Some(at));
    }
    segments
}

/// All choices among them, the smallest first, so that what needs no belief is found first.
fn subsets(of: &[usize]) -> Vec<BTreeSet<usize>> {
    let mut all: Vec<BTreeSet<usize>> = (0..1_usize << of.len())
        .map(|bits| {
            let chosen = of.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
            chosen.map(|(_, number)| *number).collect()
        })
        .collect();
    all.sort_by_key(BTreeSet::len);
    all
}

/// What the object may be after these calls: what stood before, what one of them stores, nothing.
/// A value over which another was stored for certain, later, is none of them.
fn endings(segment: &[Call], forced: &[Call], before: Option<Value>) -> BTreeSet<Option<Value>> {
    let done = |call: &&Call| {
        call.answered.is_none_or(|answered| answered.ret == Ret::Done) && call.op != Op::Get
    };
    let changes: Vec<&Call> = segment.iter().chain(forced).filter(done).collect();
    let ends = |call: &Call| call.answered.map_or(u64::MAX, |answered| answered.at);
    let is_over = |call: &Call| changes.iter().any(|later| later.begun > ends(call));
    let last = changes.iter().filter(|call| !is_over(call));
    let mut endings: BTreeSet<Option<Value>> = last.map(|call| call.op.stores()).collect();
    if changes.is_empty() {
        endings.insert(before);
    }
    endings
}

/// Whether these calls can have happened to an object that was `before` and is `ending` after all.
fn is_linearizable(
    segment: &[Call],
    forced: &[Call],
    before: Option<Value>,
    ending: Option<Value>,
    left: &Rc<Cell<u64>>,
) -> bool {
    let mut tester = LinearizabilityTester::new(Object::new(before, left));
    let begins = segment.iter().chain(forced).map(|call| (call.begun, 0, call));
    let answers = segment.iter().filter_map(|call| Some((call.answered?.at, 1, call)));
    let last = forced.iter().map(|call| (u64::MAX, 1, call));
    let mut steps: Vec<(u64, u8, &Call)> = begins.chain(answers).chain(last).collect();
    // At the same nanosecond a begin counts as before an answer: that forbids less.
    steps.sort_by_key(|(at, kind, _)| (*at, *kind));
    // One who calls without an answer calls again later, so each such call has a thread of its own.
    let thread = |call: &Call| match call.answered {
        Some(_) => (call.client, 0),
        None => (call.client, call.begun + 1),
    };
    for (_, kind, call) in steps {
        let ret = call.answered.map_or(Ret::Done, |answered| answered.ret);
        let noted = match kind {
            0 => tester.on_invoke(thread(call), call.op),
            _ => tester.on_return(thread(call), ret),
        };
        if noted.is_err() {
            return false;
        }
    }
    let observer = (usize::MAX, 0);
    tester.on_invret(observer, Op::Get, Ret::Value(ending)).is_ok() && tester.is_consistent()
}

fn told(segment: &[Call], states: &BTreeSet<State>) -> String {
    let before: Vec<String> = states.iter().map(|(value, _)| format!("{value:?}")).collect();
    let lines: Vec<String> = segment.iter().map(|call| format!("    {call}")).collect();
    let before = before.join(" or ");
    format!("no order of these calls explains their answers, from {before}:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests;
