//! What a client does when the member that it talks to goes, says that it will, or names another.

use std::time::Duration;

use crate::fake::{Authority, Fake, Seen, Told, authority, refuse};
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::release::Sizes;
use notrace_sdk_client::error::Error;
use notrace_sdk_client::object::{At, Condition};
use notrace_sdk_client::run::{Passage, Run};
use notrace_sdk_client::source::Source;
use notrace_sdk_client::task::TaskRef;
use notrace_sdk_client::{Client, Patience};
use notrace_sdk_wire::{Code, Version, header};

/// Calls after which a client has heard of others, or never does.
const CALLS_MAX: usize = 1_000;

fn rash() -> ObjectName {
    "photos/rash.png".parse().unwrap()
}

fn stored() -> Told {
    Told::Reply(201, vec![("etag", "\"1:42\"".to_owned())], Vec::new())
}

fn echo() -> Run {
    Run {
        declassify: Vec::new(),
        task: TaskRef::Name("echo".parse().unwrap()),
        objects: Vec::new(),
        args: Vec::new(),
        input: Source::bytes("input"),
        timeout: None,
        passage: Passage::Plain,
        sizes: Sizes::Powers,
    }
}

async fn member(
    authority: &Authority,
    tell: impl Fn(usize, &Seen) -> Told + Send + Sync + 'static,
) -> Fake {
    Fake::start_of(authority, "127.0.0.1", tell).await
}

/// A client whose credentials name both, this one first.
fn client(first: &Fake, second: &Fake) -> Client {
    let mut credentials = first.credentials.clone();
    credentials.members = vec![second.credentials.url.clone()];
    Client::new(&credentials).unwrap()
}

async fn put(client: &Client) -> Result<Version, Error> {
    let put = client.put(&rash(), Source::bytes(vec![7; 70_000]), Condition::Always).await;
    put.map(|put| put.version)
}

mod a_change {
    use super::*;

    #[tokio::test]
    async fn that_one_member_lost_is_asked_of_another_under_the_same_key() {
        let authority = authority();
        let first = member(&authority, |_, _| Told::Silence).await;
        let second = member(&authority, |_, _| stored()).await;
        put(&client(&first, &second)).await.unwrap();
        let (lost, done) = (first.seen(), second.seen());
        assert_eq!((lost.len(), done.len()), (1, 1));
        let key = lost[0].header(header::IDEMPOTENCY_KEY);
        assert_eq!(key.unwrap().len(), 32);
        assert_eq!(done[0].header(header::IDEMPOTENCY_KEY), key);
        assert_eq!(done[0].body, vec![7; 70_000]);
    }

    #[tokio::test]
    async fn that_nobody_confirms_is_of_unknown_outcome() {
        let authority = authority();
        let first = member(&authority, |_, _| Told::Silence).await;
        let second = member(&authority, |_, _| refuse(Code::NoMajority, Some(0))).await;
        let client = client(&first, &second).with_patience(Patience(Duration::from_millis(200)));
        let error = put(&client).await.unwrap_err();
        assert!(matches!(error, Error::OutcomeUnknown), "{error:?}");
        assert_eq!(error.code(), Some(Code::OutcomeUnknown));
    }

    #[tokio::test]
    async fn that_nobody_was_given_has_not_happened() {
        let authority = authority();
        let first = member(&authority, |_, _| refuse(Code::Stopping, Some(0))).await;
        let second = member(&authority, |_, _| refuse(Code::NoMajority, Some(0))).await;
        let client = client(&first, &second).with_patience(Patience(Duration::from_millis(200)));
        assert_eq!(put(&client).await.unwrap_err().code(), Some(Code::NoMajority));
    }

    #[tokio::test]
    async fn whose_repeat_no_longer_matches_was_made_nobody_knows_how() {
        let fake = Fake::start(|n, _| match n {
            0 => Told::Silence,
            _ => refuse(Code::IdempotencyMismatch, None),
        })
        .await;
        let error = put(&fake.client()).await.unwrap_err();
        assert!(matches!(error, Error::OutcomeUnknown), "{error:?}");
        let fake = Fake::start(|_, _| refuse(Code::IdempotencyMismatch, None)).await;
        let error = put(&fake.client()).await.unwrap_err();
        assert_eq!(error.code(), Some(Code::IdempotencyMismatch));
    }
}

mod a_call {
    use super::*;

    #[tokio::test]
    async fn goes_to_another_member_when_one_is_not_there() {
        let authority = authority();
        let second = member(&authority, |_, _| stored()).await;
        let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut credentials = second.credentials.clone();
        credentials.members = vec![second.credentials.url.clone()];
        credentials.url = format!("https://{}", closed.local_addr().unwrap());
        drop(closed);
        let client = Client::new(&credentials).unwrap();
        put(&client).await.unwrap();
        assert_eq!(second.seen().len(), 1);
    }

    #[tokio::test]
    async fn goes_to_another_member_when_one_stops_and_stays_there() {
        let authority = authority();
        let first = member(&authority, |_, _| refuse(Code::Stopping, Some(60))).await;
        let second = member(&authority, |_, _| stored()).await;
        let client = client(&first, &second);
        put(&client).await.unwrap();
        put(&client).await.unwrap();
        assert_eq!((first.seen().len(), second.seen().len()), (1, 2));
    }

    #[tokio::test]
    async fn tells_each_member_how_far_others_were() {
        let authority = authority();
        let view = |number: &str| {
            let view = (header::VIEW, number.to_owned());
            Told::Reply(201, vec![("etag", "\"1:42\"".to_owned()), view], Vec::new())
        };
        let first = member(&authority, move |n, _| match n {
            0 => view("7"),
            1 => view("5"),
            _ => refuse(Code::Stopping, None),
        })
        .await;
        let second = member(&authority, |_, _| stored()).await;
        let client = client(&first, &second);
        for _ in 0..3 {
            put(&client).await.unwrap();
        }
        let told = |fake: &Fake| -> Vec<Option<String>> {
            let seen = fake.seen();
            seen.iter().map(|seen| seen.header(header::VIEW).map(str::to_owned)).collect()
        };
        assert_eq!(told(&first), [None, Some("7".to_owned()), Some("7".to_owned())]);
        assert_eq!(told(&second), [Some("7".to_owned())]);
    }

    #[tokio::test]
    async fn about_one_node_goes_to_no_other() {
        let authority = authority();
        let first = member(&authority, |_, _| refuse(Code::Stopping, Some(60))).await;
        let second = member(&authority, |_, _| stored()).await;
        let client = client(&first, &second);
        assert_eq!(client.health().await.unwrap_err().code(), Some(Code::Stopping));
        assert_eq!(client.cluster_leave().await.unwrap_err().code(), Some(Code::Stopping));
        assert!(second.seen().is_empty());
    }

    #[tokio::test]
    async fn of_a_client_that_wants_one_node_goes_to_no_other() {
        let authority = authority();
        let first = member(&authority, |_, _| refuse(Code::Stopping, Some(60))).await;
        let second = member(&authority, |_, _| stored()).await;
        let error = put(&client(&first, &second).alone()).await.unwrap_err();
        assert_eq!(error.code(), Some(Code::Stopping));
        assert!(second.seen().is_empty());
    }

    #[tokio::test]
    async fn learns_of_other_members_before_it_needs_them() {
        let authority = authority();
        let first = member(&authority, |_, _| stored()).await;
        let second = member(&authority, |_, _| stored()).await;
        first.is_in_a_group_of(&[&first, &second]);
        let client = first.client();
        // Who makes one call does not ask; the second one does, beside what it was made for.
        for _ in 0..CALLS_MAX {
            put(&client).await.unwrap();
            if client.knows_of() > 1 {
                first.end();
            }
            if !second.seen().is_empty() {
                break;
            }
        }
        assert!(first.seen().len() >= 2 && !second.seen().is_empty());
    }

    #[tokio::test]
    async fn is_not_given_to_a_member_that_was_heard_of_and_cannot_be_trusted() {
        let authority = authority();
        let first = member(&authority, |_, _| stored()).await;
        let other = Fake::start(|_, _| stored()).await;
        first.is_in_a_group_of(&[&first, &other]);
        let client = first.client().with_patience(Patience(Duration::from_millis(100)));
        for _ in 0..CALLS_MAX {
            put(&client).await.unwrap();
            if client.knows_of() > 1 {
                break;
            }
        }
        assert_eq!(client.knows_of(), 2);
        first.end();
        assert!(matches!(put(&client).await, Err(Error::Unreachable | Error::OutcomeUnknown)));
        assert!(other.seen().is_empty());
        assert_eq!(client.knows_of(), 1);
    }
}

mod a_run {
    use super::*;

    #[tokio::test]
    async fn goes_to_another_member_only_if_it_certainly_has_not_begun() {
        let authority = authority();
        let first = member(&authority, |_, _| refuse(Code::Stopping, Some(1))).await;
        let second = member(&authority, |_, _| Told::Silence).await;
        let third = member(&authority, |_, _| stored()).await;
        let mut credentials = first.credentials.clone();
        credentials.members = vec![second.credentials.url.clone(), third.credentials.url.clone()];
        let error = Client::new(&credentials).unwrap().run(&echo()).await.err().unwrap();
        assert!(matches!(error, Error::OutcomeUnknown), "{error:?}");
        let seen = [&first, &second, &third].map(|fake| fake.seen().len());
        assert_eq!(seen, [1, 1, 0]);
    }

    #[tokio::test]
    async fn has_its_receipt_where_it_took_place() {
        let authority = authority();
        let receipt = |_, seen: &Seen| match seen.method.as_str() {
            "POST" => {
                let receipt = ("notrace-receipt", "/v1/receipts/r1".to_owned());
                Told::Reply(200, vec![receipt], Vec::new())
            }
            "GET" => Told::Reply(200, Vec::new(), b"proof".to_vec()),
            _ => stored(),
        };
        let first = member(&authority, |n, _| match n {
            0 => refuse(Code::Stopping, None),
            _ => stored(),
        })
        .await;
        let second = member(&authority, receipt).await;
        let client = client(&first, &second);
        let answer = client.run(&echo()).await.unwrap();
        second.is_in_a_group_of(&[]);
        let proof = client.receipt(&answer.receipt.unwrap(), Duration::from_secs(5)).await.unwrap();
        assert_eq!(proof, "proof");
        assert_eq!((first.seen().len(), second.seen().len()), (1, 2));
    }
}

mod a_redirect {
    use super::*;

    fn to(url: &str, path: &str) -> Told {
        Told::Reply(307, vec![("location", format!("{url}{path}"))], Vec::new())
    }

    #[tokio::test]
    async fn to_a_member_is_followed_with_all_that_was_sent() {
        let authority = authority();
        let second = member(&authority, |_, _| stored()).await;
        let url = second.credentials.url.clone();
        let first = member(&authority, move |_, seen| to(&url, &seen.path)).await;
        // It is in no credentials; the group says that it is a member.
        first.is_in_a_group_of(&[&first, &second]);
        put(&first.client()).await.unwrap();
        let (sent, done) = (&first.seen()[0], &second.seen()[0]);
        assert_eq!(done.body, vec![7; 70_000]);
        let parts = |seen: &Seen| {
            let key = seen.header(header::IDEMPOTENCY_KEY).map(str::to_owned);
            (seen.method.clone(), seen.path.clone(), key)
        };
        assert_eq!(parts(done), parts(sent));
    }

    #[tokio::test]
    async fn to_something_else_is_not_followed() {
        let authority = authority();
        let second = member(&authority, |_, _| stored()).await;
        let url = second.credentials.url.clone();
        let first = member(&authority, move |_, _| to(&url, "/v1/objects/photos/other")).await;
        let refused = put(&client(&first, &second)).await;
        assert!(matches!(refused, Err(Error::NotUnderstood(_))), "{refused:?}");
        assert!(second.seen().is_empty());
    }

    #[tokio::test]
    async fn from_member_to_member_ends() {
        let authority = authority();
        let fake = member(&authority, |_, seen| {
            to(&format!("https://{}", seen.header("host").unwrap()), &seen.path)
        })
        .await;
        assert!(matches!(put(&fake.client()).await, Err(Error::NotUnderstood(_))));
        assert_eq!(fake.seen().len() as u32, notrace_sdk_client::limits::REDIRECTS_MAX + 1);
    }
}

mod a_watch {
    use super::*;

    fn change(key: &str, seq: u64, id: Option<&str>) -> String {
        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        format!(
            "event: change\n{id}data: {{\"version\":\"1:{seq}\",\
             \"time\":\"2026-11-22T21:04:05Z\",\"key\":\"{key}\",\"change\":\"put\",\
             \"size_bytes\":1}}\n\n"
        )
    }

    #[tokio::test]
    async fn goes_on_at_another_member_without_a_gap_or_a_repeat() {
        let authority = authority();
        // It breaks off in the midst of a transaction, whose first change is not given yet.
        let first = member(&authority, |n, _| match n {
            0 => {
                let text = "id: 1:1,1:1\n\n".to_owned()
                    + &change("a", 2, Some("1:2,1:1"))
                    + &change("b", 3, None);
                Told::Broken(Vec::new(), text.into())
            }
            _ => refuse(Code::Stopping, None),
        })
        .await;
        let second = member(&authority, |n, _| match n {
            0 => {
                let text = "id: 1:2,1:1\n\n".to_owned()
                    + &change("z", 2, Some("1:2,1:2"))
                    + &change("b", 3, None)
                    + &change("c", 3, Some("1:3,1:2"));
                Told::Reply(200, Vec::new(), text.into())
            }
            _ => refuse(Code::HistoryTrimmed, None),
        })
        .await;
        let pool = "photos".parse().unwrap();
        let mut watch = client(&first, &second).watch(&pool, None, None).await.unwrap();
        for key in ["a", "z", "b", "c"] {
            assert_eq!(watch.next().await.unwrap().key.as_str(), key);
        }
        assert_eq!(watch.mark().unwrap().to_string(), "1:3,1:2");
        assert!(matches!(watch.next().await, Err(Error::HistoryTrimmed(_))));
        let ids = |fake: &Fake| {
            let ids = fake.seen();
            let ids = ids.iter().map(|seen| seen.header("last-event-id").map(str::to_owned));
            ids.collect::<Vec<_>>()
        };
        assert_eq!(ids(&first), [None, Some("1:2,1:1".to_owned())]);
        assert_eq!(ids(&second), ["1:2,1:1", "1:3,1:2"].map(|id| Some(id.to_owned())));
    }

    #[tokio::test]
    async fn that_saw_nothing_yet_goes_on_from_where_it_began() {
        let fake = Fake::start(|n, _| match n {
            0 => Told::Broken(Vec::new(), "id: 1:7\n\n".into()),
            _ => Told::Reply(200, Vec::new(), change("a", 8, Some("1:8")).into()),
        })
        .await;
        let mut watch = fake.client().watch(&"photos".parse().unwrap(), None, None).await.unwrap();
        assert_eq!(watch.next().await.unwrap().key.as_str(), "a");
        assert_eq!(fake.seen()[1].header("last-event-id"), Some("1:7"));
    }
}

mod a_download {
    use super::*;

    #[tokio::test]
    async fn that_breaks_off_goes_on_with_the_same_version_at_another_member() {
        let authority = authority();
        let etag = ("etag", "\"1:42\"".to_owned());
        let (begun, rest) = (etag.clone(), etag);
        let first = member(&authority, move |n, _| match n {
            0 => Told::Broken(vec![begun.clone()], b"hello, ".to_vec()),
            _ => Told::Silence,
        })
        .await;
        let second = member(&authority, move |_, _| {
            let range = ("content-range", "bytes 7-11/12".to_owned());
            Told::Reply(206, vec![rest.clone(), range], b"world".to_vec())
        })
        .await;
        let got = client(&first, &second).get(&rash(), At::Now).await.unwrap();
        assert_eq!(got.read(100).await.unwrap(), b"hello, world");
        let asked = &second.seen()[0];
        assert_eq!(asked.path, "/v1/objects/photos/rash.png?version=1:42");
        assert_eq!(asked.header("range"), Some("bytes=7-"));
    }

    #[tokio::test]
    async fn is_not_pieced_together_of_two_versions() {
        let fake = Fake::start(|n, _| {
            let etag = ("etag", format!("\"1:{}\"", 42 + n));
            match n {
                0 => Told::Broken(vec![etag], b"hello, ".to_vec()),
                _ => {
                    let range = ("content-range", "bytes 7-11/12".to_owned());
                    Told::Reply(206, vec![etag, range], b"world".to_vec())
                }
            }
        })
        .await;
        let got = fake.client().get(&rash(), At::Now).await.unwrap();
        assert!(matches!(got.read(100).await, Err(Error::NotUnderstood(_))));
    }
}
