//! What a client does when replies are lost, late, false or from somebody else.
#![cfg(test)]

mod fake;
mod members;
mod sealed;

use std::time::Duration;

use fake::{Fake, Told, refuse};
use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::release::Sizes;
use notrace_sdk_client::error::{Error, Unfit};
use notrace_sdk_client::object::{At, Condition};
use notrace_sdk_client::run::{Passage, Run};
use notrace_sdk_client::source::Source;
use notrace_sdk_client::task::{Push, TaskRef};
use notrace_sdk_client::{Client, Patience};
use notrace_sdk_wire::{Code, Version, header};

fn rash() -> ObjectName {
    "photos/a b/rash.png".parse().unwrap()
}

fn stored() -> Told {
    Told::Reply(201, vec![("etag", "\"1:42\"".to_owned())], Vec::new())
}

fn echo() -> Run {
    Run {
        declassify: Vec::new(),
        task: TaskRef::Name("echo".parse().unwrap()),
        objects: vec![rash()],
        args: vec!["--größe".to_owned(), "a, b".to_owned()],
        input: Source::bytes("input"),
        timeout: Some(Duration::from_millis(1500)),
        passage: Passage::Plain,
        sizes: Sizes::Powers,
    }
}

mod a_put {
    use super::*;

    #[tokio::test]
    async fn whose_reply_was_lost_is_sent_again_under_the_same_key() {
        let fake = Fake::start(|n, _| if n == 0 { Told::Silence } else { stored() }).await;
        let value = Source::bytes(vec![7; 300_000]);
        let put = fake.client().put(&rash(), value, Condition::Always).await.unwrap();
        assert_eq!(put.version, Version { view: 1, seq: 42 });
        assert!(put.created);
        let seen = fake.seen();
        assert_eq!(seen.len(), 2);
        let key = seen[0].header(header::IDEMPOTENCY_KEY).unwrap();
        assert_eq!(key.len(), 32);
        assert_eq!(seen[1].header(header::IDEMPOTENCY_KEY), Some(key));
        for request in &seen {
            assert_eq!(request.path, "/v1/objects/photos/a%20b/rash.png");
            assert_eq!(request.body, vec![7; 300_000]);
            assert_eq!(request.header("authorization"), Some("Bearer nt_test"));
        }
    }

    #[tokio::test]
    async fn of_a_file_is_streamed_with_its_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("value");
        let bytes: Vec<u8> = (0..600_000u32).map(|n| n as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let fake = Fake::start(|_, _| stored()).await;
        let value = Source::file(&path, "the value", 1 << 20).unwrap();
        let condition = Condition::IfVersion(Version { view: 1, seq: 41 });
        fake.client().put(&rash(), value, condition).await.unwrap();
        let seen = fake.seen();
        assert_eq!(seen[0].header("content-length"), Some("600000"));
        assert_eq!(seen[0].header("if-match"), Some("\"1:41\""));
        assert!(seen[0].body == bytes);
    }

    #[tokio::test]
    async fn that_meets_another_version_says_which_one_is_current() {
        let fake = Fake::start(|_, _| {
            let body = r#"{"type":"urn:notrace:error:version_mismatch","title":"t","status":412,
                "detail":"Version 1:43 is current.","current_version":"1:43"}"#;
            let typed = ("content-type", "application/problem+json".to_owned());
            Told::Reply(412, vec![typed], body.into())
        })
        .await;
        let put = fake.client().put(&rash(), Source::bytes("x"), Condition::IfAbsent).await;
        let error = put.unwrap_err();
        assert_eq!(error.code(), Some(Code::VersionMismatch));
        assert_eq!(error.to_string(), "Version 1:43 is current.");
        let current = error.problem().unwrap().current_version;
        assert_eq!(current, Some(Version { view: 1, seq: 43 }));
        assert_eq!(fake.seen()[0].header("if-none-match"), Some("*"));
        assert_eq!(fake.seen().len(), 1);
    }
}

mod a_busy_node {
    use super::*;

    #[tokio::test]
    async fn is_asked_again_when_it_says() {
        let fake = Fake::start(|n, _| match n {
            0 => refuse(Code::Busy, Some(0)),
            1 => refuse(Code::Unavailable, Some(0)),
            _ => stored(),
        })
        .await;
        fake.client().put(&rash(), Source::bytes("x"), Condition::Always).await.unwrap();
        assert_eq!(fake.seen().len(), 3);
    }

    #[tokio::test]
    async fn is_not_waited_for_beyond_patience() {
        let fake = Fake::start(|_, _| refuse(Code::Busy, Some(3600))).await;
        let error = fake.client().get(&rash(), At::Now).await.err().unwrap();
        assert_eq!(error.code(), Some(Code::Busy));
        assert_eq!(fake.seen().len(), 1);
    }

    #[tokio::test]
    async fn is_asked_a_bounded_number_of_times() {
        let fake = Fake::start(|_, _| refuse(Code::Busy, Some(0))).await;
        let client = fake.client().with_patience(Patience(Duration::from_millis(500)));
        let error = client.run(&echo()).await.err().unwrap();
        assert_eq!(error.code(), Some(Code::Busy));
        // Waits of 25, 50, 100 and 200 ms at least: no fifth one fits.
        assert!((2..=5).contains(&fake.seen().len()), "{}", fake.seen().len());
    }
}

mod a_run {
    use super::*;

    #[tokio::test]
    async fn says_all_it_was_given_and_gives_the_answer_back_untouched() {
        let fake = Fake::start(|_, _| {
            let receipt = ("notrace-receipt", "/v1/receipts/r1".to_owned());
            Told::Reply(200, vec![receipt], b"\0answer\n".to_vec())
        })
        .await;
        let answer = fake.client().run(&echo()).await.unwrap();
        assert_eq!(answer.receipt.unwrap().to_string(), "/v1/receipts/r1");
        assert_eq!(answer.body.read(100).await.unwrap(), b"\0answer\n");
        let seen = &fake.seen()[0];
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/v1/tasks/echo/run"));
        assert_eq!(seen.header(header::OBJECT), Some("photos/a%20b/rash.png"));
        let args: Vec<_> = seen.headers.get_all(header::ARG).iter().collect();
        assert_eq!(args, ["--gr%C3%B6%C3%9Fe", "a%2C%20b"]);
        assert_eq!(seen.header(header::TIMEOUT_MS), Some("1500"));
        assert_eq!(seen.body, b"input");
    }

    #[tokio::test]
    async fn that_failed_has_its_receipt_all_the_same() {
        let fake = Fake::start(|_, _| {
            let Told::Reply(status, mut headers, body) = refuse(Code::TaskTrapped, None) else {
                return Told::Silence;
            };
            headers.push(("notrace-receipt", "/v1/receipts/r1".to_owned()));
            Told::Reply(status, headers, body)
        })
        .await;
        let error = fake.client().run(&echo()).await.err().unwrap();
        assert_eq!(error.code(), Some(Code::TaskTrapped));
        let Error::RunFailed { receipt, .. } = error else { panic!("{error:?}") };
        assert_eq!(receipt.to_string(), "/v1/receipts/r1");
    }

    #[tokio::test]
    async fn is_never_sent_again_once_it_may_have_begun() {
        let fake = Fake::start(|_, _| Told::Silence).await;
        let error = fake.client().run(&echo()).await.err().unwrap();
        assert!(matches!(error, Error::OutcomeUnknown), "{error:?}");
        assert_eq!(error.code(), Some(Code::OutcomeUnknown));
        assert_eq!(fake.seen().len(), 1);
    }
}

mod a_node_that_is_not_the_one {
    use super::*;

    #[tokio::test]
    async fn gets_nothing_and_is_named_by_its_certificate() {
        let ours = Fake::start(|_, _| stored()).await;
        let theirs = Fake::start(|_, _| stored()).await;
        let mut credentials = ours.credentials.clone();
        credentials.url = theirs.credentials.url.clone();
        let client = Client::new(&credentials).unwrap();
        let put = client.put(&rash(), Source::bytes("secret"), Condition::Always).await;
        let error = put.unwrap_err();
        let Error::CertificateChanged { expected, shown } = error else {
            panic!("{error:?}");
        };
        assert_ne!(expected, shown);
        assert!(theirs.seen().is_empty());
    }

    #[tokio::test]
    async fn is_not_trusted_under_another_name() {
        let fake = Fake::start_as("example.org", |_, _| stored()).await;
        let error = fake.client().get(&rash(), At::Now).await.err().unwrap();
        let unfit = matches!(error, Error::CertificateUnfit { reason: Unfit::OtherName, .. });
        assert!(unfit, "{error:?}");
        assert!(fake.seen().is_empty());
    }

    #[tokio::test]
    async fn is_not_followed_to() {
        let elsewhere = Fake::start(|_, _| stored()).await;
        let to = format!("{}/v1/objects/a/b", elsewhere.credentials.url);
        let fake =
            Fake::start(move |_, _| Told::Reply(307, vec![("location", to.clone())], Vec::new()))
                .await;
        let put = fake.client().put(&rash(), Source::bytes("secret"), Condition::Always).await;
        assert!(matches!(put, Err(Error::NotUnderstood(_))));
        assert!(elsewhere.seen().is_empty());
    }

    #[tokio::test]
    async fn or_nobody_is_told_apart() {
        let mut credentials = Fake::start(|_, _| stored()).await.credentials;
        let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        credentials.url = format!("https://{}", closed.local_addr().unwrap());
        drop(closed);
        let client = Client::new(&credentials).unwrap();
        let client = client.with_patience(Patience(Duration::ZERO));
        assert!(matches!(client.health().await, Err(Error::Unreachable)));
    }
}

mod an_upload {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn push(progress: Arc<Mutex<Vec<String>>>) -> Push {
        Push {
            module: b"\0asm".as_slice().into(),
            name: Some("echo".parse().unwrap()),
            if_version: None,
            progress: Some(Arc::new(move |step| {
                progress.lock().unwrap().push(format!("{step:?}"));
            })),
        }
    }

    fn task(digest: &Digest) -> Vec<u8> {
        format!(
            r#"{{"digest":"{digest}","world":"wasi:cli/command","imports":[],"size_bytes":4,
            "state":"ready","names":[],"time":"2026-11-22T21:04:05Z"}}"#
        )
        .into()
    }

    #[tokio::test]
    async fn that_compiles_for_long_is_followed_to_its_end_across_a_broken_stream() {
        let digest = Digest::of(Domain::Module, b"\0asm");
        let fake = Fake::start(move |n, seen| {
            let compiling =
                b"event: state\ndata: {\"state\":\"compiling\",\"elapsed_ms\":1200}\n\n";
            let ready = b"event: state\ndata: {\"state\":\"ready\",\"elapsed_ms\":2000}\n\n";
            match (n, seen.path.as_str()) {
                (0, "/v1/tasks?name=echo") => {
                    let location = ("location", format!("/v1/tasks/{digest}"));
                    Told::Reply(202, vec![location], Vec::new())
                }
                (1, _) => Told::Broken(Vec::new(), compiling.to_vec()),
                (2, _) => Told::Reply(200, Vec::new(), ready.to_vec()),
                _ => Told::Reply(200, Vec::new(), task(&digest)),
            }
        })
        .await;
        let steps = Arc::new(Mutex::new(Vec::new()));
        let accepted = fake.client().task_push(&push(steps.clone())).await.unwrap();
        assert_eq!(accepted.digest, digest);
        assert_eq!(*steps.lock().unwrap(), ["Sent(4)", "Compiling(1.2s)"]);
        let paths: Vec<String> = fake.seen().into_iter().map(|seen| seen.path).collect();
        let events = format!("/v1/tasks/{digest}/events");
        assert_eq!(paths[1..], [events.clone(), events, format!("/v1/tasks/{digest}")]);
    }

    #[tokio::test]
    async fn that_is_answered_for_another_module_is_not_believed() {
        let other = Digest::of(Domain::Module, b"other");
        let fake = Fake::start(move |_, _| Told::Reply(201, Vec::new(), task(&other))).await;
        let error = fake.client().task_push(&push(Arc::default())).await.unwrap_err();
        let Error::DigestDiffers { sent, answered } = error else { panic!("{error:?}") };
        assert_eq!((sent, answered), (Digest::of(Domain::Module, b"\0asm"), other));
    }
}

mod a_watch {
    use super::*;

    fn change(seq: u64) -> String {
        format!(
            "event: change\nid: 1:{seq}\ndata: {{\"version\":\"1:{seq}\",\
             \"time\":\"2026-11-22T21:04:05Z\",\"key\":\"k\",\"change\":\"put\",\
             \"size_bytes\":1}}\n\n"
        )
    }

    #[tokio::test]
    async fn goes_on_after_the_last_change_it_gave() {
        let fake = Fake::start(|n, _| match n {
            0 => Told::Broken(Vec::new(), (change(2) + &change(3)).into()),
            1 => Told::Silence,
            2 => Told::Reply(200, Vec::new(), change(4).into()),
            _ => refuse(Code::HistoryTrimmed, None),
        })
        .await;
        let pool = "photos".parse().unwrap();
        let from = Some(Version { view: 1, seq: 1 }.into());
        let mut watch = fake.client().watch(&pool, Some("a/"), from).await.unwrap();
        for seq in [2, 3, 4] {
            assert_eq!(watch.next().await.unwrap().version.seq, seq);
        }
        let error = watch.next().await.unwrap_err();
        assert!(matches!(error, Error::HistoryTrimmed(_)), "{error:?}");
        assert_eq!(error.code(), Some(Code::HistoryTrimmed));
        let seen = fake.seen();
        assert_eq!(seen[0].path, "/v1/watch/photos?prefix=a/&from=1%3A1");
        let ids: Vec<_> = seen.iter().map(|seen| seen.header("last-event-id")).collect();
        assert_eq!(ids, [None, Some("1:3"), Some("1:3"), Some("1:4")]);
    }
}

mod a_receipt {
    use super::*;

    #[tokio::test]
    async fn is_waited_for_until_its_epoch_closes() {
        let fake = Fake::start(|n, _| match n {
            0 => Told::Reply(202, vec![("retry-after", "0".to_owned())], Vec::new()),
            _ => Told::Reply(200, Vec::new(), b"proof".to_vec()),
        })
        .await;
        let path = "/v1/receipts/r1".parse().unwrap();
        let proof = fake.client().receipt(&path, Duration::from_secs(5)).await.unwrap();
        assert_eq!(proof, "proof");
        assert_eq!(fake.seen()[0].path, "/v1/receipts/r1?wait=true");
    }

    #[tokio::test]
    async fn that_does_not_come_is_given_up_on() {
        let fake = Fake::start(|_, _| {
            Told::Reply(202, vec![("retry-after", "3600".to_owned())], Vec::new())
        })
        .await;
        let path = "/v1/receipts/r1".parse().unwrap();
        let error = fake.client().receipt(&path, Duration::from_secs(5)).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut), "{error:?}");
    }
}
