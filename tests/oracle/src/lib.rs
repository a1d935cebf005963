//! The arithmetic of the total order, compared with the functions that were proved.
//!
//! `store/proofs/coq` defines and proves what `store/protocol/src/order.rs` computes, and is turned
//! into a program that answers one question a line. [`cases`] makes up questions from a seed and
//! answers them with the shipped functions; [`program`] puts them to the proved ones. The test
//! `agreement` says whether all answers are the same.

#![forbid(unsafe_code)]

pub mod cases;
pub mod program;
