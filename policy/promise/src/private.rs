//! Client data, as a type that cannot be printed.

use zeroize::Zeroize;

/// Client data. It has no `Debug`, `Display`, `Clone`, `PartialEq` or serde impl: it cannot reach a
/// log, a panic message, an `assert_eq!` or a wire struct, because that does not compile. Boxed, so
/// that moving it leaves no copy behind; wiped when dropped.
pub struct Private<T: Zeroize + ?Sized>(Box<T>);

impl<T: Zeroize> Private<T> {
    /// Takes `data` in. The caller's copy, if it kept one, is the caller's to wipe.
    pub fn new(data: T) -> Self {
        Self(Box::new(data))
    }
}

impl<T: Zeroize + ?Sized> Private<T> {
    /// Takes over what is already on the heap, without a copy.
    pub fn from_box(data: Box<T>) -> Self {
        Self(data)
    }

    /// Lends the data for one call. To audit every reader: `git grep '\.reveal('`.
    pub fn reveal<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.0)
    }

    /// Lends the data for one call that may change it in place, such as decryption.
    pub fn reveal_mut<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.0)
    }
}

impl<T: Zeroize + ?Sized> Drop for Private<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod private_data {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    struct Watched(Rc<Cell<bool>>);

    impl Zeroize for Watched {
        fn zeroize(&mut self) {
            self.0.set(true);
        }
    }

    #[test]
    fn is_wiped_when_dropped() {
        let wiped = Rc::new(Cell::new(false));
        let data = Private::new(Watched(wiped.clone()));
        assert!(!data.reveal(|watched| watched.0.get()));
        drop(data);
        assert!(wiped.get());
    }

    #[test]
    fn is_lent_in_place() {
        let mut data = Private::new([1u8, 2, 3]);
        data.reveal_mut(|bytes| bytes[0] = 9);
        assert_eq!(data.reveal(|bytes| bytes[0]), 9);
    }
}
