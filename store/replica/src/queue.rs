//! What waits for the replica's thread, bounded in number and in bytes.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_channel::oneshot;
use notrace_store_protocol::machine::{Durability, Machine};

use crate::error::{CheckpointError, SendError};
use crate::limits::BATCH_BYTES_MAX;
use crate::replicated::Delivered;

pub(crate) type Answer<R> = oneshot::Sender<Result<Delivered<R>, SendError>>;

/// An update that waits to be ordered.
pub(crate) struct Request<M: Machine> {
    pub(crate) command: M::Command,
    /// The command as it goes into the log.
    pub(crate) encoded: Vec<u8>,
    pub(crate) durability: Durability,
    pub(crate) answer: Answer<M::Reply>,
}

/// What the thread gets to do.
pub(crate) struct Work<M: Machine> {
    pub(crate) batch: Vec<Request<M>>,
    pub(crate) checkpoints: Vec<oneshot::Sender<Result<(), CheckpointError>>>,
    /// How the checkpoint in writing ended: its bytes.
    pub(crate) written: Option<Result<u64, notrace_store_log::CheckpointError>>,
    pub(crate) closing: bool,
}

pub(crate) struct Queue<M: Machine> {
    state: Mutex<State<M>>,
    wake: Condvar,
    count_max: usize,
    bytes_max: u64,
}

struct State<M: Machine> {
    requests: VecDeque<Request<M>>,
    bytes: u64,
    checkpoints: Vec<oneshot::Sender<Result<(), CheckpointError>>>,
    written: Option<Result<u64, notrace_store_log::CheckpointError>>,
    closers: Vec<oneshot::Sender<()>>,
    closing: bool,
    stopped: bool,
}

impl<M: Machine> Queue<M> {
    pub(crate) fn new(count_max: usize, bytes_max: u64) -> Self {
        let state = State {
            requests: VecDeque::new(),
            bytes: 0,
            checkpoints: Vec::new(),
            written: None,
            closers: Vec::new(),
            closing: false,
            stopped: false,
        };
        Self { state: Mutex::new(state), wake: Condvar::new(), count_max, bytes_max }
    }

    /// No method leaves the state half changed, so a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, request: Request<M>) -> Result<(), SendError> {
        let mut state = self.state();
        if state.closing || state.stopped {
            return Err(SendError::Stopped);
        }
        let bytes = state.bytes + request.encoded.len() as u64;
        let full = state.requests.len() >= self.count_max || bytes > self.bytes_max;
        if full && !state.requests.is_empty() {
            return Err(SendError::Busy);
        }
        state.bytes = bytes;
        state.requests.push_back(request);
        self.wake.notify_one();
        Ok(())
    }

    /// Asks for a checkpoint of everything delivered so far.
    pub(crate) fn ask_checkpoint(&self) -> oneshot::Receiver<Result<(), CheckpointError>> {
        let (answer, wait) = oneshot::channel();
        let mut state = self.state();
        if !state.closing && !state.stopped {
            state.checkpoints.push(answer);
            self.wake.notify_one();
        }
        wait
    }

    /// Tells how the writing of a checkpoint ended.
    pub(crate) fn wrote(&self, result: Result<u64, notrace_store_log::CheckpointError>) {
        self.state().written = Some(result);
        self.wake.notify_one();
    }

    /// Waits for how the writing of a checkpoint ends.
    pub(crate) fn wait_written(&self) -> Result<u64, notrace_store_log::CheckpointError> {
        let mut state = self.state();
        loop {
            match state.written.take() {
                Some(written) => return written,
                None => state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Takes nothing new from now on. What waits is still done. Resolves when all is.
    pub(crate) fn close(&self) -> oneshot::Receiver<()> {
        let (done, wait) = oneshot::channel();
        let mut state = self.state();
        state.closing = true;
        if !state.stopped {
            state.closers.push(done);
        }
        self.wake.notify_one();
        wait
    }

    /// The thread is done: whoever waits is told.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        let waiting = (
            mem::take(&mut state.requests),
            mem::take(&mut state.checkpoints),
            mem::take(&mut state.closers),
        );
        state.bytes = 0;
        drop(state);
        // Dropping an answer says that there will be none.
        drop(waiting);
    }

    /// Waits for something to do, up to `timeout` if there is one.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Work<M> {
        let idle = |state: &mut State<M>| {
            state.requests.is_empty()
                && state.checkpoints.is_empty()
                && state.written.is_none()
                && !state.closing
        };
        let state = self.state();
        let mut state = match timeout {
            None => self.wake.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = self.wake.wait_timeout_while(state, timeout, idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let mut work = Work {
            batch: Vec::new(),
            checkpoints: mem::take(&mut state.checkpoints),
            written: state.written.take(),
            closing: state.closing,
        };
        let mut bytes = 0;
        while let Some(request) = state.requests.front() {
            bytes += request.encoded.len() as u64;
            if bytes > BATCH_BYTES_MAX && !work.batch.is_empty() {
                break;
            }
            work.batch.extend(state.requests.pop_front());
        }
        state.bytes = state.requests.iter().map(|request| request.encoded.len() as u64).sum();
        work
    }
}
