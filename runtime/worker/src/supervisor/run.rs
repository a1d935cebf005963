//! One run: hand over, wait for the end, read the answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use notrace_policy_promise::private::Private;
use notrace_sdk_seal::DataKey;
use notrace_sdk_seal::limits::sealed_answer_bytes;
use ring::rand::{SecureRandom, SystemRandom};
use rustix::io::Errno;
use rustix::net::SendFlags;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use super::pool::Idle;
use super::process::Exit;
use super::seat::Seat;
use super::{Inner, Supervisor, dismiss};
use crate::channel::{self, Doorbell};
use crate::guest::GuestEnd;
use crate::job::{End, Given, Job, KillReason, Outcome, RunError};
use crate::letter::{self, AnswerHead, JobHead, Way};
use crate::limits::{GRACE, WAITING_MAX};
use crate::planted;
use crate::residue::{Place, Residue};

impl Supervisor {
    /// Runs `job` once, in a process that did nothing before and does nothing after. Waits at most
    /// `wait` for a worker. When it returns, the worker is dead; what it left is to be
    /// [scrubbed](crate::scrub) before the outcome goes anywhere.
    ///
    /// # Errors  [`RunError`]: nothing was handed over.
    ///
    /// # Cancel  The worker is killed and scrubbed in the background.
    pub async fn run(&self, job: Job, wait: Duration) -> Result<(Outcome, Residue), RunError> {
        job.check()?;
        let inner = &self.0;
        let deadline = Instant::now() + wait;
        let seat = inner.seat(job.tenant, deadline).await?;
        let permit = inner.admit(deadline).await?;
        let run_key = run_key()?;
        let head = JobHead::of(&job).ok_or(RunError::TooLarge)?;
        let close = |payload: &[u8]| letter::close(&run_key, Way::ToWorker, &head, payload);
        let letter = match &job.given {
            Given::Plain { input, .. } => input.reveal(|input| close(input)),
            Given::Sealed { content, .. } => close(content),
        };
        let letter = letter.ok_or(RunError::TooLarge)?;
        planted!(
            26,
            if let Given::Plain { input, .. } = &job.given {
                input.reveal(|input| crate::leak::hold_bytes(input));
            }
        );
        drop(head);
        let mut residue =
            inner.hand_over(&job, &run_key, &letter, (permit, seat), deadline).await?;
        let (limits, run) = (job.limits, residue.run());
        let answer_bytes_max = match &job.given {
            Given::Plain { .. } => limits.output_bytes,
            Given::Sealed { sizes, .. } => {
                sealed_answer_bytes(limits.output_bytes as usize, *sizes) as u64
            }
        };
        // The request is ciphertext in the slot now; our copy of it goes at once.
        drop(job);
        inner.pool().refill_if_low();
        let in_time = timeout(limits.wall + GRACE, residue.ended()).await.is_ok();
        if !in_time {
            residue.process().kill();
            residue.process().ended().await;
        }
        let outcome = match residue.exit() {
            Exit::Status(0) => answered(&mut residue, &run_key, answer_bytes_max, run),
            exit => killed(reason(exit, in_time), run),
        };
        Ok((outcome, residue))
    }
}

impl Inner {
    /// A place among the running. Those that wait are bounded in number and time.
    async fn admit(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, RunError> {
        if let Ok(permit) = self.running.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::enter(self).ok_or(RunError::Busy)?;
        match timeout_at(deadline, self.running.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(RunError::Draining),
            Err(_) => Err(RunError::Busy),
        }
    }

    async fn take(&self, deadline: Instant) -> Result<Idle, RunError> {
        loop {
            let permit = match self.ready.try_acquire() {
                Ok(permit) => permit,
                Err(_) => {
                    let _waiting = Waiting::enter(self).ok_or(RunError::Busy)?;
                    self.pool().refill();
                    match timeout_at(deadline, self.ready.acquire()).await {
                        Ok(Ok(permit)) => permit,
                        Ok(Err(_)) => return Err(RunError::Draining),
                        Err(_) => return Err(RunError::Busy),
                    }
                }
            };
            permit.forget();
            if let Some(idle) = self.pool().take() {
                return Ok(idle);
            }
        }
    }

    /// Finds a worker that lives and rings its doorbell.
    async fn hand_over(
        self: &Arc<Self>,
        job: &Job,
        run_key: &DataKey,
        letter: &[u8],
        (permit, seat): (OwnedSemaphorePermit, Option<Seat>),
        deadline: Instant,
    ) -> Result<Residue, RunError> {
        loop {
            let mut idle = self.take(deadline).await?;
            // On its core before it has anything. A worker that died while it waited has none.
            let pinned = seat.as_ref().map_or(Ok(()), |seat| idle.process.pin(&seat.cpus()));
            if pinned == Err(Errno::SRCH) {
                dismiss(self, idle).await;
                continue;
            }
            if pinned.is_err() || idle.slot.put(run_key, letter, job).is_none() {
                dismiss(self, idle).await;
                return Err(RunError::Host);
            }
            let bell = Doorbell {
                request_bytes: u32::try_from(letter.len()).map_err(|_| RunError::TooLarge)?,
                code_bytes: job.code.bytes(),
            };
            let code = [job.code.file()];
            match channel::send(&idle.doorbell, &bell, &code, SendFlags::DONTWAIT) {
                Ok(()) => {
                    let run = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
                    let Idle { slot, process, membership, doorbell } = idle;
                    #[cfg(feature = "planted-leaks")]
                    if crate::leak::is_warm() {
                        crate::leak::hold(std::os::fd::AsFd::as_fd(&doorbell));
                    }
                    drop(doorbell);
                    let place =
                        Place { _membership: membership, _permit: Some(permit), _seat: seat };
                    return Ok(Residue::new(self.clone(), process, slot, place, run));
                }
                // It died while it waited. Another one gets the job.
                Err(Errno::PIPE | Errno::CONNRESET) => dismiss(self, idle).await,
                Err(_) => {
                    dismiss(self, idle).await;
                    return Err(RunError::Host);
                }
            }
        }
    }
}

/// A caller that waits, counted.
pub(super) struct Waiting<'a>(&'a Inner);

impl<'a> Waiting<'a> {
    pub(super) fn enter(inner: &'a Inner) -> Option<Self> {
        let before = inner.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Self(inner);
        (before < WAITING_MAX).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn run_key() -> Result<DataKey, RunError> {
    let mut bytes = Zeroizing::new([0; DataKey::BYTES]);
    SystemRandom::new().fill(bytes.as_mut()).map_err(|_| RunError::Host)?;
    Ok(DataKey::from_bytes(&bytes))
}

fn answered(residue: &mut Residue, key: &DataKey, answer_bytes_max: u64, run: u64) -> Outcome {
    let sealed = residue.answer(answer_bytes_max);
    let opened = sealed.and_then(|sealed| {
        letter::read::<AnswerHead<GuestEnd>>(key, Way::ToSupervisor, sealed).ok()
    });
    let Some((mut head, answer)) = opened else { return killed(KillReason::Garbled, run) };
    if answer.reveal(Vec::len) as u64 > answer_bytes_max {
        return killed(KillReason::Garbled, run);
    }
    Outcome {
        end: head.end.into(),
        answer,
        message: head.message.take().map(Private::new),
        failure: head.failure.take(),
        fuel_used: head.fuel_used,
        memory_peak_bytes: head.memory_peak_bytes,
        slot: run,
    }
}

fn killed(reason: KillReason, slot: u64) -> Outcome {
    let answer = Private::new(Vec::new());
    let end = End::Killed(reason);
    let (message, failure) = (None, None);
    Outcome { end, answer, message, failure, fuel_used: 0, memory_peak_bytes: 0, slot }
}

fn reason(exit: Exit, in_time: bool) -> KillReason {
    use rustix::process::Signal;
    const ENDED_BY_PANIC: i32 = notrace_runtime_jail::process::EXIT_PANIC;
    match exit {
        _ if !in_time => KillReason::Time,
        Exit::Status(ENDED_BY_PANIC) => KillReason::Panic,
        Exit::Signal(signal) if signal == Signal::SYS.as_raw() => KillReason::Seccomp,
        Exit::Signal(signal) if signal == Signal::XCPU.as_raw() => KillReason::Processor,
        Exit::Signal(signal) if signal == Signal::KILL.as_raw() => KillReason::Outside,
        Exit::Signal(_) => KillReason::Fault,
        Exit::Status(_) | Exit::Unknown => KillReason::Garbled,
    }
}

#[cfg(test)]
mod the_reason_of_a_death {
    use super::*;
    use rustix::process::Signal;

    #[test]
    fn is_what_the_kernel_says_unless_time_was_over() {
        let signal = |signal: Signal| reason(Exit::Signal(signal.as_raw()), true);
        assert_eq!(signal(Signal::SYS), KillReason::Seccomp);
        assert_eq!(signal(Signal::XCPU), KillReason::Processor);
        assert_eq!(signal(Signal::KILL), KillReason::Outside);
        assert_eq!(signal(Signal::SEGV), KillReason::Fault);
        assert_eq!(reason(Exit::Status(70), true), KillReason::Panic);
        assert_eq!(reason(Exit::Status(71), true), KillReason::Garbled);
        assert_eq!(reason(Exit::Signal(Signal::KILL.as_raw()), false), KillReason::Time);
    }
}
