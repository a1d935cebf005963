//! Each kind of program, at work.

use notrace_policy_promise::private::Private;
use notrace_runtime_sandbox::{AuthenticCode, End, Failure, Grant, Sandbox, SandboxError, World};

use crate::given::*;

mod a_task {
    use super::*;

    #[test]
    fn answers_its_input() {
        let input: Vec<u8> = (0..200_000_u32).map(|it| it as u8).collect();
        assert_eq!(answer("task_echo", grant(&input)), input);
        assert_eq!(answer("task_echo", grant(b"")), b"");
    }

    #[test]
    fn reads_an_object_it_was_granted_and_no_other() {
        let ask = |name: &[u8]| answer("task_object", grant_of_object(name, b"pixels"));
        assert_eq!(ask(b"photos/rash.png"), b"pixels");
        assert_eq!(ask(b"photos/other.png"), [100]);
        assert_eq!(ask(b"photos"), [100]);
        assert_eq!(ask(b""), [100]);
    }

    #[test]
    fn is_told_that_no_object_was_granted_for_writing() {
        let tried = answer("task_put", grant_of_object(b"photos/rash.png", b"pixels"));
        assert_eq!(tried, [1, 1]);
    }

    #[test]
    fn fails_with_a_text_for_its_owner() {
        let ended = run("task_error", grant(b""));
        assert_eq!(ended.end, End::Failed(Failure::Error));
        assert_eq!(message(&ended), "sorry");
        assert!(ended.answer.reveal(Vec::is_empty));
    }
}

mod a_preview_1_command {
    use super::*;

    #[test]
    fn answers_what_it_writes_to_standard_output() {
        let input: Vec<u8> = (0..200_000_u32).map(|it| it as u8).collect();
        assert_eq!(answer("echo", grant(&input)), input);
        assert_eq!(answer("echo", grant(b"")), b"");
        assert_eq!(answer("empty_start", grant(b"unread")), b"");
    }

    #[test]
    fn finds_objects_as_files() {
        let value = vec![9; 100_000];
        assert_eq!(answer("read_object", grant_of_object(b"", &value)), value);
    }

    #[test]
    fn cannot_write_a_file() {
        // 69 is `rofs`, a read-only file system; 20 is `exist`.
        let tried = answer("write_object", grant_of_object(b"", b"pixels"));
        assert_eq!(tried, [69, 0, 0, 0, 69, 0, 0, 0]);
    }

    #[test]
    fn cannot_leave_its_folder() {
        // 63 is `perm`: not permitted.
        let tried = answer("climb", grant(b""));
        assert_eq!(tried, [63, 0, 0, 0, 63, 0, 0, 0, 63, 0, 0, 0]);
    }

    #[test]
    fn is_given_its_arguments() {
        let args = ["--mode", "fast", "ä"].map(|arg| Private::new(arg.to_owned())).into();
        let told = answer("args", Grant { args, ..grant(b"") });
        assert_eq!(told, "task\0--mode\0fast\0ä\0".as_bytes());
    }

    #[test]
    fn fails_by_its_status() {
        assert_eq!(end("exit_7"), End::Failed(Failure::Exit(7)));
        assert_eq!(answer("exit_0", grant(b"")), b"whole");
    }
}

mod a_command_component {
    use super::*;

    #[test]
    fn is_found_whatever_its_patch_version() {
        assert_eq!(check("command_false").unwrap().world, World::WasiCommand);
        assert_eq!(end("command_false"), End::Failed(Failure::Exit(1)));
    }
}

mod the_same_grant {
    use super::*;

    #[test]
    fn gives_the_same_answer() {
        let first = answer("clock_and_random", grant(b""));
        assert_eq!(answer("clock_and_random", grant(b"")), first);
        let other = Grant { seed: [8; 32], ..grant(b"") };
        assert_ne!(answer("clock_and_random", other), first);
    }

    #[test]
    fn uses_the_same_fuel() {
        let used = || run("echo", grant(b"some input")).fuel_used;
        assert!(used() > 0);
        assert_eq!(used(), used());
    }

    #[test]
    fn has_clocks_that_stand_still_at_the_cut() {
        let told = answer("clock_and_random", grant(b""));
        let clock = |at: usize| u64::from_le_bytes(told[at..at + 8].try_into().unwrap());
        assert_eq!([0, 8, 16, 24].map(clock), [CUT_MICROS * 1000; 4]);
    }

    #[test]
    fn draws_the_stream_that_its_seed_fixes() {
        use sha2::{Digest, Sha256};
        let first = Sha256::new().chain_update(b"notrace/v1/random\0").chain_update([7; 32]);
        let told = answer("clock_and_random", grant(b""));
        assert_eq!(told[32..], first.chain_update(0_u64.to_le_bytes()).finalize()[..]);
    }
}

mod compiled_code {
    use super::*;
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn runs_from_a_mapped_file() {
        let code = SANDBOX.compile(&module("task_echo")).unwrap().code;
        let memory = rustix::fs::memfd_create("code", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        File::from(memory.try_clone().unwrap()).write_all(&code).unwrap();
        for _ in 0..2 {
            let mapped = AuthenticCode::mapped(memory.as_fd(), code.len() as u64).unwrap();
            let loaded = SANDBOX.load(mapped).unwrap();
            let ended = SANDBOX.run(loaded, grant(b"mapped"), limits());
            assert_eq!(ended.answer.reveal(Vec::clone), b"mapped");
        }
    }

    #[test]
    fn is_the_same_from_a_process_that_only_compiles() {
        let compiler = Sandbox::for_compiling().unwrap();
        let compiled = compiler.compile(&module("echo")).unwrap();
        assert_eq!(compiled.task.world, World::WasiPreview1);
        let loaded = SANDBOX.load(AuthenticCode::copied(compiled.code)).unwrap();
        let ended = SANDBOX.run(loaded, grant(b"x"), limits());
        assert_eq!(ended.answer.reveal(Vec::clone), b"x");
    }

    #[test]
    fn is_refused_if_it_is_none() {
        for bytes in [Vec::new(), vec![0; 5000], module("echo"), b"\x7fELF".to_vec()] {
            let loaded = SANDBOX.load(AuthenticCode::copied(bytes));
            assert_eq!(loaded.err(), Some(SandboxError::Foreign));
        }
        let empty = rustix::fs::memfd_create("code", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        for bytes in [0, 1, u64::MAX] {
            let mapped = AuthenticCode::mapped(empty.as_fd(), bytes);
            assert_eq!(mapped.err(), Some(SandboxError::Foreign));
        }
    }
}
