//! One suite for every fabric. A fabric's file says how its ends are made and how its wire is held
//! and severed, and lists the parts of the suite that it passes.

#[macro_use]
mod suite;

mod letters;
mod rig;
mod rules;
mod sealed;
mod wires;

mod loopback;
mod tcp;
