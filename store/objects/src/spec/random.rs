//! Random commands, against the model, with every read compared after every command.

use proptest::collection::vec;
use proptest::prelude::*;

use super::model::Model;
use super::*;
use crate::{At, Op};

const POOLS: [&str; 2] = ["one", "two"];
const KEYS: [&str; 4] = ["a", "a/b", "a/c", "d"];

/// What a client or a node wants; made a command when its turn comes.
#[derive(Clone, Debug)]
enum Wish {
    Create(usize),
    Put(usize, OpWish, Option<(u8, u8)>),
    Delete(usize, OpWish, Option<(u8, u8)>),
    Transact(usize, Vec<(u8, OpWish)>, Option<(u8, u8)>),
    Shred(usize, ScopeWish, bool),
    Configure(u64, u32),
}

#[derive(Clone, Debug)]
struct OpWish {
    key: usize,
    condition: u8,
    length: usize,
    stale: bool,
}

#[derive(Clone, Copy, Debug)]
enum ScopeWish {
    Object(usize),
    Pool,
    OlderThan(u64),
}

fn op_wish() -> impl Strategy<Value = OpWish> {
    (0..KEYS.len(), 0..6u8, 0..40usize, prop::bool::weighted(0.05))
        .prop_map(|(key, condition, length, stale)| OpWish { key, condition, length, stale })
}

fn wish() -> impl Strategy<Value = Wish> {
    let pool = || 0..POOLS.len();
    let session = || prop::option::weighted(0.2, (0..3u8, 0..2u8));
    let scope = prop_oneof![
        4 => (0..KEYS.len()).prop_map(ScopeWish::Object),
        1 => Just(ScopeWish::Pool),
        3 => (0..50u64).prop_map(ScopeWish::OlderThan),
    ];
    prop_oneof![
        2 => pool().prop_map(Wish::Create),
        12 => (pool(), op_wish(), session()).prop_map(|(p, op, s)| Wish::Put(p, op, s)),
        4 => (pool(), op_wish(), session()).prop_map(|(p, op, s)| Wish::Delete(p, op, s)),
        4 => (pool(), vec((0..3u8, op_wish()), 0..4), session())
            .prop_map(|(p, ops, s)| Wish::Transact(p, ops, s)),
        4 => (pool(), scope, prop::bool::weighted(0.15)).prop_map(|(p, s, w)| Wish::Shred(p, s, w)),
        1 => (0..12_000u64, 1..3u32).prop_map(|(bytes, pools)| Wish::Configure(bytes, pools)),
    ]
}

struct World {
    objects: Objects,
    model: Model,
    applied: u64,
}

impl World {
    fn new() -> Self {
        let bounds = ObjectsConfig { bytes_max: 20_000, pools_max: 2 };
        let model = Model::new(20_000, 2);
        Self { objects: Objects::new(bounds), model, applied: 0 }
    }

    fn step(&mut self, wish: &Wish) {
        let command = self.command(wish);
        let bytes = Objects::encode(&command);
        assert_eq!(Objects::decode(&bytes).as_ref(), Ok(&command));
        self.applied += 1;
        let at = place(self.applied);
        let expected = self.model.apply(at, &command);
        assert_eq!(self.objects.apply(at, command), expected);
    }

    fn name(pool: usize) -> PoolName {
        POOLS[pool].parse().unwrap()
    }

    fn condition(&self, wish: u8) -> Condition {
        match wish {
            0 | 1 => Condition::Always,
            2 => Condition::Absent,
            back => Condition::VersionIs(version(self.applied.saturating_sub(u64::from(back) - 3))),
        }
    }

    fn value(&self, pool: usize, wish: &OpWish, index: usize) -> Sealed {
        let epoch = self.model.epoch(POOLS[pool]).unwrap_or(1) + u32::from(wish.stale);
        let text = format!("{} {index} {}", self.applied, "x".repeat(wish.length));
        sealed(&text, epoch)
    }

    fn command(&self, wish: &Wish) -> Command {
        let session = |session: &Option<(u8, u8)>| {
            session.map(|(id, request)| Session { id: [id; 32], request: [request; 32] })
        };
        match wish {
            Wish::Create(pool) => Command::CreatePool {
                pool: Self::name(*pool),
                spec: spec(Retain::Micros(1_000_000 * (1 + *pool as u64))),
                key_epoch: 1 + *pool as u32,
            },
            Wish::Put(pool, op, named) => Command::Put {
                pool: Self::name(*pool),
                key: key(KEYS[op.key]),
                condition: self.condition(op.condition),
                value: self.value(*pool, op, 0),
                session: session(named),
            },
            Wish::Delete(pool, op, named) => Command::Delete {
                pool: Self::name(*pool),
                key: key(KEYS[op.key]),
                condition: self.condition(op.condition),
                session: session(named),
            },
            Wish::Transact(pool, ops, named) => {
                let ops = ops.iter().enumerate().map(|(index, (kind, op))| {
                    let (key, condition) = (key(KEYS[op.key]), self.condition(op.condition));
                    match kind {
                        0 => Op::Put { key, condition, value: self.value(*pool, op, index) },
                        1 => Op::Delete { key, condition },
                        _ => Op::Check { key, condition },
                    }
                });
                let (pool, ops) = (Self::name(*pool), ops.collect());
                Command::Transact { pool, ops, session: session(named) }
            }
            Wish::Shred(pool, scope, wrong) => self.shred(*pool, *scope, *wrong),
            Wish::Configure(bytes_max, pools_max) => {
                Command::Configure(ObjectsConfig { bytes_max: *bytes_max, pools_max: *pools_max })
            }
        }
    }

    fn shred(&self, pool: usize, scope: ScopeWish, wrong: bool) -> Command {
        let from_epoch = self.model.epoch(POOLS[pool]).unwrap_or(1) + u32::from(wrong);
        let scope = match scope {
            ScopeWish::Object(at) => ShredScope::Object(key(KEYS[at])),
            ScopeWish::Pool => ShredScope::Pool,
            ScopeWish::OlderThan(second) => ShredScope::OlderThan(place(second).time),
        };
        let survivors = self.objects.survivors(&Self::name(pool), &scope);
        let to_epoch = from_epoch + 1;
        let rewrapped =
            survivors.into_iter().map(|(id, _, _)| (id, wrapped(&id, to_epoch))).collect();
        Command::Shred { pool: Self::name(pool), scope, from_epoch, to_epoch, rewrapped }
    }

    /// Asks both everything.
    fn compare(&self) {
        assert!(self.objects.is_consistent());
        assert_eq!(self.objects.used(), self.model.used());
        for name in POOLS {
            let pool: PoolName = name.parse().unwrap();
            let info = self.objects.pool(&pool);
            assert_eq!(info.as_ref().map(|info| info.key_epoch), self.model.epoch(name));
            let listed = self.objects.list(&pool, "", None, 100).ok();
            let listed = listed.map(|listed| {
                listed.entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>()
            });
            assert_eq!(listed, self.model.live(name));
            for object in KEYS.map(key) {
                self.compare_object(&pool, &object);
            }
            for from in (0..=self.applied).map(version).chain([Version::ZERO]) {
                let changes = self.objects.changes(&pool, "", from, usize::MAX);
                assert_eq!(changes, self.model.changes(name, from));
            }
            let Some(crate::Retain::Micros(micros)) = info.map(|info| info.spec.retain) else {
                continue;
            };
            let now = place(self.applied).time;
            let cutoff = Hlc::from_unix_micros(now.unix_micros().saturating_sub(micros));
            let due = self.model.oldest(name).is_some_and(|oldest| oldest < cutoff);
            let expired = self.objects.expired(now).contains(&(pool, cutoff));
            assert_eq!(expired, due);
        }
    }

    fn compare_object(&self, pool: &PoolName, object: &ObjectKey) {
        let name = pool.as_str();
        let versions = (0..=self.applied).map(|number| At::Version(version(number)));
        let times = (0..=self.applied).map(|number| At::Time(place(number).time));
        for at in [At::Latest].into_iter().chain(versions).chain(times) {
            let found = self.objects.get(pool, object, at);
            if let Ok(found) = &found {
                let wrapped_now = wrapped(&found.value.id, found.value.key_epoch);
                assert_eq!(found.value.wrapped_key, wrapped_now);
                assert_eq!(Some(found.value.key_epoch), self.model.epoch(name));
            }
            let found = found.map(|found| found.value.id);
            assert_eq!(found, self.model.get(name, object, at), "{at:?}");
        }
        let history = self.objects.history(pool, object).unwrap_or_default();
        assert_eq!(history, self.model.history(name, object));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn commands_do_what_the_model_does(wishes in vec(wish(), 1..60)) {
        let mut world = World::new();
        for pool in 0..POOLS.len() {
            world.step(&Wish::Create(pool));
        }
        for wish in &wishes {
            world.step(wish);
            world.compare();
        }
        let restored = Objects::restore(&world.objects.snapshot()).unwrap();
        prop_assert_eq!(&restored, &world.objects);
    }

    #[test]
    fn a_restored_machine_goes_on_as_if_nothing_had_been(
        before in vec(wish(), 1..40),
        after in vec(wish(), 1..20),
    ) {
        let mut world = World::new();
        world.step(&Wish::Create(0));
        before.iter().for_each(|wish| world.step(wish));
        world.objects = Objects::restore(&world.objects.snapshot()).unwrap();
        after.iter().for_each(|wish| world.step(wish));
        world.compare();
    }
}
