//! The envelope as a whole: every bit of it counts.

use notrace_policy_evidence::{Binding, Expected, Hardware, Pins, Refused, compose, verify};
use notrace_policy_promise::note::NotSigned;
use notrace_policy_promise::receipt::TrustLevel;

use crate::{Bench, NOW, now, signer};

#[test]
fn evidence_of_each_kind_reaches_its_level_and_says_what_it_binds() {
    let bench = Bench::new();
    for (hardware, level) in bench.all(&bench.binding()) {
        let verdict = verify(&bench.compose(&hardware), &bench.pins(), &now()).unwrap();
        assert_eq!(verdict.level(), level);
        assert_eq!(verdict.binding(), &bench.binding());
        assert_eq!(verdict.platform().is_some(), level > TrustLevel::Software);
        assert!(!verdict.is_unpinned());
    }
}

#[test]
fn evidence_of_each_kind_is_refused_with_any_bit_changed() {
    let bench = Bench::new();
    let pins = bench.pins();
    for (hardware, _) in bench.all(&bench.binding()) {
        let mut evidence = bench.compose(&hardware);
        for bit in 0..8 * evidence.len() {
            evidence[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&evidence, &pins, &now()).is_err(), "{} bit {bit}", hardware.kind());
            evidence[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(verify(&evidence, &pins, &now()).is_ok());
    }
}

#[test]
fn evidence_that_is_cut_off_or_goes_on_is_refused() {
    let bench = Bench::new();
    for (hardware, _) in bench.all(&bench.binding()) {
        let evidence = bench.compose(&hardware);
        for length in 0..evidence.len() {
            let cut = verify(&evidence[..length], &bench.pins(), &now());
            assert_eq!(cut.err(), Some(Refused::Form));
        }
        let longer = [&evidence[..], &[0]].concat();
        assert_eq!(verify(&longer, &bench.pins(), &now()).err(), Some(Refused::Form));
    }
}

#[test]
fn hardware_that_vouched_for_other_keys_is_refused() {
    let bench = Bench::new();
    let mine = bench.binding();
    let others = [
        Binding { tls_key: [9; 32], ..mine.clone() },
        Binding { request_key: [9; 32], ..mine.clone() },
        Binding { ledger: signer(2).public().clone(), ..mine.clone() },
        Binding { nonce: [9; 32], ..mine.clone() },
        Binding { from_unix_s: mine.from_unix_s - 1, ..mine.clone() },
        Binding { until_unix_s: mine.until_unix_s + 1, ..mine.clone() },
    ];
    for other in &others {
        for (hardware, level) in bench.all(other) {
            let verified = verify(&bench.compose(&hardware), &bench.pins(), &now());
            match level {
                TrustLevel::Software => assert!(verified.is_ok(), "it is bound to nothing"),
                _ => assert_eq!(verified.err(), Some(Refused::OtherBinding)),
            }
        }
    }
}

#[test]
fn what_a_client_knows_of_the_node_must_be_what_is_bound() {
    let bench = Bench::new();
    let judged = |expected: Expected| {
        verify(&bench.compose(&Hardware::None), &bench.pins(), &expected).map(drop)
    };
    let right = Expected {
        tls_key: Some([1; 32]),
        request_key: Some([2; 32]),
        nonce: Some([3; 32]),
        ..now()
    };
    assert_eq!(judged(right), Ok(()));
    let wrong = Some([9; 32]);
    assert_eq!(judged(Expected { tls_key: wrong, ..right }), Err(Refused::OtherTlsKey));
    assert_eq!(judged(Expected { request_key: wrong, ..right }), Err(Refused::OtherRequestKey));
    assert_eq!(judged(Expected { nonce: wrong, ..right }), Err(Refused::OtherNonce));
}

#[test]
fn evidence_is_good_for_its_time_and_no_longer() {
    let bench = Bench::new();
    let evidence = bench.compose(&Hardware::None);
    let judged = |now_unix_s| {
        let expected = Expected { now_unix_s, ..now() };
        verify(&evidence, &bench.pins(), &expected).map(drop)
    };
    let apart = now().clocks_apart_s;
    assert_eq!(judged(NOW - 60 - apart), Ok(()));
    assert_eq!(judged(NOW - 60 - apart - 1), Err(Refused::Time));
    assert_eq!(judged(NOW + 1200 + apart - 1), Ok(()));
    assert_eq!(judged(NOW + 1200 + apart), Err(Refused::Time));
    // Nobody signs evidence that is good for ever, or for no time.
    for (from_unix_s, until_unix_s) in [(NOW, NOW + 86_401), (NOW, NOW), (NOW, NOW - 1)] {
        let binding = Binding { from_unix_s, until_unix_s, ..bench.binding() };
        let composed = compose(&binding, &Hardware::None, &bench.signer);
        assert_eq!(composed, Err(NotSigned::Form));
    }
}

#[test]
fn a_statement_counts_only_under_the_key_that_it_names() {
    let bench = Bench::new();
    let evidence = bench.compose(&Hardware::None);
    let strangers = Pins { keys: vec![signer(2).public().clone()], ..bench.pins() };
    let verified = verify(&evidence, &strangers, &now()).err();
    assert_eq!(verified, Some(Refused::NotSigned(NotSigned::Unknown)));
    let nobody = Pins { keys: Vec::new(), ..bench.pins() };
    assert!(verify(&evidence, &nobody, &now()).is_err());
    let composed = compose(&bench.binding(), &Hardware::None, &signer(2));
    assert_eq!(composed, Err(NotSigned::Unknown));
}

#[test]
fn a_client_that_asks_for_more_than_is_there_is_told_so() {
    let bench = Bench::new();
    let levels =
        [TrustLevel::Software, TrustLevel::Tpm, TrustLevel::Hardware, TrustLevel::TwoVendors];
    for (hardware, reached) in bench.all(&bench.binding()) {
        let evidence = bench.compose(&hardware);
        for least in levels {
            let pins = Pins { least, ..bench.pins() };
            let refused = verify(&evidence, &pins, &now()).err();
            let too_low = (least > reached).then_some(Refused::TooLow(reached, least));
            assert_eq!(refused, too_low);
        }
    }
}
