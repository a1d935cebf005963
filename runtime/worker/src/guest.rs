//! Where the sandbox is called: in a worker, once.

use std::os::fd::{AsFd, OwnedFd};

use notrace_policy_promise::name::{ObjectName, PoolName};
use notrace_policy_promise::private::Private;
use notrace_policy_promise::release::{Failures, Sizes};
use notrace_runtime_jail::{Worker, alarm};
use notrace_runtime_sandbox as sandbox;
use notrace_runtime_sandbox::{AuthenticCode, Failure, Grant, Sandbox};
use notrace_sdk_seal::{DataKey, Opened, RunKeys, open, seal};
use serde::{Deserialize, Serialize};

use crate::job::{End, KillReason, Limits};
use crate::letter::{AnswerHead, JobHead};

/// How a run ended, as the worker tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum GuestEnd {
    Ran(sandbox::End),
    CodeRefused,
    NotAuthentic,
    SealBroken,
}

impl From<GuestEnd> for End {
    fn from(end: GuestEnd) -> Self {
        match end {
            GuestEnd::Ran(end) => end.into(),
            GuestEnd::CodeRefused => End::Killed(KillReason::CodeRefused),
            GuestEnd::NotAuthentic => End::Killed(KillReason::NotAuthentic),
            GuestEnd::SealBroken => End::Killed(KillReason::SealBroken),
        }
    }
}

/// The engine, as the template prepares it for the workers it forks.
pub(crate) struct Engine(Sandbox);

impl Engine {
    /// Prepares all that can be prepared, and lets the alarm interrupt guests.
    pub(crate) fn new() -> Option<Self> {
        let sandbox = Sandbox::new().ok()?;
        let interrupter = sandbox.interrupter();
        alarm::on_alarm(move || interrupter.interrupt()).ok()?;
        warm_up()?;
        Some(Self(sandbox))
    }

    /// Maps the code, and closes its file. After it no other memory becomes executable, and the
    /// code stays what it is.
    pub(crate) fn load(
        &self,
        worker: &Worker,
        code: OwnedFd,
        bytes: u64,
    ) -> Option<sandbox::Loaded> {
        let code_bytes = AuthenticCode::mapped(code.as_fd(), bytes).ok()?;
        let loaded = self.0.load(code_bytes).ok()?;
        drop(code);
        worker.freeze_code(loaded.place()?).ok()?;
        Some(loaded)
    }

    /// Runs a guest to its end, in time or not.
    pub(crate) fn run(
        &self,
        loaded: sandbox::Loaded,
        grant: Grant,
        limits: &Limits,
    ) -> Option<sandbox::Ended> {
        alarm::alarm_in(limits.wall).ok()?;
        let ended = self.0.run(loaded, grant, limits.into());
        alarm::alarm_in(core::time::Duration::ZERO).ok()?;
        Some(ended)
    }
}

/// Has the cipher look at the processor once, here and not in every worker: on a virtual machine
/// asking a processor what it can do takes tens of microseconds.
fn warm_up() -> Option<()> {
    let key = DataKey::from_bytes(&[0; DataKey::BYTES]);
    let sealed = seal(&key, [0; 12], b"", Vec::new()).ok()?;
    open(&key, b"", sealed).ok().map(drop)
}

/// Arguments and input: the payload of the letter, and what its head says, or what a client sealed.
pub(crate) fn given(
    head: &mut JobHead,
    mut payload: Private<Vec<u8>>,
    keys: Option<&RunKeys>,
) -> Option<Opened> {
    match keys {
        Some(keys) => keys.open_request(payload.reveal_mut(core::mem::take)).ok(),
        None => {
            let args = core::mem::take(&mut head.args).into_iter().map(Private::new).collect();
            Some(Opened { args, input: payload })
        }
    }
}

/// Opens the objects that lie one after the other behind the letter. Each is copied out by `take`.
pub(crate) fn grant(
    head: &JobHead,
    given: Opened,
    key: impl Fn(usize) -> Option<DataKey>,
    mut take: impl FnMut(usize) -> Option<Vec<u8>>,
) -> Option<Grant> {
    let mut objects = Vec::with_capacity(head.objects.len());
    for (index, object) in head.objects.iter().enumerate() {
        let pool = PoolName::from_stored(&object.pool).ok()?;
        let name = ObjectName { pool, key: object.key.parse().ok()? };
        let sealed = take(usize::try_from(object.sealed_bytes).ok()?)?;
        // Key 0 is the run's own.
        let opened = open(&key(index + 1)?, &object.ad, sealed).ok()?;
        objects.push((name, Private::new(opened)));
    }
    let Opened { args, input } = given;
    let (time_unix_micros, seed) = (head.time_unix_micros, head.seed);
    Some(Grant { args, input, objects, time_unix_micros, seed })
}

/// The head of an answer, and its payload.
pub(crate) fn answer(ended: sandbox::Ended) -> (AnswerHead<GuestEnd>, Private<Vec<u8>>) {
    let head = AnswerHead {
        end: GuestEnd::Ran(ended.end),
        message: ended.message.map(|message| message.reveal(String::clone)),
        failure: None,
        fuel_used: ended.fuel_used,
        memory_peak_bytes: ended.memory_peak_bytes,
    };
    (head, ended.answer)
}

/// What a client that sealed its request is told, and how.
pub(crate) struct Sealing {
    pub(crate) keys: RunKeys,
    pub(crate) sizes: Sizes,
    pub(crate) failures: Failures,
}

/// The same for a client that sealed its request: what the task answered or said of itself, and the
/// status that it chose, are under the run's keys, and nothing of them stands beside. Where a
/// failure is not to be told from an answer, that goes for how it ended and what it used, too.
pub(crate) fn sealed_answer(
    ended: sandbox::Ended,
    sealing: &Sealing,
) -> Option<(AnswerHead<GuestEnd>, Private<Vec<u8>>)> {
    let Sealing { keys, sizes, failures } = sealing;
    let (exit, end) = match ended.end {
        sandbox::End::Failed(Failure::Exit(status)) => {
            (Some(i32::from(status)), sandbox::End::Failed(Failure::Error))
        }
        end => (None, end),
    };
    let (answer, failure) = match end {
        sandbox::End::Answered => {
            (ended.answer.reveal(|answer| keys.seal_answer(answer, *sizes)).ok()?, None)
        }
        _ => {
            let message = ended.message.map(|message| message.reveal(String::clone));
            let trap = match end {
                sandbox::End::Trapped(kind) => kind.as_str(),
                _ => "",
            };
            let failure = notrace_sdk_seal::Failure {
                ended: End::from(end).into(),
                exit,
                trap: trap.to_owned().into(),
                message: message.unwrap_or_default().into(),
            };
            let sealed = keys.seal_failure(&failure, *sizes, *failures).ok()?;
            match failures {
                Failures::Told => (Vec::new(), Some(sealed)),
                Failures::Alike => (sealed, None),
            }
        }
    };
    let (end, fuel_used, memory_peak_bytes) = match failures {
        Failures::Told => (end, ended.fuel_used, ended.memory_peak_bytes),
        Failures::Alike => (sandbox::End::Answered, 0, 0),
    };
    let (end, message) = (GuestEnd::Ran(end), None);
    let head = AnswerHead { end, message, failure, fuel_used, memory_peak_bytes };
    Some((head, Private::new(answer)))
}

/// The head of an answer from a worker that could not begin.
pub(crate) fn did_not_begin(end: GuestEnd) -> (AnswerHead<GuestEnd>, Private<Vec<u8>>) {
    let (message, failure) = (None, None);
    let head = AnswerHead { end, message, failure, fuel_used: 0, memory_peak_bytes: 0 };
    (head, Private::new(Vec::new()))
}
