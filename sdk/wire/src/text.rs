//! Spells a type in JSON as the text it prints: `#[serde(with = "text")]`.
//!
//! The error of a text that does not parse is the type's own fixed sentence, so a refusal made from
//! it cannot echo what the client sent.

use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;

use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;

/// Writes `value` as the text it prints.
/// # Errors  Only the serializer's own.
pub fn serialize<T: fmt::Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// Reads the text that a `T` prints.
/// # Errors  The text does not parse; the message is `T`'s own sentence.
pub fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: FromStr,
    T::Err: fmt::Display,
    D: Deserializer<'de>,
{
    from.deserialize_str(Text(PhantomData))
}

struct Text<T>(PhantomData<T>);

impl<T> Visitor<'_> for Text<T>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// The same for a field that may be absent: `#[serde(default, with = "text::maybe")]`.
pub mod maybe {
    use super::{Deserializer, FromStr, Serializer, Text, fmt};
    use core::marker::PhantomData;
    use serde::de::{Error, Visitor};

    /// Writes the text of what is there, or null.
    /// # Errors  Only the serializer's own.
    pub fn serialize<T: fmt::Display, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    /// Reads a text, or null.
    /// # Errors  The text does not parse; the message is `T`'s own sentence.
    pub fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr,
        T::Err: fmt::Display,
        D: Deserializer<'de>,
    {
        from.deserialize_option(Maybe(PhantomData))
    }

    struct Maybe<T>(PhantomData<T>);

    impl<'de, T> Visitor<'de> for Maybe<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or null")
        }

        fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Option<T>, D::Error> {
            from.deserialize_str(Text(PhantomData)).map(Some)
        }
    }
}

/// Serde impls for types that are their text.
macro_rules! as_text {
    ($($name:ty),+ $(,)?) => {$(
        $crate::text::serde_as_text!($name);
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::Object::with_type(utoipa::openapi::schema::Type::String).into()
            }
        }
        impl utoipa::ToSchema for $name {}
    )+};
}
pub(crate) use as_text;

macro_rules! serde_as_text {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                $crate::text::serialize(self, to)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::text::deserialize(from)
            }
        }
    };
}
pub(crate) use serde_as_text;

/// A closed set of words: an enum with its spelling, its parser and the list of all of them.
macro_rules! words {
    (
        $(#[$doc:meta])* $name:ident, $refusal:ident, $sentence:literal:
        $($(#[$word_doc:meta])* $variant:ident = $text:literal),+ $(,)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name {
            $($(#[$word_doc])* $variant),+
        }

        impl $name {
            /// Every word there is, in the order of their declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word as it is spelt on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        /// A text that is none of the words.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $refusal;

        impl core::fmt::Display for $refusal {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str($sentence)
            }
        }

        impl core::error::Error for $refusal {}

        impl core::str::FromStr for $name {
            type Err = $refusal;

            fn from_str(text: &str) -> Result<Self, $refusal> {
                match text { $($text => Ok($name::$variant),)+ _ => Err($refusal) }
            }
        }

        $crate::text::serde_as_text!($name);
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($text),+]))
                    .into()
            }
        }
        impl utoipa::ToSchema for $name {}
    };
}
pub(crate) use words;
