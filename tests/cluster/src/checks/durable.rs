//! What was acknowledged is there, on every member; nothing is there twice, or from nowhere.

use std::collections::{BTreeMap, BTreeSet};

use notrace_sdk_wire::Version;
use notrace_sdk_wire::object::Change;

use super::Violation;
use crate::contents::{Contents, Entry};
use crate::history::{Call, Key, Op, Ret, Value};

const CHECK: &str = "durability";

/// Judges what each member holds by what clients were told.
#[must_use]
pub fn check(calls: &[Call], members: &[Contents]) -> Vec<Violation> {
    let mut found = Vec::new();
    for (member, contents) in members.iter().enumerate() {
        let mut said = |text: String| {
            found.push(Violation::new(CHECK, format!("member {member}: {text}")));
        };
        acknowledged(calls, contents, &mut said);
        explained(calls, contents, &mut said);
    }
    found
}

/// The change that a call made, if it did: its version, what it was, and the value.
fn change(call: &Call) -> Option<(Version, Change, Option<Value>)> {
    let answered = call.answered.filter(|answered| answered.ret == Ret::Done)?;
    let change = if call.op == Op::Delete { Change::Delete } else { Change::Put };
    Some((answered.version?, change, call.op.stores()))
}

fn acknowledged(calls: &[Call], contents: &Contents, said: &mut impl FnMut(String)) {
    let none = Vec::new();
    for call in calls {
        if call.answered.is_some_and(|answered| answered.ret == Ret::Done) && change(call).is_none()
        {
            said(format!("{} was acknowledged without a version: {call}", call.key));
        }
        let Some((version, change, value)) = change(call) else { continue };
        let history = contents.histories.get(&call.key).unwrap_or(&none);
        let Ok(at) = history.binary_search_by_key(&version, |entry| entry.version) else {
            said(format!("{} lost what it acknowledged: {call}", call.key));
            continue;
        };
        let Some(entry) = history.get(at) else { continue };
        let fits = entry.change == change
            && value.is_none_or(|value| value.size_bytes == entry.size_bytes)
            && (entry.value.is_none() || entry.value == value);
        if !fits {
            said(format!("{} holds another change at {version}: {entry:?}, not {call}", call.key));
        }
    }
}

/// Every version has a call that made it, and every call made one at most.
fn explained(calls: &[Call], contents: &Contents, said: &mut impl FnMut(String)) {
    let changes = calls.iter().filter_map(|call| Some((call.key, change(call)?.0)));
    let known: BTreeSet<(Key, Version)> = changes.collect();
    let unanswered = || calls.iter().filter(|call| call.answered.is_none());
    let mut values: BTreeSet<(Key, Value)> =
        unanswered().filter_map(|call| Some((call.key, call.op.stores()?))).collect();
    let mut deletes: BTreeMap<Key, usize> = BTreeMap::new();
    for call in unanswered().filter(|call| call.op == Op::Delete) {
        *deletes.entry(call.key).or_default() += 1;
    }
    for (key, history) in &contents.histories {
        for entry in history.iter().filter(|entry| !known.contains(&(*key, entry.version))) {
            let is_explained = match (entry.change, entry.value) {
                (Change::Put, Some(value)) => values.remove(&(*key, value)),
                (Change::Put, None) => take_by_size(&mut values, *key, entry),
                (Change::Delete, _) => deletes.get_mut(key).is_some_and(|left| {
                    let there_is_one = *left > 0;
                    *left = left.saturating_sub(1);
                    there_is_one
                }),
                (Change::Shred, _) => false,
            };
            if !is_explained {
                said(format!("{key} holds what nobody asked for, or asked for once: {entry:?}"));
            }
        }
    }
}

/// A value that was not read back is told by its size.
fn take_by_size(values: &mut BTreeSet<(Key, Value)>, key: Key, entry: &Entry) -> bool {
    let fits = |(of, value): &&(Key, Value)| *of == key && value.size_bytes == entry.size_bytes;
    let found = values.iter().find(fits).copied();
    found.is_some_and(|found| values.remove(&found))
}

#[cfg(test)]
mod contents {
    use super::*;
    use crate::checks::watches::tests::{at, entry};
    use crate::history::Answered;

    const KEY: Key = Key { pool: 1, number: 3 };
    const VALUE: Value = Value { number: 9, size_bytes: 40 };

    fn put(version: Option<u64>) -> Call {
        let answered =
            version.map(|seq| Answered { at: 5, ret: Ret::Done, version: Some(at(seq)) });
        Call { client: 0, key: KEY, op: Op::Put(VALUE), begun: 1, answered }
    }

    fn holding(entries: Vec<Entry>) -> Contents {
        Contents { histories: BTreeMap::from([(KEY, entries)]), ..Contents::default() }
    }

    fn whole() -> Entry {
        Entry { size_bytes: 40, value: Some(VALUE), ..entry(7, Change::Put) }
    }

    #[test]
    fn with_all_that_was_acknowledged_are_good() {
        assert!(check(&[put(Some(7))], &[holding(vec![whole()])]).is_empty());
        assert!(check(&[put(None)], &[holding(vec![whole()]), holding(vec![])]).is_empty());
    }

    #[test]
    fn without_an_acknowledged_put_are_a_violation_of_the_member_that_lost_it() {
        let found = check(&[put(Some(7))], &[holding(vec![whole()]), holding(vec![])]);
        assert_eq!(found.len(), 1);
        assert!(found[0].text.starts_with("member 1: most/k03 lost"), "{found:?}");
    }

    #[test]
    fn with_another_value_in_its_place_are_a_violation() {
        let other = Entry { value: Some(Value { number: 8, size_bytes: 40 }), ..whole() };
        let shorter = Entry { size_bytes: 39, value: None, ..whole() };
        let tombstone = Entry { change: Change::Delete, ..whole() };
        for wrong in [other, shorter, tombstone] {
            assert_eq!(check(&[put(Some(7))], &[holding(vec![wrong])]).len(), 1);
        }
    }

    #[test]
    fn with_what_was_asked_for_once_and_is_there_twice_are_a_violation() {
        let again = Entry { version: at(8), ..whole() };
        assert_eq!(check(&[put(Some(7))], &[holding(vec![whole(), again.clone()])]).len(), 1);
        assert_eq!(check(&[put(None)], &[holding(vec![whole(), again])]).len(), 1);
    }

    #[test]
    fn with_a_tombstone_that_nobody_asked_for_are_a_violation() {
        let tombstone = entry(9, Change::Delete);
        assert_eq!(check(&[], &[holding(vec![tombstone.clone()])]).len(), 1);
        let lost = Call { op: Op::Delete, ..put(None) };
        assert!(check(&[lost], &[holding(vec![tombstone])]).is_empty());
    }
}
