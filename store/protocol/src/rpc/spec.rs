//! What becomes of calls, path by path.

use super::*;
use crate::ids::{SeqNum, ViewId};
use crate::time::Hlc;
use Durability::{AllDurable, Delivered, MajorityDurable};

const SHARD: ShardId = ShardId(3);
const CALL: RequestId = RequestId(7);

pub(super) fn node(number: u32) -> NodeId {
    NodeId::new(number).unwrap()
}

pub(super) fn at(view: u32, seq: u64) -> Place {
    let version = Version::new(ViewId::new(view).unwrap(), SeqNum::new(seq).unwrap());
    Place { version, time: Hlc::from_wire(version.to_wire()) }
}

fn members() -> [NodeId; 3] {
    [node(1), node(2), node(3)]
}

fn ordered(level: Durability, gather: Gather) -> Calls {
    let mut calls = Calls::new(node(1));
    calls.open_ordered(CALL, SHARD, level, gather, &members()).unwrap();
    calls
}

fn direct() -> Calls {
    let mut calls = Calls::new(node(1));
    calls.open_p2p(CALL, node(2)).unwrap();
    calls
}

fn ended(calls: &mut Calls) -> Vec<Outcome> {
    let mut out = Vec::new();
    calls.resolve(&mut out);
    out.into_iter().map(|resolved| resolved.outcome).collect()
}

fn delivered(place: Place, replies: &[(u32, Reply)]) -> Vec<Outcome> {
    let answer = |(member, reply): &(u32, Reply)| Answer { member: node(*member), reply: *reply };
    vec![Outcome::Delivered { place, replies: replies.iter().map(answer).collect() }]
}

fn unknown(delivered: Option<Place>) -> Vec<Outcome> {
    vec![Outcome::Unknown { delivered }]
}

mod an_update {
    use super::*;

    #[test]
    fn is_answered_when_it_is_delivered_if_that_is_enough() {
        let mut calls = ordered(Delivered, Gather::None);
        assert_eq!(ended(&mut calls), []);
        calls.delivered(CALL, at(1, 1));
        assert_eq!(ended(&mut calls), delivered(at(1, 1), &[]));
        assert_eq!(ended(&mut calls), [], "a call ended twice");
    }

    #[test]
    fn waits_for_the_frontier_that_was_asked_for_and_no_other() {
        let before = at(1, 4).version;
        let version = at(1, 5).version;
        let mut calls = ordered(MajorityDurable, Gather::None);
        calls.delivered(CALL, at(1, 5));
        calls.durable(SHARD, before, version);
        calls.durable(ShardId(2), version, version);
        calls.durable(ShardId(999), version, version);
        assert_eq!(ended(&mut calls), []);
        calls.durable(SHARD, version, before);
        assert_eq!(ended(&mut calls), delivered(at(1, 5), &[]));

        let mut calls = ordered(AllDurable, Gather::None);
        calls.delivered(CALL, at(1, 5));
        calls.durable(SHARD, version, before);
        assert_eq!(ended(&mut calls), []);
        calls.durable(SHARD, version, version);
        assert_eq!(ended(&mut calls), delivered(at(1, 5), &[]));
    }

    #[test]
    fn is_answered_though_the_frontier_was_told_first_or_falls_back() {
        let mut calls = ordered(AllDurable, Gather::None);
        calls.durable(SHARD, at(1, 5).version, at(1, 5).version);
        calls.durable(SHARD, at(1, 1).version, at(1, 1).version);
        calls.delivered(CALL, at(1, 5));
        assert_eq!(ended(&mut calls), delivered(at(1, 5), &[]));
    }

    #[test]
    fn is_covered_by_the_frontier_of_a_later_epoch() {
        let mut calls = ordered(AllDurable, Gather::None);
        calls.delivered(CALL, at(1, 500));
        calls.view_changed(SHARD, &[node(1), node(3)]);
        calls.durable(SHARD, at(1, 499).version, at(1, 499).version);
        assert_eq!(ended(&mut calls), []);
        calls.durable(SHARD, at(4, 1).version, at(4, 1).version);
        assert_eq!(ended(&mut calls), delivered(at(1, 500), &[]));
    }

    #[test]
    fn that_the_trim_cut_off_was_not_applied() {
        let mut calls = ordered(Delivered, Gather::All);
        calls.cut(CALL);
        calls.view_changed(SHARD, &[node(1)]);
        assert_eq!(ended(&mut calls), [Outcome::NotApplied]);
    }

    #[test]
    fn that_is_sent_again_stays_open_and_is_answered_by_the_next_members() {
        let mut calls = ordered(MajorityDurable, Gather::All);
        calls.carried(CALL);
        calls.view_changed(SHARD, &[node(1), node(4)]);
        calls.carried(CALL);
        calls.view_changed(SHARD, &[node(1), node(5)]);
        calls.delivered(CALL, at(6, 1));
        for from in [1, 2, 4, 5] {
            assert_eq!(ended(&mut calls), []);
            calls.replied(CALL, node(from));
        }
        assert_eq!(ended(&mut calls), [], "the answer did not wait for the disks");
        calls.durable(SHARD, at(6, 1).version, at(1, 1).version);
        let replies = [(1, Reply::Replied), (5, Reply::Replied)];
        assert_eq!(ended(&mut calls), delivered(at(6, 1), &replies));
    }

    #[test]
    fn of_which_nothing_is_said_when_its_epoch_ends_has_an_unknown_fate() {
        let mut calls = ordered(Delivered, Gather::None);
        calls.view_changed(ShardId(9), &members());
        assert_eq!(ended(&mut calls), []);
        calls.view_changed(SHARD, &members());
        assert_eq!(ended(&mut calls), unknown(None));
        calls.delivered(CALL, at(1, 1));
        assert_eq!(ended(&mut calls), []);
    }
}

mod replies {
    use super::*;

    #[test]
    fn count_once_each_and_only_from_members() {
        let mut calls = ordered(Delivered, Gather::All);
        calls.replied(CALL, node(3));
        calls.delivered(CALL, at(1, 1));
        for from in [3, 1, 1, 9] {
            calls.replied(CALL, node(from));
            assert_eq!(ended(&mut calls), []);
        }
        calls.replied(CALL, node(2));
        let all = [(1, Reply::Replied), (2, Reply::Replied), (3, Reply::Replied)];
        assert_eq!(ended(&mut calls), delivered(at(1, 1), &all));
    }

    #[test]
    fn do_not_stand_for_a_delivery() {
        let mut calls = ordered(Delivered, Gather::All);
        members().into_iter().for_each(|from| calls.replied(CALL, from));
        assert_eq!(ended(&mut calls), []);
    }

    #[test]
    fn of_others_are_not_waited_for_where_only_our_own_is() {
        let mut calls = ordered(Delivered, Gather::Own);
        calls.delivered(CALL, at(1, 1));
        calls.replied(CALL, node(2));
        assert_eq!(ended(&mut calls), []);
        calls.replied(CALL, node(1));
        assert_eq!(ended(&mut calls), delivered(at(1, 1), &[(1, Reply::Replied)]));
    }

    #[test]
    fn of_those_who_left_are_not_waited_for_but_those_that_came_stay() {
        let mut calls = ordered(Delivered, Gather::All);
        calls.replied(CALL, node(2));
        calls.delivered(CALL, at(1, 1));
        calls.view_changed(SHARD, &[node(1), node(4)]);
        calls.replied(CALL, node(3));
        assert_eq!(ended(&mut calls), []);
        calls.replied(CALL, node(1));
        let all = [(1, Reply::Replied), (2, Reply::Replied), (3, Reply::ViewChanged)];
        assert_eq!(ended(&mut calls), delivered(at(1, 1), &all));
    }

    #[test]
    fn of_a_node_that_left_the_group_are_not_waited_for() {
        let mut calls = ordered(Delivered, Gather::All);
        calls.delivered(CALL, at(1, 1));
        calls.replied(CALL, node(1));
        calls.replied(CALL, node(2));
        calls.member_gone(node(9));
        assert_eq!(ended(&mut calls), []);
        calls.member_gone(node(3));
        let all = [(1, Reply::Replied), (2, Reply::Replied), (3, Reply::ViewChanged)];
        assert_eq!(ended(&mut calls), delivered(at(1, 1), &all));
    }

    #[test]
    fn that_a_broken_link_took_are_not_waited_for_and_count_if_they_come() {
        let mut calls = ordered(Delivered, Gather::All);
        calls.delivered(CALL, at(1, 1));
        calls.link_lost(node(2));
        calls.link_lost(node(3));
        calls.replied(CALL, node(2));
        assert_eq!(ended(&mut calls), []);
        calls.replied(CALL, node(1));
        let all = [(1, Reply::Replied), (2, Reply::Replied), (3, Reply::Unknown)];
        assert_eq!(ended(&mut calls), delivered(at(1, 1), &all));
    }
}

mod a_node_that_lost_sight_of_a_shard {
    use super::*;

    #[test]
    fn knows_no_fate_that_it_had_not_seen_on_disks() {
        let place = at(1, 1);
        for level in [Delivered, MajorityDurable, AllDurable] {
            let mut calls = ordered(level, Gather::All);
            calls.lost_sight(ShardId(2));
            assert_eq!(ended(&mut calls), []);
            calls.lost_sight(SHARD);
            assert_eq!(ended(&mut calls), unknown(None));

            let mut calls = ordered(level, Gather::All);
            calls.delivered(CALL, place);
            calls.lost_sight(SHARD);
            assert_eq!(ended(&mut calls), unknown(Some(place)));
            assert!(nobody_waits(&calls));

            let mut calls = ordered(level, Gather::All);
            calls.delivered(CALL, place);
            calls.stopped();
            assert_eq!(ended(&mut calls), unknown(Some(place)));
            assert!(nobody_waits(&calls));
        }
    }

    fn nobody_waits(calls: &Calls) -> bool {
        calls.lanes.iter().all(|lane| *lane == Lane::default())
    }

    #[test]
    fn keeps_what_it_had_seen_on_disks() {
        for level in [MajorityDurable, AllDurable] {
            let mut calls = ordered(level, Gather::All);
            calls.delivered(CALL, at(1, 1));
            calls.durable(SHARD, at(1, 1).version, at(1, 1).version);
            calls.replied(CALL, node(2));
            calls.lost_sight(SHARD);
            let replies = [(1, Reply::Unknown), (2, Reply::Replied), (3, Reply::Unknown)];
            assert_eq!(ended(&mut calls), delivered(at(1, 1), &replies));
        }
    }

    /// A restart may leave out what was delivered; a frontier beyond it then covers other updates.
    #[test]
    fn takes_no_later_frontier_for_an_earlier_update() {
        let mut calls = ordered(AllDurable, Gather::None);
        calls.delivered(CALL, at(1, 50));
        calls.lost_sight(SHARD);
        assert_eq!(ended(&mut calls), unknown(Some(at(1, 50))));
        let next = RequestId(8);
        calls.open_ordered(next, SHARD, AllDurable, Gather::None, &members()).unwrap();
        calls.delivered(next, at(3, 1));
        calls.durable(SHARD, at(2, 9).version, at(2, 9).version);
        assert_eq!(ended(&mut calls), []);
        calls.durable(SHARD, at(3, 1).version, at(3, 1).version);
        assert_eq!(ended(&mut calls), delivered(at(3, 1), &[]));
    }
}

mod a_direct_call {
    use super::*;

    #[test]
    fn is_answered_by_whom_it_went_to() {
        let mut calls = direct();
        calls.replied(CALL, node(3));
        assert_eq!(ended(&mut calls), []);
        calls.replied(CALL, node(2));
        calls.replied(CALL, node(2));
        assert_eq!(ended(&mut calls), [Outcome::Replied { from: node(2) }]);
    }

    #[test]
    fn ends_when_whom_it_went_to_leaves() {
        let mut calls = direct();
        calls.member_gone(node(3));
        assert_eq!(ended(&mut calls), []);
        calls.member_gone(node(2));
        assert_eq!(ended(&mut calls), [Outcome::ViewChanged]);
    }

    #[test]
    fn has_an_unknown_fate_when_the_link_breaks() {
        let mut calls = direct();
        calls.link_lost(node(3));
        assert_eq!(ended(&mut calls), []);
        calls.link_lost(node(2));
        calls.replied(CALL, node(2));
        assert_eq!(ended(&mut calls), unknown(None));
    }

    #[test]
    fn is_not_touched_by_what_concerns_updates() {
        let mut calls = direct();
        calls.delivered(CALL, at(1, 1));
        calls.cut(CALL);
        calls.carried(CALL);
        calls.view_changed(SHARD, &[]);
        calls.lost_sight(SHARD);
        assert_eq!(ended(&mut calls), []);
    }
}

mod a_node_that_stopped {
    use super::*;

    #[test]
    fn knows_no_fate_and_hears_no_more_of_it() {
        let mut calls = direct();
        let update = RequestId(8);
        calls.open_ordered(update, SHARD, Delivered, Gather::None, &members()).unwrap();
        calls.stopped();
        calls.replied(CALL, node(2));
        calls.delivered(update, at(1, 1));
        calls.cut(update);
        calls.carried(update);
        calls.member_gone(node(2));
        let mut out = Vec::new();
        calls.resolve(&mut out);
        let fate = |request| Resolved { request, outcome: Outcome::Unknown { delivered: None } };
        assert_eq!(out, [fate(update), fate(CALL)]);
    }
}

mod the_number_of_open_calls {
    use super::*;

    #[test]
    fn is_bounded_until_those_that_ended_are_taken() {
        let mut calls = Calls::new(node(1));
        let full = CALLS_MAX as u64;
        for number in 0..full {
            calls.open_p2p(RequestId(number), node(2)).unwrap();
        }
        assert!(calls.is_full());
        let one_more = RequestId(full);
        assert_eq!(calls.open_p2p(one_more, node(2)), Err(CallsFull));
        let level = Delivered;
        let refused = calls.open_ordered(one_more, SHARD, level, Gather::None, &members());
        assert_eq!(refused, Err(CallsFull));
        calls.replied(RequestId(5), node(2));
        assert_eq!(calls.open_p2p(one_more, node(2)), Err(CallsFull));
        assert_eq!(ended(&mut calls).len(), 1);
        calls.open_p2p(one_more, node(2)).unwrap();
        calls.stopped();
        assert_eq!(ended(&mut calls).len(), CALLS_MAX);
        assert!(!calls.is_full());
    }
}
