//! Destroying keys.

use super::*;
use crate::{At, ChangeKind, HistoryTrimmed, Missing};

fn object(text: &str) -> ShredScope {
    ShredScope::Object(key(text))
}

mod a_shredded_object {
    use super::*;

    fn shredded() -> Store {
        let mut store = Store::with_pool();
        for (name, value) in [("a", "one"), ("b", "other"), ("a", "two")] {
            store.put(name, value);
        }
        assert_eq!(store.shred(object("a")), Reply::Shredded { place: place(5), versions: 2 });
        store
    }

    #[test]
    fn is_gone_in_all_versions_and_says_so() {
        let store = shredded();
        for at in [At::Latest, At::Version(version(2)), At::Version(version(9))] {
            assert_eq!(store.text("a", at), Err(Missing::Shredded));
        }
        assert_eq!(store.text("a", At::Time(place(2).time)), Err(Missing::Shredded));
        let history = store.objects.history(&pool(), &key("a")).unwrap();
        let history: Vec<_> = history.iter().map(|entry| (entry.version, entry.kind)).collect();
        assert_eq!(history, [(version(5), ChangeKind::Shred)]);
        assert_eq!(store.objects.pool(&pool()).unwrap().bytes, 5);
    }

    #[test]
    fn can_be_put_again_and_its_past_stays_shredded() {
        let mut store = shredded();
        let put = store.put_if("a", "new", Condition::Absent, None);
        assert_eq!(put, Reply::Stored { place: place(6), created: true });
        assert_eq!(store.text("a", At::Latest).unwrap(), "new");
        assert_eq!(store.text("a", At::Version(version(5))), Err(Missing::Shredded));
        assert_eq!(store.text("a", At::Version(version(2))), Err(Missing::Shredded));
    }

    #[test]
    fn leaves_the_others_readable_under_the_new_key_only() {
        let mut store = shredded();
        assert_eq!(store.epoch(), 2);
        // `text` compares the wrapped key with that of the pool's epoch.
        assert_eq!(store.text("b", At::Latest).unwrap(), "other");
        let value = sealed("late", 1);
        let (pool, key, condition) = (pool(), key("c"), Condition::Always);
        let late = Command::Put { pool, key, condition, value, session: None };
        assert_eq!(store.apply(late), Reply::StaleKey { current: 2 });
    }

    #[test]
    fn is_told_to_watchers() {
        let store = shredded();
        let changes = store.objects.changes(&pool(), "", version(4), 9).unwrap();
        let change = &changes[0];
        assert_eq!((change.key.as_str(), change.kind), ("a", ChangeKind::Shred));
    }

    #[test]
    fn can_be_shredded_again_and_one_that_never_was_cannot() {
        let mut store = shredded();
        assert_eq!(store.shred(object("a")), Reply::Shredded { place: place(6), versions: 0 });
        assert_eq!(store.shred(object("never")), Reply::ObjectUnknown);
        assert_eq!(store.epoch(), 3);
    }

    #[test]
    fn that_was_deleted_before_loses_its_history_too() {
        let mut store = Store::with_pool();
        store.put("a", "one");
        store.delete("a");
        assert_eq!(store.shred(object("a")), Reply::Shredded { place: place(4), versions: 1 });
        assert_eq!(store.text("a", At::Version(version(2))), Err(Missing::Shredded));
    }
}

mod a_shred_that_was_overtaken {
    use super::*;

    #[test]
    fn by_a_put_changes_nothing_and_asks_to_be_made_again() {
        let mut store = Store::with_pool();
        store.put("a", "one");
        let shred = store.shred_command(&object("a"));
        store.put("b", "late");
        assert_eq!(store.apply(shred), Reply::Moved);
        assert_eq!((store.text("a", At::Latest).unwrap(), store.epoch()), ("one".into(), 1));
        assert!(matches!(store.shred(object("a")), Reply::Shredded { .. }));
    }

    #[test]
    fn by_another_shred_changes_nothing() {
        let mut store = Store::with_pool();
        store.put("a", "one");
        let late = store.shred_command(&object("a"));
        let whole = store.shred_command(&ShredScope::Pool);
        store.shred(object("a"));
        assert_eq!(store.apply(late), Reply::Moved);
        assert_eq!(store.apply(whole), Reply::Moved);
    }

    #[test]
    fn by_a_put_to_what_it_destroys_destroys_that_too() {
        let mut store = Store::with_pool();
        store.put("a", "one");
        store.put("b", "stays");
        let shred = store.shred_command(&object("a"));
        store.put("a", "two");
        assert_eq!(store.apply(shred), Reply::Shredded { place: place(5), versions: 2 });
    }

    #[test]
    fn with_keys_missing_added_or_exchanged_changes_nothing() {
        let mut store = Store::with_pool();
        for name in ["a", "b", "c"] {
            store.put(name, name);
        }
        let Command::Shred { rewrapped, .. } = store.shred_command(&object("a")) else { panic!() };
        let wrong = [
            vec![],
            vec![rewrapped[0].clone()],
            vec![rewrapped[1].clone(), rewrapped[0].clone()],
            [rewrapped.clone(), vec![([9; 16], wrapped(&[9; 16], 2))]].concat(),
        ];
        for rewrapped in wrong {
            let (from_epoch, to_epoch) = (1, 2);
            let scope = object("a");
            let command = Command::Shred { pool: pool(), scope, from_epoch, to_epoch, rewrapped };
            assert_eq!(store.apply(command), Reply::Moved);
        }
        let (scope, from_epoch, to_epoch) = (object("a"), 1, 1);
        let same = Command::Shred { pool: pool(), scope, from_epoch, to_epoch, rewrapped };
        assert_eq!(store.apply(same), Reply::Moved);
        assert_eq!(store.text("a", At::Latest).unwrap(), "a");
    }
}

mod a_shredded_pool {
    use super::*;

    #[test]
    fn is_gone_with_its_names() {
        let mut store = Store::with_pool();
        store.put("a", "one");
        store.delete("a");
        store.put("b", "two");
        assert_eq!(store.shred(ShredScope::Pool), Reply::Shredded { place: place(5), versions: 2 });
        assert_eq!(store.objects.get(&pool(), &key("a"), At::Latest), Err(Missing::PoolUnknown));
        assert_eq!(store.objects.used(), 0);
        assert!(store.objects.changes.0.is_empty());
        assert_eq!(store.create(Retain::Forever), Reply::PoolCreated { place: place(6) });
    }
}

mod retention {
    use super::*;

    const MINUTE: u64 = 60_000_000;

    fn kept_a_minute() -> Store {
        let mut store = Store::new();
        store.create(Retain::Micros(MINUTE));
        store.put("old", "1");
        store.put("both", "2");
        store.delete("old");
        store.applied = 49;
        store.put("both", "3");
        store.put("new", "4");
        store
    }

    #[test]
    fn is_due_once_the_oldest_version_is_too_old() {
        let store = kept_a_minute();
        let at = |second: u64| Hlc::from_unix_micros(second * 1_000_000);
        assert_eq!(store.objects.expired(at(62)), []);
        assert_eq!(store.objects.expired(at(63)), [(pool(), at(3))]);
        assert_eq!(Store::with_pool().objects.expired(at(10_000)), []);
    }

    #[test]
    fn removes_what_is_older_and_leaves_no_name_of_it() {
        let mut store = kept_a_minute();
        let cutoff = place(50).time;
        assert_eq!(
            store.shred(ShredScope::OlderThan(cutoff)),
            Reply::Shredded { place: place(52), versions: 2 }
        );
        assert_eq!(store.text("old", At::Latest), Err(Missing::ObjectUnknown));
        assert_eq!(store.text("old", At::Version(version(2))), Err(Missing::ObjectUnknown));
        assert_eq!(store.text("both", At::Latest).unwrap(), "3");
        assert_eq!(store.text("both", At::Version(version(3))), Err(Missing::Trimmed));
        assert!(store.objects.changes.0.iter().all(|(_, change)| change.key.as_str() != "old"));
        assert_eq!(store.objects.changes(&pool(), "", version(3), 9), Err(HistoryTrimmed));
        assert_eq!(store.objects.changes(&pool(), "", version(4), 9).unwrap().len(), 2);
    }

    #[test]
    fn removes_current_values_too_and_tells_watchers() {
        let mut store = kept_a_minute();
        store.applied = 199;
        let reply = store.shred(ShredScope::OlderThan(place(150).time));
        assert_eq!(reply, Reply::Shredded { place: place(200), versions: 4 });
        assert_eq!(store.objects.list(&pool(), "", None, 9).unwrap().entries, []);
        assert_eq!(store.objects.used(), 0);
        let changes = store.objects.changes(&pool(), "", version(51), 9).unwrap();
        let told: Vec<_> = changes.iter().map(|it| (it.key.to_string(), it.kind)).collect();
        let shred = ChangeKind::Shred;
        assert_eq!(told, [("both".to_owned(), shred), ("new".to_owned(), shred)]);
        assert_eq!(store.objects.expired(place(5000).time), []);
    }

    #[test]
    fn lets_go_of_the_mark_of_a_shred() {
        let mut store = kept_a_minute();
        store.shred(object("both"));
        store.applied = 199;
        store.shred(ShredScope::OlderThan(place(150).time));
        assert_eq!(store.text("both", At::Latest), Err(Missing::ObjectUnknown));
        assert_eq!(store.objects.used(), 0);
    }
}
