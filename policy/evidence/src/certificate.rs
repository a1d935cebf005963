//! X.509 certificates of hardware vendors: chains of a fixed shape that end in a key we know.
//!
//! Source: RFC 5280, sections 4.1 and 6.1, for chains of two or three with no policies and no name
//! constraints. A certificate with a critical extension that is not read here is refused.

use crate::der::{
    BOOLEAN, Der, Element, GENERALIZED_TIME, INTEGER, OCTET_STRING, OID, SEQUENCE, UTC_TIME,
    context,
};
use crate::limits::{CERTIFICATE_BYTES_MAX, EXTENSIONS_MAX};
use crate::signature::{Key, sha256};

const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];

/// A certificate, read and not yet believed.
pub(crate) struct Certificate<'a> {
    pub(crate) key: Key<'a>,
    key_info: &'a [u8],
    body: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    from_unix_s: u64,
    until_unix_s: u64,
    extensions: Vec<Extension<'a>>,
    der: &'a [u8],
}

struct Extension<'a> {
    id: &'a [u8],
    critical: bool,
    value: &'a [u8],
}

/// Why a chain does not lead where it should.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadChain {
    /// One of its certificates cannot be read.
    #[error("one of its certificates is damaged or of a form that no vendor writes")]
    Form,
    /// It ends in another key than the vendor's.
    #[error("it does not end in the vendor's own key")]
    OtherRoot,
    /// A signature or a name in it does not fit.
    #[error("one of its certificates was not issued by the next")]
    NotIssued,
    /// One of them may not issue.
    #[error("one of its certificates may not issue others")]
    NotAnIssuer,
    /// One of them is not valid at this time.
    #[error("one of its certificates is not valid at this time")]
    Time,
}

impl<'a> Certificate<'a> {
    /// The certificate that these bytes are, all of them.
    pub(crate) fn parse(der: &'a [u8]) -> Option<Self> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return None;
        }
        let mut outer = Der::new(der);
        let mut parts = outer.within(SEQUENCE)?;
        outer.end()?;
        let Element { value, whole: body, .. } = parts.element(SEQUENCE)?;
        let algorithm = parts.value(SEQUENCE)?;
        let signature = parts.bits()?;
        parts.end()?;

        let mut fields = Der::new(value);
        // Version 3, the only one with extensions.
        (fields.value(context(0))? == [INTEGER, 1, 2]).then_some(())?;
        fields.value(INTEGER)?;
        (fields.value(SEQUENCE)? == algorithm).then_some(())?;
        let issuer = fields.value(SEQUENCE)?;
        let mut times = fields.within(SEQUENCE)?;
        let (from_unix_s, until_unix_s) = (time(&mut times)?, time(&mut times)?);
        times.end()?;
        let subject = fields.value(SEQUENCE)?;
        let Element { value, whole: key_info, .. } = fields.element(SEQUENCE)?;
        let mut key = Der::new(value);
        let key_algorithm = key.value(SEQUENCE)?;
        let bits = key.bits()?;
        key.end()?;
        let extensions = match fields.optional(context(3)) {
            Some(list) => extensions(list)?,
            None => Vec::new(),
        };
        fields.end()?;
        Some(Self {
            key: Key::of(key_algorithm, bits)?,
            key_info,
            body,
            algorithm,
            signature,
            issuer,
            subject,
            from_unix_s,
            until_unix_s,
            extensions,
            der,
        })
    }

    /// The bytes it was read from.
    pub(crate) fn der(&self) -> &'a [u8] {
        self.der
    }

    /// What an extension holds. Two of one name are none.
    pub(crate) fn extension(&self, id: &[u8]) -> Option<&'a [u8]> {
        let mut found = self.extensions.iter().filter(|extension| extension.id == id);
        let first = found.next()?;
        found.next().is_none().then_some(first.value)
    }

    /// Whether `issuer` issued this, and both are valid now.
    fn is_issued_by(&self, issuer: &Certificate<'_>, now_unix_s: u64) -> Result<(), BadChain> {
        let valid = |it: &Certificate<'_>| (it.from_unix_s..=it.until_unix_s).contains(&now_unix_s);
        if !valid(self) || !valid(issuer) {
            return Err(BadChain::Time);
        }
        let known = |extension: &Extension<'_>| {
            !extension.critical || [BASIC_CONSTRAINTS, KEY_USAGE].contains(&extension.id)
        };
        if !self.extensions.iter().all(known) || !issuer.extensions.iter().all(known) {
            return Err(BadChain::Form);
        }
        if !issuer.may_issue() {
            return Err(BadChain::NotAnIssuer);
        }
        if self.issuer != issuer.subject {
            return Err(BadChain::NotIssued);
        }
        let signed = issuer.key.signed(self.algorithm, self.body, self.signature);
        signed.ok_or(BadChain::NotIssued)
    }

    /// Whether it says of itself that it is an authority's. How long a chain below it may be is not
    /// asked: chains have a fixed length here.
    fn may_issue(&self) -> bool {
        let constraints = self.extension(BASIC_CONSTRAINTS);
        let first = constraints.and_then(|value| {
            let mut outer = Der::new(value);
            let mut fields = outer.within(SEQUENCE)?;
            outer.end()?;
            fields.value(BOOLEAN)
        });
        first == Some(&[0xff])
    }

    /// Whether both are the same key under the same name.
    fn is(&self, other: &Certificate<'_>) -> bool {
        self.key_info == other.key_info && self.subject == other.subject
    }
}

/// Whether the chain, from what it is for to its root, holds now and ends in `root`.
pub(crate) fn verify_chain(
    chain: &[Certificate<'_>],
    root: &[u8],
    now_unix_s: u64,
) -> Result<(), BadChain> {
    let root = Certificate::parse(root).ok_or(BadChain::Form)?;
    let last = chain.last().ok_or(BadChain::Form)?;
    if !last.is(&root) {
        return Err(BadChain::OtherRoot);
    }
    for pair in chain.windows(2) {
        let [one, issuer] = pair else { return Err(BadChain::Form) };
        one.is_issued_by(issuer, now_unix_s)?;
    }
    last.is_issued_by(&root, now_unix_s)
}

/// The SHA-256 of a certificate's public key with its algorithm, as in RFC 7469: what names a key,
/// whichever certificate it is in.
pub fn key_digest(certificate_der: &[u8]) -> Option<[u8; 32]> {
    Certificate::parse(certificate_der).map(|certificate| sha256(&[certificate.key_info]))
}

fn extensions(list: &[u8]) -> Option<Vec<Extension<'_>>> {
    let mut outer = Der::new(list);
    let mut list = outer.within(SEQUENCE)?;
    outer.end()?;
    let mut found = Vec::new();
    while !list.is_empty() {
        let mut fields = list.within(SEQUENCE)?;
        let id = fields.value(OID)?;
        let critical = match fields.optional(BOOLEAN) {
            // DER leaves out what is not so; AMD writes neither.
            Some([0xff]) => true,
            Some(_) => return None,
            None => false,
        };
        let value = fields.value(OCTET_STRING)?;
        fields.end()?;
        found.push(Extension { id, critical, value });
        (found.len() <= EXTENSIONS_MAX).then_some(())?;
    }
    Some(found)
}

/// The next time, in Unix seconds.
fn time(fields: &mut Der<'_>) -> Option<u64> {
    let Element { tag, value, .. } = fields.any()?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = value.split_at_checked(2)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = value.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    let (digits, zone) = rest.split_at_checked(10)?;
    (zone == b"Z").then_some(())?;
    let mut parts = digits.chunks_exact(2).map(number);
    let mut part = |most: u64| parts.next()?.filter(|part| *part <= most);
    let (month, day) = (part(12)?, part(31)?);
    let (hour, minute, second) = (part(23)?, part(59)?, part(60)?);
    (month > 0 && day > 0).then_some(())?;
    let days = days_from_civil(year, month, day)?;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0'))
    })
}

/// Days from 1970 to a day of the Gregorian calendar, if it is not before.
/// Source: H. Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    (era * 146_097 + days).checked_sub(719_468)
}

#[cfg(test)]
mod a_certificate {
    use super::*;

    #[test]
    fn says_when_it_is_valid_in_both_spellings() {
        let seconds = |tag: u8, text: &[u8]| {
            let der = [&[tag, text.len() as u8], text].concat();
            time(&mut Der::new(&der))
        };
        assert_eq!(seconds(UTC_TIME, b"230403192343Z"), Some(1_680_549_823));
        assert_eq!(seconds(GENERALIZED_TIME, b"20230403192343Z"), Some(1_680_549_823));
        assert_eq!(seconds(UTC_TIME, b"700101000000Z"), Some(0));
        assert_eq!(seconds(UTC_TIME, b"240229000000Z"), Some(1_709_164_800));
        for bad in ["2304031923Z", "230403192343", "231303192343Z", "23040319234aZ", ""] {
            assert_eq!(seconds(UTC_TIME, bad.as_bytes()), None);
        }
    }

    #[test]
    fn of_anything_else_is_none() {
        assert!(Certificate::parse(&[]).is_none());
        assert!(Certificate::parse(&[0x30; 64]).is_none());
        assert!(Certificate::parse(&vec![0; CERTIFICATE_BYTES_MAX + 1]).is_none());
    }
}
