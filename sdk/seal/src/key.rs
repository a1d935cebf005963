//! Keys: 32 bytes that cannot be printed and wipe themselves.

use zeroize::Zeroizing;

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name(Box<Zeroizing<[u8; 32]>>);

        impl $name {
            /// How many bytes a key has.
            pub const BYTES: usize = 32;

            /// The key of these bytes, which the caller drew at random. The caller wipes its copy.
            pub fn from_bytes(bytes: &[u8; 32]) -> Self {
                Self(Box::new(Zeroizing::new(*bytes)))
            }

            /// Lends the bytes for one call, for keeping them in secret memory.
            pub fn reveal<R>(&self, read: impl FnOnce(&[u8; 32]) -> R) -> R {
                read(&self.0)
            }
        }
    };
}

key! {
    /// Seals one thing: an object version, or one run's input and answer. Boxed, so that moves
    /// leave no copy; no `Debug`, no `Clone`.
    DataKey
}

key! {
    /// Wraps data keys. A pool has one at a time.
    WrappingKey
}
