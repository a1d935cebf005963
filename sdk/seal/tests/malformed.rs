//! Bytes that anybody may send: they are refused, and nothing panics; and what was sealed opens to
//! what it was, whatever it was.
#![cfg(test)]

use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::limits::RUN_ARGS_MAX;
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::note::NoteSigner;
use notrace_policy_promise::receipt::Ended;
use notrace_policy_promise::release::{Failures, Sizes};
use notrace_sdk_seal::limits::{CHUNK_BYTES, HEAD_BYTES};
use notrace_sdk_seal::{
    Binding, Content, Draw, Failure, RequestKey, RunKeys, SealedRequest, Told, VERSION, public_key,
    seal_request,
};
use proptest::prelude::*;

const SECRET: [u8; 32] = [3; 32];

fn key() -> RequestKey {
    let promise = Digest::of(Domain::Promise, b"p");
    RequestKey { public: public_key(&SECRET), from_unix_s: 0, until_unix_s: 1, promise }
}

fn binding(objects: &[ObjectName]) -> Binding<'_> {
    let task = Digest::of(Domain::Module, b"t");
    Binding { task, promise: key().promise, objects }
}

fn sealed(args: &[String], input: &[u8], nonce: [u8; 32]) -> (Vec<u8>, RunKeys) {
    let draw = Draw { ephemeral: [5; 32].into(), nonce };
    let content = Content { args, input, sizes: Sizes::Padme };
    seal_request(&key(), &binding(&[]), &content, &draw).unwrap()
}

/// What the worker comes to see of these bytes, if anything.
fn opened(bytes: Vec<u8>) -> Option<(Vec<String>, Vec<u8>)> {
    let request = SealedRequest::parse(bytes).ok()?;
    let keys = request.keys(&SECRET, &binding(&[])).ok()?;
    let opened = keys.open_request(request.into_content()).ok()?;
    let args = opened.args.iter().map(|arg| arg.reveal(String::clone)).collect();
    Some((args, opened.input.reveal(Vec::clone)))
}

/// Lengths around the borders of chunks, and others.
fn lengths() -> impl Strategy<Value = usize> {
    let near = (0usize..4, -40i64..41)
        .prop_map(|(chunks, off)| (chunks as i64 * CHUNK_BYTES as i64 + off).max(0) as usize);
    prop_oneof![near, 0usize..300]
}

fn changes() -> impl Strategy<Value = (usize, u8)> {
    (any::<usize>(), 1u8..)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes_are_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(opened(bytes.clone()).is_none());
        if let Some(version) = bytes.first_mut() {
            *version = VERSION;
        }
        prop_assert!(opened(bytes.clone()).is_none());
        let (_, keys) = sealed(&[], b"", [1; 32]);
        prop_assert!(keys.open_answer(bytes.clone()).is_err());
        prop_assert!(keys.open_failure(bytes.clone()).is_err());
        prop_assert!(keys.open_request(bytes).is_err());
    }

    #[test]
    fn what_was_sealed_opens_to_what_it_was(
        length in lengths(),
        args in proptest::collection::vec("[^\0]{0,12}", 0..RUN_ARGS_MAX.min(6)),
        nonce in any::<[u8; 32]>(),
        exit in any::<Option<i32>>(),
        message in ".{0,80}",
    ) {
        let input: Vec<u8> = (0..length).map(|at| (at % 253) as u8).collect();
        let (bytes, keys) = sealed(&args, &input, nonce);
        prop_assert!(opened(bytes).is_some_and(|found| found == (args, input.clone())));
        for sizes in [Sizes::Exact, Sizes::Padme, Sizes::Powers, Sizes::Fixed1M] {
            let answer = keys.open_answer(keys.seal_answer(&input, sizes).unwrap());
            prop_assert!(matches!(answer, Ok(Told::Answer(answer)) if answer == input));
            let (ended, message) = (Ended::Failed, message.clone().into());
            let failed = Failure { ended, exit, trap: String::new().into(), message };
            let sealed = keys.seal_failure(&failed, sizes, Failures::Told).unwrap();
            let opened = keys.open_failure(sealed).ok().unwrap();
            prop_assert!(opened.exit == exit && *opened.message == *failed.message);
        }
    }

    #[test]
    fn what_was_altered_cut_or_lengthened_does_not_open(
        length in lengths(),
        (place, change) in changes(),
        cut in any::<usize>(),
        more in proptest::collection::vec(any::<u8>(), 1..40),
    ) {
        let input = vec![7; length];
        let (good, keys) = sealed(&[], &input, [1; 32]);
        let mut altered = good.clone();
        altered[place % good.len()] ^= change;
        prop_assert!(opened(altered).is_none());
        prop_assert!(opened(good[..cut % good.len()].to_vec()).is_none());
        prop_assert!(opened([good.as_slice(), &more].concat()).is_none());
        let answer = keys.seal_answer(&input, Sizes::Padme).unwrap();
        let mut altered = answer.clone();
        altered[place % answer.len()] ^= change;
        prop_assert!(keys.open_answer(altered).is_err());
        prop_assert!(keys.open_answer(answer[..cut % answer.len()].to_vec()).is_err());
        // Neither is another kind of message under the same run's keys.
        prop_assert!(keys.open_failure(answer.clone()).is_err());
        prop_assert!(keys.open_answer([&[VERSION], &good[HEAD_BYTES..]].concat()).is_err());
    }

    #[test]
    fn what_is_bound_to_one_thing_is_not_bound_to_another(
        mut names in proptest::collection::vec("[a-c]{1,3}/[a-c/]{1,3}", 0..4),
        other in proptest::collection::vec("[a-c]{1,3}/[a-c/]{1,3}", 0..4),
    ) {
        names.retain(|name| name.parse::<ObjectName>().is_ok());
        let parsed = |names: &[String]| -> Vec<ObjectName> {
            names.iter().filter_map(|name| name.parse().ok()).collect()
        };
        let (named, others) = (parsed(&names), parsed(&other));
        let draw = Draw { ephemeral: [5; 32].into(), nonce: [1; 32] };
        let content = Content { args: &[], input: b"", sizes: Sizes::Padme };
        let sealed = seal_request(&key(), &binding(&named), &content, &draw);
        let request = SealedRequest::parse(sealed.unwrap().0).unwrap();
        prop_assert!(request.keys(&SECRET, &binding(&named)).is_ok());
        prop_assert_eq!(request.keys(&SECRET, &binding(&others)).is_ok(), named == others);
    }

    #[test]
    fn an_announcement_that_opens_is_the_one_that_was_signed(
        place in any::<usize>(),
        byte in any::<u8>(),
        text in ".{0,200}",
    ) {
        let signer = NoteSigner::new("log.example", &[1; 32]).unwrap();
        let keys = [signer.public().clone()];
        let note = key().sign(&signer).unwrap();
        let mut bytes = note.clone().into_bytes();
        let place = place % bytes.len();
        bytes[place] = byte;
        if let Ok(changed) = String::from_utf8(bytes)
            && let Ok(opened) = RequestKey::open(&changed, &keys, 0, 0)
        {
            prop_assert_eq!(opened, key());
        }
        prop_assert!(RequestKey::open(&text, &keys, 0, 0).is_err());
        if let Ok(signed) = signer.sign(&format!("{text}\n")) {
            prop_assert!(RequestKey::open(&signed, &keys, 0, 0).is_err());
        }
    }
}
