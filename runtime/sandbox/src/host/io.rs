//! `wasi:io`: streams over what is in memory, and waiting that never waits.

use wasmtime::component::Resource;

use super::bindings::wasi::io::{error, poll, streams};
use super::handle::{Fault, Ready, Sink, Source};
use super::pipe::part;
use super::{State, Stop};
use crate::limits::{READ_BYTES_MAX, WRITE_BYTES_OFFERED};
use crate::task::World;
use streams::StreamError;

impl State {
    fn read(&mut self, source: &Resource<Source>, count: u64) -> wasmtime::Result<Vec<u8>> {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(READ_BYTES_MAX);
        Ok(match self.table.get_mut(source)? {
            Source::Input => self.input.read(count),
            Source::File { file, offset } => {
                let from = usize::try_from(*offset).unwrap_or(usize::MAX);
                let read = part(self.files.bytes(*file), from, count).to_vec();
                *offset = offset.saturating_add(read.len() as u64);
                read
            }
        })
    }

    fn write(&mut self, sink: &Resource<Sink>, bytes: &[u8]) -> wasmtime::Result<()> {
        planted!(17, crate::leak::keep(bytes));
        match (self.table.get(sink)?, self.world) {
            // A task answers by returning; what it prints is for its owner to read.
            (Sink::Message, _) | (Sink::Output, World::Task) => self.kept.write(bytes),
            (Sink::Output, _) => self.output.write(bytes)?,
        }
        Ok(())
    }

    fn ready(&mut self) -> wasmtime::Result<Resource<Ready>> {
        Ok(self.table.push(Ready)?)
    }
}

/// What a stream answers: closed once there is nothing more to read.
fn read_or_closed(read: Vec<u8>, asked: u64) -> Result<Vec<u8>, StreamError> {
    if read.is_empty() && asked > 0 { Err(StreamError::Closed) } else { Ok(read) }
}

impl error::Host for State {}

impl error::HostError for State {
    fn to_debug_string(&mut self, _: Resource<Fault>) -> wasmtime::Result<String> {
        Ok(String::new())
    }

    fn drop(&mut self, fault: Resource<Fault>) -> wasmtime::Result<()> {
        self.table.delete(fault)?;
        Ok(())
    }
}

impl poll::Host for State {
    fn poll(&mut self, waiting: Vec<Resource<Ready>>) -> wasmtime::Result<Vec<u32>> {
        if waiting.is_empty() {
            return Err(Stop::Convention.into());
        }
        Ok((0..).zip(&waiting).map(|(index, _)| index).collect())
    }
}

impl poll::HostPollable for State {
    fn ready(&mut self, _: Resource<Ready>) -> wasmtime::Result<bool> {
        Ok(true)
    }

    fn block(&mut self, _: Resource<Ready>) -> wasmtime::Result<()> {
        Ok(())
    }

    fn drop(&mut self, ready: Resource<Ready>) -> wasmtime::Result<()> {
        self.table.delete(ready)?;
        Ok(())
    }
}

impl streams::Host for State {}

impl streams::HostInputStream for State {
    fn read(
        &mut self,
        source: Resource<Source>,
        count: u64,
    ) -> wasmtime::Result<Result<Vec<u8>, StreamError>> {
        Ok(read_or_closed(State::read(self, &source, count)?, count))
    }

    fn blocking_read(
        &mut self,
        source: Resource<Source>,
        count: u64,
    ) -> wasmtime::Result<Result<Vec<u8>, StreamError>> {
        Ok(read_or_closed(State::read(self, &source, count)?, count))
    }

    fn skip(
        &mut self,
        source: Resource<Source>,
        count: u64,
    ) -> wasmtime::Result<Result<u64, StreamError>> {
        let skipped = read_or_closed(State::read(self, &source, count)?, count);
        Ok(skipped.map(|bytes| bytes.len() as u64))
    }

    fn blocking_skip(
        &mut self,
        source: Resource<Source>,
        count: u64,
    ) -> wasmtime::Result<Result<u64, StreamError>> {
        streams::HostInputStream::skip(self, source, count)
    }

    fn subscribe(&mut self, _: Resource<Source>) -> wasmtime::Result<Resource<Ready>> {
        State::ready(self)
    }

    fn drop(&mut self, source: Resource<Source>) -> wasmtime::Result<()> {
        self.table.delete(source)?;
        Ok(())
    }
}

impl streams::HostOutputStream for State {
    fn check_write(&mut self, _: Resource<Sink>) -> wasmtime::Result<Result<u64, StreamError>> {
        Ok(Ok(WRITE_BYTES_OFFERED))
    }

    fn write(
        &mut self,
        sink: Resource<Sink>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), StreamError>> {
        Ok(Ok(State::write(self, &sink, &bytes)?))
    }

    fn blocking_write_and_flush(
        &mut self,
        sink: Resource<Sink>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), StreamError>> {
        Ok(Ok(State::write(self, &sink, &bytes)?))
    }

    fn flush(&mut self, _: Resource<Sink>) -> wasmtime::Result<Result<(), StreamError>> {
        Ok(Ok(()))
    }

    fn blocking_flush(&mut self, _: Resource<Sink>) -> wasmtime::Result<Result<(), StreamError>> {
        Ok(Ok(()))
    }

    fn subscribe(&mut self, _: Resource<Sink>) -> wasmtime::Result<Resource<Ready>> {
        State::ready(self)
    }

    fn write_zeroes(
        &mut self,
        sink: Resource<Sink>,
        count: u64,
    ) -> wasmtime::Result<Result<(), StreamError>> {
        if count > WRITE_BYTES_OFFERED {
            return Err(Stop::TooMuch.into());
        }
        let zeroes = vec![0; usize::try_from(count).unwrap_or(0)];
        Ok(Ok(State::write(self, &sink, &zeroes)?))
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        sink: Resource<Sink>,
        count: u64,
    ) -> wasmtime::Result<Result<(), StreamError>> {
        streams::HostOutputStream::write_zeroes(self, sink, count)
    }

    fn splice(
        &mut self,
        sink: Resource<Sink>,
        source: Resource<Source>,
        count: u64,
    ) -> wasmtime::Result<Result<u64, StreamError>> {
        match read_or_closed(State::read(self, &source, count)?, count) {
            Ok(bytes) => {
                State::write(self, &sink, &bytes)?;
                Ok(Ok(bytes.len() as u64))
            }
            Err(closed) => Ok(Err(closed)),
        }
    }

    fn blocking_splice(
        &mut self,
        sink: Resource<Sink>,
        source: Resource<Source>,
        count: u64,
    ) -> wasmtime::Result<Result<u64, StreamError>> {
        streams::HostOutputStream::splice(self, sink, source, count)
    }

    fn drop(&mut self, sink: Resource<Sink>) -> wasmtime::Result<()> {
        self.table.delete(sink)?;
        Ok(())
    }
}
