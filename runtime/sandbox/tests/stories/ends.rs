//! How runs end that do not answer.

use notrace_runtime_sandbox::{End, Limits, Resource, TrapKind};

use crate::given::*;

mod a_run_without_end {
    use super::*;

    #[test]
    fn uses_up_its_fuel() {
        let ended = run("loop", grant(b""));
        assert_eq!(ended.end, End::Exhausted(Resource::Fuel));
        assert_eq!(ended.fuel_used, limits().fuel);
    }

    #[test]
    fn is_ended_by_an_interrupt() {
        let sandbox = notrace_runtime_sandbox::Sandbox::new().unwrap();
        let code = sandbox.compile(&module("loop")).unwrap().code;
        let loaded = sandbox.load(notrace_runtime_sandbox::AuthenticCode::copied(code)).unwrap();
        let interrupter = sandbox.interrupter();
        // Whether it comes before, at or after the start, the run ends by it: its fuel lasts years.
        let other = std::thread::spawn(move || interrupter.interrupt());
        let ended = sandbox.run(loaded, grant(b""), Limits { fuel: u64::MAX / 4, ..limits() });
        other.join().unwrap();
        assert_eq!(ended.end, End::Exhausted(Resource::Time));
    }

    #[test]
    fn is_not_started_if_it_was_interrupted_before() {
        let sandbox = notrace_runtime_sandbox::Sandbox::new().unwrap();
        let code = sandbox.compile(&module("loop")).unwrap().code;
        let load = || {
            let code = notrace_runtime_sandbox::AuthenticCode::copied(code.clone());
            sandbox.load(code).unwrap()
        };
        let loaded = load();
        sandbox.interrupter().interrupt();
        let ended = sandbox.run(loaded, grant(b""), limits());
        assert_eq!((ended.end, ended.fuel_used), (End::Exhausted(Resource::Time), 0));
        // What is loaded after the interrupt is not meant by it.
        assert_eq!(sandbox.run(load(), grant(b""), limits()).end, End::Exhausted(Resource::Fuel));
    }
}

mod memory {
    use super::*;

    #[test]
    fn that_is_denied_is_the_end_if_the_guest_then_gives_up() {
        let ended = run("grow", grant(b""));
        assert_eq!(ended.end, End::Exhausted(Resource::Memory));
        assert!(ended.memory_peak_bytes <= limits().memory_bytes);
        assert!(ended.memory_peak_bytes > limits().memory_bytes - (2 << 20));
    }

    #[test]
    fn that_is_denied_is_no_end_if_the_guest_lives_with_it() {
        assert_eq!(end("grow_and_shrug"), End::Answered);
    }

    #[test]
    fn is_denied_before_the_first_instruction() {
        assert_eq!(end("large_start"), End::Exhausted(Resource::Memory));
        assert_eq!(end("large_table"), End::Exhausted(Resource::Memory));
    }
}

mod output {
    use super::*;

    #[test]
    fn ends_the_run_at_its_bound() {
        let ended = run("flood", grant(b""));
        assert_eq!(ended.end, End::Exhausted(Resource::Output));
        assert!(ended.answer.reveal(Vec::is_empty));
    }

    #[test]
    fn may_fill_its_bound_and_not_a_byte_more() {
        let with = |output_bytes| {
            let limits = Limits { output_bytes, ..limits() };
            SANDBOX.run(loaded("echo"), grant(&[1; 70_000]), limits).end
        };
        assert_eq!(with(70_000), End::Answered);
        assert_eq!(with(69_999), End::Exhausted(Resource::Output));
    }

    #[test]
    fn of_a_task_is_measured_before_it_is_copied() {
        let with = |output_bytes| {
            let limits = Limits { output_bytes, ..limits() };
            SANDBOX.run(loaded("task_long_answer"), grant(b""), limits).end
        };
        assert_eq!(with(1 << 20), End::Answered);
        assert_eq!(with((1 << 20) - 1), End::Exhausted(Resource::Output));
    }

    #[test]
    fn beside_the_answer_is_kept_in_part() {
        let ended = run("babble", grant(b""));
        assert_eq!(ended.end, End::Answered);
        assert_eq!(message(&ended).len(), 32 << 10);
    }
}

mod what_a_guest_may_not_do {
    use super::*;

    #[test]
    fn has_a_name() {
        for (fixture, kind) in [
            ("unreachable", TrapKind::Unreachable),
            ("recurse", TrapKind::StackOverflow),
            ("divide", TrapKind::Arithmetic),
            ("out_of_bounds", TrapKind::MemoryOutOfBounds),
            ("empty_element", TrapKind::TableOutOfBounds),
            ("wrong_signature", TrapKind::BadSignature),
            ("task_false_list", TrapKind::Convention),
            ("task_not_utf8", TrapKind::Convention),
            ("much_random", TrapKind::TooMuchAtOnce),
            ("open_many", TrapKind::Unreachable),
        ] {
            assert_eq!(end(fixture), End::Trapped(kind), "{fixture}");
        }
    }

    #[test]
    fn is_told_to_its_owner_with_the_functions_that_ran() {
        let said = message(&run("unreachable", grant(b"")));
        assert!(said.starts_with("at give_up (function "), "{said}");
    }
}
