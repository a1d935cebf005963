//! Nodes as processes: several that keep a store together, and what they do when one comes, goes or
//! is ended.
#![cfg(test)]

mod divided;
mod draining;
mod idempotency;
mod ledger;
mod membership;
mod nodes;
mod rolling;
mod rules;
#[path = "../run/mod.rs"]
mod run;
mod sealed;
