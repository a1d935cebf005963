//! What an epoch promises, on random interleavings of everything that may happen.

use super::network::{Dice, Network, all, node};
use super::*;
use crate::mark::Mark;

mod any_interleaving {
    use super::*;

    fn runs(mode: Mode, seeds: core::ops::Range<u64>, ends: bool, then: impl Fn(Network, Dice)) {
        for seed in seeds {
            let mut dice = Dice::new(seed);
            let n = 1 + dice.below(4);
            let senders = if dice.below(4) == 0 { Senders::First } else { Senders::All };
            let window = (8 + dice.below(60) as u32, 1 + dice.below(8) as u32);
            let mut network = Network::of(n, senders, mode, window);
            for at in 0..n {
                for _ in 0..dice.below(20) {
                    network.happen(&mut dice);
                }
                // Not everybody comes so far, where the epoch ends before it is quiet.
                if !(ends && dice.below(12) == 0) {
                    network.become_ready(at);
                }
            }
            for _ in 0..dice.below(400) {
                network.happen(&mut dice);
            }
            then(network, dice);
        }
    }

    #[test]
    fn delivers_everything_everywhere_once_it_is_quiet() {
        for mode in [Mode::Durable, Mode::Volatile] {
            runs(mode, 0..150, false, |mut network, _| {
                network.run_until_quiet();
                network.expect_all_delivered();
                let base = network.epochs[0].start().through;
                let last = network.order.last().map_or(base, |(place, ..)| place.version);
                for (epoch, stable) in network.epochs.iter().zip(&network.stable) {
                    assert_eq!(epoch.all_frontier(), last);
                    assert_eq!(epoch.majority_frontier(), last);
                    assert_eq!(*stable, epoch.last());
                    assert!(network.epochs[0].senders > 1 || !epoch.marks().has(Mark::Nulls));
                    assert_eq!(epoch.window.undelivered().count(), 0);
                    assert_eq!(epoch.window.told_from(0), [], "room is free again");
                }
            });
        }
    }

    #[test]
    fn ends_alike_for_all_survivors_with_exactly_the_rest_cut_off() {
        runs(Mode::Durable, 1_000..1_400, true, |mut network, mut dice| {
            let mut survivors: Vec<usize> = (0..network.n()).collect();
            survivors.retain(|at| dice.below(3) > 0 && network.epochs[*at].is_ready());
            for at in &survivors {
                for _ in 0..dice.below(30) {
                    network.happen(&mut dice);
                }
                network.epochs[*at].wedge();
                let held = network.epochs[*at].held();
                for _ in 0..dice.below(30) {
                    network.happen(&mut dice);
                }
                assert_eq!(network.epochs[*at].held(), held, "final");
            }
            if survivors.is_empty() {
                return;
            }
            let cuts = network.end(&survivors);
            let end = network.delivered[survivors[0]];
            assert!(network.delivered.iter().all(|delivered| *delivered <= end));
            for (at, cut) in survivors.iter().zip(cuts) {
                assert_eq!(network.delivered[*at], end);
                let own = network.order[..end].iter().filter(|(_, from, _)| *from == node(*at));
                let cut = cut.iter().map(|cut| (cut.slot.index, cut.request));
                assert!(cut.eq(network.sent[*at].iter().skip(own.count()).copied()));
            }
        });
    }

    #[test]
    fn hands_out_telemetry_once_and_in_the_order_of_each_sender() {
        runs(Mode::Unordered, 2_000..2_150, false, |mut network, _| {
            network.run_until_quiet();
            network.expect_all_observed();
            assert!(network.order.is_empty());
            for epoch in &network.epochs {
                assert!(!epoch.marks().has(Mark::Nulls));
                assert_eq!(epoch.window.told_from(0), []);
            }
        });
    }

    #[test]
    fn walks_every_path() {
        let mut marks = Marks::default();
        for seed in 0..40 {
            let (mut network, mut dice) = (all(3), Dice::new(seed));
            for _ in 0..400 {
                network.happen(&mut dice);
            }
            network.epochs.iter().for_each(|epoch| marks.join(epoch.marks()));
        }
        for mark in [Mark::Nulls, Mark::WindowFull, Mark::Wrapped] {
            assert!(marks.has(mark));
        }
    }
}
