//! Bodies as they are spelt on the wire.

use notrace_sdk_wire::object::{Change, ObjectList};
use notrace_sdk_wire::pool::{Durability, Pool, PoolSpec, Retain, Times};
use notrace_sdk_wire::problem::Exhausted;
use notrace_sdk_wire::transact::{Transact, TransactOp};
use notrace_sdk_wire::watch::WatchEvent;
use notrace_sdk_wire::{Code, Problem, Version};

mod a_request {
    use super::*;

    #[test]
    fn says_only_what_it_must() {
        let spec: PoolSpec = serde_json::from_str(r#"{"retain":"30d"}"#).unwrap();
        assert_eq!(serde_json::to_string(&spec).unwrap(), r#"{"retain":"30d"}"#);
        let spec: PoolSpec =
            serde_json::from_str(r#"{"retain":"forever","durability":"all_durable","label":null}"#)
                .unwrap();
        assert_eq!(spec.retain, Retain::Forever);
        assert_eq!(spec.durability, Some(Durability::AllDurable));
        assert_eq!(spec.label, None);
    }

    #[test]
    fn refuses_fields_and_words_it_does_not_know() {
        for bad in [
            r#"{}"#,
            r#"{"retain":"30d","durabilty":"all_durable"}"#,
            r#"{"retain":"30d","durability":"durable"}"#,
            r#"{"retain":30}"#,
            r#"{"retain":"30d","label":"Very Secret"}"#,
        ] {
            assert!(serde_json::from_str::<PoolSpec>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn with_a_wrong_word_is_answered_with_the_words_there_are_and_not_with_its_own() {
        let error = serde_json::from_str::<PoolSpec>(r#"{"retain":"canary-7f3a"}"#).unwrap_err();
        assert!(error.to_string().contains("as in 30d"), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }

    #[test]
    fn of_a_transaction_names_its_operations() {
        let text = r#"{"ops":[{"op":"put","key":"a/b","value":"aGk=","if_version":"1:42"},
            {"op":"put","key":"c","value":"","if_absent":true},
            {"op":"delete","key":"d"},{"op":"check","key":"e","if_version":"1:2"}]}"#;
        let transact: Transact = serde_json::from_str(text).unwrap();
        let [
            TransactOp::Put { if_version: Some(version), if_absent: false, .. },
            TransactOp::Put { if_version: None, if_absent: true, .. },
            TransactOp::Delete { .. },
            TransactOp::Check { .. },
        ] = transact.ops.as_slice()
        else {
            panic!("four operations");
        };
        assert_eq!(*version, Version { view: 1, seq: 42 });
        let spelt: serde_json::Value = serde_json::to_value(&transact).unwrap();
        assert_eq!(spelt, serde_json::from_str::<serde_json::Value>(text).unwrap());
        let bad = r#"{"ops":[{"op":"delete","key":"d","if_absent":true}]}"#;
        assert!(serde_json::from_str::<Transact>(bad).is_err());
    }
}

mod a_reply {
    use super::*;

    #[test]
    fn may_have_grown_fields_that_this_client_does_not_know() {
        let list: ObjectList = serde_json::from_str(
            r#"{"objects":[{"key":"a","version":"1:2","time":"2026-11-22T21:04:05.000006Z",
                "size_bytes":3,"flavour":"new"}],"more":false,"total":1}"#,
        )
        .unwrap();
        assert_eq!(list.objects[0].version, Version { view: 1, seq: 2 });
        let event: WatchEvent = serde_json::from_str(
            r#"{"version":"1:2","time":"2026-11-22T21:04:05Z","key":"a","change":"shred",
                "size_bytes":0}"#,
        )
        .unwrap();
        assert_eq!(event.change, Change::Shred);
    }

    #[test]
    fn about_a_pool_reads_back() {
        let text = r#"{"name":"photos","retain":"30d","durability":"all_durable",
            "consistency":"linearizable","transport":"tls","label":null,
            "release":{"sizes":"powers","times":"100ms","failures":"alike"},"created":"1:1",
            "time":"2026-11-22T21:04:05.000006Z","objects":1,"size_bytes":41233}"#;
        let pool: Pool = serde_json::from_str(text).unwrap();
        let again: Pool = serde_json::from_str(&serde_json::to_string(&pool).unwrap()).unwrap();
        assert_eq!(pool, again);
        assert_eq!(pool.release.times, Times::HundredMillis);
    }

    #[test]
    fn is_never_asked_for_with_a_quantum_of_ones_own() {
        let spec = |release: &str| {
            let text = format!(r#"{{"retain":"1d","release":{release}}}"#);
            serde_json::from_str::<PoolSpec>(&text)
        };
        assert!(spec(r#"{"sizes":"64k"}"#).is_ok());
        for bad in [r#"{"times":"7ms"}"#, r#"{"sizes":4096}"#, r#"{"delay":"1s"}"#, r#""alike""#] {
            assert!(spec(bad).is_err(), "{bad}");
        }
    }
}

mod a_problem {
    use super::*;

    #[test]
    fn is_spelt_with_its_urn_and_only_the_members_it_has() {
        let mut problem = Problem::new(Code::VersionMismatch, "Version 1:43 is current.");
        problem.current_version = Some(Version { view: 1, seq: 43 });
        let value = serde_json::to_value(&problem).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "type": "urn:notrace:error:version_mismatch",
                "title": Code::VersionMismatch.meaning(),
                "status": 412,
                "detail": "Version 1:43 is current.",
                "current_version": "1:43",
            })
        );
        assert_eq!(serde_json::from_value::<Problem>(value).unwrap(), problem);
    }

    #[test]
    fn says_what_ran_out() {
        let mut problem = Problem::new(Code::TaskExhausted, "It ran for 5,000 ms.");
        problem.exhausted = Some(Exhausted::Time);
        let text = serde_json::to_string(&problem).unwrap();
        assert!(text.contains(r#""exhausted":"time""#), "{text}");
    }
}
