//! The hunt for what should be gone.
//!
//! A node runs; clients send it [`canary`]s in everything that can be sent; then every place where
//! a byte could stay is searched for any eight of their bytes in a row, in any [`spelling`]. A
//! search that finds nothing proves nothing by itself: [`controls`] show in every run that each
//! place is seen, and [`planted`] leaks show that each kind of leak is.
//!
//! Reading order: `canary` and `spelling` are what is looked for, `search` how; `find` names the
//! places, `places` looks into them; `guest` is the task that is run, `stage` a node, `keys` its
//! table of keys, `deeds` what is done to it; `hunt` is the hunt, `controls` its controls,
//! `rounds` many of them; `planted` the leaks that it must find; `faults` is the hunt
//! after violence, `machine` that in a whole machine.
#![forbid(unsafe_code)]

pub mod canary;
pub mod spelling;

pub mod search;

pub mod find;
pub mod places;

pub mod guest;
pub mod keys;
pub mod stage;

pub mod deeds;

pub mod controls;
pub mod hunt;
mod sleeper;

pub mod planted;
pub mod rounds;

pub mod faults;
pub mod machine;

pub use canary::{Canary, What};
pub use find::{Find, Place};
pub use search::Search;
