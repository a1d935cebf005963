//! Linearizability of a register machine on top: each operation seems to happen at one moment
//! between its call and its answer.
//!
//! Source: Herlihy and Wing, "Linearizability: A Correctness Condition for Concurrent Objects"
//! (TOPLAS 1990); decided by `stateright`'s tester on the history of one register at a time, which
//! suffices because linearizability is local (Theorem 1 there).

use std::collections::BTreeMap;

use stateright::semantics::register::{Register, RegisterOp, RegisterRet};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester};

use super::{Verdict, violated};

/// Operations on one register beyond which its history is not decided: the search is exponential.
pub(crate) const OPERATIONS_MAX: u32 = 16;

/// What happened to a register, in the order of the world's clock.
#[derive(Clone, Copy, Debug)]
enum Step {
    Calls(usize, Option<u64>),
    Answers(usize, Option<u64>),
}

/// Histories by shard and register.
#[derive(Default)]
pub(crate) struct Linear {
    steps: BTreeMap<(usize, u32), Vec<Step>>,
}

impl Linear {
    /// A client calls; with a value it writes, without one it reads.
    pub(crate) fn calls(&mut self, register: (usize, u32), client: usize, write: Option<u64>) {
        self.steps.entry(register).or_default().push(Step::Calls(client, write));
    }

    /// It is answered: with the value that it read.
    pub(crate) fn answers(&mut self, register: (usize, u32), client: usize, read: Option<u64>) {
        self.steps.entry(register).or_default().push(Step::Answers(client, read));
    }

    /// Decides the histories of the shards of which no memory was lost.
    pub(crate) fn decide(&self, counts: impl Fn(usize) -> bool) -> Verdict {
        for ((shard, register), steps) in &self.steps {
            let calls = steps.iter().filter(|step| matches!(step, Step::Calls(..))).count();
            if calls > OPERATIONS_MAX as usize || !counts(*shard) {
                continue;
            }
            if !is_linearizable(steps) {
                let text = format!("register {register} of shard {shard}: {steps:?}");
                return violated("linear", text);
            }
        }
        Ok(())
    }
}

fn is_linearizable(steps: &[Step]) -> bool {
    let mut tester = LinearizabilityTester::new(Register(0));
    for step in steps {
        let noted = match *step {
            Step::Calls(client, Some(value)) => tester.on_invoke(client, RegisterOp::Write(value)),
            Step::Calls(client, None) => tester.on_invoke(client, RegisterOp::Read),
            Step::Answers(client, None) => tester.on_return(client, RegisterRet::WriteOk),
            Step::Answers(client, Some(value)) => {
                tester.on_return(client, RegisterRet::ReadOk(value))
            }
        };
        if noted.is_err() {
            return false;
        }
    }
    tester.is_consistent()
}

#[cfg(test)]
mod a_history {
    use super::*;

    #[test]
    fn in_which_a_read_goes_back_in_time_is_refused() {
        let stale = [
            Step::Calls(0, Some(7)),
            Step::Answers(0, None),
            Step::Calls(1, None),
            Step::Answers(1, Some(0)),
        ];
        assert!(!is_linearizable(&stale));
        let overlapping = [
            Step::Calls(0, Some(7)),
            Step::Calls(1, None),
            Step::Answers(1, Some(0)),
            Step::Answers(0, None),
        ];
        assert!(is_linearizable(&overlapping));
    }
}
