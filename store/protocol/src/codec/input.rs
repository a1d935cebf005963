//! Bytes that are taken apart from the front, and what can be put together from them.

use std::sync::Arc;

use crate::ids::SeqNum;
use crate::machine::Malformed;

/// What is left of the bytes.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// A byte that says which of several it is.
    pub(super) fn tag(&mut self) -> Result<u8, Malformed> {
        let [tag] = self.take()?;
        Ok(tag)
    }

    /// Whether so many values may still be there.
    pub(super) const fn has_room_for<T: Part>(&self, count: usize) -> bool {
        count.saturating_mul(T::LEAST) <= self.0.len()
    }

    /// A count of messages. No shard's epoch has more of them than it has numbers.
    pub(super) fn count(&mut self) -> Result<u64, Malformed> {
        let count = u64::parse(self)?;
        if count <= SeqNum::MAX.number() { Ok(count) } else { Err(Malformed) }
    }
}

/// What bytes can be made of, and can be made of bytes.
pub trait Part: Sized {
    /// The fewest bytes that a value takes.
    const LEAST: usize;
    /// The most bytes that a value takes.
    const MOST: usize;
    /// Appends the value's bytes.
    fn put(&self, out: &mut Vec<u8>);
    /// Takes a value off the front.
    /// # Errors  [`Malformed`] if there is none.
    fn parse(input: &mut Input<'_>) -> Result<Self, Malformed>;
}

/// What there are lists of.
pub(super) trait Listed: Part {
    /// How long they are, at most.
    const LIST_MAX: usize;
}

macro_rules! number {
    ($($number:ty),*) => {$(
        impl Part for $number {
            const LEAST: usize = size_of::<$number>();
            const MOST: usize = Self::LEAST;

            fn put(&self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }

            fn parse(input: &mut Input<'_>) -> Result<Self, Malformed> {
                input.take().map(Self::from_le_bytes)
            }
        }
    )*};
}

number!(u8, u16, u32, u64);

impl Part for bool {
    const LEAST: usize = 1;
    const MOST: usize = 1;

    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn parse(input: &mut Input<'_>) -> Result<Self, Malformed> {
        match input.tag()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }
}

impl<T: Part> Part for Option<T> {
    const LEAST: usize = 1;
    const MOST: usize = 1 + T::MOST;

    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn parse(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(if bool::parse(input)? { Some(T::parse(input)?) } else { None })
    }
}

impl<T: Part> Part for Arc<T> {
    const LEAST: usize = T::LEAST;
    const MOST: usize = T::MOST;

    fn put(&self, out: &mut Vec<u8>) {
        T::put(self, out);
    }

    fn parse(input: &mut Input<'_>) -> Result<Self, Malformed> {
        T::parse(input).map(Arc::new)
    }
}

impl<T: Listed> Part for Vec<T> {
    const LEAST: usize = 2;
    const MOST: usize = 2 + T::LIST_MAX * T::MOST;

    fn put(&self, out: &mut Vec<u8>) {
        const { assert!(T::LIST_MAX <= u16::MAX as usize, "a count is 16 bits") };
        assert!(self.len() <= T::LIST_MAX, "a list is longer than it can be");
        (self.len() as u16).put(out);
        self.iter().for_each(|item| item.put(out));
    }

    fn parse(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let count = usize::from(u16::parse(input)?);
        // Nothing is allocated for items that cannot be there.
        if count > T::LIST_MAX || !input.has_room_for::<T>(count) {
            return Err(Malformed);
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(T::parse(input)?);
        }
        Ok(items)
    }
}
