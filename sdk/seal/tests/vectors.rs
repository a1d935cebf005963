//! The test vectors in `vectors.json`: what another implementation can be checked against. They
//! are made by this test and compared with what is there; where they differ, it says where it put
//! its own.
#![cfg(test)]

use std::path::Path;

use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::receipt::Ended;
use notrace_policy_promise::release::{Failures, Sizes};
use notrace_sdk_seal::limits::CHUNK_BYTES;
use notrace_sdk_seal::{
    Binding, Content, Draw, Failure, RequestKey, RunKeys, SealError, SealedRequest, public_key,
    seal_request,
};
use serde::{Deserialize, Serialize};

/// All of them. Bytes are in hexadecimal.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Vectors {
    about: String,
    requests: Vec<Vector>,
    refused: Vec<Refused>,
}

/// One request from what both ends know to what travels.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Vector {
    node_secret: String,
    node_public: String,
    epoch: String,
    ephemeral: String,
    nonce: String,
    task: String,
    promise: String,
    objects: Vec<String>,
    args: Vec<String>,
    input: Bytes,
    /// To which lengths all is filled up.
    sizes: String,
    request: Bytes,
    /// What it is bound to, and the keys for request, answer, failure and the node's word.
    run_keys: String,
    commitment: String,
    answer: Bytes,
    sealed_answer: Bytes,
    failure_exit: Option<i32>,
    failure_trap: String,
    failure_message: String,
    /// Told apart from answers.
    sealed_failure: Bytes,
    /// The same in an answer's place.
    sealed_alike: Bytes,
    /// The node's word that the worker was killed, in an answer's place.
    sealed_word: Bytes,
}

/// Bytes in hexadecimal; long ones as their length and their digest. A long input is its first
/// byte, repeated.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Bytes {
    Whole(String),
    Digest { length: usize, first: u8, sha256: Digest256 },
}

type Digest256 = String;

/// A sealed request that must not open, made from the first one, and the code of why.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Refused {
    why: String,
    request: String,
    code: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(bytes: &[u8]) -> Bytes {
    match bytes.first() {
        Some(first) if bytes.len() > 1024 => Bytes::Digest {
            length: bytes.len(),
            first: *first,
            sha256: Digest::of(Domain::Module, bytes).to_string(),
        },
        _ => Bytes::Whole(hex(bytes)),
    }
}

/// What one vector starts from.
struct Case {
    seed: u8,
    objects: &'static [&'static str],
    args: &'static [&'static str],
    input: Vec<u8>,
    answer: Vec<u8>,
    failure: (Option<i32>, &'static str, &'static str),
    sizes: Sizes,
}

fn cases() -> Vec<Case> {
    let none = (None, "", "");
    let case = |seed, objects, args, input: &[u8], answer: &[u8], failure, sizes| {
        let (input, answer) = (input.to_vec(), answer.to_vec());
        Case { seed, objects, args, input, answer, failure, sizes }
    };
    let (one, two) = ([b'x'; CHUNK_BYTES], [b'z'; 2 * CHUNK_BYTES + 17]);
    let past_one = [b'y'; CHUNK_BYTES + 1];
    let words = (Some(7), "", "it did not work");
    let trap = (Some(-1), "unreachable", "");
    vec![
        case(1, &["a/rash.png"], &["-m", "größe"], b"question", b"answer", none, Sizes::Exact),
        case(2, &[], &[], b"", b"", words, Sizes::Padme),
        case(3, &["a/b", "a/c"], &[""], &one, &past_one, none, Sizes::Powers),
        case(4, &[], &["arg"], &two, b"\0", trap, Sizes::Fixed1M),
    ]
}

fn run(case: &Case) -> (RequestKey, [u8; 32], Vec<ObjectName>, Vec<u8>, RunKeys) {
    let secret = [case.seed; 32];
    let key = RequestKey {
        public: public_key(&secret),
        from_unix_s: 0,
        until_unix_s: 1,
        promise: Digest::of(Domain::Promise, &[case.seed]),
    };
    let objects: Vec<ObjectName> = case.objects.iter().map(|name| name.parse().unwrap()).collect();
    let args: Vec<String> = case.args.iter().map(|arg| (*arg).to_owned()).collect();
    let draw = Draw { ephemeral: [case.seed | 0x40; 32].into(), nonce: [case.seed | 0x80; 32] };
    let binding = Binding { task: task(case), promise: key.promise, objects: &objects };
    let content = Content { args: &args, input: &case.input, sizes: case.sizes };
    let (sealed, keys) = seal_request(&key, &binding, &content, &draw).unwrap();
    (key, secret, objects, sealed, keys)
}

fn task(case: &Case) -> Digest {
    Digest::of(Domain::Module, &[case.seed])
}

fn vector(case: &Case) -> Vector {
    let (key, secret, objects, sealed, keys) = run(case);
    let request = SealedRequest::parse(sealed.clone()).unwrap();
    let binding = Binding { task: task(case), promise: key.promise, objects: &objects };
    let derived = request.keys(&secret, &binding).unwrap();
    let same = derived.reveal(|derived| keys.reveal(|keys| derived == keys));
    assert!(same, "both ends derive the same keys");
    let (exit, trap, message) = case.failure;
    let failure = |failures| {
        let (ended, trap, message) = (Ended::Failed, trap.to_owned(), message.to_owned());
        let failure = Failure { ended, exit, trap: trap.into(), message: message.into() };
        bytes(&keys.seal_failure(&failure, case.sizes, failures).unwrap())
    };
    Vector {
        node_secret: hex(&secret),
        node_public: hex(&key.public),
        epoch: key.epoch().to_string(),
        ephemeral: hex(&[case.seed | 0x40; 32]),
        nonce: hex(request.nonce()),
        task: task(case).to_string(),
        promise: key.promise.to_string(),
        objects: case.objects.iter().map(|name| (*name).to_owned()).collect(),
        args: case.args.iter().map(|arg| (*arg).to_owned()).collect(),
        input: bytes(&case.input),
        sizes: case.sizes.to_string(),
        request: bytes(&sealed),
        run_keys: keys.reveal(|keys| hex(keys)),
        commitment: hex(&keys.commitment(request.nonce()).0),
        answer: bytes(&case.answer),
        sealed_answer: bytes(&keys.seal_answer(&case.answer, case.sizes).unwrap()),
        failure_exit: exit,
        failure_trap: trap.to_owned(),
        failure_message: message.to_owned(),
        sealed_failure: failure(Failures::Told),
        sealed_alike: failure(Failures::Alike),
        sealed_word: bytes(&keys.word_key().seal(Ended::Killed, case.sizes).unwrap()),
    }
}

/// What node and worker say of bytes that should be the first case's request.
fn refusal(bytes: &[u8]) -> Option<SealError> {
    let case = &cases()[0];
    let (key, secret, objects, ..) = run(case);
    let binding = Binding { task: task(case), promise: key.promise, objects: &objects };
    let request = match SealedRequest::parse(bytes.to_vec()) {
        Ok(request) => request,
        Err(error) => return Some(error),
    };
    match request.keys(&secret, &binding) {
        Ok(keys) => keys.open_request(request.into_content()).err(),
        Err(error) => Some(error),
    }
}

fn refused() -> Vec<Refused> {
    let good = run(&cases()[0]).3;
    assert_eq!(refusal(&good), None);
    let flipped = |place: usize| {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        bytes
    };
    let weak = [&good[..41], &[0; 32], &good[73..]].concat();
    [
        ("nothing at all", Vec::new()),
        ("of another version", flipped(0)),
        ("cut within its head", good[..88].to_vec()),
        ("for another epoch", flipped(1)),
        ("with another nonce", flipped(9)),
        ("with another encapsulated key", flipped(41)),
        ("with an encapsulated key of small order", weak),
        ("with another proof", flipped(73)),
        ("without content", good[..89].to_vec()),
        ("with altered content", flipped(90)),
        ("cut at its end", good[..good.len() - 1].to_vec()),
        ("longer than it was", [good.as_slice(), &[0]].concat()),
    ]
    .into_iter()
    .map(|(why, request)| Refused {
        why: why.to_owned(),
        code: refusal(&request).unwrap().code().to_owned(),
        request: hex(&request),
    })
    .collect()
}

#[test]
fn the_vectors_are_what_they_were() {
    let about = "Sealed requests of version 2. Bytes are in hexadecimal; those over 1,024 are \
                 told by length, first byte and SHA-256, and long inputs and answers repeat \
                 their first byte. \
                 The requests under `refused` are the first one's, altered, under its binding.";
    let made = Vectors {
        about: about.to_owned(),
        requests: cases().iter().map(vector).collect(),
        refused: refused(),
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors.json");
    let kept = std::fs::read_to_string(path).ok();
    let kept: Option<Vectors> = kept.and_then(|text| serde_json::from_str(&text).ok());
    let made_here = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vectors.json");
    if kept.as_ref() != Some(&made) {
        let text = serde_json::to_string_pretty(&made).unwrap();
        std::fs::write(&made_here, text + "\n").unwrap();
    }
    assert!(kept == Some(made), "these are others than {}", made_here.display());
}
