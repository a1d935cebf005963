//! `wasi:random`: streams fixed by the run's seed.

use super::bindings::wasi::random::{insecure, insecure_seed, random};
use super::chance::Chance;
use super::{State, Stop};
use crate::limits::RANDOM_BYTES_MAX;

fn bytes(from: &mut Chance, count: u64) -> wasmtime::Result<Vec<u8>> {
    // The interface must answer exactly as many as were asked for, so too many end the run.
    if count > RANDOM_BYTES_MAX {
        return Err(Stop::TooMuch.into());
    }
    Ok(from.bytes(usize::try_from(count).unwrap_or(0)))
}

impl random::Host for State {
    fn get_random_bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        bytes(&mut self.chance, count)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.chance.number())
    }
}

impl insecure::Host for State {
    fn get_insecure_random_bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        bytes(&mut self.insecure, count)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.insecure.number())
    }
}

impl insecure_seed::Host for State {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.insecure.number(), self.insecure.number()))
    }
}
