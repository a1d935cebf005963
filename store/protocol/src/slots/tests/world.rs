//! Three shards, their orders, and copies of everything that lag, driven at random by members who
//! look at any of the copies and never wait.

use std::collections::BTreeMap;

use super::*;

const SHARDS: usize = 3;
const COPIES: usize = 3;
const HOT: [Slot; 3] = [Slot(0), Slot(2000), Slot(4000)];

/// A command in a shard's order.
#[derive(Clone)]
enum Command {
    Write { slot: Slot, epoch: SlotEpoch, write: u32 },
    Open { slot: Slot, epoch: SlotEpoch },
    Seal { slot: Slot, epoch: SlotEpoch },
    Adopt { slot: Slot, epoch: SlotEpoch, content: Vec<u32> },
}

/// A member of a shard: how far it has come in the order, and what it made of it.
#[derive(Clone, PartialEq, Debug)]
struct Member {
    done: usize,
    fence: Fence,
    content: BTreeMap<Slot, Vec<u32>>,
    at_seal: BTreeMap<(Slot, SlotEpoch), Vec<u32>>,
    accepted: Vec<(Slot, SlotEpoch, u32)>,
}

impl Member {
    fn apply(&mut self, command: &Command) {
        self.done += 1;
        match command {
            Command::Write { slot, epoch, write } => {
                if self.fence.admits(*slot, *epoch) == Admit::Yes {
                    self.content.entry(*slot).or_default().push(*write);
                    self.accepted.push((*slot, *epoch, *write));
                }
            }
            Command::Open { slot, epoch } => {
                self.fence.open(*slot, *epoch);
            }
            Command::Seal { slot, epoch } => {
                let at = version(self.done as u64);
                if self.fence.seal(*slot, *epoch, at) == Fenced::Applied {
                    let content = self.content.get(slot).cloned().unwrap_or_default();
                    self.at_seal.insert((*slot, *epoch), content);
                }
            }
            Command::Adopt { slot, epoch, content } => {
                if self.fence.adopt(*slot, *epoch) == Fenced::Applied {
                    self.content.insert(*slot, content.clone());
                }
            }
        }
    }
}

struct Shard {
    order: Vec<Command>,
    /// The first one has always come to the end of the order.
    members: [Member; 2],
}

impl Shard {
    fn order(&mut self, command: Command) {
        self.members[0].apply(&command);
        self.order.push(command);
    }
}

struct World {
    random: Random,
    log: Vec<Operation>,
    truth: SlotTable,
    copies: Vec<(usize, SlotTable)>,
    shards: Vec<Shard>,
    /// Every write that took effect, in the order in which that happened.
    accepted: Vec<(Slot, SlotEpoch, usize, u32)>,
    moved: u32,
    aborted: u32,
    refused: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let table = SlotTable::even(SHARDS as u16).unwrap();
        let shard = |number| {
            let member = Member {
                done: 0,
                fence: Fence::of(&table, ShardId(number)),
                content: BTreeMap::new(),
                at_seal: BTreeMap::new(),
                accepted: Vec::new(),
            };
            Shard { order: Vec::new(), members: [member.clone(), member] }
        };
        Self {
            random: Random(seed),
            log: Vec::new(),
            copies: vec![(0, table.clone()); COPIES],
            shards: (0..SHARDS as u16).map(shard).collect(),
            truth: table,
            accepted: Vec::new(),
            moved: 0,
            aborted: 0,
            refused: 0,
        }
    }

    fn operate(&mut self, operation: Operation) {
        if self.truth.apply(operation) == Outcome::Applied {
            self.moved += u32::from(matches!(operation, Operation::Adopted { .. }));
            self.aborted += u32::from(matches!(operation, Operation::Abort { .. }));
        }
        self.log.push(operation);
    }

    /// Somebody looks at some copy, which may be old, and does what it suggests.
    fn step(&mut self, number: u32) {
        let slot = HOT[self.random.below(HOT.len())];
        let Entry { owner, epoch, moving, .. } =
            self.copies[self.random.below(COPIES)].1.entry(slot);
        let owner = usize::from(owner.0);
        let member = self.random.below(2);
        match self.random.below(16) {
            0..=3 => self.write(owner, slot, epoch, number),
            4 => {
                let to = ShardId(self.random.below(SHARDS) as u16);
                self.operate(Operation::Begin { slot, epoch, to });
            }
            5 if moving.is_some() && self.random.below(3) == 0 => {
                self.operate(Operation::Abort { slot, epoch });
            }
            6 | 7 => self.shards[owner].order(Command::Open { slot, epoch }),
            8 | 9 if moving.is_some() => self.shards[owner].order(Command::Seal { slot, epoch }),
            10 => {
                if let Some(at) = self.shards[owner].members[member].fence.sealed(slot, epoch) {
                    self.operate(Operation::Sealed { slot, epoch, at });
                }
            }
            11 | 12 => self.bring(owner, slot, epoch, moving, member),
            13 => {
                let target = moving.map_or(0, |moving| usize::from(moving.to.0));
                if self.shards[target].members[member].fence.has_adopted(slot, epoch) {
                    self.operate(Operation::Adopted { slot, epoch });
                }
            }
            _ => self.catch_up(),
        }
    }

    fn write(&mut self, owner: usize, slot: Slot, epoch: SlotEpoch, write: u32) {
        let before = self.shards[owner].members[0].accepted.len();
        self.shards[owner].order(Command::Write { slot, epoch, write });
        if self.shards[owner].members[0].accepted.len() > before {
            self.accepted.push((slot, epoch, owner, write));
        } else {
            self.refused += 1;
        }
    }

    /// Brings what the source had at its seal to the target.
    fn bring(
        &mut self,
        owner: usize,
        slot: Slot,
        epoch: SlotEpoch,
        moving: Option<Moving>,
        member: usize,
    ) {
        let Some(Moving { to, sealed: Some(_) }) = moving else { return };
        let content = self.shards[owner].members[member].at_seal.get(&(slot, epoch)).cloned();
        if let Some(content) = content {
            self.shards[usize::from(to.0)].order(Command::Adopt { slot, epoch, content });
        }
    }

    /// Some copy and some member come a little further.
    fn catch_up(&mut self) {
        let copy = self.random.below(COPIES);
        let (done, table) = &mut self.copies[copy];
        for operation in self.log.iter().skip(*done).take(1 + self.random.below(4)) {
            table.apply(*operation);
            *done += 1;
        }
        let shard = self.random.below(SHARDS);
        let Shard { order, members } = &mut self.shards[shard];
        let done = members[1].done;
        for command in order.iter().skip(done).take(1 + self.random.below(8)) {
            members[1].apply(command);
        }
    }

    /// At any instant one shard at most lets in an update of a slot, whatever epoch it names.
    fn check(&self) {
        for slot in HOT {
            let top = self.truth.entry(slot).epoch.number();
            let lets_in = |shard: &&Shard| {
                let admits = |epoch| shard.members[0].fence.admits(slot, SlotEpoch(epoch));
                (1..=top).any(|epoch| admits(epoch) == Admit::Yes)
            };
            assert!(self.shards.iter().filter(lets_in).count() <= 1);
            let yes = |shard: &u16| self.truth.serves(slot, ShardId(*shard)) == Serve::Yes;
            assert!((0..SHARDS as u16).filter(yes).count() <= 1);
        }
    }

    /// Lets everything arrive, ends what is under way, and compares the ends.
    fn settle(&mut self) {
        for slot in HOT {
            let epoch = self.truth.entry(slot).epoch;
            self.operate(Operation::Abort { slot, epoch });
            let Entry { owner, epoch, .. } = self.truth.entry(slot);
            self.shards[usize::from(owner.0)].order(Command::Open { slot, epoch });
        }
        for (done, table) in &mut self.copies {
            self.log.iter().skip(*done).for_each(|operation| {
                table.apply(*operation);
            });
            assert_eq!(*table, self.truth);
        }
        for Shard { order, members: [first, second] } in &mut self.shards {
            order.iter().skip(second.done).for_each(|command| second.apply(command));
            assert_eq!(first, second);
        }
        for slot in HOT {
            let of_slot = self.accepted.iter().filter(|(of, ..)| *of == slot);
            let epochs = of_slot.clone().map(|(_, epoch, shard, _)| (*epoch, *shard));
            let epochs: Vec<_> = epochs.collect();
            for pair in epochs.windows(2) {
                assert!(pair[0].0 < pair[1].0 || pair[0] == pair[1]);
            }
            let all: Vec<u32> = of_slot.map(|(.., write)| *write).collect();
            let owner = usize::from(self.truth.entry(slot).owner.0);
            let content = self.shards[owner].members[0].content.get(&slot);
            assert_eq!(content.cloned().unwrap_or_default(), all, "a write was lost");
        }
    }
}

mod slots_that_move_while_everything_lags {
    use super::*;

    #[test]
    fn have_one_owner_at_any_instant_and_lose_nothing() {
        let (mut moved, mut aborted, mut refused, mut accepted) = (0, 0, 0, 0);
        for seed in 1..=300_u64 {
            let mut world = World::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            for number in 0..600 {
                world.step(number);
                world.check();
            }
            world.settle();
            moved += world.moved;
            aborted += world.aborted;
            refused += world.refused;
            accepted += world.accepted.len();
        }
        // The rare ways were really gone.
        assert!(moved > 500 && aborted > 500 && refused > 5_000 && accepted > 5_000);
    }
}
