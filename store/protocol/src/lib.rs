//! The group protocol: virtual synchrony, a total order and versions, as a value with one door.
//!
//! No dependency, no I/O, no clock, no randomness. A group of one is an ordinary group.
//!
//! In reading order: the words ([`ids`], [`time`], [`order`], [`rising`], [`limits`], [`machine`]);
//! who should hold what ([`layout`], [`slots`]); what members agree on and tell each other
//! ([`view`], [`row`], [`message`], [`codec`]); what happens and what is done ([`event`],
//! [`effect`], [`mark`]); one shard's order ([`multicast`]); its log, and those who lack a part of
//! it ([`journal`], [`transfer`]); calls and clients ([`rpc`], [`sessions`]); large objects
//! ([`schedule`]); views and their ends (`membership`); and all of it together ([`group`]).
#![forbid(unsafe_code)]

pub mod ids;
pub mod time;

pub mod order;
pub mod rising;

pub mod limits;
pub mod machine;

pub mod layout;
pub mod slots;

pub mod view;

pub mod row;

pub mod message;

pub mod codec;

pub mod event;

pub mod effect;
pub mod mark;

pub mod multicast;

pub mod journal;
pub mod transfer;

pub mod rpc;
pub mod sessions;

pub mod schedule;

mod membership;
mod share;

pub mod group;
