//! Many runs, on both cores.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::checks::Violation;
use crate::coverage::Coverage;
use crate::plan::Plan;
use crate::world::{Report, World};

/// Runs a plan; an assertion of the protocol that does not hold is a violation too.
/// # Errors  What does not hold.
pub fn judge(plan: Plan) -> Result<Report, Violation> {
    let run = || World::new(plan).run();
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|cause| {
        let literal = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = literal.or_else(|| cause.downcast_ref::<String>().cloned());
        Err(Violation { property: "assertion", text: text.unwrap_or_default() })
    })
}

/// Which runs, and how.
#[derive(Clone, Debug)]
pub struct Swarm {
    /// The seeds.
    pub seeds: Range<u64>,
    /// The size of every group, if the seed is not to choose it.
    pub members: Option<usize>,
    /// Whether to begin no run after the first failure.
    pub fail_fast: bool,
    /// How many at a time.
    pub threads: usize,
}

/// What they came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was reached.
    pub coverage: Coverage,
    /// Seeds that failed, ascending.
    pub failures: Vec<(u64, Violation)>,
}

impl Swarm {
    /// The plan of a seed in this swarm.
    #[must_use]
    pub fn plan(&self, seed: u64) -> Plan {
        self.members.map_or_else(|| Plan::of(seed), |members| Plan::with(seed, members))
    }

    /// Runs them all.
    #[must_use]
    pub fn run(&self) -> Outcome {
        let (next, failed) = (AtomicU64::new(self.seeds.start), AtomicBool::new(false));
        let whole = Mutex::new(Outcome::default());
        thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                scope.spawn(|| {
                    let part = self.work(&next, &failed);
                    let mut whole = whole.lock().unwrap_or_else(PoisonError::into_inner);
                    whole.coverage.join(&part.coverage);
                    whole.failures.extend(part.failures);
                });
            }
        });
        let mut whole = whole.into_inner().unwrap_or_else(PoisonError::into_inner);
        whole.failures.sort_by_key(|(seed, _)| *seed);
        whole
    }

    fn work(&self, next: &AtomicU64, failed: &AtomicBool) -> Outcome {
        let mut outcome = Outcome::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let ends = self.fail_fast && failed.load(Ordering::Relaxed);
            if seed >= self.seeds.end || ends {
                return outcome;
            }
            match judge(self.plan(seed)) {
                Ok(report) => outcome.coverage.add(&report),
                Err(violation) => {
                    failed.store(true, Ordering::Relaxed);
                    outcome.failures.push((seed, violation));
                }
            }
        }
    }
}
