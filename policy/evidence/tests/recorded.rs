//! Evidence that real machines gave: it is true, and with any one bit changed it is not.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test lacks fails it")]

use std::fs;
use std::io::Write as _;

use notrace_policy_evidence::platform::{Platform, Tcb};
use notrace_policy_evidence::snp::{self, BadSnp};
use notrace_policy_evidence::tdx::{self, BadTdx};
use notrace_policy_evidence::{AmdProduct, BadChain, Vendors};

/// A day on which all recorded certificates are valid: 2026-11-18.
const NOW: u64 = 1_795_000_000;
/// The last second of the recorded chip's certificate.
const CHIP_UNTIL: u64 = 1_901_474_623;
const DAY: u64 = 86_400;

/// A recording, kept beside checkouts where there is one.
fn recorded(name: &str) -> Option<Vec<u8>> {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/evidence");
    let read = fs::read(format!("{shared}/{name}")).ok();
    if read.is_none() {
        let _ = writeln!(std::io::stderr(), "skipped: {name} was not recorded here");
    }
    read
}

/// The report of a Milan chip, and the certificate of its key.
fn milan() -> Option<(Vec<u8>, Vec<u8>)> {
    let hex = recorded("snp-report-milan.hex")?;
    let digits: Vec<u8> = hex.into_iter().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let report = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    Some((report, recorded("snp-vcek-milan.der")?))
}

/// Calls `each` with these bytes, each time with another of their bits changed.
fn each_flip(bytes: &[u8], mut each: impl FnMut(usize, &[u8])) {
    let mut changed = bytes.to_vec();
    for bit in 0..8 * bytes.len() {
        changed[bit / 8] ^= 1 << (bit % 8);
        each(bit, &changed);
        changed[bit / 8] ^= 1 << (bit % 8);
    }
    assert_eq!(changed, bytes);
}

mod a_milan_report {
    use super::*;

    #[test]
    fn is_true_and_says_what_was_measured_on_which_firmware() {
        let Some((report, vcek)) = milan() else { return };
        let read = snp::verify(&report, &vcek, &Vendors::known(), NOW).unwrap();
        let Platform::Snp { measurement, tcb } = read.platform else { panic!("another platform") };
        assert_eq!(measurement, report[0x90..0xc0]);
        assert_eq!(tcb, Tcb([3, 0, 0, 0, 0, 0, 8, 115]));
        assert_eq!(read.data, report[0x50..0x90]);
    }

    #[test]
    fn is_refused_with_any_bit_changed() {
        let Some((report, vcek)) = milan() else { return };
        let vendors = Vendors::known();
        each_flip(&report, |bit, changed| {
            assert!(snp::verify(changed, &vcek, &vendors, NOW).is_err(), "bit {bit}");
        });
    }

    #[test]
    fn is_refused_with_any_bit_of_its_certificate_changed() {
        let Some((report, vcek)) = milan() else { return };
        let vendors = Vendors::known();
        each_flip(&vcek, |bit, changed| {
            assert!(snp::verify(&report, changed, &vendors, NOW).is_err(), "bit {bit}");
        });
    }

    #[test]
    fn is_refused_at_any_other_length() {
        let Some((report, vcek)) = milan() else { return };
        let vendors = Vendors::known();
        for length in 0..report.len() {
            assert_eq!(snp::verify(&report[..length], &vcek, &vendors, NOW), Err(BadSnp::Form));
        }
        let longer = [&report[..], &[0]].concat();
        assert_eq!(snp::verify(&longer, &vcek, &vendors, NOW), Err(BadSnp::Form));
        let longer = [&vcek[..], &[0]].concat();
        let form = Err(BadSnp::Chain(BadChain::Form));
        assert_eq!(snp::verify(&report, &longer, &vendors, NOW), form);
    }

    #[test]
    fn is_refused_outside_its_certificates_time() {
        let Some((report, vcek)) = milan() else { return };
        let at = |now| snp::verify(&report, &vcek, &Vendors::known(), now);
        let late = Err(BadSnp::Chain(BadChain::Time));
        assert!(at(CHIP_UNTIL).is_ok());
        assert_eq!(at(CHIP_UNTIL + 1), late);
        assert_eq!(at(CHIP_UNTIL - 8 * 365 * DAY), late);
    }

    #[test]
    fn is_refused_where_its_product_is_not_known() {
        let Some((report, vcek)) = milan() else { return };
        let genoa = AmdProduct {
            ark: include_bytes!("../roots/amd-genoa-ark.der").into(),
            ask: include_bytes!("../roots/amd-genoa-ask.der").into(),
        };
        let none = Err(BadSnp::Chain(BadChain::OtherRoot));
        for known in [vec![genoa.clone()], vec![]] {
            let vendors = Vendors::these(known, Vec::new());
            assert_eq!(snp::verify(&report, &vcek, &vendors, NOW), none);
        }
        // Between a chip's key and the root there must be AMD's own signer for that product.
        let milan = include_bytes!("../roots/amd-milan-ark.der");
        let mixed = AmdProduct { ark: milan.into(), ..genoa };
        let vendors = Vendors::these(vec![mixed], Vec::new());
        assert!(snp::verify(&report, &vcek, &vendors, NOW).is_err());
    }
}

mod a_tdx_quote {
    use super::*;

    /// What was recorded is true in all its parts, and of a machine that was made to be debugged:
    /// the last thing to be looked at, once all signatures hold.
    const TRUE_BUT_DEBUGGED: Result<tdx::Quote, BadTdx> = Err(BadTdx::Debug);

    #[test]
    fn is_authentic_and_refused_because_its_machine_may_be_debugged() {
        let Some(quote) = recorded("tdx-quote-v4.dat") else { return };
        assert_eq!(quote[48 + 120] & 1, 1, "the attribute is set");
        assert_eq!(tdx::verify(&quote, &Vendors::known(), NOW), TRUE_BUT_DEBUGGED);
    }

    #[test]
    fn is_not_authentic_with_any_bit_changed() {
        let Some(quote) = recorded("tdx-quote-v4.dat") else { return };
        let vendors = Vendors::known();
        each_flip(&quote, |bit, changed| {
            let verified = tdx::verify(changed, &vendors, NOW);
            assert!(verified.is_err() && verified != TRUE_BUT_DEBUGGED, "bit {bit}");
        });
    }

    #[test]
    fn is_refused_at_any_other_length() {
        let Some(quote) = recorded("tdx-quote-v4.dat") else { return };
        let vendors = Vendors::known();
        for length in 0..quote.len() {
            assert_eq!(tdx::verify(&quote[..length], &vendors, NOW), Err(BadTdx::Form));
        }
        let longer = [&quote[..], &[0]].concat();
        assert_eq!(tdx::verify(&longer, &vendors, NOW), Err(BadTdx::Form));
    }

    #[test]
    fn is_refused_outside_its_certificates_time_and_under_another_root() {
        let Some(quote) = recorded("tdx-quote-v4.dat") else { return };
        let late = Err(BadTdx::Chain(BadChain::Time));
        assert_eq!(tdx::verify(&quote, &Vendors::known(), NOW), TRUE_BUT_DEBUGGED);
        assert_eq!(tdx::verify(&quote, &Vendors::known(), NOW + 4 * 365 * DAY), late);
        assert_eq!(tdx::verify(&quote, &Vendors::known(), NOW - 5 * 365 * DAY), late);
        let amd = include_bytes!("../roots/amd-milan-ark.der");
        let vendors = Vendors::these(Vec::new(), amd.to_vec());
        let other = Err(BadTdx::Chain(BadChain::OtherRoot));
        assert_eq!(tdx::verify(&quote, &vendors, NOW), other);
    }
}
