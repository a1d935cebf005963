//! What a client does to have its run sealed, and what it does not believe.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::fake::{Authority, Fake, Seen, Told, authority, refuse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::limits::ANSWER_BYTES_MAX;
use notrace_policy_promise::note::NoteSigner;
use notrace_policy_promise::receipt::Ended;
use notrace_policy_promise::release::{Failures, Sizes};
use notrace_sdk_client::error::Error;
use notrace_sdk_client::run::{Passage, Run};
use notrace_sdk_client::source::Source;
use notrace_sdk_client::task::TaskRef;
use notrace_sdk_client::{Client, Patience};
use notrace_sdk_seal::{
    Binding, Failure, NotARequestKey, RequestKey, RunKeys, SealedRequest, public_key,
};
use notrace_sdk_wire::run::SEALED_MEDIA_TYPE;
use notrace_sdk_wire::{Code, Problem, header};

const ORIGIN: &str = "log.example";
const INPUT: &str = "what is asked and nobody shall read";
const ARG: &str = "an argument that nobody shall read";

fn signer(seed: u8) -> NoteSigner {
    NoteSigner::new(ORIGIN, &[seed; 32]).unwrap()
}

fn task() -> Digest {
    Digest::of(Domain::Module, b"task")
}

fn key(secret: u8) -> RequestKey {
    RequestKey {
        public: public_key(&[secret; 32]),
        from_unix_s: 0,
        until_unix_s: u64::MAX / 2,
        promise: Digest::of(Domain::Promise, b"p"),
    }
}

fn run() -> Run {
    Run {
        declassify: Vec::new(),
        task: TaskRef::Digest(task()),
        objects: vec!["photos/rash.png".parse().unwrap()],
        args: vec![ARG.to_owned()],
        input: Source::bytes(INPUT),
        timeout: None,
        passage: Passage::Sealed,
        sizes: Sizes::Powers,
    }
}

/// A node's description with this announcement.
fn describes(note: Option<String>) -> Told {
    let key = note.map(
        |note| serde_json::json!({"epoch": "0", "until": "2026-11-23T12:00:00Z", "note": note}),
    );
    let node = serde_json::json!({
        "version": "0", "members": 1, "trust_level": 0, "promise": key_promise(),
        "certificate_sha256": "", "ledger_origin": ORIGIN, "ledger_vkey": "", "posture": [],
        "request_key": key,
    });
    Told::Reply(200, Vec::new(), serde_json::to_vec(&node).unwrap())
}

fn key_promise() -> String {
    key(1).promise.to_string()
}

fn announces(secret: u8) -> Told {
    describes(Some(key(secret).sign(&signer(1)).unwrap()))
}

/// What node and worker make of a request: the run's keys, arguments and input.
fn opened(secret: u8, seen: &Seen) -> Option<(RunKeys, String, Vec<u8>)> {
    let request = SealedRequest::parse(seen.body.clone()).ok()?;
    let objects = run().objects;
    let binding = Binding { task: task(), promise: key(secret).promise, objects: &objects };
    let keys = request.keys(&[secret; 32], &binding).ok()?;
    let opened = keys.open_request(request.into_content()).ok()?;
    let arg = opened.args[0].reveal(String::clone);
    Some((keys, arg, opened.input.reveal(Vec::clone)))
}

fn answers(bytes: Vec<u8>) -> Told {
    let headers = vec![
        ("content-type", SEALED_MEDIA_TYPE.to_owned()),
        ("notrace-receipt", "/v1/receipts/7".to_owned()),
    ];
    Told::Reply(200, headers, bytes)
}

/// What a node does that holds this key: it announces it, and answers the input.
fn serves(secret: u8, seen: &Seen) -> Told {
    if seen.method == "GET" {
        return announces(secret);
    }
    match opened(secret, seen) {
        Some((keys, _, input)) => answers(keys.seal_answer(&input, Sizes::Powers).unwrap()),
        None => refuse(Code::SealKeyUnknown, None),
    }
}

async fn member(
    authority: &Authority,
    tell: impl Fn(usize, &Seen) -> Told + Send + Sync + 'static,
) -> Fake {
    let mut fake = Fake::start_of(authority, "127.0.0.1", tell).await;
    fake.credentials.ledger_origin = ORIGIN.to_owned();
    fake.credentials.ledger_vkey = signer(1).public().to_string();
    fake
}

async fn asked(fake: &Fake) -> Result<Vec<u8>, Error> {
    let client = fake.client().with_patience(Patience(Duration::from_secs(5)));
    client.run(&run()).await?.body.read(ANSWER_BYTES_MAX).await
}

/// The requests for a run among those that came.
fn runs(fake: &Fake) -> Vec<Seen> {
    fake.seen().into_iter().filter(|seen| seen.method == "POST").collect()
}

mod a_sealed_run {
    use super::*;

    #[tokio::test]
    async fn says_nothing_on_its_way_and_is_answered() {
        let fake = member(&authority(), |_, seen| serves(2, seen)).await;
        let client = fake.client();
        for _ in 0..3 {
            let answer = client.run(&run()).await.unwrap();
            assert!(answer.request.is_some() && answer.receipt.is_some());
            assert_eq!(answer.body.read(ANSWER_BYTES_MAX).await.unwrap(), INPUT.as_bytes());
        }
        let sent = runs(&fake);
        assert_eq!((sent.len(), fake.seen().len()), (3, 4), "the key is asked for once");
        for seen in &sent {
            assert_eq!(seen.header("content-type"), Some(SEALED_MEDIA_TYPE));
            assert_eq!(seen.header(header::OBJECT), Some("photos/rash.png"));
            assert_eq!(seen.header(header::ARG), None);
            assert_eq!(seen.path, format!("/v1/tasks/{}/run", task()));
            for secret in [INPUT, ARG] {
                let part = &secret.as_bytes()[..8];
                assert!(!seen.body.windows(8).any(|window| window == part));
            }
            let (_, arg, input) = opened(2, seen).unwrap();
            assert_eq!((arg.as_str(), input.as_slice()), (ARG, INPUT.as_bytes()));
        }
    }

    #[tokio::test]
    async fn that_one_member_turns_away_is_sealed_anew_to_the_next() {
        let authority = authority();
        let first = member(&authority, |_, seen| match seen.method.as_str() {
            "GET" => announces(2),
            _ => refuse(Code::Stopping, Some(0)),
        });
        let second = member(&authority, |_, seen| serves(3, seen));
        let (first, second) = (first.await, second.await);
        let mut credentials = first.credentials.clone();
        credentials.members = vec![second.credentials.url.clone()];
        let client = Client::new(&credentials).unwrap();
        let answer = client.run(&run()).await.unwrap().body.read(ANSWER_BYTES_MAX).await.unwrap();
        assert_eq!(answer, INPUT.as_bytes());
        let (turned_away, taken) = (runs(&first), runs(&second));
        assert_eq!((turned_away.len(), taken.len()), (1, 1));
        let parsed = |seen: &Seen| SealedRequest::parse(seen.body.clone()).unwrap();
        let (before, after) = (parsed(&turned_away[0]), parsed(&taken[0]));
        assert_eq!(before.epoch(), key(2).epoch());
        assert_eq!(after.epoch(), key(3).epoch());
        assert_ne!(before.nonce(), after.nonce());
        assert!(opened(3, &turned_away[0]).is_none());
    }

    #[tokio::test]
    async fn to_a_key_that_is_gone_is_sealed_anew_to_the_next_one() {
        let life = Arc::new(AtomicUsize::new(2));
        let now = life.clone();
        let serves = move |_, seen: &Seen| serves(now.load(Ordering::Relaxed) as u8, seen);
        let fake = member(&authority(), serves).await;
        let client = fake.client();
        for secret in [2, 3] {
            life.store(secret, Ordering::Relaxed);
            let answer = client.run(&run()).await.unwrap();
            assert_eq!(answer.body.read(ANSWER_BYTES_MAX).await.unwrap(), INPUT.as_bytes());
        }
        let nonces: Vec<_> = runs(&fake)
            .iter()
            .map(|seen| *SealedRequest::parse(seen.body.clone()).unwrap().nonce())
            .collect();
        assert_eq!(nonces.len(), 3);
        assert!(nonces[0] != nonces[1] && nonces[1] != nonces[2] && nonces[0] != nonces[2]);
    }

    #[tokio::test]
    async fn tells_its_failure_to_its_client() {
        let fake = member(&authority(), |_, seen| {
            if seen.method == "GET" {
                return announces(2);
            }
            let keys = opened(2, seen).unwrap().0;
            let mut problem = Problem::new(Code::TaskFailed, "it failed");
            let sealed = keys.seal_failure(&failed(), Sizes::Powers, Failures::Told).unwrap();
            problem.sealed = Some(STANDARD.encode(sealed));
            let headers = vec![
                ("content-type", "application/problem+json".to_owned()),
                ("notrace-receipt", "/v1/receipts/7".to_owned()),
            ];
            Told::Reply(422, headers, serde_json::to_vec(&problem).unwrap())
        })
        .await;
        let Err(Error::RunFailed { problem, request, .. }) = asked(&fake).await else {
            panic!("it did not fail as it should");
        };
        assert!(request.is_some(), "its receipt could be anybody's");
        assert_eq!(problem.detail, "the third line is no date");
        assert_eq!((problem.exit_status, problem.sealed), (Some(7), None));
    }

    #[tokio::test]
    async fn may_be_a_failure_that_looked_like_one() {
        for word in [false, true] {
            let fake = member(&authority(), move |_, seen| {
                if seen.method == "GET" {
                    return announces(2);
                }
                let keys = opened(2, seen).unwrap().0;
                let sealed = match word {
                    true => keys.word_key().seal(Ended::TimeExhausted, Sizes::Powers),
                    false => keys.seal_failure(&failed(), Sizes::Powers, Failures::Alike),
                };
                answers(sealed.unwrap())
            })
            .await;
            let Err(Error::RunFailed { problem, request, .. }) = asked(&fake).await else {
                panic!("it did not fail as it should");
            };
            assert!(request.is_some(), "its receipt could be anybody's");
            let (code, exit) = match word {
                true => (Code::TaskExhausted, None),
                false => (Code::TaskFailed, Some(7)),
            };
            assert_eq!((problem.code, problem.exit_status), (code, exit));
        }
    }

    fn failed() -> Failure {
        let (trap, message) = (String::new().into(), "the third line is no date".to_owned().into());
        Failure { ended: Ended::Failed, exit: Some(7), trap, message }
    }
}

mod a_key {
    use super::*;

    #[tokio::test]
    async fn that_is_not_vouched_for_gets_nothing() {
        let old = RequestKey { until_unix_s: 1_000_000, ..key(2) };
        let signed = |key: RequestKey, seed| Some(key.sign(&signer(seed)).unwrap());
        let over = |error: &Error| matches!(error, Error::KeyFalse(NotARequestKey::Over));
        let unsigned =
            |error: &Error| matches!(error, Error::KeyFalse(NotARequestKey::NotSigned(_)));
        let replaced = key(2).sign(&signer(1)).unwrap().replace(
            &key(2).public.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            &key(9).public.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        );
        type Fits<'a> = &'a dyn Fn(&Error) -> bool;
        let cases: [(Option<String>, Fits<'_>); 5] = [
            (signed(key(2), 9), &unsigned),
            (Some(replaced), &unsigned),
            (Some("no note".to_owned()), &unsigned),
            (signed(old, 1), &over),
            (None, &|error: &Error| matches!(error, Error::NoRequestKey)),
        ];
        for (note, fits) in cases {
            let fake = member(&authority(), move |_, _| describes(note.clone())).await;
            let error = asked(&fake).await.err().unwrap();
            assert!(fits(&error), "{error:?}");
            assert!(runs(&fake).is_empty(), "something was sent");
        }
    }
}

mod an_answer {
    use super::*;

    #[tokio::test]
    async fn that_the_worker_did_not_seal_for_this_run_is_not_given_out() {
        let earlier = Arc::new(std::sync::Mutex::new(None));
        for lie in 0..5 {
            let earlier = earlier.clone();
            let fake = member(&authority(), move |_, seen| {
                if seen.method == "GET" {
                    return announces(2);
                }
                let mut sealed =
                    opened(2, seen).unwrap().0.seal_answer(&[7; 70_000], Sizes::Exact).unwrap();
                match lie {
                    0 => {
                        // True, and repeated in the next round.
                        *earlier.lock().unwrap() = Some(sealed.clone());
                    }
                    1 => sealed = earlier.lock().unwrap().clone().unwrap(),
                    2 => sealed = INPUT.into(),
                    3 => sealed.truncate(1 + 65_552),
                    _ => sealed[9] ^= 1,
                }
                answers(sealed)
            })
            .await;
            let answer = asked(&fake).await;
            match lie {
                0 => assert_eq!(answer.unwrap(), vec![7; 70_000]),
                _ => assert!(matches!(answer, Err(Error::AnswerFalse(_))), "{lie}"),
            }
        }
    }
}
