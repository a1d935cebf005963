use std::time::Duration;

use notrace_policy_promise::digest::Domain;
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::release::Sizes;
use notrace_sdk_seal::{Content, Draw, seal_request};

use super::*;

fn task() -> Digest {
    Digest::of(Domain::Module, b"task")
}

fn promise() -> Digest {
    Digest::of(Domain::Promise, b"promise")
}

fn keys() -> RequestKeys {
    RequestKeys::new(NoteSigner::new("log.example", &[1; 32]).unwrap(), promise())
}

fn start() -> Now {
    Now { instant: Instant::now(), unix_s: 1_795_305_600 }
}

fn after(now: Now, wait: Duration) -> Now {
    Now { instant: now.instant + wait, unix_s: now.unix_s + wait.as_secs() }
}

fn bound(objects: &[ObjectName]) -> Binding<'_> {
    Binding { task: task(), promise: promise(), objects }
}

/// A request that is sealed to what these keys announce.
fn sealed(keys: &RequestKeys, now: Now, number: u64) -> SealedRequest {
    let note = keys.announced(now).unwrap().note;
    let signer = NoteSigner::new("log.example", &[1; 32]).unwrap();
    let key = RequestKey::open(&note, &[signer.public().clone()], now.unix_s, 0).unwrap();
    let mut nonce = [0; NONCE_BYTES];
    nonce[..8].copy_from_slice(&number.to_be_bytes());
    let draw = Draw { ephemeral: [9; 32].into(), nonce };
    let content = Content { args: &[], input: b"input", sizes: Sizes::Powers };
    let (bytes, _) = seal_request(&key, &bound(&[]), &content, &draw).unwrap();
    SealedRequest::parse(bytes).unwrap()
}

mod a_request_key {
    use super::*;

    #[test]
    fn takes_what_is_sealed_to_it_once() {
        let (keys, now) = (keys(), start());
        let (first, second) = (sealed(&keys, now, 1), sealed(&keys, now, 2));
        assert!(keys.take(&first, &bound(&[]), now).is_ok());
        let again = keys.take(&first, &bound(&[]), now).err();
        assert!(matches!(again, Some(Refusal::SealReplayed)));
        assert!(keys.take(&second, &bound(&[]), now).is_ok());
    }

    #[test]
    fn takes_nothing_that_is_for_something_else_and_keeps_its_nonce_unused() {
        let (keys, now) = (keys(), start());
        let request = sealed(&keys, now, 1);
        let objects = ["photos/rash.png".parse().unwrap()];
        let other = Digest::of(Domain::Module, b"other");
        let wrong = [
            bound(&objects),
            Binding { task: other, ..bound(&[]) },
            Binding { promise: other, ..bound(&[]) },
        ];
        for binding in wrong {
            let refused = keys.take(&request, &binding, now).err();
            assert!(matches!(refused, Some(Refusal::SealBroken)));
        }
        assert!(keys.take(&request, &bound(&[]), now).is_ok());
    }

    #[test]
    fn is_followed_by_another_and_taken_for_as_long_again() {
        let (keys, now) = (keys(), start());
        let request = sealed(&keys, now, 1);
        let just_before = after(now, REQUEST_KEY_ANNOUNCED - Duration::from_millis(1));
        let first = keys.announced(now).unwrap();
        assert_eq!(keys.announced(just_before).unwrap(), first);
        let turned = after(now, REQUEST_KEY_ANNOUNCED);
        assert_ne!(keys.announced(turned).unwrap().epoch, first.epoch);
        assert!(keys.take(&request, &bound(&[]), turned).is_ok());
        let over = after(now, REQUEST_KEY_TAKEN);
        let refused = keys.take(&sealed_to(&request), &bound(&[]), over).err();
        assert!(matches!(refused, Some(Refusal::SealKeyUnknown)));
        assert_eq!(first.until_unix_s, over.unix_s);
    }

    /// The same bytes again.
    fn sealed_to(request: &SealedRequest) -> SealedRequest {
        SealedRequest::parse(request.bytes().to_vec()).unwrap()
    }

    #[test]
    fn that_was_used_is_remembered_as_the_previous_one_too() {
        let (keys, now) = (keys(), start());
        let request = sealed(&keys, now, 1);
        assert!(keys.take(&request, &bound(&[]), now).is_ok());
        let turned = after(now, REQUEST_KEY_ANNOUNCED);
        let again = keys.take(&request, &bound(&[]), turned).err();
        assert!(matches!(again, Some(Refusal::SealReplayed)));
    }

    #[test]
    fn of_another_node_or_another_life_is_unknown() {
        let (before, later, now) = (keys(), keys(), start());
        let request = sealed(&before, now, 1);
        assert!(before.take(&request, &bound(&[]), now).is_ok());
        let refused = later.take(&request, &bound(&[]), now).err();
        assert!(matches!(refused, Some(Refusal::SealKeyUnknown)));
    }

    #[test]
    fn that_was_used_often_is_followed_ahead_of_time_and_forgets_nothing() {
        let (keys, now) = (keys(), start());
        let first = keys.announced(now).unwrap();
        let (epoch, _) = keys.turned(now).unwrap();
        for number in 0..REQUEST_KEY_NONCES_MAX as u64 {
            let mut nonce = [0xFF; NONCE_BYTES];
            nonce[..8].copy_from_slice(&number.to_be_bytes());
            epoch.spend(&nonce).unwrap();
        }
        // Not yet due by time, and full: it says so, and still knows the first.
        let refused = keys.take(&sealed(&keys, now, 1), &bound(&[]), now).err();
        assert!(matches!(refused, Some(Refusal::SealKeySpent { .. })));
        let mut nonce = [0xFF; NONCE_BYTES];
        nonce[..8].copy_from_slice(&0u64.to_be_bytes());
        assert!(matches!(epoch.spend(&nonce), Err(Refusal::SealReplayed)));
        let soon = after(now, REQUEST_KEY_LEAST);
        assert_ne!(keys.announced(soon).unwrap().epoch, first.epoch);
        assert!(keys.take(&sealed(&keys, soon, 1), &bound(&[]), soon).is_ok());
    }
}
