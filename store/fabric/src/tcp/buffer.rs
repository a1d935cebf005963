//! Bytes on their way out, in one piece.

use crate::limits::KEPT_BYTES;

#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    begin: usize,
    end: usize,
}

impl Buffer {
    pub(super) fn len(&self) -> usize {
        self.end - self.begin
    }

    pub(super) fn filled(&self) -> &[u8] {
        self.bytes.get(self.begin..self.end).unwrap_or_default()
    }

    /// Place for `count` bytes at the end; [`Buffer::fill`] tells how many of them were used.
    pub(super) fn space(&mut self, count: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < count && self.begin >= self.len() {
            self.bytes.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.len());
        }
        if self.bytes.len() - self.end < count {
            let twice = 2 * self.bytes.len();
            self.bytes.resize(twice.max(self.end + count), 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    pub(super) fn fill(&mut self, count: usize) {
        self.end = self.bytes.len().min(self.end + count);
    }

    pub(super) fn take(&mut self, count: usize) {
        self.begin = self.end.min(self.begin + count);
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
            if self.bytes.len() > KEPT_BYTES {
                self.bytes = Vec::new();
            }
        }
    }
}
