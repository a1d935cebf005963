//! Puts, reads, deletes, conditions, transactions, listings, watches and sessions.

use super::*;
use crate::{At, ChangeKind, HistoryTrimmed, Missing, Op};

fn put(key_text: &str, value: &str, condition: Condition) -> Op {
    Op::Put { key: key(key_text), condition, value: sealed(value, 1) }
}

fn transact(store: &mut Store, ops: Vec<Op>) -> Reply {
    store.apply(Command::Transact { pool: pool(), ops, session: None })
}

mod an_object {
    use super::*;

    #[test]
    fn is_read_as_of_now_a_version_or_a_time() {
        let mut store = Store::with_pool();
        assert_eq!(store.put("a", "one"), Reply::Stored { place: place(2), created: true });
        store.put("b", "other");
        assert_eq!(store.put("a", "two"), Reply::Stored { place: place(4), created: false });
        assert_eq!(store.text("a", At::Latest).unwrap(), "two");
        assert_eq!(store.text("a", At::Version(version(3))).unwrap(), "one");
        assert_eq!(store.text("a", At::Version(version(4))).unwrap(), "two");
        assert_eq!(store.text("a", At::Version(version(1))), Err(Missing::ObjectUnknown));
        assert_eq!(store.text("a", At::Time(place(3).time)).unwrap(), "one");
        assert_eq!(store.text("a", At::Time(Hlc::ZERO)), Err(Missing::ObjectUnknown));
        assert_eq!(store.objects.version(), version(4));
    }

    #[test]
    fn that_was_deleted_is_absent_but_its_history_is_there() {
        let mut store = Store::with_pool();
        store.put("a", "one");
        assert_eq!(store.delete("a"), Reply::Deleted { place: place(3) });
        assert_eq!(store.text("a", At::Latest), Err(Missing::ObjectUnknown));
        assert_eq!(store.text("a", At::Version(version(2))).unwrap(), "one");
        assert_eq!(store.delete("a"), Reply::ObjectUnknown);
        assert_eq!(store.delete("b"), Reply::ObjectUnknown);
        let again = store.put_if("a", "two", Condition::Absent, None);
        assert_eq!(again, Reply::Stored { place: place(6), created: true });
        let kinds: Vec<_> = store.objects.history(&pool(), &key("a")).unwrap();
        let kinds: Vec<_> = kinds.iter().map(|entry| (entry.kind, entry.plain_len)).collect();
        assert_eq!(kinds, [(ChangeKind::Put, 3), (ChangeKind::Delete, 0), (ChangeKind::Put, 3)]);
    }

    #[test]
    fn is_refused_under_a_key_that_is_not_the_pools_now() {
        let mut store = Store::with_pool();
        let value = sealed("one", 2);
        let (pool, key, condition) = (pool(), key("a"), Condition::Always);
        let stale = Command::Put { pool, key, condition, value, session: None };
        assert_eq!(store.apply(stale), Reply::StaleKey { current: 1 });
        assert_eq!(store.text("a", At::Latest), Err(Missing::ObjectUnknown));
    }
}

mod a_condition {
    use super::*;

    #[test]
    fn holds_or_tells_the_current_version() {
        let mut store = Store::with_pool();
        let is = |number| Condition::VersionIs(version(number));
        let mismatch = |current| Reply::Mismatch { current, index: None };
        assert_eq!(store.put_if("a", "x", is(1), None), mismatch(None));
        assert!(matches!(store.put_if("a", "x", Condition::Absent, None), Reply::Stored { .. }));
        let absent = store.put_if("a", "y", Condition::Absent, None);
        assert_eq!(absent, mismatch(Some(version(3))));
        assert!(matches!(store.put_if("a", "y", is(3), None), Reply::Stored { .. }));
        assert_eq!(store.put_if("a", "z", is(3), None), mismatch(Some(version(5))));
        store.delete("a");
        assert_eq!(store.put_if("a", "z", is(7), None), mismatch(None));
        assert_eq!(store.objects.require(&pool(), &key("a"), is(5)), Err(None));
        assert_eq!(store.objects.require(&pool(), &key("a"), Condition::Absent), Ok(()));
    }
}

mod a_transaction {
    use super::*;

    #[test]
    fn is_one_version() {
        let mut store = Store::with_pool();
        store.put("gone", "x");
        let ops = vec![
            put("a", "1", Condition::Absent),
            put("b", "2", Condition::Always),
            Op::Delete { key: key("gone"), condition: Condition::VersionIs(version(2)) },
            Op::Delete { key: key("never"), condition: Condition::Always },
            Op::Check { key: key("a"), condition: Condition::Absent },
        ];
        assert_eq!(transact(&mut store, ops), Reply::Transacted { place: place(3) });
        assert_eq!(store.text("a", At::Version(version(3))).unwrap(), "1");
        assert_eq!(store.text("b", At::Version(version(3))).unwrap(), "2");
        assert_eq!(store.text("gone", At::Latest), Err(Missing::ObjectUnknown));
        assert_eq!(store.objects.history(&pool(), &key("never")), Err(Missing::ObjectUnknown));
        let changes = store.objects.changes(&pool(), "", version(2), 1).unwrap();
        let keys: Vec<_> = changes.iter().map(|change| change.key.as_str()).collect();
        assert_eq!(keys, ["a", "b", "gone"]);
    }

    #[test]
    fn does_nothing_when_one_condition_fails_and_says_which() {
        let mut store = Store::with_pool();
        store.put("b", "x");
        let ops = vec![put("a", "1", Condition::Always), put("b", "2", Condition::Absent)];
        let expected = Reply::Mismatch { current: Some(version(2)), index: Some(1) };
        assert_eq!(transact(&mut store, ops), expected);
        assert_eq!(store.text("a", At::Latest), Err(Missing::ObjectUnknown));
        let stale = Op::Put { key: key("c"), condition: Condition::Always, value: sealed("3", 9) };
        let ops = vec![put("a", "1", Condition::Always), stale];
        assert_eq!(transact(&mut store, ops), Reply::StaleKey { current: 1 });
        assert_eq!(store.text("a", At::Latest), Err(Missing::ObjectUnknown));
    }

    #[test]
    fn that_writes_a_key_twice_is_refused() {
        let mut store = Store::with_pool();
        let delete = Op::Delete { key: key("a"), condition: Condition::Always };
        let ops = vec![put("a", "1", Condition::Always), delete];
        assert_eq!(transact(&mut store, ops), Reply::WrittenTwice { index: 1 });
        assert_eq!(store.text("a", At::Latest), Err(Missing::ObjectUnknown));
    }
}

mod a_listing {
    use super::*;

    #[test]
    fn pages_through_a_prefix_in_order_without_the_deleted() {
        let mut store = Store::with_pool();
        for name in ["b/2", "a", "b/1", "b/3", "b", "b/4", "c"] {
            store.put(name, name);
        }
        store.delete("b/2");
        let page = |after: Option<&str>| {
            let after = after.map(key);
            let listed = store.objects.list(&pool(), "b/", after.as_ref(), 2).unwrap();
            let keys: Vec<_> = listed.entries.iter().map(|it| it.key.to_string()).collect();
            (keys, listed.more)
        };
        assert_eq!(page(None), (vec!["b/1".into(), "b/3".into()], true));
        assert_eq!(page(Some("b/3")), (vec!["b/4".into()], false));
        assert_eq!(page(Some("a")), (vec!["b/1".into(), "b/3".into()], true));
        assert_eq!(page(Some("c")), (vec![], false));
        let all = store.objects.list(&pool(), "", None, 100).unwrap();
        assert_eq!((all.entries.len(), all.more), (6, false));
        assert_eq!(store.objects.pool(&pool()).unwrap().objects, 6);
    }
}

mod a_watch {
    use super::*;

    #[test]
    fn resumes_from_a_version_and_misses_nothing() {
        let mut store = Store::with_pool();
        for name in ["a", "b/1", "b/2", "a", "b/3"] {
            store.put(name, name);
        }
        let mut seen = Vec::new();
        let mut from = Version::ZERO;
        loop {
            let changes = store.objects.changes(&pool(), "b/", from, 2).unwrap();
            let Some(last) = changes.last() else { break };
            from = last.version;
            seen.extend(changes.into_iter().map(|change| change.key.to_string()));
        }
        assert_eq!(seen, ["b/1", "b/2", "b/3"]);
    }

    #[test]
    fn of_a_pool_that_was_made_again_does_not_pass_for_the_old_one() {
        let mut store = Store::with_pool();
        store.put("a", "x");
        store.shred(ShredScope::Pool);
        assert_eq!(store.objects.changes(&pool(), "", version(2), 9), Ok(vec![]));
        store.create(Retain::Forever);
        store.put("b", "y");
        assert_eq!(store.objects.changes(&pool(), "", version(2), 9), Err(HistoryTrimmed));
        assert_eq!(store.objects.changes(&pool(), "", Version::ZERO, 9).unwrap().len(), 1);
        assert_eq!(store.objects.changes(&pool(), "", version(4), 9).unwrap().len(), 1);
    }
}

mod a_session {
    use super::*;

    fn session(id: u8, request: u8) -> Option<Session> {
        Some(Session { id: [id; 32], request: [request; 32] })
    }

    #[test]
    fn is_applied_once_and_answered_as_often_as_asked() {
        let mut store = Store::with_pool();
        let first = store.put_if("a", "x", Condition::Always, session(1, 1));
        store.put("a", "y");
        assert_eq!(store.put_if("a", "x", Condition::Always, session(1, 1)), first);
        assert_eq!(store.text("a", At::Latest).unwrap(), "y");
        let other = store.put_if("a", "x", Condition::Always, session(1, 2));
        assert_eq!(other, Reply::SessionMismatch);
        let fresh = store.put_if("a", "x", Condition::Always, session(2, 1));
        assert_eq!(fresh, Reply::Stored { place: place(6), created: false });
    }

    #[test]
    fn whose_request_changed_nothing_is_judged_again() {
        let mut store = Store::with_pool();
        let refused = store.put_if("a", "x", Condition::VersionIs(version(9)), session(1, 1));
        assert!(matches!(refused, Reply::Mismatch { .. }));
        let stored = store.put_if("a", "x", Condition::Absent, session(1, 1));
        assert!(matches!(stored, Reply::Stored { .. }));
    }

    #[test]
    fn is_forgotten_after_a_day() {
        let mut store = Store::with_pool();
        let day = 24 * 60 * 60;
        let first = store.put_if("a", "x", Condition::Always, session(1, 1));
        store.applied += day - 1;
        assert_eq!(store.put_if("a", "x", Condition::Always, session(1, 1)), first);
        let again = store.put_if("a", "x", Condition::Always, session(1, 1));
        assert_eq!(again, Reply::Stored { place: place(store.applied), created: false });
    }
}

mod pools {
    use super::*;

    #[test]
    fn are_made_once_and_as_many_as_configured() {
        let mut store = Store::new();
        let value = sealed("x", 1);
        let (key, condition) = (key("a"), Condition::Always);
        let put = Command::Put { pool: pool(), key, condition, value, session: None };
        assert_eq!(store.apply(put), Reply::PoolUnknown);
        assert_eq!(store.create(Retain::Forever), Reply::PoolCreated { place: place(2) });
        assert_eq!(store.create(Retain::Forever), Reply::PoolExists);
        let bounds = ObjectsConfig { pools_max: 1, ..ObjectsConfig::default() };
        assert_eq!(store.apply(Command::Configure(bounds)), Reply::Configured);
        let other = "other".parse().unwrap();
        let full = Command::CreatePool { pool: other, spec: spec(Retain::Forever), key_epoch: 1 };
        assert_eq!(store.apply(full), Reply::PoolsFull);
        let info = store.objects.pool(&pool()).unwrap();
        assert_eq!((info.created, info.key_epoch, info.bytes), (place(2), 1, 0));
        assert_eq!(store.objects.pools(), [info]);
    }
}
