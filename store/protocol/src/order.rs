//! The arithmetic of the total order: pure functions of counters, each the twin of a proved one.
//!
//! A shard has `senders` members that send. Message `index` (from 0) of sender `s` stands in slot
//! `index * senders + s`; the order is that of the slots, so nobody has to be asked for it. A row
//! of `received` counters says how many messages, counted from the first, came from each sender.
//!
//! Source: Jha et al., "Derecho", TOCS 2019, §3.1 (round robin, nulls, stability). The same
//! functions are defined, proved and extracted in `store/proofs/coq`.

/// Which slot message `index` of `sender` stands in.
pub const fn slot(senders: u16, sender: u16, index: u64) -> u64 {
    index * senders as u64 + sender as u64
}

/// Whose message stands in this slot, and which of the sender's messages it is.
pub const fn sent_in(senders: u16, slot: u64) -> (u16, u64) {
    let senders = senders as u64;
    ((slot % senders) as u16, slot / senders)
}

/// How many leading slots somebody holds who received these counts: the first missing slot.
pub fn prefix(received: &[u64]) -> u64 {
    let senders = received.len() as u16;
    let missing = received.iter().zip(0..).map(|(count, sender)| slot(senders, sender, *count));
    missing.min().unwrap_or(0)
}

/// How many messages sender `me` must have sent for nobody to wait for it: who stands before
/// another fills up through the other's last message, who stands behind it fills up to it.
pub fn owed(me: u16, received: &[u64]) -> u64 {
    let others = received.iter().zip(0..).filter(|(_, sender)| *sender != me);
    let owed =
        others.map(|(count, sender)| if me < sender { *count } else { count.saturating_sub(1) });
    owed.max().unwrap_or(0)
}

/// How many leading slots everybody holds, of whose rows these are the prefixes.
pub fn stable(prefixes: impl Iterator<Item = u64>) -> u64 {
    prefixes.min().unwrap_or(0)
}

/// The ragged trim: which survivor, in the order given, held least, and what that was. All hold it.
pub fn trim(survivors: impl Iterator<Item = u64>) -> Option<(usize, u64)> {
    survivors.enumerate().min_by_key(|(at, held)| (*held, *at))
}

/// Up to where a majority has come: the largest value that more than half have reached.
pub fn reached_by_majority<T: Ord + Copy>(reached: &mut [T]) -> Option<T> {
    reached.sort_unstable_by(|one, other| other.cmp(one));
    reached.get(reached.len() / 2).copied()
}

#[cfg(test)]
mod the_order {
    use super::*;

    #[test]
    fn is_a_round_robin() {
        for at in 0..100 {
            let (sender, index) = sent_in(3, at);
            assert_eq!(slot(3, sender, index), at);
        }
    }

    #[test]
    fn stands_still_at_the_first_missing_message() {
        assert_eq!(prefix(&[2, 1, 1]), 4);
        assert_eq!(prefix(&[0, 9, 9]), 0);
        assert_eq!(prefix(&[7]), 7);
    }

    #[test]
    fn is_complete_once_everybody_sent_what_it_owes() {
        for counts in [[5, 0, 0], [0, 5, 0], [0, 0, 5], [3, 1, 4]] {
            let last = counts.iter().zip(0..).filter(|(count, _)| **count > 0);
            let last = last.map(|(count, sender)| slot(3, sender, count - 1)).max().unwrap();
            let mut filled = counts;
            for me in 0..3 {
                filled[usize::from(me)] = counts[usize::from(me)].max(owed(me, &counts));
            }
            assert!(prefix(&filled) > last);
            assert!(filled.iter().max() == counts.iter().max(), "nulls provoked nulls");
        }
    }

    #[test]
    fn is_durable_where_more_than_half_are() {
        assert_eq!(reached_by_majority(&mut [1, 2, 3]), Some(2));
        assert_eq!(reached_by_majority(&mut [1, 2]), Some(1));
        assert_eq!(reached_by_majority(&mut [4, 9, 9, 4]), Some(4));
        assert_eq!(reached_by_majority::<u8>(&mut []), None);
    }
}
