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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_hands_out_what_was_put_in() {
        let (mut buffer, mut model) = (Buffer::default(), Vec::new());
        let mut state = 7_u64;
        for round in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let count = (state >> 33) as usize % 3000;
            if state >> 63 == 0 {
                let bytes = vec![round as u8; count];
                buffer.space(count)[..count].copy_from_slice(&bytes);
                buffer.fill(count);
                model.extend(bytes);
            } else {
                buffer.take(count);
                model.drain(..count.min(model.len()));
            }
            assert!(buffer.filled() == model && buffer.len() == model.len());
        }
    }

    #[test]
    fn memory_for_a_great_write_is_given_back() {
        let mut buffer = Buffer::default();
        buffer.space(2 * KEPT_BYTES);
        buffer.fill(2 * KEPT_BYTES);
        buffer.take(2 * KEPT_BYTES - 1);
        assert!(buffer.bytes.len() > KEPT_BYTES);
        buffer.take(1);
        assert!(buffer.bytes.is_empty());
    }
}
