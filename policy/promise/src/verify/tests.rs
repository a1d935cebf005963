use super::*;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::proof::join_extra;
use crate::ledger::tree::{Edge, prove_inclusion};
use crate::note::NoteSigner;
use crate::receipt::tests::sample;
use proptest::prelude::*;

const ORIGIN: &str = "log.example/ledger";

fn signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, &[3; 32]).unwrap()
}

fn trust() -> Trust {
    Trust::new(ORIGIN, [signer().public().to_string().as_str()]).unwrap()
}

/// A log of `size` receipts, all different.
fn grown(size: u8) -> Edge {
    let mut edge = Edge::default();
    for seed in 0..size {
        let entry = receipt::entry(&[seed; 32], &sample(seed).encode());
        edge.append(&entry, |_, _| panic!("no tile is full"));
    }
    edge
}

fn head(edge: &Edge) -> Checkpoint {
    Checkpoint { origin: ORIGIN.to_owned(), size: edge.size(), root: edge.root() }
}

/// The proof file of receipt `seed` in a log of `size`.
fn proof(seed: u8, size: u8) -> Proof {
    let edge = grown(size);
    Proof {
        extra: Some(join_extra(&[seed; 32], &sample(seed).encode())),
        index: u64::from(seed),
        hashes: prove_inclusion(u64::from(size), u64::from(seed), &edge).unwrap(),
        checkpoint: head(&edge).sign(&signer()).unwrap(),
    }
}

fn verdict(proof: &Proof) -> Result<Verified, Untrue> {
    verify(&proof.compose(), &trust())
}

mod a_true_receipt {
    use super::*;

    #[test]
    fn verifies_and_says_what_was_promised() {
        let verified = verdict(&proof(17, 18)).unwrap();
        assert_eq!(verified.receipt, sample(17));
        let (task, promise) = (sample(17).task, sample(17).promise);
        assert_eq!(
            verified.to_string(),
            format!(
                "the receipt is true: task {task} ran once under promise {promise}, its worker \
                 was destroyed and scrubbed before the answer left, included at leaf 17 of 18, \
                 checkpoint signed by 1 log key and 0 witnesses"
            )
        );
    }

    #[test]
    fn alone_in_its_log_verifies() {
        assert!(verdict(&proof(0, 1)).is_ok());
    }

    #[test]
    fn is_compared_with_what_the_client_knows() {
        let verified = verdict(&proof(4, 9)).unwrap();
        let commitment = Commitment::to(&[4; 32], b"question");
        let known = Expected {
            task: Some(sample(4).task),
            promise: Some(sample(4).promise),
            request: Some(commitment),
        };
        assert_eq!(verified.expect(&known), Ok(()));
        assert_eq!(verified.expect(&Expected::default()), Ok(()));
        let task = Expected { task: Some(sample(5).task), ..known };
        assert_eq!(verified.expect(&task), Err(Untrue::OtherTask));
        let promise = Expected { promise: Some(sample(5).task), ..known };
        assert_eq!(verified.expect(&promise), Err(Untrue::OtherPromise));
        let request = Expected { request: Some(Commitment([0; 32])), ..known };
        assert_eq!(verified.expect(&request), Err(Untrue::OtherRequest));
    }
}

mod a_false_one {
    use super::*;

    #[test]
    fn is_told_from_a_true_one_by_every_byte() {
        let trust = trust();
        for (size, flip) in [(2, 1)] {
            let text = proof(size - 1, size).compose();
            for place in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[place] ^= flip;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(verify(&changed, &trust).is_err(), "byte {place} of {size}");
            }
        }
    }

    #[test]
    fn that_was_cut_or_lengthened_is_refused() {
        let text = proof(3, 7).compose();
        for length in (0..text.len()).filter(|&length| text.is_char_boundary(length)) {
            assert!(verify(&text[..length], &trust()).is_err());
        }
        for tail in ["\n", " ", "x", "\n\n"] {
            assert!(verify(&format!("{text}{tail}"), &trust()).is_err());
        }
    }

    #[test]
    fn in_anothers_place_is_refused() {
        let (ours, theirs) = (proof(3, 7), proof(4, 7));
        let swapped = Proof { extra: theirs.extra.clone(), ..ours.clone() };
        assert_eq!(verdict(&swapped), Err(Untrue::NotIncluded));
        let moved = Proof { index: 4, ..ours.clone() };
        assert_eq!(verdict(&moved), Err(Untrue::NotIncluded));
        let beyond = Proof { index: 7, ..ours };
        assert_eq!(verdict(&beyond), Err(Untrue::NoSuchLeaf));
    }

    #[test]
    fn with_an_older_or_newer_checkpoint_is_refused() {
        let now = proof(3, 7);
        for size in [1, 3, 4, 6, 8] {
            let checkpoint = head(&grown(size)).sign(&signer()).unwrap();
            assert!(verdict(&Proof { checkpoint, ..now.clone() }).is_err(), "{size}");
        }
        // A size that asks for the same way to the root would pass here: that a log signed two
        // sizes for one root is for the consistency proof to find.
        let lying = Checkpoint { size: 9, ..head(&grown(7)) };
        let checkpoint = lying.sign(&signer()).unwrap();
        assert_eq!(verdict(&Proof { checkpoint, ..now }), Err(Untrue::NotIncluded));
    }

    #[test]
    fn of_another_key_or_log_is_refused() {
        let edge = grown(7);
        let stranger = NoteSigner::new(ORIGIN, &[4; 32]).unwrap();
        let checkpoint = head(&edge).sign(&stranger).unwrap();
        let strange = Proof { checkpoint, ..proof(3, 7) };
        assert_eq!(verdict(&strange), Err(Untrue::NotSigned));
        let elsewhere = Checkpoint { origin: "log.example/other".to_owned(), ..head(&edge) };
        let checkpoint = elsewhere.sign(&signer()).unwrap();
        assert_eq!(verdict(&Proof { checkpoint, ..proof(3, 7) }), Err(Untrue::OtherLog));
        let checkpoint = signer().sign("anything\n").unwrap();
        assert_eq!(verdict(&Proof { checkpoint, ..proof(3, 7) }), Err(Untrue::NotACheckpoint));
    }

    #[test]
    fn without_a_scrub_is_refused_though_it_is_in_the_log() {
        for fact in Scrub::REQUIRED.iter() {
            let bits = Scrub::REQUIRED.bits() & !Scrub::of(&[fact]).bits();
            let scrub = Scrub::from_bits(bits).unwrap();
            let bytes = Receipt { scrub, ..sample(0) }.encode();
            let mut edge = Edge::default();
            edge.append(&receipt::entry(&[0; 32], &bytes), |_, _| {});
            let checkpoint = head(&edge).sign(&signer()).unwrap();
            let extra = Some(join_extra(&[0; 32], &bytes));
            let bare = Proof { extra, index: 0, hashes: Vec::new(), checkpoint };
            assert_eq!(verdict(&bare), Err(Untrue::NotScrubbed));
        }
    }

    #[test]
    fn without_a_receipt_is_refused() {
        let bare = Proof { extra: None, ..proof(3, 7) };
        assert_eq!(verdict(&bare), Err(Untrue::NoReceipt));
        let salt_only = Proof { extra: Some(vec![3; 32]), ..proof(3, 7) };
        assert_eq!(verdict(&salt_only), Err(Untrue::ReceiptForm));
        let later = Proof { extra: Some(vec![9; 300]), ..proof(3, 7) };
        assert_eq!(verdict(&later), Err(Untrue::ReceiptVersion));
    }
}

#[test]
fn lines_of_keys_that_are_not_trusted_are_the_one_part_that_does_not_count() {
    let text = proof(3, 7).compose();
    let line = "— stranger.example AAAAAAAAAAA=\n";
    let verified = verify(&format!("{text}{line}"), &trust()).unwrap();
    assert_eq!((verified.log_keys, verified.witnesses), (1, 0));
    assert!(verify(&format!("{text}{}", line.replace("A=", "B=")), &trust()).is_err());
}

#[test]
fn trust_needs_an_origin_and_a_key() {
    let key = signer().public().to_string();
    assert_eq!(Trust::new("", [key.as_str()]), Err(NoTrust::Origin));
    assert_eq!(Trust::new("a\nb", [key.as_str()]), Err(NoTrust::Origin));
    assert_eq!(Trust::new(ORIGIN, []), Err(NoTrust::NoKey));
    assert!(matches!(Trust::new(ORIGIN, ["log"]), Err(NoTrust::Key(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_sequence_of_changes_makes_another_truth(
        seed in 0u8..20, more in 0u8..20,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 32u8..127), 1..4),
    ) {
        let text = proof(seed, seed + 1 + more).compose();
        let mut bytes = text.clone().into_bytes();
        for (place, byte) in edits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let changed = String::from_utf8_lossy(&bytes).into_owned();
        if changed != text {
            prop_assert!(verify(&changed, &trust()).is_err());
        }
    }
}
