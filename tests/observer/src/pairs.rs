//! Two runs side by side.

use anyhow::{Context as _, Result, ensure};
use notrace_policy_promise::receipt::Ended;
use notrace_policy_promise::release::{Sizes, Times};
use notrace_tests_rig::process::{processor_time, until};

use crate::secrets::{KILLED, PAIRS, Pair, WORDS};
use crate::stage::{DEADLINE, POLICIES, Policy, Stage};
use crate::transcript::{Transcript, record};

/// What differed between two secrets, by policy and pair.
pub struct Told {
    /// The pair.
    pub pair: &'static str,
    /// Of each policy, by which of the things that were recorded the secrets could be told apart.
    pub by: Vec<Vec<&'static str>>,
}

/// All pairs under all policies.
///
/// # Errors  A run did not do what the pair is about, so that nothing could have shown.
pub async fn all(stage: &Stage) -> Result<Vec<Told>> {
    let pairs: Vec<&Pair> = PAIRS.iter().chain([&WORDS]).collect();
    let mut told: Vec<Told> =
        pairs.iter().map(|pair| Told { pair: pair.name, by: Vec::new() }).collect();
    for policy in POLICIES {
        let mut seen = Vec::new();
        if policy.release.times == Times::AtOnce {
            for pair in &pairs {
                seen.push(both(stage, policy, pair).await);
            }
        } else {
            // They wait for their time together.
            let pending: Vec<_> = pairs.iter().map(|pair| both(stage, policy, pair)).collect();
            seen = join(pending).await;
        }
        for ((told, pair), seen) in told.iter_mut().zip(&pairs).zip(seen) {
            let seen = seen.with_context(|| format!("{}: {}", policy.pool, pair.name))?;
            told.by.push(differ(&seen));
        }
    }
    Ok(told)
}

/// Polls all of them until the last is done.
pub(crate) async fn join<T>(pending: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut done = Vec::new();
    let mut pending: Vec<_> = pending.into_iter().map(|one| Some(Box::pin(one))).collect();
    std::future::poll_fn(|context| {
        for (at, one) in pending.iter_mut().enumerate() {
            if let Some(future) = one
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                done.push((at, value));
                *one = None;
            }
        }
        match pending.iter().any(Option::is_some) {
            true => std::task::Poll::Pending,
            false => std::task::Poll::Ready(()),
        }
    })
    .await;
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, value)| value).collect()
}

/// Both runs of a pair.
async fn both(stage: &Stage, policy: Policy, pair: &Pair) -> Result<[Transcript; 2]> {
    let [one, other] = pair.secrets;
    let one = record(stage, policy, one, pair.timeout).await?;
    let other = record(stage, policy, other, pair.timeout).await?;
    let first = if pair.name == WORDS.name { Ended::Failed } else { Ended::Answered };
    let fits = policy.release.sizes == Sizes::Exact;
    let second = match pair.ends {
        Ended::OutputExhausted if fits => Ended::Answered,
        ends => ends,
    };
    let (ended, expected) = ((one.ended, other.ended), (first, second));
    ensure!(ended == expected, "the runs ended {ended:?}, not {expected:?}");
    Ok([one, other])
}

/// What is not the same in both.
fn differ([one, other]: &[Transcript; 2]) -> Vec<&'static str> {
    let pairs = one.seen.iter().zip(&other.seen);
    pairs.filter(|(one, other)| one != other).map(|(one, _)| one.0).collect()
}

/// A run whose worker is killed, and one whose worker is not, where answers leave at the deadline.
///
/// # Errors  It could not be killed in time.
pub async fn killed(stage: &Stage) -> Result<Told> {
    let [one, other] = KILLED.secrets;
    let timeout = KILLED.timeout;
    let whole = record(stage, DEADLINE, one, timeout).await?;
    let node = stage.node.process.id();
    let before: Vec<_> =
        stage.node.process.tree().into_iter().map(|id| (id, processor_time(id))).collect();
    let busy = || {
        let work = |id: u32| {
            let spent = before.iter().find(|(known, _)| *known == id).map(|(_, spent)| *spent);
            processor_time(id).saturating_sub(spent.unwrap_or_default())
        };
        let workers = stage.node.process.tree().into_iter().filter(|id| *id != node);
        workers.into_iter().find(|id| work(*id).as_millis() >= 80)
    };
    let kill = async {
        let id = until(timeout, busy).await.context("no worker was busy")?;
        let killed = std::process::Command::new("kill").arg("-9").arg(id.to_string()).status();
        ensure!(killed?.success(), "the worker could not be killed");
        Ok(())
    };
    let (dead, killed) = tokio::join!(record(stage, DEADLINE, other, timeout), kill);
    killed?;
    let dead = dead?;
    ensure!(
        (whole.ended, dead.ended) == (Ended::Answered, Ended::Killed),
        "{:?}, {:?}",
        whole.ended,
        dead.ended
    );
    Ok(Told { pair: KILLED.name, by: vec![differ(&[whole, dead])] })
}
