//! As much of DER as certificates of hardware vendors need: definite lengths in their shortest
//! form, tags of one byte, no depth of its own.
//!
//! Source: ITU-T X.690 (2021), sections 8 and 10.

use crate::bytes::Bytes;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;

/// The tag of a constructed element that is known by its number.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Elements one after another.
#[derive(Clone)]
pub(crate) struct Der<'a>(Bytes<'a>);

/// One element.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    /// What it holds.
    pub(crate) value: &'a [u8],
    /// The same with tag and length, which is what signatures are over.
    pub(crate) whole: &'a [u8],
}

impl<'a> Der<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(Bytes::new(bytes))
    }

    /// The next element, whatever it is.
    pub(crate) fn any(&mut self) -> Option<Element<'a>> {
        let start = self.0.clone().rest();
        let tag = self.0.u8()?;
        // Tags of several bytes stand in no certificate.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let length = self.length()?;
        let value = self.0.take(length)?;
        let taken = start.len() - self.0.clone().rest().len();
        Some(Element { tag, value, whole: start.get(..taken)? })
    }

    /// The next element, which must have this tag.
    pub(crate) fn element(&mut self, tag: u8) -> Option<Element<'a>> {
        self.any().filter(|element| element.tag == tag)
    }

    /// What the next element holds, which must have this tag.
    pub(crate) fn value(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.element(tag).map(|element| element.value)
    }

    /// The elements within the next one, which must have this tag.
    pub(crate) fn within(&mut self, tag: u8) -> Option<Der<'a>> {
        self.value(tag).map(Der::new)
    }

    /// The next element if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = self.clone();
        let value = ahead.value(tag)?;
        *self = ahead;
        Some(value)
    }

    /// The next bit string, which must be of whole bytes.
    pub(crate) fn bits(&mut self) -> Option<&'a [u8]> {
        let (unused, bits) = self.value(BIT_STRING)?.split_first()?;
        (*unused == 0).then_some(bits)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.clone().end().is_some()
    }

    /// `Some` if nothing is left.
    pub(crate) fn end(self) -> Option<()> {
        self.0.end()
    }

    fn length(&mut self) -> Option<usize> {
        let first = self.0.u8()?;
        let (length, least) = match first {
            0..=0x7f => return Some(usize::from(first)),
            0x81 => (usize::from(self.0.u8()?), 0x80),
            0x82 => (usize::from(self.0.u16_be()?), 0x100),
            _ => return None,
        };
        (length >= least).then_some(length)
    }
}

/// The number of an INTEGER that is small and not negative.
pub(crate) fn small(value: &[u8]) -> Option<u8> {
    match value {
        [number] if *number < 0x80 => Some(*number),
        [0, number] if *number >= 0x80 => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod an_element {
    use super::*;

    #[test]
    fn has_one_length() {
        let value = |bytes: &[u8]| Der::new(bytes).value(OCTET_STRING).map(<[u8]>::to_vec);
        assert_eq!(value(&[4, 1, 9]), Some(vec![9]));
        assert_eq!(value(&[4, 0x81, 1, 9]), None);
        assert_eq!(value(&[4, 0x82, 0, 1, 9]), None);
        assert_eq!(value(&[4, 0x80, 9, 0, 0]), None);
        assert_eq!(value(&[4, 2, 9]), None);
        assert_eq!(value(&[5, 1, 9]), None);
        let long = [&[4, 0x81, 0x80][..], &[7; 0x80]].concat();
        assert_eq!(value(&long), Some(vec![7; 0x80]));
    }

    #[test]
    fn is_a_small_number_in_one_spelling() {
        assert_eq!(small(&[0x73]), Some(0x73));
        assert_eq!(small(&[0, 0xd4]), Some(0xd4));
        for bad in [&[][..], &[0x80], &[0, 0x73], &[1, 0], &[0, 0, 0x80]] {
            assert_eq!(small(bad), None);
        }
    }
}
