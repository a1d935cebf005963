use super::*;
use crate::ids::{SeqNum, ViewId};
use crate::machine::Malformed;

mod world;

/// Marsaglia's xorshift: the same cases at every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

fn version(number: u64) -> Version {
    Version::new(ViewId::FIRST, SeqNum::new(number).unwrap())
}

const SLOT: Slot = Slot(7);
const FIRST: SlotEpoch = SlotEpoch::FIRST;
const SECOND: SlotEpoch = SlotEpoch(2);
const HERE: ShardId = ShardId(0);
const THERE: ShardId = ShardId(2);

fn begin(to: ShardId) -> Operation {
    Operation::Begin { slot: SLOT, epoch: FIRST, to }
}

fn sealed(at: u64) -> Operation {
    Operation::Sealed { slot: SLOT, epoch: FIRST, at: version(at) }
}

const ADOPTED: Operation = Operation::Adopted { slot: SLOT, epoch: FIRST };
const ABORT: Operation = Operation::Abort { slot: SLOT, epoch: FIRST };

/// A table of three shards after these operations, each of which must have been applied.
fn after(operations: &[Operation]) -> SlotTable {
    let mut table = SlotTable::even(3).unwrap();
    for operation in operations {
        assert_eq!(table.apply(*operation), Outcome::Applied);
    }
    table
}

fn refuses(table: &SlotTable, operation: Operation, refusal: Refusal) {
    let mut then = table.clone();
    assert_eq!(then.apply(operation), Outcome::Refused(refusal), "{operation:?}");
    assert_eq!(then, *table);
}

fn repeats(table: &SlotTable, operation: Operation) {
    let mut then = table.clone();
    assert_eq!(then.apply(operation), Outcome::Repeated, "{operation:?}");
    assert_eq!(then, *table);
}

mod the_first_table {
    use super::*;

    #[test]
    fn is_even_for_any_count_of_shards() {
        for shards in 1..=SHARDS_MAX as u16 {
            let table = SlotTable::even(shards).unwrap();
            let mut owned = vec![0_u16; shards.into()];
            for slot in Slot::all() {
                owned[usize::from(table.entry(slot).owner.0)] += 1;
            }
            assert!(owned.iter().max().unwrap() - owned.iter().min().unwrap() <= 1);
        }
        assert_eq!(SlotTable::even(0), None);
        assert_eq!(SlotTable::even(SHARDS_MAX as u16 + 1), None);
    }

    #[test]
    fn has_a_slot_for_every_hash() {
        assert_eq!(slot_of(0), Slot(0));
        assert_eq!(slot_of(u64::MAX), Slot(SLOTS - 1));
        assert_eq!((Slot::new(SLOTS), Slot::all().count()), (None, usize::from(SLOTS)));
    }
}

mod a_move {
    use super::*;

    #[test]
    fn ends_with_another_owner_and_nobody_serving_between() {
        let mut table = after(&[]);
        let serves = |table: &SlotTable| (table.serves(SLOT, HERE), table.serves(SLOT, THERE));
        assert_eq!(serves(&table), (Serve::Yes, Serve::No(HERE)));
        table.apply(begin(THERE));
        assert_eq!(serves(&table), (Serve::Yes, Serve::No(HERE)));
        table.apply(sealed(9));
        assert_eq!(serves(&table), (Serve::Sealed, Serve::No(HERE)));
        table.apply(ADOPTED);
        assert_eq!(serves(&table), (Serve::No(THERE), Serve::Yes));
        let ended = Some(Ended::Moved { from: HERE, at: version(9) });
        assert_eq!(table.entry(SLOT), Entry { owner: THERE, epoch: SECOND, moving: None, ended });
    }

    #[test]
    fn can_be_aborted_until_it_is_adopted() {
        for steps in [vec![begin(THERE), ABORT], vec![begin(THERE), sealed(9), ABORT]] {
            let table = after(&steps);
            assert_eq!(table.serves(SLOT, HERE), Serve::Yes);
            assert_eq!(table.entry(SLOT).epoch, SECOND);
            repeats(&table, ABORT);
            for late in [begin(THERE), sealed(9), ADOPTED] {
                refuses(&table, late, Refusal::Past(SECOND));
            }
        }
        refuses(&after(&[begin(THERE), sealed(9), ADOPTED]), ABORT, Refusal::Past(SECOND));
    }

    #[test]
    fn takes_each_step_once_and_hears_it_again() {
        let steps = [begin(THERE), sealed(9), ADOPTED];
        for done in 1..=3 {
            let table = after(&steps[..done]);
            steps[..done].iter().for_each(|step| repeats(&table, *step));
        }
    }

    #[test]
    fn refuses_what_does_not_fit_and_says_why() {
        let table = after(&[]);
        refuses(&table, begin(HERE), Refusal::Owned);
        refuses(&table, begin(ShardId(3)), Refusal::NoShard);
        for early in [sealed(9), ADOPTED, ABORT] {
            refuses(&table, early, Refusal::Still);
        }
        let ahead = Operation::Abort { slot: SLOT, epoch: SECOND };
        refuses(&table, ahead, Refusal::Ahead(FIRST));
        let table = after(&[begin(THERE)]);
        refuses(&table, begin(ShardId(1)), Refusal::Moving(THERE));
        refuses(&table, ADOPTED, Refusal::Unsealed);
        let table = after(&[begin(THERE), sealed(9)]);
        refuses(&table, sealed(8), Refusal::SealedAt(version(9)));
        let table = after(&[begin(THERE), sealed(9), ADOPTED]);
        refuses(&table, sealed(8), Refusal::Past(SECOND));
        refuses(&table, begin(ShardId(1)), Refusal::Past(SECOND));
    }

    #[test]
    fn does_not_begin_when_it_could_not_end() {
        let mut table = after(&[]);
        let epoch = SlotEpoch(u32::MAX);
        table.entries[7] = Entry { epoch, ended: Some(Ended::Aborted), ..table.entries[7] };
        let begin = Operation::Begin { slot: SLOT, epoch, to: THERE };
        refuses(&table, begin, Refusal::Exhausted);
    }
}

mod a_fence {
    use super::*;

    #[test]
    fn lets_in_what_names_its_epoch_until_it_is_sealed() {
        let mut fence = Fence::of(&after(&[]), HERE);
        assert_eq!(fence.admits(SLOT, FIRST), Admit::Yes);
        assert_eq!(fence.admits(SLOT, SECOND), Admit::NotYet);
        assert_eq!(fence.admits(Slot(4000), FIRST), Admit::NotYet);
        assert_eq!(fence.seal(SLOT, FIRST, version(5)), Fenced::Applied);
        assert_eq!(fence.seal(SLOT, FIRST, version(6)), Fenced::Repeated);
        assert_eq!(fence.sealed(SLOT, FIRST), Some(version(5)));
        assert_eq!(fence.open(SLOT, FIRST), Fenced::Repeated);
        assert_eq!(fence.admits(SLOT, FIRST), Admit::Sealed);
        assert_eq!(fence.open(SLOT, SECOND), Fenced::Applied);
        assert_eq!(fence.admits(SLOT, FIRST), Admit::Past);
        assert_eq!(fence.admits(SLOT, SECOND), Admit::Yes);
        assert_eq!(fence.seal(SLOT, FIRST, version(9)), Fenced::Past);
    }

    #[test]
    fn takes_content_once_and_none_of_a_former_move() {
        let mut fence = Fence::of(&after(&[]), THERE);
        assert_eq!(fence.adopt(SLOT, SECOND), Fenced::Applied);
        assert_eq!(fence.adopt(SLOT, SECOND), Fenced::Repeated);
        assert_eq!(fence.adopt(SLOT, FIRST), Fenced::Past);
        assert!(fence.has_adopted(SLOT, SECOND) && !fence.has_adopted(SLOT, FIRST));
        assert_eq!(fence.admits(SLOT, SECOND), Admit::NotYet);
        assert_eq!(fence.open(SLOT, SlotEpoch(3)), Fenced::Applied);
        assert_eq!(fence.adopt(SLOT, SECOND), Fenced::Past);
    }
}

mod a_plan {
    use super::*;

    fn owned(table: &SlotTable) -> Vec<i64> {
        let mut owned = vec![0; table.shards().into()];
        for entry in &table.entries {
            owned[usize::from(entry.moving.map_or(entry.owner, |moving| moving.to).0)] += 1;
        }
        owned
    }

    fn begin_all(table: &mut SlotTable, moves: &[(Slot, ShardId, ShardId)]) {
        for (slot, from, to) in moves {
            let Entry { owner, epoch, .. } = table.entry(*slot);
            assert_eq!(owner, *from);
            let begin = Operation::Begin { slot: *slot, epoch, to: *to };
            assert_eq!(table.apply(begin), Outcome::Applied);
        }
    }

    fn finish_all(table: &mut SlotTable) {
        for slot in Slot::all() {
            let Entry { epoch, moving: Some(_), .. } = table.entry(slot) else { continue };
            table.apply(Operation::Sealed { slot, epoch, at: version(1) });
            assert_eq!(table.apply(Operation::Adopted { slot, epoch }), Outcome::Applied);
        }
    }

    #[test]
    fn moves_as_few_as_the_difference_and_then_none() {
        let mut random = Random(0x1234_5678_9abc_def1);
        for _ in 0..200 {
            let shards = 1 + random.below(9);
            let mut table = SlotTable::even(shards as u16).unwrap();
            for _ in 0..3 {
                let weights: Vec<u32> = (0..shards).map(|_| random.below(5) as u32).collect();
                let total: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
                let before = owned(&table);
                let moves = rebalance(&table, &weights);
                begin_all(&mut table, &moves);
                assert_eq!(rebalance(&table, &weights), []);
                if random.below(2) == 0 || total == 0 {
                    finish_all(&mut table);
                    assert_eq!(rebalance(&table, &weights), []);
                }
                let after = owned(&table);
                let gained =
                    before.iter().zip(&after).map(|(before, after)| (after - before).max(0));
                assert_eq!(gained.sum::<i64>(), moves.len() as i64);
                let settled = Slot::all().all(|slot| table.entry(slot).moving.is_none());
                for (owned, weight) in after.iter().zip(&weights).filter(|_| settled && total > 0) {
                    let exact = i64::from(*weight) * i64::from(SLOTS);
                    assert!(exact / total <= *owned && *owned <= (exact + total - 1) / total);
                }
                finish_all(&mut table);
            }
        }
    }

    #[test]
    fn of_equal_remainders_leaves_the_slot_where_it_is() {
        let table = SlotTable::even(3).unwrap();
        assert_eq!(owned(&table), [1366, 1365, 1365]);
        assert_eq!(rebalance(&table, &[1, 1, 1]), []);
        assert_eq!(rebalance(&table, &[0, 0, 0]), []);
        let mut last = table.clone();
        begin_all(&mut last, &rebalance(&table, &[0, 0, 1]));
        finish_all(&mut last);
        let spread = rebalance(&last, &[1, 1, 1]);
        begin_all(&mut last, &spread);
        assert_eq!(owned(&last), [1365, 1365, 1366]);
        let mut emptied = table.clone();
        begin_all(&mut emptied, &rebalance(&table, &[1, 1]));
        assert_eq!(owned(&emptied), [2048, 2048, 0]);
        for _ in 0..2 {
            let back = rebalance(&emptied, &[1, 1, 1]);
            assert_eq!(back.len(), 1365);
            assert!(back.iter().all(|(_, _, to)| *to == THERE));
            finish_all(&mut emptied);
        }
    }
}

mod the_bytes {
    use super::*;

    /// All kinds of lines that a table can have.
    fn odd_table() -> SlotTable {
        let mut table = after(&[begin(THERE), sealed(9), ADOPTED]);
        let at = version(77);
        for (number, steps) in [(0, 1), (1, 2), (2, 3), (9, 4), (4095, 2)] {
            let slot = Slot(number);
            let to = ShardId(1 - u16::from(table.entry(slot).owner == ShardId(1)));
            let all = [
                Operation::Begin { slot, epoch: FIRST, to },
                Operation::Sealed { slot, epoch: FIRST, at },
                Operation::Abort { slot, epoch: FIRST },
                Operation::Begin { slot, epoch: SECOND, to },
            ];
            all[..steps].iter().for_each(|step| assert_eq!(table.apply(*step), Outcome::Applied));
        }
        table
    }

    #[test]
    fn of_a_table_make_the_same_table() {
        for table in [SlotTable::even(1).unwrap(), SlotTable::even(1024).unwrap(), odd_table()] {
            assert_eq!(SlotTable::decode(&table.encode()), Ok(table));
        }
        assert_eq!(SlotTable::even(1).unwrap().encode().len(), 13);
    }

    #[test]
    fn of_a_fence_make_the_same_fence() {
        let mut fence = Fence::of(&odd_table(), HERE);
        fence.seal(Slot(3), FIRST, version(8));
        fence.adopt(Slot(4000), SlotEpoch(9));
        assert_eq!(Fence::decode(&fence.encode()), Ok(fence));
    }

    /// Each value has one form: bytes that are taken at all are those that it makes.
    #[test]
    fn are_refused_or_are_those_that_would_be_made() {
        let (table, mut fence) = (odd_table().encode(), Fence { stands: Default::default() });
        fence.seal(Slot(3), FIRST, version(8));
        fence.open(Slot(5), SECOND);
        fence.adopt(Slot(4000), SlotEpoch(9));
        let fence = fence.encode();
        let table_again = |bytes: &[u8]| SlotTable::decode(bytes).map(|table| table.encode());
        let fence_again = |bytes: &[u8]| Fence::decode(bytes).map(|fence| fence.encode());
        for length in 0..table.len() {
            assert_eq!(table_again(&table[..length]), Err(Malformed));
        }
        for length in 0..fence.len() {
            assert_eq!(fence_again(&fence[..length]), Err(Malformed));
        }
        for (bytes, again) in [
            (&table, &table_again as &dyn Fn(&[u8]) -> Result<Vec<u8>, Malformed>),
            (&fence, &fence_again),
        ] {
            let mut longer = bytes.clone();
            longer.push(0);
            assert_eq!(again(&longer), Err(Malformed));
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    let mut flipped = bytes.clone();
                    flipped[at] ^= 1 << bit;
                    assert!(again(&flipped).is_err() || again(&flipped) == Ok(flipped));
                }
            }
        }
    }
}
