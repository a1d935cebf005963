//! What the sandbox takes, what it refuses, and how runs end.

#![forbid(unsafe_code)]

#[cfg(test)]
mod given;

#[cfg(test)]
mod ends;
#[cfg(test)]
mod modules;
#[cfg(test)]
mod noise;
#[cfg(test)]
mod worlds;
