//! Makes a failing plan small: leaves out whatever it also fails without.
//!
//! Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (TSE 2002).

use crate::plan::Plan;
use crate::swarm::judge;

/// Runs that one shrinking may take.
const RUNS_MAX: usize = 600;

/// A smaller plan in which the same property does not hold, if there is one.
#[must_use]
pub fn shrink(plan: &Plan, property: &str) -> Plan {
    let mut hunt = Hunt { property, runs: 0 };
    let mut small = plan.clone();
    hunt.leave_out_clients(&mut small);
    let mut width = small.faults.len();
    while width > 0 && hunt.runs < RUNS_MAX {
        let before = small.faults.len();
        hunt.leave_out_faults(&mut small, width);
        if small.faults.len() == before {
            width /= 2;
        } else {
            width = width.min(small.faults.len());
        }
    }
    hunt.end_earlier(&mut small);
    small
}

struct Hunt<'a> {
    property: &'a str,
    runs: usize,
}

impl Hunt<'_> {
    fn fails(&mut self, plan: &Plan) -> bool {
        self.runs += 1;
        judge(plan.clone()).is_err_and(|violation| violation.property == self.property)
    }

    fn leave_out_clients(&mut self, plan: &mut Plan) {
        while plan.shape.clients > 0 {
            let mut fewer = plan.clone();
            fewer.shape.clients -= 1;
            if !self.fails(&fewer) {
                return;
            }
            *plan = fewer;
        }
    }

    /// Leaves out stretches of this many faults.
    fn leave_out_faults(&mut self, plan: &mut Plan, width: usize) {
        let mut at = 0;
        while at < plan.faults.len() && self.runs < RUNS_MAX {
            let mut fewer = plan.clone();
            fewer.faults.drain(at..(at + width).min(plan.faults.len()));
            if self.fails(&fewer) {
                *plan = fewer;
            } else {
                at += width;
            }
        }
    }

    /// Mends everything right after the last fault.
    fn end_earlier(&mut self, plan: &mut Plan) {
        let Some(last) = plan.faults.iter().map(|fault| fault.at).max() else { return };
        let mut earlier = plan.clone();
        earlier.shape.mended = earlier.shape.mended.min(last + 1);
        if self.fails(&earlier) {
            *plan = earlier;
        }
    }
}
