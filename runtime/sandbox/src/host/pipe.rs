//! What goes into a run and what comes out of it, bounded.

use notrace_policy_promise::private::Private;

use crate::host::Stop;
use crate::limits::MESSAGE_BYTES_MAX;

/// The input, read from front to back.
pub(crate) struct Input {
    bytes: Private<Vec<u8>>,
    at: usize,
}

/// The answer as it grows. It stops at its bound, so nothing larger is ever allocated.
pub(crate) struct Output {
    bytes: Private<Vec<u8>>,
    bytes_max: usize,
}

/// What a guest said beside its answer: its start, and no more.
#[derive(Default)]
pub(crate) struct Kept(Vec<u8>);

/// The bytes from `from` on, at most `count`; none beyond the end.
pub(crate) fn part(bytes: &[u8], from: usize, count: usize) -> &[u8] {
    let rest = bytes.get(from..).unwrap_or(&[]);
    rest.get(..count).unwrap_or(rest)
}

impl Input {
    pub(crate) fn new(bytes: Private<Vec<u8>>) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next bytes, at most `count`; none at the end.
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        let read = self.bytes.reveal(|bytes| part(bytes, self.at, count).to_vec());
        self.at = self.at.saturating_add(read.len());
        read
    }

    pub(crate) fn take(&mut self) -> Private<Vec<u8>> {
        core::mem::replace(&mut self.bytes, Private::new(Vec::new()))
    }
}

impl Output {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        Self { bytes: Private::new(Vec::new()), bytes_max }
    }

    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Adds `bytes`.
    ///
    /// # Errors  [`Stop::OutputFull`] if they do not fit; then none of them are added.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if bytes.len() > self.bytes_max - self.bytes.reveal(Vec::len) {
            return Err(Stop::OutputFull);
        }
        self.bytes.reveal_mut(|whole| whole.extend_from_slice(bytes));
        Ok(())
    }

    /// Puts the whole answer in, which the caller has measured.
    pub(crate) fn set(&mut self, bytes: Private<Vec<u8>>) {
        self.bytes = bytes;
    }

    pub(crate) fn take(&mut self) -> Private<Vec<u8>> {
        core::mem::replace(&mut self.bytes, Private::new(Vec::new()))
    }
}

impl Kept {
    /// Keeps as much of `bytes` as there is room for and drops the rest.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(part(bytes, 0, MESSAGE_BYTES_MAX - self.0.len()));
    }

    /// What was kept, as text; none if there is nothing.
    pub(crate) fn take(&mut self) -> Option<Private<String>> {
        let bytes = Private::new(core::mem::take(&mut self.0));
        let text = bytes.reveal(|bytes| String::from_utf8_lossy(bytes).into_owned());
        (!text.is_empty()).then(|| Private::new(text))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(Private::new(core::mem::take(&mut self.0)));
    }
}
