//! What an epoch promises, story by story.

use super::network::{BASE, Dice, Network, USUAL, all, node, opening, version};
use super::*;
use crate::layout::ShardSpec;
use crate::message::Write;
use crate::row::Holding;

const WALL: Hlc = Hlc::from_unix_micros(2_000);
mod an_update {
    use super::*;

    #[test]
    fn goes_to_the_others_before_its_guard() {
        let mut network = all(2);
        network.run_until_quiet();
        network.send(0, 4, WALL).unwrap();
        network.advance(0);
        let writes: Vec<_> = network.links[0][1].iter().collect();
        let [Write::Frames(frames), Write::Shard(row)] = writes[..] else { panic!() };
        assert_eq!((frames.frames.len(), row.sent), (1, 1));
    }

    #[test]
    fn is_not_delivered_while_one_member_lacks_it_or_what_came_before_the_epoch() {
        let mut network = Network::of(3, Senders::All, Mode::Durable, USUAL);
        network.become_ready(0);
        network.become_ready(1);
        network.send(0, 4, WALL).unwrap();
        network.run_until_quiet();
        assert_eq!(network.delivered, [0, 0, 0]);
        assert_eq!(network.epochs[0].unready().collect::<Vec<_>>(), [node(2)]);
        assert_eq!(network.epochs[2].held().how, Holding::Unready);
        network.become_ready(2);
        network.run_until_quiet();
        assert_eq!(network.delivered, [1, 1, 1]);
    }

    #[test]
    fn gets_a_time_after_the_last_one_whatever_its_senders_clock_says() {
        let mut network = all(2);
        network.send(0, 1, Hlc::from_unix_micros(1)).unwrap();
        network.send(0, 1, WALL).unwrap();
        network.send(0, 1, Hlc::from_unix_micros(3)).unwrap();
        network.run_until_quiet();
        let times: Vec<Hlc> = network.order.iter().map(|(place, ..)| place.time).collect();
        assert_eq!(times, [BASE.tick(Hlc::ZERO), WALL, WALL.tick(Hlc::ZERO)]);
    }

    #[test]
    fn is_numbered_by_its_slot_and_nulls_leave_gaps() {
        let mut network = all(3);
        network.send(1, 1, WALL).unwrap();
        network.run_until_quiet();
        network.send(1, 1, WALL).unwrap();
        network.run_until_quiet();
        let versions = network.order.iter().map(|(place, ..)| place.version);
        assert!(versions.eq([version(2), version(5)]));
        assert_eq!(network.epochs[2].all_frontier(), version(5), "a null follows it");
    }
}

mod a_sender {
    use super::*;

    #[test]
    fn waits_at_a_read_for_its_own_update_that_another_member_delivered_first() {
        let mut network = all(3);
        network.run_until_quiet();
        network.send(0, 1, WALL).unwrap();
        network.advance(0);
        // What the last member says to the sender stays on its way.
        let mut moved = true;
        while std::mem::take(&mut moved) {
            for (from, to) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 1)] {
                while network.pass(from, to) {
                    moved = true;
                }
                network.advance(to);
            }
        }
        assert_eq!(network.delivered, [0, 1, 1]);
        assert!(network.epochs[0].heard() > network.epochs[0].passed());
        network.run_until_quiet();
        assert_eq!(network.epochs[0].heard(), network.epochs[0].passed());
    }
}

mod a_lone_sender {
    use super::*;

    /// Everything under way arrives, and then everybody looks; how many such steps there were until
    /// all have delivered `count`, and how many rows came.
    fn steps(network: &mut Network, count: usize) -> (usize, usize) {
        let (n, mut steps, mut rows) = (network.n(), 0, 0);
        while network.delivered.iter().any(|delivered| *delivered < count) {
            steps += 1;
            for from in 0..n {
                for to in 0..n {
                    let links = &network.links[from][to];
                    rows += links.iter().filter(|it| matches!(it, Write::Shard(_))).count();
                    while network.pass(from, to) {}
                }
            }
            (0..n).for_each(|at| network.advance(at));
        }
        (steps, rows)
    }

    #[test]
    fn waits_for_no_null_once_it_has_sent_one_update_wherever_it_stands() {
        for sender in 0..3 {
            let mut network = all(3);
            network.run_until_quiet();
            for count in 1..6 {
                network.send(sender, 1, WALL).unwrap();
                network.advance(sender);
                let (steps, rows) = steps(&mut network, count);
                assert!(count == 1 || steps == 2, "there, and whoever has it said so");
                assert!(count == 1 || rows <= 6, "a row of each to each");
            }
        }
    }

    #[test]
    fn has_room_again_though_disks_say_nothing_and_rows_are_spared() {
        let mut network = all(3);
        network.run_until_quiet();
        for count in 1..100 {
            network.send(1, 7, WALL).unwrap();
            network.advance(1);
            steps(&mut network, count);
        }
    }
}

mod a_lone_member {
    use super::*;

    #[test]
    fn delivers_at_once_and_writes_to_nobody() {
        let mut network = all(1);
        for seq in 1..100 {
            network.send(0, 64, WALL).unwrap();
            network.advance(0);
            assert_eq!(network.epochs[0].last().version, version(seq));
        }
        network.persist(0);
        assert_eq!(network.stable[0], network.epochs[0].last());
    }
}

mod a_member {
    use super::*;

    fn founder(mode: Mode) -> Epoch {
        let spec = ShardSpec { min: 1, max: 1, senders: Senders::All, mode };
        let start = Start { since: ViewId::FIRST, through: Version::ZERO };
        Epoch::open(Opening { start, ..opening(1, 0, spec, Limits::USUAL) })
    }

    #[test]
    fn becomes_ready_once() {
        let mut network = all(2);
        network.run_until_quiet();
        let before = network.epochs[0].clone();
        network.become_ready(0);
        assert!(network.epochs[0] == before);
    }

    #[test]
    fn that_begins_with_nothing_has_nothing_stable() {
        for mode in [Mode::Durable, Mode::Volatile, Mode::Unordered] {
            let (mut epoch, mut out) = (founder(mode), Vec::new());
            epoch.become_ready(Place::ZERO);
            epoch.advance(&mut out);
            epoch.check();
            assert_eq!(out, []);
        }
    }

    #[test]
    fn needs_no_disk_for_a_volatile_shard() {
        let (mut epoch, mut out) = (founder(Mode::Volatile), Vec::new());
        epoch.become_ready(Place::ZERO);
        epoch.send(RequestId(0), 1, WALL, &mut out).unwrap();
        epoch.advance(&mut out);
        let place = epoch.last();
        assert_eq!(out.last(), Some(&Effect::Stable { shard: epoch.shard(), place }));
        assert_eq!(epoch.all_frontier(), place.version);
    }
}

mod a_send {
    use super::*;

    #[test]
    fn is_refused_with_the_reason_that_comes_first() {
        let spec = ShardSpec { min: 1, max: 2, senders: Senders::First, mode: Mode::Durable };
        let limits = Limits { window_bytes: 8, window_messages: 2, ..Limits::USUAL };
        let mut epoch = Epoch::open(opening(2, 1, spec, limits));
        let send = |epoch: &mut Epoch, bytes| epoch.send(RequestId(0), bytes, WALL, &mut vec![]);
        assert_eq!(send(&mut epoch, 1), Err(SendRefused::NotSender));
        let mut epoch = Epoch::open(opening(2, 0, spec, limits));
        assert_eq!(send(&mut epoch, 9), Err(SendRefused::TooLarge));
        assert_eq!(send(&mut epoch, 8), Ok(()));
        assert_eq!(send(&mut epoch, 1), Err(SendRefused::Busy), "bytes");
        assert_eq!(send(&mut epoch, 0), Ok(()));
        assert_eq!(send(&mut epoch, 0), Err(SendRefused::Busy), "messages");
        epoch.wedge();
        assert_eq!(send(&mut epoch, 1), Err(SendRefused::Wedged));
    }

    #[test]
    fn is_refused_when_the_numbers_of_the_epoch_end() {
        for n in 1..=3 {
            let mut epoch = all(n).epochs.pop().unwrap();
            let end = epoch.indices();
            epoch.window.fill(end - 1);
            epoch.window.free(end - 1);
            assert_eq!(epoch.send(RequestId(0), 1, WALL, &mut vec![]), Ok(()));
            let refused = epoch.send(RequestId(1), 1, WALL, &mut vec![]);
            assert_eq!(refused, Err(SendRefused::Busy));
            let last = order::slot(n as u16, epoch.me as u16, end - 1);
            assert!(SeqNum::new(last + 1).is_some());
        }
    }

    #[test]
    fn has_room_again_when_the_last_member_has_delivered() {
        let mut network = Network::of(3, Senders::All, Mode::Durable, (64, 1)).ready();
        network.run_until_quiet();
        for _ in 0..20 {
            network.send(2, 64, WALL).unwrap();
            assert_eq!(network.send(2, 0, WALL), Err(SendRefused::Busy));
            network.run_until_quiet();
        }
        network.expect_all_delivered();
    }
}

mod a_broken_link {
    use super::*;

    #[test]
    fn leaves_a_gap_that_nothing_passes_until_it_is_filled() {
        let mut network = all(2);
        network.run_until_quiet();
        network.send(0, 1, WALL).unwrap();
        network.advance(0);
        network.links[0][1].clear();
        network.send(0, 1, WALL).unwrap();
        network.advance(0);
        network.run_until_quiet();
        assert_eq!(network.epochs[1].received, [0, 0]);
        network.break_link(0, 1, &mut Dice::new(1));
        network.run_until_quiet();
        network.expect_all_delivered();
    }
}

mod telemetry {
    use super::*;

    #[test]
    fn is_handed_out_before_anybody_is_told_that_it_was_received() {
        let mut network = Network::of(2, Senders::All, Mode::Unordered, USUAL).ready();
        network.send(0, 1, WALL).unwrap();
        network.advance(0);
        while network.pass(0, 1) {}
        let mut out = Vec::new();
        network.epochs[1].repeat_to(node(0), &mut out);
        let [Effect::Observe { .. }, Effect::Write { .. }] = out[..] else { panic!() };
    }
}

mod a_wedged_epoch {
    use super::*;

    #[test]
    fn hears_what_others_hold_and_delivers_it() {
        let mut network = all(2);
        network.run_until_quiet();
        network.send(0, 1, WALL).unwrap();
        network.advance(0);
        while network.pass(0, 1) {}
        network.advance(1);
        network.epochs[0].wedge();
        network.run_until_quiet();
        assert_eq!(network.delivered, [1, 1]);
        assert_eq!(network.epochs[1].received, [1, 1], "a null for the next one");
        assert_eq!(network.epochs[0].received, [1, 0]);
        network.send(1, 1, WALL).unwrap();
        network.run_until_quiet();
        assert_eq!(network.epochs[0].received, [1, 0], "nothing counts any more");
        assert_eq!(network.delivered, [1, 1]);
    }

    #[test]
    fn tells_nobody_of_an_update_that_was_not_told_before() {
        let mut network = all(2);
        network.run_until_quiet();
        network.send(0, 1, WALL).unwrap();
        network.epochs[0].wedge();
        network.run_until_quiet();
        assert_eq!(network.epochs[1].received, [0, 0]);
        assert_eq!(network.epochs[1].others[0].standing.held, 1, "it holds it alone");
        network.epochs[1].wedge();
        let cuts = network.end(&[0, 1]);
        assert_eq!((cuts[0].len(), cuts[1].len()), (1, 0));
    }

    #[test]
    fn of_which_nothing_survives_cuts_everything_off() {
        let mut network = all(2);
        network.send(0, 1, WALL).unwrap();
        network.epochs[0].wedge();
        network.epochs[1].wedge();
        let before = network.epochs[0].start().through;
        let mut out = Vec::new();
        let ending = network.epochs.remove(0).finish(before, &mut out);
        assert_eq!((ending.last.version, ending.cut.len()), (before, 1));
        assert_eq!(out, []);
    }
}

mod a_carried_update {
    use super::*;

    #[test]
    fn comes_first_in_the_next_epoch_in_order_and_with_its_time() {
        let mut network = all(2);
        for bytes in 1..4 {
            let wall = Hlc::from_unix_micros(5_000 + u64::from(bytes));
            network.send(0, bytes, wall).unwrap();
        }
        network.epochs.iter_mut().for_each(Epoch::wedge);
        let cuts = network.end(&[0, 1]);
        let mut next = Network::of(2, Senders::All, Mode::Durable, (64, 2));
        assert_eq!(next.carry(0, &cuts[0]), 2, "as many as fit");
        let mut next = Network::of(2, Senders::All, Mode::Durable, USUAL);
        assert_eq!(next.carry(0, &cuts[0]), 3);
        next = next.ready();
        next.send(0, 1, WALL).unwrap();
        next.run_until_quiet();
        next.expect_all_delivered();
        let micros = next.order.iter().map(|(place, ..)| place.time.unix_micros());
        assert!(micros.eq([5_001, 5_002, 5_003, 5_003]));
    }
}

mod a_log {
    use super::*;

    #[test]
    fn is_asked_to_sync_once_for_all_that_was_delivered_together() {
        let mut network = all(2);
        network.run_until_quiet();
        (0..3).for_each(|_| network.send(0, 1, WALL).unwrap());
        network.advance(0);
        while network.pass(0, 1) {}
        network.advance(1);
        while network.pass(1, 0) {}
        let mut out = Vec::new();
        network.epochs[0].advance(&mut out);
        let count = |what: fn(&&Effect) -> bool| out.iter().filter(what).count();
        assert_eq!(count(|effect| matches!(effect, Effect::Deliver { .. })), 3);
        assert_eq!(count(|effect| matches!(effect, Effect::Sync { .. })), 1);
    }

    #[test]
    fn is_never_said_to_hold_what_was_not_delivered() {
        let mut epoch = all(1).epochs.remove(0);
        epoch.persist(version(1_000));
        assert_eq!(epoch.mine.persisted, epoch.start().through);
        epoch.check();
    }

    #[test]
    fn counts_though_another_row_comes_before_it_is_looked_at() {
        let mut network = all(3);
        network.run_until_quiet();
        network.send(0, 1, WALL).unwrap();
        network.advance(0);
        for _ in 0..9 {
            for (from, to) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
                while network.pass(from, to) {}
                network.advance(to);
            }
        }
        assert_eq!(network.delivered, [1, 1, 1]);
        (0..3).for_each(|at| network.persist(at));
        let again = network.links[1][0].back().cloned().unwrap();
        while network.pass(1, 0) || network.pass(2, 0) {}
        network.links[1][0].push_back(again);
        network.pass(1, 0);
        network.advance(0);
        assert_eq!(network.stable[0].version, version(1));
    }

    #[test]
    fn of_an_unready_member_counts_for_nothing() {
        let mut network = Network::of(1, Senders::All, Mode::Durable, USUAL);
        network.epochs[0].persist("5:2".parse().unwrap());
        assert_eq!(network.epochs[0].mine.persisted, Version::ZERO);
    }
}
