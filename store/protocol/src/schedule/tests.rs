use std::collections::VecDeque;

use super::*;

fn schedules(kind: Kind, members: u16, blocks: u32) -> Vec<Schedule> {
    (0..members).map(|me| Schedule::new(kind, members, me, blocks).unwrap()).collect()
}

fn known_steps(kind: Kind, members: u32, blocks: u32) -> u32 {
    let whole = members.ilog2();
    match kind {
        _ if members == 1 => 0,
        Kind::Chain => blocks + members - 2,
        Kind::BinomialPipeline if members.is_power_of_two() => blocks + whole - 1,
        Kind::BinomialPipeline => blocks + whole,
    }
}

/// Runs all members in step, each of which can say no more than one send and one receipt. A set of
/// blocks is one word.
fn obeys_its_rules(kind: Kind, members: u16, blocks: u32) {
    let schedules = schedules(kind, members, blocks);
    let all = u64::MAX >> (64 - blocks);
    let mut held = vec![0_u64; usize::from(members)];
    held[0] = all;
    let steps = schedules[0].steps();
    assert_eq!(steps, known_steps(kind, members.into(), blocks), "{kind:?} {members} {blocks}");
    let mut received = 0;
    for at in 0..steps {
        let now: Vec<Step> = schedules.iter().map(|schedule| schedule.step(at)).collect();
        let before = held.clone();
        let mut sends = 0;
        for (me, step) in now.iter().enumerate() {
            let why = (kind, members, blocks, me, step);
            if let Some((to, block)) = step.send {
                assert!(before[me] >> block & 1 == 1, "sends what it does not hold: {why:?}");
                let there = now[usize::from(to)].receive;
                assert_eq!(there, Some((me as u16, block)), "nobody receives this: {why:?}");
                sends += 1;
            }
            if let Some((_, block)) = step.receive {
                assert!(me != 0, "the root receives: {why:?}");
                assert!(held[me] >> block & 1 == 0, "receives it again: {why:?}");
                held[me] |= 1 << block;
                received += 1;
                sends -= 1;
            }
        }
        assert_eq!(sends, 0, "somebody receives what nobody sends");
    }
    assert!(held.iter().all(|held| *held == all), "{kind:?} {members} {blocks}: not everybody");
    assert_eq!(received, u32::from(members - 1) * blocks);
    assert!(schedules.iter().all(|schedule| {
        let over = schedule.step(steps);
        over.receive.is_none() && over.send.is_none()
    }));
}

mod every_schedule_up_to_64_by_64 {
    use super::*;

    fn all(kind: Kind) {
        for members in 1..=64 {
            (1..=64).for_each(|blocks| obeys_its_rules(kind, members, blocks));
        }
    }

    #[test]
    fn is_sound_as_a_chain() {
        all(Kind::Chain);
    }

    #[test]
    fn is_sound_as_a_pipeline() {
        all(Kind::BinomialPipeline);
    }
}

mod a_schedule {
    use super::*;

    #[test]
    fn refuses_what_is_out_of_bounds() {
        let new = |members, me, blocks| Schedule::new(Kind::BinomialPipeline, members, me, blocks);
        assert_eq!(new(0, 0, 1), Err(NoSchedule::Members));
        assert_eq!(new(65, 0, 1), Err(NoSchedule::Members));
        assert_eq!(new(3, 3, 1), Err(NoSchedule::Position));
        assert_eq!(new(3, 2, 0), Err(NoSchedule::Blocks));
        assert_eq!(new(3, 2, BLOCKS_MAX + 1), Err(NoSchedule::Blocks));
    }

    /// The ends of the largest object: everything between them repeats with the dimensions.
    #[test]
    fn holds_for_the_largest_object() {
        for kind in [Kind::Chain, Kind::BinomialPipeline] {
            for members in 2..=64 {
                let schedules = schedules(kind, members, BLOCKS_MAX);
                let steps = schedules[0].steps();
                for at in (0..200).chain(steps - 200..steps) {
                    for (me, schedule) in schedules.iter().enumerate() {
                        let Some((to, block)) = schedule.step(at).send else { continue };
                        let there = schedules[usize::from(to)].step(at).receive;
                        assert_eq!(there, Some((me as u16, block)));
                    }
                }
            }
        }
    }
}

mod a_relay {
    use super::*;

    /// Who moves next, of those who can: a link that has something under way, or a member that has
    /// something to send.
    #[derive(Clone, Copy, Debug)]
    enum Order {
        First,
        Last,
        SendsFirst,
        Starves(usize),
        Shuffled(u64),
    }

    /// What can happen next: that the member sends, or that the first block of the link arrives.
    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Move {
        Send(usize),
        Arrive(usize, usize),
    }

    impl Move {
        fn concerns(self, member: usize) -> bool {
            match self {
                Move::Send(from) => from == member,
                Move::Arrive(from, to) => from == member || to == member,
            }
        }
    }

    fn pick(order: &mut Order, moves: &[Move]) -> Move {
        match order {
            Order::First => moves[0],
            Order::Last => moves[moves.len() - 1],
            Order::SendsFirst => {
                let send = moves.iter().rfind(|next| matches!(next, Move::Send(_)));
                *send.unwrap_or(&moves[moves.len() - 1])
            }
            Order::Starves(member) => {
                *moves.iter().find(|next| !next.concerns(*member)).unwrap_or(&moves[0])
            }
            Order::Shuffled(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                moves[(*state % moves.len() as u64) as usize]
            }
        }
    }

    /// Runs relays with no clock between them; `credit` blocks fit a link until one has arrived.
    fn ends(kind: Kind, members: u16, blocks: u32, credit: usize, mut order: Order) {
        let why = (kind, members, blocks, credit, order);
        let count = usize::from(members);
        let mut relays: Vec<Relay> =
            schedules(kind, members, blocks).into_iter().map(Relay::new).collect();
        let mut links = vec![VecDeque::new(); count * count];
        loop {
            let mut moves = Vec::new();
            for (me, relay) in relays.iter().enumerate() {
                let room = |to: u16| links[me * count + usize::from(to)].len() < credit;
                if relay.next().is_some_and(|(to, _)| room(to)) {
                    moves.push(Move::Send(me));
                }
            }
            let full = links.iter().enumerate().filter(|(_, link)| !link.is_empty());
            moves.extend(full.map(|(link, _)| Move::Arrive(link / count, link % count)));
            if moves.is_empty() {
                break;
            }
            match pick(&mut order, &moves) {
                Move::Send(me) => {
                    let (to, block) = relays[me].next().unwrap();
                    links[me * count + usize::from(to)].push_back(block);
                    relays[me].sent();
                }
                Move::Arrive(from, to) => {
                    let block = links[from * count + to].pop_front().unwrap();
                    assert!(!relays[to].holds(block), "{why:?}");
                    relays[to].arrived(from as u16, block).unwrap();
                    assert!(relays[to].holds(block), "{why:?}");
                }
            }
        }
        assert!(relays.iter().all(|relay| relay.is_complete() && relay.is_done()), "{why:?}");
    }

    #[test]
    fn never_waits_for_ever() {
        let orders = [Order::First, Order::Last, Order::SendsFirst, Order::Starves(0)];
        let more = [Order::Starves(1), Order::Starves(2), Order::Shuffled(7), Order::Shuffled(99)];
        for order in orders.into_iter().chain(more) {
            for members in (1..=9).chain([12, 15, 16, 17, 23]) {
                for (blocks, credit) in [(1, 1), (2, 1), (3, 9), (5, 1), (8, 2), (13, 99)] {
                    ends(Kind::Chain, members, blocks, credit, order);
                    ends(Kind::BinomialPipeline, members, blocks, credit, order);
                }
            }
        }
    }

    #[test]
    fn never_waits_for_ever_among_64() {
        for members in [63, 64] {
            ends(Kind::BinomialPipeline, members, 3, 1, Order::SendsFirst);
            ends(Kind::BinomialPipeline, members, 3, 1, Order::Shuffled(3));
        }
    }

    #[test]
    fn refuses_what_does_not_come_next() {
        let schedule = Schedule::new(Kind::Chain, 3, 1, 2).unwrap();
        let mut relay = Relay::new(schedule);
        assert_eq!(relay.next(), None);
        assert_eq!(relay.arrived(0, 1), Err(Unexpected));
        assert_eq!(relay.arrived(2, 0), Err(Unexpected));
        assert_eq!(relay.arrived(0, 0), Ok(()));
        assert_eq!(relay.arrived(0, 0), Err(Unexpected));
        assert_eq!(relay.next(), Some((2, 0)));
        relay.sent();
        assert_eq!((relay.next(), relay.is_complete()), (None, false));
        assert_eq!(relay.arrived(0, 1), Ok(()));
        assert_eq!(relay.arrived(0, 2), Err(Unexpected));
        assert!(relay.is_complete() && !relay.is_done());
        relay.sent();
        assert!(relay.is_done());
    }
}
