//! Each watcher was told of every version of its keys, in order; again only where it took up. Where
//! keys are divided among shards, the order is that of each key.

use std::collections::BTreeSet;

use notrace_sdk_wire::Version;
use notrace_sdk_wire::object::Change;

use super::Violation;
use crate::contents::Contents;
use crate::load::watcher::{Told, Watcher};
use crate::plan::Shape;

const CHECK: &str = "watch";

/// Judges what each watcher was told by what there was to tell.
#[must_use]
pub fn check(watchers: &[Watcher], contents: &Contents, shape: Shape) -> Vec<Violation> {
    let mut found = Vec::new();
    for watcher in watchers {
        let Watcher { told, pool, prefix, .. } = watcher;
        let all = all(contents, *pool, prefix);
        let judged = if shape.is_one() { judge(told, &all) } else { judge_each(told, &all) };
        if let Err(text) = judged {
            found.push(Violation::new(CHECK, format!("pool {pool}, prefix `{prefix}`: {text}")));
        }
    }
    found
}

/// Judges each key for itself.
fn judge_each(told: &[Told], all: &[(Version, String, Change)]) -> Result<(), String> {
    let keys = told.iter().map(|told| &told.key).chain(all.iter().map(|(_, key, _)| key));
    for key in keys.collect::<BTreeSet<_>>() {
        let told: Vec<Told> = told.iter().filter(|told| told.key == *key).cloned().collect();
        let all: Vec<_> = all.iter().filter(|(_, of, _)| of == key).cloned().collect();
        judge(&told, &all)?;
    }
    Ok(())
}

/// All there was to tell, in order.
fn all(contents: &Contents, pool: u8, prefix: &str) -> Vec<(Version, String, Change)> {
    let mut all = Vec::new();
    for (key, history) in contents.histories.iter().filter(|(key, _)| key.pool == pool) {
        let watched = key.name().starts_with(prefix);
        let entries = history.iter().filter(|_| watched);
        all.extend(entries.map(|entry| (entry.version, key.name(), entry.change)));
    }
    all.sort_by_key(|(version, ..)| *version);
    all
}

fn judge(told: &[Told], all: &[(Version, String, Change)]) -> Result<(), String> {
    let mut next = all.iter();
    let mut last: Option<&Told> = None;
    let mut newest: Option<Version> = None;
    for change in told {
        if let Some(last) = last.filter(|last| last.connection == change.connection)
            && change.version <= last.version
        {
            return Err(format!("{change:?} after {last:?}, over one connection"));
        }
        last = Some(change);
        // What it was told before the stream broke off it may be told again.
        if newest.is_some_and(|newest| change.version <= newest) {
            let known = |(version, key, what): &(Version, String, Change)| {
                (*version, key, *what) == (change.version, &change.key, change.change)
            };
            if !all.iter().any(known) {
                return Err(format!("{change:?} is not what happened then"));
            }
            continue;
        }
        newest = Some(change.version);
        let expected = next.next();
        let is_it = expected.is_some_and(|(version, key, what)| {
            (*version, key, *what) == (change.version, &change.key, change.change)
        });
        if !is_it {
            return Err(format!("it was told {change:?}, where {expected:?} came next"));
        }
    }
    match next.next() {
        Some(missing) => Err(format!("it was never told of {missing:?}")),
        None => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::contents::Entry;

    pub(crate) fn at(seq: u64) -> Version {
        Version { view: 1, seq }
    }

    pub(crate) fn entry(seq: u64, change: Change) -> Entry {
        let time = format!("2026-11-23T00:00:{seq:02}Z").parse().unwrap();
        Entry { version: at(seq), time, change, size_bytes: 0, value: None }
    }

    mod a_watcher {
        use super::*;

        fn told(connection: u32, seq: u64) -> Told {
            Told { connection, version: at(seq), key: format!("k{seq:02}"), change: Change::Put }
        }

        fn judged(told: &[Told]) -> Result<(), String> {
            let all: Vec<_> =
                (1..=4).map(|seq| (at(seq), format!("k{seq:02}"), Change::Put)).collect();
            judge(told, &all)
        }

        fn of(pairs: &[(u32, u64)]) -> Vec<Told> {
            pairs.iter().map(|(connection, seq)| told(*connection, *seq)).collect()
        }

        #[test]
        fn may_be_told_again_after_it_took_up_elsewhere() {
            assert_eq!(judged(&of(&[(1, 1), (1, 2), (1, 3), (1, 4)])), Ok(()));
            assert_eq!(judged(&of(&[(1, 1), (1, 2), (2, 2), (2, 3), (3, 4)])), Ok(()));
        }

        #[test]
        fn that_was_not_told_something_is_a_violation() {
            assert!(judged(&of(&[(1, 1), (1, 2), (1, 4)])).is_err());
            assert!(judged(&of(&[(1, 1), (2, 3), (2, 4)])).is_err());
            assert!(judged(&of(&[(1, 1), (1, 2), (1, 3)])).is_err());
            assert!(judged(&[]).is_err());
        }

        #[test]
        fn that_was_told_out_of_order_or_twice_is_a_violation() {
            assert!(judged(&of(&[(1, 1), (1, 3), (1, 2), (1, 4)])).is_err());
            assert!(judged(&of(&[(1, 1), (1, 2), (1, 2), (1, 3), (1, 4)])).is_err());
        }

        #[test]
        fn of_divided_keys_is_told_of_each_key_in_order() {
            let all = [("a", 5), ("b", 1), ("b", 2)]
                .map(|(key, seq)| (at(seq), key.to_owned(), Change::Put));
            let of = |pairs: &[(&str, u64)]| -> Vec<Told> {
                let told = |(key, seq): &(&str, u64)| Told {
                    connection: 1,
                    version: at(*seq),
                    key: (*key).to_owned(),
                    change: Change::Put,
                };
                pairs.iter().map(told).collect()
            };
            assert_eq!(judge_each(&of(&[("a", 5), ("b", 1), ("b", 2)]), &all), Ok(()));
            assert_eq!(judge_each(&of(&[("b", 1), ("a", 5), ("b", 2)]), &all), Ok(()));
            assert!(judge_each(&of(&[("b", 2), ("a", 5), ("b", 1)]), &all).is_err());
            assert!(judge_each(&of(&[("a", 5), ("b", 2)]), &all).is_err());
            assert!(judge_each(&of(&[("b", 1), ("b", 2)]), &all).is_err());
        }

        #[test]
        fn that_was_told_what_did_not_happen_is_a_violation() {
            let mut wrong = of(&[(1, 1), (1, 2), (1, 3), (1, 4)]);
            wrong[2].change = Change::Delete;
            assert!(judged(&wrong).is_err());
            assert!(judged(&of(&[(1, 1), (1, 2), (1, 3), (1, 4), (1, 5)])).is_err());
        }
    }
}
