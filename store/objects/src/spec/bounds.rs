//! What happens when something is full.

use super::*;
use crate::limits::{
    CHANGES_MAX, HISTORY_VERSIONS_MAX, OBJECT_COST, POOL_VALUES_MAX, SESSIONS_MAX, VERSION_COST,
};
use crate::{At, HistoryTrimmed, Missing, Op};

mod an_object_with_too_many_versions {
    use super::*;

    #[test]
    fn loses_the_oldest_and_says_so() {
        let mut store = Store::with_pool();
        for _ in 0..HISTORY_VERSIONS_MAX {
            store.put("a", "x");
        }
        assert_eq!(store.text("a", At::Version(version(1))), Err(Missing::ObjectUnknown));
        store.put("a", "x");
        assert_eq!(store.text("a", At::Version(version(2))), Err(Missing::Trimmed));
        assert_eq!(store.text("a", At::Version(version(3))).unwrap(), "x");
        let history = store.objects.history(&pool(), &key("a")).unwrap();
        assert_eq!(history.len(), HISTORY_VERSIONS_MAX);
        assert_eq!(store.objects.pool(&pool()).unwrap().bytes, HISTORY_VERSIONS_MAX as u64);
        assert!(store.objects.is_consistent());
    }
}

mod a_full_store {
    use super::*;

    const ONE: u64 = VERSION_COST + OBJECT_COST + 1 + 10;

    fn with_room_for(bytes: u64) -> Store {
        let mut store = Store::with_pool();
        let bounds = ObjectsConfig { bytes_max: bytes, ..ObjectsConfig::default() };
        store.apply(Command::Configure(bounds));
        store
    }

    #[test]
    fn refuses_a_put_and_still_deletes_and_shreds() {
        let mut store = with_room_for(ONE);
        assert!(matches!(store.put("a", "0123456789"), Reply::Stored { .. }));
        assert_eq!(store.objects.used(), ONE);
        assert_eq!(store.put("a", ""), Reply::OutOfSpace);
        assert_eq!(store.put("b", "0123456789"), Reply::OutOfSpace);
        assert!(matches!(store.delete("a"), Reply::Deleted { .. }));
        let shred = store.shred(ShredScope::Object(key("a")));
        assert!(matches!(shred, Reply::Shredded { versions: 1, .. }));
    }

    #[test]
    fn refuses_a_transaction_whole() {
        let mut store = with_room_for(2 * ONE - 1);
        let put = |name: &str| Op::Put {
            key: key(name),
            condition: Condition::Always,
            value: sealed("0123456789", 1),
        };
        let transact = |ops| Command::Transact { pool: pool(), ops, session: None };
        assert_eq!(store.apply(transact(vec![put("a"), put("b")])), Reply::OutOfSpace);
        assert_eq!(store.objects.used(), 0);
        assert!(matches!(store.apply(transact(vec![put("a")])), Reply::Transacted { .. }));
    }

    #[test]
    fn refuses_more_values_in_a_pool_than_one_shred_can_name() {
        let mut store = Store::with_pool();
        // More than the changes up to which every sum is counted anew, since one is falsified here.
        for _ in 0..300 {
            store.put("a", "x");
        }
        let sums = &mut store.objects.pools.get_mut(&pool()).unwrap().sums;
        sums.values = POOL_VALUES_MAX - 1;
        assert!(matches!(store.put("a", "x"), Reply::Stored { .. }));
        assert_eq!(store.put("a", "x"), Reply::OutOfSpace);
    }

    #[test]
    fn keeps_the_replies_it_gave_when_its_bound_changes_later() {
        let mut store = with_room_for(ONE);
        store.put("a", "0123456789");
        let snapshot = store.objects.snapshot();
        assert_eq!(Objects::restore(&snapshot).unwrap().config().bytes_max, ONE);
    }
}

#[test]
fn a_transaction_with_too_many_operations_is_refused() {
    let mut store = Store::with_pool();
    let op = |index| Op::Delete { key: key(&format!("{index}")), condition: Condition::Always };
    let transact = |count| Command::Transact {
        pool: pool(),
        ops: (0..count).map(op).collect(),
        session: None,
    };
    assert!(matches!(store.apply(transact(256)), Reply::Transacted { .. }));
    assert_eq!(store.apply(transact(257)), Reply::TooManyOps);
}

#[test]
fn a_ring_of_changes_that_is_full_lets_go_of_the_oldest() {
    let mut store = Store::with_pool();
    for index in 0..CHANGES_MAX {
        store.put(&format!("{}", index % 700), "x");
    }
    assert_eq!(store.objects.changes(&pool(), "", version(1), 3).unwrap().len(), 3);
    store.put("a", "x");
    assert_eq!(store.objects.changes(&pool(), "", version(1), 3), Err(HistoryTrimmed));
    let changes = store.objects.changes(&pool(), "", version(2), 3).unwrap();
    assert_eq!(changes[0].version, version(3));
    assert!(store.objects.is_consistent());
}

#[test]
fn a_session_table_that_is_full_lets_go_of_the_oldest() {
    let mut store = Store::with_pool();
    let session = |index: usize| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&index.to_be_bytes());
        Some(Session { id, request: [1; 32] })
    };
    for index in 0..=SESSIONS_MAX {
        store.put_if(&format!("{}", index % 700), "x", Condition::Always, session(index));
    }
    let applied = store.applied;
    let again = store.put_if("a", "x", Condition::Always, session(0));
    assert_eq!(again, Reply::Stored { place: place(applied + 1), created: true });
    // Session 1 has just gone for session 0; session 2 is the oldest now.
    let old = store.put_if("2", "x", Condition::Always, session(2));
    assert_eq!(old, Reply::Stored { place: place(4), created: true });
    assert!(store.objects.is_consistent());
}
