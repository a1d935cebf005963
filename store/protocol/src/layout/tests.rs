use super::*;

/// Marsaglia's xorshift: the same cases at every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn node(number: u64) -> NodeId {
    NodeId::new(number as u32).unwrap()
}

fn shard(min: u16, max: u16) -> ShardSpec {
    ShardSpec { min, max, senders: Senders::All, mode: Mode::Durable }
}

fn layout(shards: &[(u16, u16)]) -> LayoutSpec {
    LayoutSpec::new(shards.iter().map(|(min, max)| shard(*min, *max)).collect()).unwrap()
}

fn members(numbers: &[u64], role: Role) -> Vec<Candidate> {
    numbers.iter().map(|number| Candidate { node: node(*number), role }).collect()
}

fn nodes(numbers: &[u64]) -> Vec<NodeId> {
    numbers.iter().map(|number| node(*number)).collect()
}

/// A layout, who holds what in it, and who is there: any of it may be odd.
struct Case {
    spec: LayoutSpec,
    current: Vec<Vec<NodeId>>,
    candidates: Vec<Candidate>,
}

impl Case {
    fn random(random: &mut Random) -> Self {
        let shards = (0..random.below(8) + 1).map(|_| {
            let min = random.below(4) as u16 + 1;
            (min, min + random.below(4) as u16)
        });
        let spec = layout(&shards.collect::<Vec<_>>());
        let mut candidates = Vec::new();
        for number in 1..=random.below(10) + 1 {
            let role = match random.below(6) {
                0 => Role::Witness,
                1 => Role::Leaving,
                _ => Role::Full,
            };
            let at = random.below(number) as usize;
            candidates.insert(at, Candidate { node: node(number), role });
        }
        // Holders beyond the candidates have died; one may be listed twice.
        let current = (0..random.below(10))
            .map(|_| (0..random.below(6)).map(|_| node(random.below(13) + 1)).collect())
            .collect();
        Self { spec, current, candidates }
    }

    fn target(&self) -> Vec<Vec<NodeId>> {
        target(&self.spec, &self.current, &self.candidates)
    }

    /// The target before anybody gives anything away.
    fn filled(&self) -> Vec<Vec<NodeId>> {
        let full = self.of_role(Role::Full);
        let staying = if full.is_empty() { self.of_role(Role::Leaving) } else { full.clone() };
        let mut fill = super::fill::Fill::new(&self.spec.shards, &self.current, &staying, &full);
        fill.reach_min();
        fill.grow_to_max();
        fill.into_target()
    }

    fn held(&self, shard: usize) -> &[NodeId] {
        self.current.get(shard).map_or(&[], Vec::as_slice)
    }

    fn of_role(&self, role: Role) -> Vec<NodeId> {
        let those = self.candidates.iter().filter(|candidate| candidate.role == role);
        those.map(|candidate| candidate.node).collect()
    }
}

/// Hands many random cases and their targets to a check.
fn always(check: impl Fn(&Case, &[Vec<NodeId>])) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..20_000 {
        let case = Case::random(&mut random);
        check(&case, &case.target());
    }
}

fn loads(target: &[Vec<NodeId>], nodes: &[NodeId]) -> Vec<usize> {
    let load = |node| target.iter().filter(|members| members.contains(node)).count();
    nodes.iter().map(load).collect()
}

mod any_target {
    use super::*;

    #[test]
    fn is_the_same_every_time_and_its_own_target() {
        always(|case, target| {
            assert_eq!(target, case.target());
            let again = super::super::target(&case.spec, target, &case.candidates);
            assert_eq!(target, again);
        });
    }

    #[test]
    fn names_nobody_twice_and_never_more_than_max() {
        always(|case, target| {
            assert_eq!(target.len(), case.spec.shards().count());
            for ((_, spec), members) in case.spec.shards().zip(target) {
                assert!(members.len() <= usize::from(spec.max));
                let twice = |at: usize| members[..at].contains(&members[at]);
                assert!(!(0..members.len()).any(twice));
            }
        });
    }

    #[test]
    fn leaves_survivors_where_they_are_unless_another_holds_two_shards_fewer() {
        always(|case, target| {
            let (full, filled) = (case.of_role(Role::Full), case.filled());
            for (shard, ((_, spec), members)) in case.spec.shards().zip(&filled).enumerate() {
                let mut stay = Vec::new();
                for node in case.held(shard).iter().filter(|node| full.contains(node)) {
                    if !stay.contains(node) {
                        stay.push(*node);
                    }
                }
                stay.truncate(spec.max.into());
                assert_eq!(members[..stay.len()], stay);
            }
            let loads = loads(&filled, &full);
            if loads.iter().max().unwrap_or(&0) - loads.iter().min().unwrap_or(&0) < 2 {
                assert_eq!(target, filled);
            }
        });
    }

    #[test]
    fn reaches_min_or_takes_all_there_are() {
        always(|case, target| {
            let full = case.of_role(Role::Full);
            for ((_, spec), members) in case.spec.shards().zip(target) {
                let there = full.len().min(spec.min.into());
                assert!(members.len() >= there);
                assert_eq!(adequate(&spec, members), members.len() >= spec.min.into());
            }
        });
    }

    #[test]
    fn reaches_max_or_takes_all_there_are() {
        always(|case, target| {
            let full = case.of_role(Role::Full);
            for ((_, spec), members) in case.spec.shards().zip(target) {
                let taken = members.iter().filter(|node| full.contains(node)).count();
                assert_eq!(taken, full.len().min(spec.max.into()));
            }
        });
    }

    #[test]
    fn never_names_a_witness() {
        always(|case, target| {
            let witnesses = case.of_role(Role::Witness);
            assert!(target.iter().flatten().all(|node| !witnesses.contains(node)));
        });
    }

    #[test]
    fn drains_who_leaves_unless_only_leavers_are_left() {
        always(|case, target| {
            let leaving = case.of_role(Role::Leaving);
            for (shard, members) in target.iter().enumerate() {
                let kept = members.iter().filter(|node| leaving.contains(node));
                if case.of_role(Role::Full).is_empty() {
                    assert!(kept.clone().all(|node| case.held(shard).contains(node)));
                    let had_some = case.held(shard).iter().any(|node| leaving.contains(node));
                    assert_eq!(kept.count() > 0, had_some);
                } else {
                    assert_eq!(kept.count(), 0);
                }
            }
        });
    }
}

mod a_target_from_nothing {
    use super::*;

    #[test]
    fn is_even_where_shards_want_the_same() {
        for shards in 1..=24 {
            for min in 1..=5 {
                for count in 1..=12 {
                    let spec = layout(&vec![(1, min); shards]);
                    let numbers: Vec<u64> = (1..=count).collect();
                    let target = target(&spec, &[], &members(&numbers, Role::Full));
                    let loads = loads(&target, &nodes(&numbers));
                    let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
                    assert!(most - least <= 1, "{shards} {min} {count} {loads:?}");
                    let sizes = target.iter().map(Vec::len);
                    assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 2);
                }
            }
        }
    }

    #[test]
    fn gives_each_its_own_while_there_are_any() {
        let spec = layout(&[(2, 3), (2, 3)]);
        let made = target(&spec, &[], &members(&[1, 2, 3, 4, 5], Role::Full));
        assert_eq!(made, [nodes(&[1, 3, 5]), nodes(&[2, 4, 1])]);
    }

    #[test]
    fn gives_several_to_each_where_there_are_few() {
        let made = target(&layout(&[(2, 2); 3]), &[], &members(&[1, 2, 3], Role::Full));
        assert_eq!(made, [nodes(&[1, 2]), nodes(&[2, 3]), nodes(&[3, 1])]);
    }
}

mod a_target_for_one_more {
    use super::*;

    /// What becomes of the shards when each change of the view carries out only some of what the
    /// target asks for, and that in two steps: who is new comes in first, and then who goes, goes.
    fn grown(
        spec: &LayoutSpec,
        mut held: Vec<Vec<NodeId>>,
        there: &[Candidate],
    ) -> Vec<Vec<NodeId>> {
        let mut random = Random(17);
        for _ in 0..200 {
            let wanted = target(spec, &held, there);
            let unlike = |at: &usize| {
                let (mut held, mut wanted) = (held[*at].clone(), wanted[*at].clone());
                held.sort_unstable();
                wanted.sort_unstable();
                held != wanted
            };
            let open: Vec<usize> = (0..held.len()).filter(unlike).collect();
            if open.is_empty() {
                return held;
            }
            let at = open[random.below(open.len() as u64) as usize];
            let lacks = wanted[at].iter().find(|node| !held[at].contains(node));
            match lacks {
                Some(new) => held[at].push(*new),
                None => held[at].retain(|node| wanted[at].contains(node)),
            }
        }
        panic!("the shards are moved for ever: {held:?}");
    }

    #[test]
    fn comes_to_rest_with_nobody_two_ahead_of_another() {
        for (shards, copies) in [(1, 1), (4, 2), (9, 3), (16, 3), (5, 5)] {
            let spec = layout(&vec![(1, copies); shards]);
            let mut held = vec![nodes(&[1]); shards];
            for count in 2..=8 {
                let numbers: Vec<u64> = (1..=count).collect();
                held = grown(&spec, held, &members(&numbers, Role::Full));
                let loads = loads(&held, &nodes(&numbers));
                let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
                assert!(most - least <= 1, "{shards} shards of {copies}, {count} nodes: {loads:?}");
            }
        }
    }
}

mod a_target_after_a_loss {
    use super::*;

    #[test]
    fn fills_the_emptiest_shard_first() {
        let spec = layout(&[(3, 3), (3, 3)]);
        let current = [nodes(&[1, 2]), nodes(&[3])];
        let made = target(&spec, &current, &members(&[1, 2, 3, 4, 5], Role::Full));
        assert_eq!(made, [nodes(&[1, 2, 5]), nodes(&[3, 4, 1])]);
    }

    #[test]
    fn hands_a_leavers_shard_to_another() {
        let spec = layout(&[(1, 2)]);
        let mut there = members(&[1], Role::Leaving);
        assert_eq!(target(&spec, &[nodes(&[1])], &there), [nodes(&[1])]);
        there.extend(members(&[2], Role::Full));
        assert_eq!(target(&spec, &[nodes(&[1])], &there), [nodes(&[2])]);
    }
}

mod a_layout {
    use super::*;

    #[test]
    fn refuses_what_is_out_of_bounds() {
        assert_eq!(LayoutSpec::new(Vec::new()), Err(BadLayout::Count));
        assert_eq!(LayoutSpec::new(vec![shard(1, 1); SHARDS_MAX + 1]), Err(BadLayout::Count));
        assert_eq!(LayoutSpec::new(vec![shard(0, 1)]), Err(BadLayout::Bounds));
        assert_eq!(LayoutSpec::new(vec![shard(1, 1), shard(3, 2)]), Err(BadLayout::Bounds));
        assert!(LayoutSpec::new(vec![shard(1, u16::MAX); SHARDS_MAX]).is_ok());
    }

    #[test]
    fn counts_a_node_once() {
        assert!(adequate(&shard(2, 2), &nodes(&[1, 2])));
        assert!(!adequate(&shard(2, 2), &nodes(&[1, 1])));
    }
}
