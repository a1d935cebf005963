//! All members hold the same: every version of every object, and what lists show. And the group's
//! clock never went back, whatever the members' clocks did.

use super::Violation;
use crate::contents::{Contents, Entry};

const CHECK: &str = "equality";

/// Judges the members by the first.
#[must_use]
pub fn check(members: &[Contents]) -> Vec<Violation> {
    let mut found = Vec::new();
    let Some((first, others)) = members.split_first() else { return found };
    for (number, other) in (1..).zip(others) {
        if first.listed != other.listed {
            let text = format!("members 0 and {number} list other objects");
            found.push(Violation::new(CHECK, text));
        }
        for (key, history) in &first.histories {
            let same = other.histories.get(key).is_some_and(|other| {
                other.len() == history.len() && history.iter().zip(other).all(|(a, b)| agree(a, b))
            });
            if !same {
                let text = format!("members 0 and {number} hold other histories of {key}");
                found.push(Violation::new(CHECK, text));
            }
        }
    }
    for (number, member) in members.iter().enumerate() {
        let shown = member.histories.iter().filter_map(|(key, history)| {
            let last = history.last().filter(|last| last.size_bytes > 0)?;
            Some((*key, last.version))
        });
        for (key, history) in &member.histories {
            // Equal is well: what tells them apart is finer than the times that are shown.
            let back = history.array_windows().find(|[one, next]| next.time < one.time);
            if let Some([one, next]) = back {
                let text = format!("member {number}: time went back in {key}: {one:?}, {next:?}");
                found.push(Violation::new(CHECK, text));
            }
        }
        if shown.collect::<std::collections::BTreeMap<_, _>>() != member.listed {
            let text = format!("member {number} lists another state than its histories end with");
            found.push(Violation::new(CHECK, text));
        }
    }
    found
}

/// Values are compared where both were read back.
fn agree(one: &Entry, other: &Entry) -> bool {
    let values = one.value.zip(other.value).is_none_or(|(one, other)| one == other);
    let bare = |entry: &Entry| Entry { value: None, ..entry.clone() };
    values && bare(one) == bare(other)
}

#[cfg(test)]
mod members {
    use std::collections::BTreeMap;

    use notrace_sdk_wire::object::Change;

    use super::*;
    use crate::checks::watches::tests::{at, entry};
    use crate::history::{Key, Value};

    const KEY: Key = Key { pool: 0, number: 1 };

    fn contents(entries: Vec<Entry>) -> Contents {
        let listed = entries.last().filter(|last| last.change == Change::Put);
        let listed = listed.map(|last| (KEY, last.version)).into_iter().collect();
        Contents { histories: BTreeMap::from([(KEY, entries)]), listed }
    }

    fn put(seq: u64) -> Entry {
        Entry { size_bytes: 9, ..entry(seq, Change::Put) }
    }

    #[test]
    fn whose_time_goes_back_are_wrong() {
        let mut entries = vec![put(1), put(2)];
        assert!(check(&[contents(entries.clone())]).is_empty());
        entries.swap(0, 1);
        assert_eq!(check(&[contents(entries)]).len(), 1);
    }

    #[test]
    fn that_hold_the_same_agree() {
        let one = contents(vec![put(1), put(2)]);
        assert!(check(&[one.clone(), one.clone(), one]).is_empty());
        let gone = contents(vec![put(1), entry(2, Change::Delete)]);
        assert!(check(&[gone.clone(), gone]).is_empty());
    }

    #[test]
    fn of_which_one_lacks_a_version_do_not() {
        let found = check(&[contents(vec![put(1), put(2)]), contents(vec![put(1)])]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn that_read_other_values_at_one_version_do_not() {
        let with = |number| {
            let value = Some(Value { number, size_bytes: 9 });
            contents(vec![Entry { value, ..put(1) }])
        };
        assert_eq!(check(&[with(1), with(2)]).len(), 1);
        assert!(check(&[with(1), contents(vec![put(1)])]).is_empty());
    }

    #[test]
    fn whose_list_is_not_where_their_histories_end_do_not() {
        let mut torn = contents(vec![put(1), put(2)]);
        torn.listed.insert(KEY, at(1));
        assert_eq!(check(&[torn]).len(), 1);
    }
}
