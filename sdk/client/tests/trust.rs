//! What a client believes without a node, and what it calls the rest.
#![cfg(test)]

use notrace_policy_promise::cohosting::{Apart, Cohosting};
use notrace_policy_promise::contract::{Kept, Logged, Promise, Retention};
use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::ledger::checkpoint::Checkpoint;
use notrace_policy_promise::ledger::proof::{Proof, join_extra};
use notrace_policy_promise::ledger::tree::Edge;
use notrace_policy_promise::note::NoteSigner;
use notrace_policy_promise::receipt::{
    Commitment, Ended, Passage, Receipt, Scrub, ScrubCheck, Span, TrustLevel, entry,
};
use notrace_policy_promise::release::Release;
use notrace_policy_promise::verify::Untrue;
use notrace_sdk_client::Error;
use notrace_sdk_client::verify;
use notrace_sdk_client::wire::Credentials;
use notrace_sdk_client::wire::node::SignedPromise;

const ORIGIN: &str = "log.example/ledger";

fn signer(seed: u8) -> NoteSigner {
    NoteSigner::new(ORIGIN, &[seed; 32]).unwrap()
}

fn credentials(signer: &NoteSigner) -> Credentials {
    Credentials {
        url: "https://127.0.0.1:1".to_owned(),
        members: Vec::new(),
        ca_pem: String::new(),
        token: String::new(),
        certificate_pem: String::new(),
        key_pem: String::new(),
        ledger_vkey: signer.public().to_string(),
        ledger_origin: ORIGIN.to_owned(),
    }
}

fn task() -> Digest {
    Digest::of(Domain::Module, b"task")
}

/// The proof file of a log whose one leaf is a receipt.
fn proof(signer: &NoteSigner) -> String {
    let digest = |word: &[u8]| Digest::of(Domain::Config, word);
    let receipt = Receipt {
        task: task(),
        promise: digest(b"promise"),
        rules: digest(b"rules"),
        config: digest(b"config"),
        node: digest(b"node"),
        trust: TrustLevel::Software,
        slot: 1,
        passage: Passage::Plain,
        cut: 1,
        commit: None,
        ended: Ended::Answered,
        request: Commitment::to(&[1; 32], b""),
        scrub: Scrub::REQUIRED,
        check: ScrubCheck::None,
        span: Span::between(60, 120),
        release: Release::OPEN,
        cohosting: Cohosting::Shared,
        apart: Apart::default(),
    };
    let salt = [7; 32];
    let mut edge = Edge::default();
    edge.append(&entry(&salt, &receipt.encode()), |_, _| ());
    let head = Checkpoint { origin: ORIGIN.to_owned(), size: 1, root: edge.root() };
    let extra = Some(join_extra(&salt, &receipt.encode()));
    let checkpoint = head.sign(signer).unwrap();
    Proof { extra, index: 0, hashes: Vec::new(), checkpoint }.compose()
}

mod a_receipt {
    use super::*;

    #[test]
    fn is_believed_under_the_ledger_key_of_the_credentials_alone() {
        let proof = proof(&signer(1));
        let trust = verify::trust(&credentials(&signer(1))).unwrap();
        let verified = verify::receipt(&proof, &trust, Some(task())).unwrap();
        assert!(verified.to_string().contains("included at leaf 0 of 1"));
        let other = verify::trust(&credentials(&signer(2))).unwrap();
        let error = verify::receipt(&proof, &other, None).unwrap_err();
        assert!(matches!(error, Error::ReceiptFalse(Untrue::NotSigned)), "{error:?}");
    }

    #[test]
    fn of_another_task_is_not_the_receipt_of_this_run() {
        let trust = verify::trust(&credentials(&signer(1))).unwrap();
        let other = Digest::of(Domain::Module, b"other");
        let error = verify::receipt(&proof(&signer(1)), &trust, Some(other)).unwrap_err();
        assert!(matches!(error, Error::ReceiptFalse(Untrue::OtherTask)), "{error:?}");
    }

    #[test]
    fn with_any_byte_changed_is_false() {
        let trust = verify::trust(&credentials(&signer(1))).unwrap();
        let proof = proof(&signer(1));
        for at in 0..proof.len() {
            let mut changed = proof.clone().into_bytes();
            changed[at] ^= 1;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            assert!(verify::receipt(&changed, &trust, None).is_err(), "byte {at}");
        }
    }

    #[test]
    fn cannot_be_judged_with_credentials_that_name_no_key() {
        let mut none = credentials(&signer(1));
        none.ledger_vkey = String::new();
        assert!(matches!(verify::trust(&none), Err(Error::CredentialsMalformed(_))));
    }
}

mod a_promise {
    use super::*;

    fn signed(signer: &NoteSigner) -> SignedPromise {
        let promise = Promise {
            operator: "somebody".parse().unwrap(),
            valid_from: 0,
            valid_until: 1_000_000,
            objects: Retention::UntilDeleted,
            receipts: 60,
            logged: Logged::default().with(Kept::BlindedReceipts),
            scrub: Scrub::REQUIRED,
        };
        let note = promise.sign(signer).unwrap();
        let (text, signature) = note.split_once("\n\n").unwrap();
        let text = format!("{text}\n");
        SignedPromise { digest: promise.digest(), text, signature: signature.to_owned() }
    }

    #[test]
    fn is_believed_if_the_ledger_key_signed_it_and_its_digest_is_the_one_named() {
        let trust = verify::trust(&credentials(&signer(1))).unwrap();
        assert!(verify::promise(&signed(&signer(1)), &trust).is_ok());
        let forged = verify::promise(&signed(&signer(2)), &trust);
        assert!(matches!(forged, Err(Error::PromiseFalse(_))));
        let mut renamed = signed(&signer(1));
        renamed.digest = task();
        let renamed = verify::promise(&renamed, &trust);
        assert!(matches!(renamed, Err(Error::DigestDiffers { .. })));
    }
}
