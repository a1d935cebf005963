//! `wasi:clocks`: both stand still at the run's cut.

use wasmtime::component::Resource;

use super::State;
use super::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use super::handle::Ready;
use wall_clock::Datetime;

/// What a tick would be, if there were one, in nanoseconds.
const TICK_NANOS: u32 = 1000;

impl State {
    /// The cut's time.
    pub(super) fn cut(&self) -> Datetime {
        let micros = u32::try_from(self.time_unix_micros % 1_000_000).unwrap_or(0);
        Datetime { seconds: self.time_unix_micros / 1_000_000, nanoseconds: micros * 1000 }
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.time_unix_micros.saturating_mul(1000))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::from(TICK_NANOS))
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<Ready>> {
        Ok(self.table.push(Ready)?)
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<Ready>> {
        Ok(self.table.push(Ready)?)
    }
}

impl wall_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<Datetime> {
        Ok(self.cut())
    }

    fn resolution(&mut self) -> wasmtime::Result<Datetime> {
        Ok(Datetime { seconds: 0, nanoseconds: TICK_NANOS })
    }
}
