use super::*;
use crate::limits::{RULE_BYTES_MAX, RULES_BYTES_MAX};
use notrace_policy_promise::label::Label;

fn device(name: &str) -> Who {
    Who {
        sort: Sort::Device,
        name: name.to_owned(),
        groups: vec!["sensors".to_owned()],
        owner: Some("resident".to_owned()),
        hub: Some("hub".to_owned()),
    }
}

fn pool(name: &str) -> PoolFacts<'_> {
    PoolFacts { name, labels: Vec::new(), sealed: false }
}

fn asked(rules: &str, who: &Who, deed: Deed<'_>) -> Answer {
    RuleSet::parse(rules).unwrap().answer(&Question { who, deed })
}

fn mistakes(rules: &str) -> Vec<Mistake> {
    RuleSet::parse(rules).unwrap_err()
}

fn task() -> Digest {
    Digest::of(Domain::Module, b"a task")
}

mod a_set {
    use super::*;

    #[test]
    fn refuses_what_no_rule_permits() {
        let read = Deed::OnObject(OnPool::Read, pool("camera"), "1");
        assert_eq!(asked("", &device("tap"), read), Answer::Refused(Why::NothingPermits));
    }

    #[test]
    fn says_which_rule_permits_and_where_it_is() {
        let rules = "// first; a comment\n\n@id(\"taps write\")\npermit (principal in \
                     Group::\"sensors\", action == Action::\"write\", resource == Pool::\"water\")\
                     when { context.key like \"tap/*\" };\npermit (principal, action == \
                     Action::\"run\", resource);";
        let write = |key| Deed::OnObject(OnPool::Write, pool("water"), key);
        let by = RuleName { line: 3, id: Some("taps write".to_owned()) };
        assert_eq!(asked(rules, &device("tap"), write("tap/1")), Answer::Allowed(vec![by]));
        assert!(!asked(rules, &device("tap"), write("pump/1")).is_allowed());
        let by = RuleName { line: 5, id: None };
        assert_eq!(
            asked(rules, &device("tap"), Deed::Run(task(), true)),
            Answer::Allowed(vec![by])
        );
    }

    #[test]
    fn lets_a_rule_that_forbids_win() {
        let rules = "permit (principal, action, resource);\n\
                     forbid (principal, action == Action::\"run\", resource)\n\
                     unless { context.sealed };";
        let who = device("tap");
        assert!(asked(rules, &who, Deed::Run(task(), true)).is_allowed());
        let by = RuleName { line: 2, id: None };
        assert_eq!(
            asked(rules, &who, Deed::Run(task(), false)),
            Answer::Refused(Why::Forbidden(vec![by]))
        );
    }

    #[test]
    fn refuses_everything_that_a_rule_fails_on_even_if_another_permits() {
        // Nothing but numbers can go wrong in rules that fit the schema, and these overflow.
        let rules = "permit (principal, action, resource);\n\
                     permit (principal, action == Action::\"read\", resource)\n\
                     when { 9223372036854775807 + 1 > 0 };";
        let read = Deed::OnObject(OnPool::Read, pool("camera"), "1");
        let by = RuleName { line: 2, id: None };
        assert_eq!(asked(rules, &device("tap"), read), Answer::Refused(Why::Failed(vec![by])));
        assert!(asked(rules, &device("tap"), Deed::OnNode(OnNode::SeeTasks)).is_allowed());
    }

    #[test]
    fn knows_owners_hubs_groups_and_labels() {
        let rules = "permit (principal is Device, action, resource is Pool) when {\n\
                     principal has owner && principal.owner == Person::\"resident\" &&\n\
                     principal has hub && principal.hub == Device::\"hub\" &&\n\
                     resource.labels.contains(Label::\"medical\") && resource.sealed };";
        let label: Label = "medical".parse().unwrap();
        let full = PoolFacts { name: "p", labels: vec![&label], sealed: true };
        assert!(asked(rules, &device("tap"), Deed::MakePool(full.clone())).is_allowed());
        assert!(!asked(rules, &device("tap"), Deed::MakePool(pool("p"))).is_allowed());
        let other = Who { hub: None, ..device("tap") };
        assert!(!asked(rules, &other, Deed::ShredPool(full.clone())).is_allowed());
        let person = Who { sort: Sort::Person, ..device("tap") };
        assert!(!asked(rules, &person, Deed::ShredPool(full)).is_allowed());
    }

    #[test]
    fn tells_using_an_object_from_reading_it() {
        let rules = format!(
            "permit (principal, action == Action::\"use\", resource == Pool::\"photos\")\n\
             when {{ context.task == Task::\"{}\" }};",
            task()
        );
        let who = device("tap");
        assert!(asked(&rules, &who, Deed::Use(pool("photos"), "1", task())).is_allowed());
        let other = Digest::of(Domain::Module, b"another");
        assert!(!asked(&rules, &who, Deed::Use(pool("photos"), "1", other)).is_allowed());
        let read = Deed::OnObject(OnPool::Read, pool("photos"), "1");
        assert!(!asked(&rules, &who, read).is_allowed());
    }

    #[test]
    fn has_a_digest_of_its_text() {
        let (one, other) = (RuleSet::parse("").unwrap(), RuleSet::parse("// x").unwrap());
        assert_ne!(one.digest(), other.digest());
        assert_eq!(one.digest(), Digest::of(Domain::Rules, b""));
    }
}

mod every_question {
    use super::*;
    use cedar_policy::{Context, Entities, Request};

    /// All there are, so that none is asked in a way that the schema does not know.
    #[test]
    fn is_asked_as_the_schema_says() {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
        let label: Label = "medical".parse().unwrap();
        let facts = || PoolFacts { name: "p", labels: vec![&label], sealed: false };
        let mut deeds = vec![
            Deed::Use(facts(), "k", task()),
            Deed::Run(task(), true),
            Deed::Receive(&label, task(), true),
            Deed::Declassify(&label, task()),
            Deed::MakePool(facts()),
            Deed::ShredPool(facts()),
        ];
        let on_pool = [OnPool::Read, OnPool::List, OnPool::Write, OnPool::Shred];
        deeds.extend(on_pool.map(|what| Deed::OnObject(what, facts(), "k")));
        deeds.extend(OnNode::ALL.map(Deed::OnNode));
        assert_eq!(deeds.len(), schema.actions().count());
        for who in [device("d"), Who { sort: Sort::Person, owner: None, hub: None, ..device("p") }]
        {
            for deed in deeds.clone() {
                let word = deed.as_str();
                let (request, entities) =
                    Question { who: &who, deed }.spoken().ok().expect("it can be said");
                let known: Vec<_> = entities.iter().cloned().collect();
                assert!(Entities::from_entities(known, Some(&schema)).is_ok(), "{word}");
                let parts = (request.principal(), request.action(), request.resource());
                let parts = (parts.0.unwrap(), parts.1.unwrap(), parts.2.unwrap());
                let context: Context = request.context().unwrap().clone();
                let again = Request::new(
                    parts.0.clone(),
                    parts.1.clone(),
                    parts.2.clone(),
                    context,
                    Some(&schema),
                );
                assert!(again.is_ok(), "{word}: {:?}", again.err());
            }
        }
    }
}

mod a_mistake {
    use super::*;

    #[test]
    fn of_spelling_has_its_place() {
        let found = mistakes("permit (principal, action, resource);\n\nallow (principal);");
        assert_eq!(found[0].place, Some((3, 1)), "{found:?}");
    }

    #[test]
    fn in_a_name_has_its_place_and_what_was_meant() {
        let rules = "permit (\n  principal,\n  action == Action::\"raed\",\n  resource\n);";
        let found = mistakes(rules);
        assert_eq!(found[0].place, Some((3, 13)), "{found:?}");
        assert!(found.iter().any(|it| it.to_string().contains("raed")), "{found:?}");
        assert!(found[0].help.is_some(), "{found:?}");
    }

    #[test]
    fn in_a_sort_is_found() {
        for rules in [
            "permit (principal is Robot, action, resource);",
            "permit (principal, action == Action::\"run\", resource) when { context.key == 1 };",
            "permit (principal, action == Action::\"read\", resource) when { context.key == 3 };",
            "permit (principal, action, resource) when { principal.owner == Person::\"x\" };",
            "permit (principal == Label::\"a\", action, resource);",
        ] {
            let found = mistakes(rules);
            assert!(
                found.iter().any(|it| it.place.is_some_and(|(line, _)| line == 1)),
                "{found:?}"
            );
        }
    }

    #[test]
    fn is_a_rule_that_never_applies() {
        let rules = "permit (principal, action == Action::\"run\", resource is Pool);";
        assert!(!mistakes(rules).is_empty());
    }

    #[test]
    fn is_a_slot() {
        let rules = "permit (principal == ?principal, action, resource);";
        assert!(mistakes(rules)[0].what.contains("slot"));
    }

    #[test]
    fn is_too_much() {
        let long = format!("// {}", "x".repeat(RULES_BYTES_MAX));
        assert!(mistakes(&long)[0].what.contains("65536"));
        let deep =
            format!("permit (principal, action, resource) when {{ {}1", "(".repeat(100_000 / 2));
        assert_eq!(mistakes(&deep).len(), 1);
    }

    #[test]
    fn is_nesting_without_brackets() {
        let when = "permit (principal, action, resource) when { ";
        for (again, end) in
            [("!", "true"), ("1 + ", "1 > 0"), ("true && ", "true"), ("principal.owner.", "owner")]
                .into_iter()
                .chain([("if true then false else ", "true"), ("true || ", "true"), ("-", "1")])
        {
            for times in
                [100, RULE_BYTES_MAX / again.len() - 50, RULES_BYTES_MAX / again.len() - 20]
            {
                let _ = RuleSet::parse(&format!("{when}{}{end} }};", again.repeat(times)));
            }
        }
    }

    #[test]
    fn counts_columns_in_letters() {
        let found = mistakes("/* no */");
        assert_eq!(found[0].place, Some((1, 1)));
        let found = mistakes("permit (principal == Group::\"äöü\" , action, rsource);");
        assert_eq!(found[0].place.map(|place| place.0), Some(1), "{found:?}");
    }
}

/// Rules about rules: what anybody may write must not bring a node down.
mod any_text {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_read_or_refused(text in "\\PC{0,200}") {
            let _ = RuleSet::parse(&text);
        }

        #[test]
        fn made_of_words_is_read_or_refused(words in proptest::collection::vec(
            prop::sample::select(vec![
                "permit", "forbid", "(", ")", "principal", "action", "resource", ",", ";", "when",
                "unless", "{", "}", "==", "in", "is", "Group::\"a\"", "Action::\"read\"", "Pool",
                "context", ".", "key", "like", "\"*\"", "has", "if", "then", "else", "!", "-", "1",
                "&&", "||", "[", "]", "@id(\"x\")", "// c\n",
            ]), 0..60)
        ) {
            let _ = RuleSet::parse(&words.join(" "));
        }
    }
}
