//! What holds of cores and tenants, whatever comes in whatever order.

use super::*;
use notrace_policy_promise::digest::Domain;
use proptest::prelude::*;

fn tenant(number: u8) -> Tenant {
    Tenant(Digest::of(Domain::Session, &[number]))
}

fn cores(count: u16, runs_max: u32) -> Cores {
    // Two hardware threads each.
    Cores::new((0..count).map(|at| Box::from([2 * at, 2 * at + 1])).collect(), runs_max)
}

const NOW: Duration = Duration::from_secs(100);

fn enter(cores: &mut Cores, number: u8) -> Option<CoreId> {
    cores.arrive(tenant(number), NOW);
    cores.take(tenant(number), NOW)
}

mod a_tenant {
    use super::*;

    #[test]
    fn spreads_over_free_cores_and_then_shares_its_own() {
        let mut cores = cores(2, 8);
        let [one, two, three] = [1, 1, 1].map(|number| enter(&mut cores, number).unwrap());
        assert_ne!(one, two);
        assert_eq!(three, one);
        assert_eq!(cores.cpus(two), [2, 3]);
    }

    #[test]
    fn never_enters_a_core_of_another() {
        let mut cores = cores(1, 8);
        let held = enter(&mut cores, 1).unwrap();
        assert_eq!(enter(&mut cores, 2), None);
        cores.leave(held, NOW);
        assert_eq!(cores.take(tenant(2), NOW), Some(held));
    }

    #[test]
    fn that_waits_is_promised_a_core_that_nobody_enters_any_more() {
        let mut cores = cores(2, 8);
        let [one, two] = [1, 1].map(|number| enter(&mut cores, number).unwrap());
        assert_eq!(enter(&mut cores, 2), None);
        // The first tenant goes on with the core that was not promised.
        let third = enter(&mut cores, 1).unwrap();
        cores.leave(if third == one { two } else { one }, NOW);
        assert!(cores.take(tenant(2), NOW).is_some());
    }

    #[test]
    fn that_gives_up_leaves_its_promise_to_others() {
        let mut cores = cores(1, 8);
        let held = enter(&mut cores, 1).unwrap();
        assert_eq!(enter(&mut cores, 2), None);
        cores.give_up(tenant(2), NOW);
        assert_eq!(enter(&mut cores, 1), Some(held));
    }

    #[test]
    fn comes_round_before_another_has_its_second_turn() {
        let mut cores = cores(1, 8);
        let mut held = enter(&mut cores, 1).unwrap();
        for number in [2, 3, 2] {
            assert_eq!(enter(&mut cores, number), None);
        }
        for number in [2, 3, 2] {
            cores.leave(held, NOW);
            let others = [2, 3].into_iter().filter(|other| *other != number);
            others.for_each(|other| assert_eq!(cores.take(tenant(other), NOW), None));
            held = cores.take(tenant(number), NOW).unwrap();
        }
    }

    #[test]
    fn keeps_its_core_for_a_while_when_others_have_theirs() {
        let mut cores = cores(2, 8);
        let mine = enter(&mut cores, 1).unwrap();
        let theirs = enter(&mut cores, 2).unwrap();
        cores.leave(mine, NOW);
        assert_eq!(enter(&mut cores, 2), Some(theirs), "it has one already");
        assert_eq!(enter(&mut cores, 1), Some(mine));
        cores.leave(mine, NOW);
        cores.arrive(tenant(2), NOW + KEPT);
        assert_eq!(cores.take(tenant(2), NOW + KEPT), Some(mine), "it was not kept for ever");
    }

    #[test]
    fn that_has_none_takes_an_idle_one_of_who_has_most() {
        let mut cores = cores(3, 8);
        let held = [1, 2, 1].map(|number| enter(&mut cores, number).unwrap());
        held.into_iter().for_each(|core| cores.leave(core, NOW));
        let taken = enter(&mut cores, 3).unwrap();
        assert!(taken == held[0] || taken == held[2]);
        assert_eq!(enter(&mut cores, 2), Some(held[1]));
    }

    #[test]
    fn puts_no_more_runs_on_a_core_than_are_allowed() {
        let mut cores = cores(1, 2);
        let first = enter(&mut cores, 1).unwrap();
        assert!(enter(&mut cores, 1).is_some());
        assert_eq!(enter(&mut cores, 1), None);
        cores.leave(first, NOW);
        assert!(cores.take(tenant(1), NOW).is_some());
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Arrive(u8),
    Take(u8),
    GiveUp(u8),
    Leave(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u8..4).prop_map(Step::Arrive),
        (0u8..4).prop_map(Step::Take),
        (0u8..4).prop_map(Step::GiveUp),
        (0usize..8).prop_map(Step::Leave),
        (0u64..20).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn no_two_tenants_are_on_one_core_and_all_who_wait_come_in(
        count in 1u16..4,
        runs_max in 1u32..4,
        steps in proptest::collection::vec(step(), 0..200),
    ) {
        let mut cores = cores(count, runs_max);
        let (mut waiting, mut now) = ([0u32; 4], NOW);
        let mut seated: Vec<(CoreId, u8)> = Vec::new();
        for step in steps {
            match step {
                Step::Arrive(who) => {
                    cores.arrive(tenant(who), now);
                    waiting[usize::from(who)] += 1;
                }
                Step::Take(who) => {
                    let taken = cores.take(tenant(who), now);
                    prop_assert!(taken.is_none() || waiting[usize::from(who)] > 0);
                    if let Some(core) = taken {
                        waiting[usize::from(who)] -= 1;
                        seated.push((core, who));
                    }
                }
                Step::GiveUp(who) if waiting[usize::from(who)] > 0 => {
                    cores.give_up(tenant(who), now);
                    waiting[usize::from(who)] -= 1;
                }
                Step::GiveUp(_) => {}
                Step::Leave(which) if !seated.is_empty() => {
                    let (core, _) = seated.swap_remove(which % seated.len());
                    cores.leave(core, now);
                }
                Step::Leave(_) => {}
                Step::Pass(seconds) => now += Duration::from_secs(seconds),
            }
            for (at, (core, who)) in seated.iter().enumerate() {
                let beside = seated.iter().filter(|(other, _)| other == core);
                prop_assert!(beside.clone().all(|(_, other)| other == who), "two tenants at {at}");
                prop_assert!(beside.count() as u32 <= runs_max);
            }
        }
        // However it stands: as runs end, every one that waits has its turn.
        let mut left: u32 = waiting.iter().sum();
        for _ in 0..2 * (left as usize + seated.len()) + 2 {
            for who in 0..4u8 {
                while waiting[usize::from(who)] > 0 {
                    let Some(core) = cores.take(tenant(who), now) else { break };
                    waiting[usize::from(who)] -= 1;
                    left -= 1;
                    seated.push((core, who));
                }
            }
            if seated.is_empty() {
                break;
            }
            let (core, _) = seated.remove(0);
            cores.leave(core, now);
        }
        prop_assert_eq!(left, 0, "somebody waits for ever");
    }

    /// Whoever waits while there is room does so because that room is another's by promise.
    #[test]
    fn a_free_core_is_not_left_idle(arrivals in proptest::collection::vec(0u8..4, 1..20)) {
        let mut cores = cores(3, 2);
        let mut on = [0; 3];
        for who in arrivals {
            let free = on.contains(&0);
            match enter(&mut cores, who) {
                Some(CoreId(index)) => on[index] += 1,
                None => prop_assert!(!free),
            }
        }
    }
}
