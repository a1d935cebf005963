//! What every story starts from.

use std::sync::LazyLock;

use notrace_policy_promise::private::Private;
use notrace_runtime_sandbox::{
    AuthenticCode, End, Ended, Grant, Limits, Loaded, Refused, Sandbox, Task,
};

pub(crate) static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new().unwrap());

/// The cut of every grant: 2026-11-22 00:00:00.25 UTC.
pub(crate) const CUT_MICROS: u64 = 1_795_305_600_250_000;

/// The bytes of a fixture.
pub(crate) fn module(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/hostile/fixtures");
    wat::parse_file(format!("{folder}/{name}.wat")).unwrap()
}

pub(crate) fn check(name: &str) -> Result<Task, Refused> {
    SANDBOX.check(&module(name))
}

pub(crate) fn loaded(name: &str) -> Loaded {
    let compiled = SANDBOX.compile(&module(name)).unwrap();
    SANDBOX.load(AuthenticCode::copied(compiled.code)).unwrap()
}

pub(crate) fn grant(input: &[u8]) -> Grant {
    Grant {
        args: Vec::new(),
        input: Private::new(input.to_vec()),
        objects: Vec::new(),
        time_unix_micros: CUT_MICROS,
        seed: [7; 32],
    }
}

/// A grant with the object `photos/rash.png`.
pub(crate) fn grant_of_object(input: &[u8], value: &[u8]) -> Grant {
    let object = ("photos/rash.png".parse().unwrap(), Private::new(value.to_vec()));
    Grant { objects: vec![object], ..grant(input) }
}

pub(crate) fn limits() -> Limits {
    Limits {
        fuel: 50_000_000,
        memory_bytes: 64 << 20,
        table_elements: 100_000,
        output_bytes: 1 << 20,
    }
}

pub(crate) fn run(name: &str, grant: Grant) -> Ended {
    SANDBOX.run(loaded(name), grant, limits())
}

/// The answer of a run that must answer.
pub(crate) fn answer(name: &str, grant: Grant) -> Vec<u8> {
    let ended = run(name, grant);
    assert_eq!(ended.end, End::Answered);
    ended.answer.reveal(Vec::clone)
}

pub(crate) fn end(name: &str) -> End {
    let ended = run(name, grant(b""));
    assert!(ended.end == End::Answered || ended.answer.reveal(Vec::is_empty));
    ended.end
}

pub(crate) fn message(ended: &Ended) -> String {
    ended.message.as_ref().map(|text| text.reveal(String::clone)).unwrap_or_default()
}
