//! Pairs of secrets, each of which makes a task do something that could show.

use std::time::Duration;

use notrace_policy_promise::receipt::Ended;

/// One module that does what its input says: the first byte which, the second word how much.
pub const GUEST: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 4)
  (func $say (param $to i32) (param $bytes i32)
    (i32.store (i32.const 0) (i32.const 65536))
    (i32.store (i32.const 4) (local.get $bytes))
    (drop (call $write (local.get $to) (i32.const 0) (i32.const 1) (i32.const 12))))
  (func $work (param $times i32) (local $x f64)
    (local.set $x (f64.const 3))
    (if (local.get $times) (then (loop $again
      (local.set $x (f64.add (f64.const 1) (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt
        (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (local.get $x)))))))))))))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
    (f64.store (i32.const 512) (local.get $x)))
  (func (export "_start") (local $what i32) (local $much i32)
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 8192))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (local.set $what (i32.load8_u (i32.const 1024)))
    (local.set $much (i32.load (i32.const 1028)))
    ;; 0: answers so many bytes
    (if (i32.eq (local.get $what) (i32.const 0)) (then
      (call $say (i32.const 1) (local.get $much)) (return)))
    ;; 1: works so long
    (if (i32.eq (local.get $what) (i32.const 1)) (then (call $work (local.get $much))))
    ;; 2: leaves with this status
    (if (i32.eq (local.get $what) (i32.const 2)) (then
      (if (local.get $much) (then (call $exit (local.get $much))))))
    ;; 3: traps, or does not
    (if (i32.eq (local.get $what) (i32.const 3)) (then
      (if (local.get $much) (then (unreachable)))))
    ;; 4: complains in so many bytes
    (if (i32.eq (local.get $what) (i32.const 4)) (then
      (call $say (i32.const 2) (local.get $much)) (call $exit (i32.const 1))))
    ;; 5: never ends, or does, and counts while it goes on
    (if (i32.eq (local.get $what) (i32.const 5)) (then
      (if (local.get $much) (then (loop $on (br $on))))))
    ;; 6: wants so many pages
    (if (i32.eq (local.get $what) (i32.const 6)) (then
      (if (i32.eq (memory.grow (local.get $much)) (i32.const -1)) (then (unreachable)))))
    (call $say (i32.const 1) (i32.const 4))))"#;

/// What a task is given.
#[derive(Clone, Copy)]
pub struct Secret {
    /// Which of the guest's deeds.
    what: u8,
    /// How much of it.
    much: u32,
    /// How many bytes of input follow.
    more: usize,
}

impl Secret {
    const fn of(what: u8, much: u32) -> Self {
        Self { what, much, more: 8 }
    }

    /// The bytes of it.
    pub fn input(&self) -> Vec<u8> {
        let mut input = vec![self.what, 0, 0, 0];
        input.extend(self.much.to_le_bytes());
        input.resize(8 + self.more, b'.');
        input
    }
}

/// Two secrets between which nobody outside should be able to tell.
pub struct Pair {
    /// What a task does of them.
    pub name: &'static str,
    /// Both.
    pub secrets: [Secret; 2],
    /// How the run ends on the second where all answers have 4 KiB; on the first it answers.
    pub ends: Ended,
    /// How long a run may take.
    pub timeout: Duration,
}

const fn pair(name: &'static str, one: Secret, other: Secret, ends: Ended) -> Pair {
    Pair { name, secrets: [one, other], ends, timeout: Duration::from_secs(5) }
}

/// About a third of a second.
const LONG: u32 = 4_000_000;

/// All pairs.
pub const PAIRS: [Pair; 9] = [
    pair("answers 10 bytes or 3,000", Secret::of(0, 10), Secret::of(0, 3000), Ended::Answered),
    pair(
        "is given 16 bytes or 3,000",
        Secret::of(0, 10),
        Secret { what: 0, much: 10, more: 2992 },
        Ended::Answered,
    ),
    pair("works for long or not", Secret::of(1, 0), Secret::of(1, LONG), Ended::Answered),
    pair("fails or not", Secret::of(2, 0), Secret::of(2, 7), Ended::Failed),
    pair("traps or not", Secret::of(3, 0), Secret::of(3, 1), Ended::Trapped),
    pair("uses up its fuel or not", Secret::of(5, 0), Secret::of(5, 1), Ended::FuelExhausted),
    Pair {
        timeout: Duration::from_millis(200),
        ..pair(
            "uses up its time or not",
            Secret::of(1, 0),
            Secret::of(1, u32::MAX),
            Ended::TimeExhausted,
        )
    },
    pair(
        "wants more memory than there is or not",
        Secret::of(6, 1),
        Secret::of(6, 60_000),
        Ended::MemoryExhausted,
    ),
    pair(
        "answers more than fits or not",
        Secret::of(0, 10),
        Secret::of(0, 5000),
        Ended::OutputExhausted,
    ),
];

/// Complains in a word or in many; fails on both.
pub const WORDS: Pair =
    pair("complains in 1 byte or 900", Secret::of(4, 1), Secret::of(4, 900), Ended::Failed);

/// Works long enough to be killed meanwhile.
pub const KILLED: Pair = Pair {
    timeout: Duration::from_secs(2),
    ..pair(
        "is killed from outside or not",
        Secret::of(1, 2 * LONG),
        Secret::of(1, 2 * LONG),
        Ended::Killed,
    )
};

/// Some ten milliseconds, or none.
pub const BRIEF: [Secret; 2] = [Secret::of(1, 0), Secret::of(1, LONG / 24)];
