//! Sets of words from a closed list, kept as bits and written in one order.

/// Makes an enum of words and the set of them. The order of the list is the order of the bits and
/// of the text, so words are only ever added at the end.
macro_rules! words {
    (
        $(#[$word_doc:meta])* $word:ident;
        $(#[$set_doc:meta])* $set:ident;
        $($(#[$doc:meta])* $name:ident = $text:literal,)+
    ) => {
        $(#[$word_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $word {
            $($(#[$doc])* $name,)+
        }

        impl $word {
            /// Every word, in the order of the encoding.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The word itself.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }

        const _: () = assert!($word::ALL.len() <= 16, "a set of them is 16 bits");

        $(#[$set_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $set(u16);

        impl $set {
            /// The set of exactly these.
            pub const fn of(words: &[$word]) -> Self {
                let mut bits = 0;
                let mut rest = words;
                while let [first, others @ ..] = rest {
                    bits |= 1 << *first as u16;
                    rest = others;
                }
                Self(bits)
            }

            /// The set with `word` in it.
            #[must_use]
            pub const fn with(self, word: $word) -> Self {
                Self(self.0 | 1 << word as u16)
            }

            /// Whether `word` is in it.
            pub const fn has(self, word: $word) -> bool {
                self.0 & 1 << word as u16 != 0
            }

            /// Whether everything in `other` is in it too.
            pub const fn covers(self, other: Self) -> bool {
                other.0 & !self.0 == 0
            }

            /// Its members, in order.
            pub fn iter(self) -> impl Iterator<Item = $word> {
                $word::ALL.iter().copied().filter(move |&word| self.has(word))
            }

            /// The set as bits.
            pub const fn bits(self) -> u16 {
                self.0
            }

            /// The set with these bits; `None` if one of them stands for no word.
            pub const fn from_bits(bits: u16) -> Option<Self> {
                let known = Self::of($word::ALL);
                if bits & !known.0 == 0 { Some(Self(bits)) } else { None }
            }
        }

        impl core::fmt::Display for $set {
            /// The words in order, each after a space but the first; nothing for the empty set.
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let mut gap = "";
                self.iter().try_for_each(|word| {
                    let before = core::mem::replace(&mut gap, " ");
                    write!(f, "{before}{}", word.as_str())
                })
            }
        }

        impl core::fmt::Debug for $set {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{{{self}}}")
            }
        }
    };
}
pub(crate) use words;
