//! Whether the time within a quantum tells two secrets apart.

use std::time::Duration;

use anyhow::{Context as _, Result};
use notrace_policy_promise::release::Times;

use crate::pairs::join;
use crate::secrets::BRIEF;
use crate::stage::{Policy, Stage};
use crate::transcript::record;

/// Beyond this, two means differ. Source: the test vector leakage assessment of Goodwill, Jun,
/// Jaffe and Rohatgi (NIST, 2011), which uses Welch's test.
pub const T_MAX: f64 = 4.5;

/// What was measured.
pub struct Timing {
    /// Means of both secrets.
    pub means: [Duration; 2],
    /// Welch's t of the two.
    pub t: f64,
    /// How many runs of each.
    pub runs: usize,
}

/// How many pairs wait for their quantum together.
const BESIDE: usize = 4;

/// Runs both secrets in turns, `runs` times each; some at once where they only wait.
///
/// # Errors  A run was refused.
pub async fn measure(stage: &Stage, policy: Policy, runs: usize) -> Result<Timing> {
    let beside = if policy.release.times == Times::AtOnce { 1 } else { BESIDE };
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..runs.div_ceil(beside) {
        // Which goes first is not always the same, so that being second is not what differs.
        let order = if round.is_multiple_of(2) { [0, 1] } else { [1, 0] };
        let turns = order.into_iter().filter_map(|which| Some((which, BRIEF.get(which)?)));
        let pending = turns.cycle().take(2 * beside).map(async |(which, secret)| {
            (which, record(stage, policy, *secret, Duration::from_secs(5)).await)
        });
        let pending: Vec<_> = pending.collect();
        let seen = match beside {
            1 => one_after_another(pending).await,
            _ => join(pending).await,
        };
        for (which, seen) in seen {
            let times: Option<&mut Vec<f64>> = took.get_mut(which);
            times.context("there are two secrets")?.push(seen?.took.as_secs_f64());
        }
    }
    let [one, other] = &took;
    let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
    let means = [mean(one), mean(other)].map(Duration::from_secs_f64);
    Ok(Timing { means, t: welch(one, other), runs: one.len() })
}

async fn one_after_another<T>(pending: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut done = Vec::new();
    for one in pending {
        done.push(one.await);
    }
    done
}

/// Welch's t: the difference of two means in units of its own standard error.
pub fn welch(one: &[f64], other: &[f64]) -> f64 {
    let of = |values: &[f64]| {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (mean, squares / (count - 1.0) / count)
    };
    let ((one, spread), (other, wide)) = (of(one), of(other));
    (one - other) / (spread + wide).sqrt()
}

#[cfg(test)]
mod welchs_t {
    use super::*;

    #[test]
    fn is_large_where_means_differ_and_small_where_they_do_not() {
        let times =
            |from: f64| -> Vec<f64> { (0..50).map(|at| from + f64::from(at % 7)).collect() };
        assert!(welch(&times(10.0), &times(10.0)).abs() < 1e-9);
        assert!(welch(&times(10.0), &times(14.0)) < -T_MAX);
    }
}
