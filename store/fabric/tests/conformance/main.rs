//! One suite for every fabric. A fabric's file says how its ends are made and how its wire is held
//! and severed, and lists the parts of the suite that it passes.

#[macro_use]
mod suite;

#[cfg(test)]
mod letters;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod sealed;
#[cfg(test)]
mod wires;

#[cfg(test)]
#[cfg(feature = "libfabric")]
mod libfabric;
#[cfg(test)]
mod loopback;
#[cfg(test)]
mod tcp;
