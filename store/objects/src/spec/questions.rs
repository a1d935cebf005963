//! Questions, answers and replies: what they find, and their bytes.

use notrace_store_protocol::machine::Malformed;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::{Answer, At, HistoryEntry, Missing, Question};

fn filled() -> Store {
    let mut store = Store::with_pool();
    for (name, value) in [("a", "one"), ("b", "two"), ("a", "three"), ("c/d", "")] {
        store.put(name, value);
    }
    store.delete("c/d");
    store.shred(ShredScope::Object(key("b")));
    store
}

fn questions() -> Vec<Question> {
    let names = |names: &[&str]| names.iter().map(|name| (pool(), key(name))).collect();
    let list = |prefix: &str, after| Question::List {
        pool: pool(),
        prefix: prefix.to_owned(),
        after,
        limit: 10,
    };
    vec![
        Question::Pools,
        Question::Pool(pool()),
        Question::Pool("another".parse().unwrap()),
        Question::Values { objects: names(&["a", "a"]), at: At::Latest },
        Question::Values { objects: names(&["a", "b"]), at: At::Latest },
        Question::Values { objects: names(&["c/d"]), at: At::Time(Hlc::from_wire(7)) },
        Question::Head { pool: pool(), key: key("a"), at: At::Version(version(3)) },
        Question::History { pool: pool(), key: key("a") },
        list("", None),
        list("a", Some(key("a"))),
        Question::Changes { pool: pool(), prefix: String::new(), from: Version::ZERO, limit: 2 },
        Question::Changes { pool: pool(), prefix: "x".into(), from: version(1), limit: 9 },
    ]
}

#[test]
fn come_back_from_their_bytes_and_so_do_their_answers() {
    let store = filled();
    for question in questions() {
        let bytes = question.encode();
        assert_eq!(Question::decode(&bytes).as_ref(), Ok(&question));
        let answer = question.look(&store.objects);
        let told = Answer::encode(&answer);
        assert_eq!(Answer::decode(&told), Ok(answer));
        for cut in 0..bytes.len() {
            assert_eq!(Question::decode(&bytes[..cut]), Err(Malformed));
        }
        for cut in 0..told.len() {
            assert_eq!(Answer::decode(&told[..cut]), Err(Malformed));
        }
    }
}

#[test]
fn find_what_the_machine_has_and_say_how_new_it_is() {
    let store = filled();
    let ask = |question: Question| question.look(&store.objects);
    let objects = vec![(pool(), key("a"))];
    let Ok(Answer::Values(as_of, values)) = ask(Question::Values { objects, at: At::Latest })
    else {
        panic!("there is a value");
    };
    assert_eq!(as_of, store.objects.version());
    let [(place, value)] = values.as_slice() else { panic!("one was asked for") };
    assert_eq!(&*value.ciphertext, b"three");
    let history = ask(Question::History { pool: pool(), key: key("a") }).unwrap();
    assert_eq!(history.newest(as_of), Some(place.version));
    let Answer::History(entries) = history else { panic!("a history was asked for") };
    assert!(entries.iter().map(|entry: &HistoryEntry| entry.version).is_sorted());
    let gone = Question::Values { objects: vec![(pool(), key("b"))], at: At::Latest };
    assert_eq!(ask(gone), Err(Missing::Shredded));
}

#[test]
fn any_reply_comes_back_from_its_bytes() {
    let (place, version) = (place(7), version(5));
    let replies = [
        Reply::PoolCreated { place },
        Reply::Stored { place, created: true },
        Reply::Deleted { place },
        Reply::Transacted { place },
        Reply::Shredded { place, versions: 3 },
        Reply::Configured,
        Reply::StaleKey { current: 9 },
        Reply::Moved,
        Reply::PoolUnknown,
        Reply::PoolExists,
        Reply::PoolsFull,
        Reply::ObjectUnknown,
        Reply::Mismatch { current: Some(version), index: None },
        Reply::Mismatch { current: None, index: Some(2) },
        Reply::WrittenTwice { index: 4 },
        Reply::SessionMismatch,
        Reply::OutOfSpace,
        Reply::TooManyOps,
    ];
    for reply in replies {
        let bytes = reply.encode();
        assert_eq!(Reply::decode(&bytes), Ok(reply));
        for cut in 0..bytes.len() {
            assert_eq!(Reply::decode(&bytes[..cut]), Err(Malformed));
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_decode_or_are_refused(bytes in vec(any::<u8>(), 0..300)) {
        let bytes = [&[1], bytes.as_slice()].concat();
        let _ = Question::decode(&bytes);
        let _ = Answer::decode(&bytes);
        let _ = Reply::decode(&bytes);
    }
}
