//! A value that only rises.

/// What its owner may raise and nobody may lower. What was once read of it is true for ever, as a
/// lower bound; that is why rows need no lock, no acknowledgement and no order between readers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Rising<T>(T);

impl<T: Copy + Ord> Rising<T> {
    /// A value that begins here.
    pub const fn from(start: T) -> Self {
        Self(start)
    }

    /// How high it is.
    pub const fn get(&self) -> T {
        self.0
    }

    /// Raises it, and says whether that moved it. It stays where `to` is what it is; a lower `to`
    /// is a fault of ours and stops the replica.
    pub fn raise(&mut self, to: T) -> bool {
        assert!(to >= self.0, "a value that only rises was lowered");
        let moved = to > self.0;
        self.0 = to;
        moved
    }

    /// Raises it if `to` is higher, and says whether it was: for what others wrote, which may
    /// arrive late.
    pub fn learn(&mut self, to: T) -> bool {
        let moved = to > self.0;
        if moved {
            self.0 = to;
        }
        moved
    }
}
