//! What we promise, as values: the words, marks and proofs that a client and a node share.
//!
//! Everything here is pure. Nothing reads a clock, a file, a socket or a random source, so that a
//! client can run exactly the code the node runs and come to the same verdict, offline, years
//! later.
//!
//! Reading order: [`limits`] bounds everything; [`digest`] names content; [`private`] is data that
//! cannot be printed; [`name`] says what may be addressed; [`label`] says how confidential it is;
//! [`release`] says what of a run may show, and [`cohosting`] who may be beside it. [`contract`] is
//! the promise itself, as text; [`note`] is how text is signed; [`receipt`] is what a node states
//! about a run; [`ledger`] is the public log it states it in; [`verify`] is how anyone checks all
//! of it.
#![forbid(unsafe_code)]

pub mod limits;

pub mod digest;
pub mod private;

pub mod label;
pub mod name;
pub mod release;

mod encode;
mod words;

pub mod cohosting;
pub mod contract;
pub mod ledger;
pub mod note;
pub mod receipt;
pub mod verify;
