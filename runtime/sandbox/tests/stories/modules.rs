//! Which modules are taken, and what is said of the others.

use notrace_runtime_sandbox::refused::{CompileLimit, Feature, Offer, Reason, Section};
use notrace_runtime_sandbox::task::Verdict;
use notrace_runtime_sandbox::{AuthenticCode, End, Failure, Refused, World};

use crate::given::*;

fn refused(name: &str) -> Refused {
    SANDBOX.compile(&module(name)).map(|_| ()).unwrap_err()
}

/// The name, reason, offer and near name of the import that a module is refused for.
fn import(name: &str) -> (String, Reason, Option<Offer>, Option<String>) {
    let Refused::Import(import) = refused(name) else { panic!("{name} is refused otherwise") };
    let near = import.near.map(|near| near.to_string());
    (import.name.to_string(), import.reason, import.offered, near)
}

mod a_module {
    use super::*;

    #[test]
    fn is_taken_for_its_world() {
        assert_eq!(check("task_object").unwrap().world, World::Task);
        assert_eq!(check("command_false").unwrap().world, World::WasiCommand);
        let echo = check("echo").unwrap();
        assert_eq!(echo.world, World::WasiPreview1);
        assert_eq!(echo.world.to_string(), "wasi:cli/command");
        let imports: Vec<_> = echo.imports.iter().map(|name| name.as_str()).collect();
        assert_eq!(imports, ["wasi_snapshot_preview1.fd_read", "wasi_snapshot_preview1.fd_write"]);
        assert!(echo.beyond_world.is_empty());
    }

    #[test]
    fn says_what_it_can_and_cannot_do() {
        let lines = check("read_object").unwrap().abilities();
        assert!(lines.contains(&"can read the objects its caller names, as files below /objects"));
        assert!(lines.contains(&"does not ask the time"));
        let lines = check("task_echo").unwrap().abilities();
        assert!(lines.contains(&"does not ask to read objects"));
    }
}

mod a_note_in_a_module {
    use super::*;

    #[test]
    fn is_not_read() {
        let note = |name: &[u8], body: &[u8]| {
            let name = [&[name.len() as u8], name].concat();
            [&[0, (name.len() + body.len()) as u8], name.as_slice(), body].concat()
        };
        for name in [&b"component-type:task"[..], b"name", b"producers"] {
            let module = [module("exit_7"), note(name, &[0x41, 1, 1, 0xff])].concat();
            let code = SANDBOX.compile(&module).unwrap().code;
            let loaded = SANDBOX.load(AuthenticCode::copied(code)).unwrap();
            let ended = SANDBOX.run(loaded, grant(b""), limits());
            assert_eq!(ended.end, End::Failed(Failure::Exit(7)));
        }
    }
}

mod what_is_no_module {
    use super::*;

    fn check(bytes: &[u8]) -> Refused {
        SANDBOX.check(bytes).unwrap_err()
    }

    #[test]
    fn is_refused_by_its_kind() {
        assert_eq!(check(b""), Refused::Empty);
        assert_eq!(check(b"").code(), "module_malformed");
        let text = check(b"console.log('a secret that must not be shown')");
        assert!(text.to_string().contains("it starts \"console.log('a s\";"), "{text}");
        assert!(check(b"(module)").to_string().contains("\"(module)\""));
        assert!(check(b"\x7fELF\x02\x01").to_string().contains("starts \"\""));
        assert!(check(b"abc\x1b[31m\n").to_string().contains("\"abc\""));
    }

    #[test]
    fn is_told_where_it_was_cut() {
        let header = Refused::Truncated { section: Section::Header, offset: 3 };
        assert_eq!(check(b"\0as"), header);
        assert_eq!(
            check(b"\0asm\x01\0"),
            Refused::Truncated { section: Section::Header, offset: 6 }
        );
        for name in ["echo", "task_object"] {
            let whole = module(name);
            for end in 8..whole.len() {
                let Err(refused) = SANDBOX.check(&whole[..end]) else { continue };
                assert!(matches!(refused.code(), "module_malformed" | "entry_missing"));
            }
        }
        let whole = module("echo");
        let Refused::Truncated { section, .. } = check(&whole[..whole.len() - 60]) else {
            panic!()
        };
        assert_eq!(section, Section::Code);
    }

    #[test]
    fn is_told_where_it_is_wrong() {
        let mut module = module("echo");
        let at = module.len() / 2;
        module[at..at + 8].fill(0xff);
        assert!(matches!(check(&module), Refused::Malformed { offset } if offset > 8));
        assert_eq!(check(b"\0asm\xff\0\0\0"), Refused::Malformed { offset: 4 });
    }

    #[test]
    fn is_refused_for_its_size() {
        let large = vec![0; (64 << 20) + 1];
        assert_eq!(check(&large).code(), "module_too_large");
    }
}

mod a_module_without_an_entry {
    use super::*;

    #[test]
    fn is_told_what_is_run() {
        for name in ["no_entry", "component_nothing"] {
            assert_eq!(refused(name), Refused::NoEntry);
        }
        assert!(Refused::NoEntry.to_string().contains("`_start` (WASI preview 1)"));
    }

    #[test]
    fn is_told_from_one_whose_entry_has_another_type() {
        for name in ["entry_takes_arguments", "component_other_run"] {
            assert_eq!(refused(name), Refused::EntryType);
        }
        assert_eq!(refused("no_memory"), Refused::Unwrappable);
    }
}

mod an_import {
    use super::*;

    #[test]
    fn of_another_host_is_refused_by_name() {
        let (name, reason, offered, near) = import("import_env");
        assert_eq!(name, "env.foo");
        assert_eq!((reason, offered), (Reason::OtherHost, Some(Offer::WasiTarget)));
        assert_eq!(near, None);
        let said = refused("import_env").to_string();
        assert!(said.starts_with("the import `env.foo` is refused: "), "{said}");
        assert_eq!(refused("import_env").code(), "import_refused");
    }

    #[test]
    fn that_is_misspelt_is_told_the_nearest() {
        let (_, reason, _, near) = import("import_misspelt");
        assert_eq!(reason, Reason::Missing);
        assert_eq!(near.as_deref(), Some("wasi_snapshot_preview1.fd_write"));
        let (name, reason, _, near) = import("component_misspelt");
        assert_eq!((name.as_str(), reason), ("notrace:task/object@0.1.0", Reason::Unknown));
        assert_eq!(near.as_deref(), Some("notrace:task/objects"));
        let (name, reason, _, near) = import("component_missing");
        assert_eq!((name.as_str(), reason), ("wasi:clocks/wall-clock@0.2.0#noww", Reason::Missing));
        assert_eq!(near.as_deref(), Some("now"));
    }

    #[test]
    fn that_would_leave_the_run_is_refused_with_its_reason() {
        for (fixture, expected) in [
            ("import_socket", Reason::Network),
            ("component_sockets", Reason::Network),
            ("component_http", Reason::Network),
            ("component_keyvalue", Reason::Storage),
            ("import_thread", Reason::Threads),
            ("import_interface", Reason::NotAComponent),
            ("component_version", Reason::Version),
            ("component_function", Reason::Unknown),
            ("import_mistyped", Reason::Type),
            ("component_mistyped", Reason::Type),
        ] {
            assert_eq!(import(fixture).1, expected, "{fixture}");
        }
    }

    #[test]
    fn is_listed_with_its_verdict_whether_refused_or_not() {
        let inspection = SANDBOX.inspect(&module("import_env")).unwrap();
        assert_eq!(inspection.world, Some(World::WasiPreview1));
        assert!(matches!(inspection.imports[0].verdict, Verdict::Refused(_)));
        let inspection = SANDBOX.inspect(&module("echo")).unwrap();
        assert!(inspection.imports.iter().all(|import| import.verdict == Verdict::World));
    }
}

mod a_part_of_webassembly_that_is_off {
    use super::*;

    #[test]
    fn is_named() {
        for (fixture, expected) in [
            ("feature_threads", Feature::Threads),
            ("feature_memory64", Feature::Memory64),
            ("feature_gc", Feature::Gc),
        ] {
            let Refused::Feature { feature, .. } = refused(fixture) else { panic!("{fixture}") };
            assert_eq!(feature, expected, "{fixture}");
        }
    }
}

mod too_much_to_compile {
    use super::*;

    #[test]
    fn is_refused_before_it_is_compiled() {
        let imports = |count: usize| {
            let import = |n: usize| format!("(import \"env\" \"f{n}\" (func))");
            let imports: String = (0..count).map(import).collect();
            wat::parse_str(format!("(module {imports})")).unwrap()
        };
        let limit = CompileLimit::Imports;
        assert_eq!(SANDBOX.check(&imports(600)), Err(Refused::CompileLimit { limit }));
        let body = "(drop (i64.const 1234567890))".repeat(400_000);
        let large = wat::parse_str(format!("(module (func (export \"_start\") {body}))")).unwrap();
        let limit = CompileLimit::FunctionBytes;
        assert_eq!(SANDBOX.check(&large), Err(Refused::CompileLimit { limit }));
        let functions = wat::parse_str(format!("(module {})", "(func)".repeat(300_001))).unwrap();
        let limit = CompileLimit::Functions;
        assert_eq!(SANDBOX.check(&functions), Err(Refused::CompileLimit { limit }));
    }
}
