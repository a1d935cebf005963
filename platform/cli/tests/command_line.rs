//! What can be said without a node: usage, help, wrong turns, exit codes.
#![cfg(test)]

mod run;

use run::Ran;

fn notrace(dir: &std::path::Path, line: &str) -> Ran {
    run::notrace(dir, None, line, b"")
}

fn notrace_with(dir: &std::path::Path, line: &str, config: &str) -> Ran {
    run::notrace(dir, Some(config), line, b"")
}

/// Every command there is, as it is typed before its arguments.
const COMMANDS: [&str; 37] = [
    "",
    "demo",
    "serve",
    "posture",
    "status",
    "pool",
    "pool create",
    "pool list",
    "pool show",
    "pool shred",
    "put",
    "get",
    "head",
    "ls",
    "rm",
    "history",
    "shred",
    "watch",
    "task",
    "task new",
    "task check",
    "task push",
    "task list",
    "task show",
    "task rm",
    "run",
    "promise",
    "promise show",
    "promise verify",
    "audit",
    "audit verify",
    "audit log",
    "rules",
    "rules check",
    "rules push",
    "rules show",
    "explain",
];

/// Groups show their members instead of an example of their own.
const GROUPS: [&str; 5] = ["pool", "task", "promise", "audit", "rules"];

mod help {
    use super::*;

    #[test]
    fn of_every_command_has_an_example() {
        let dir = tempfile::tempdir().unwrap();
        for command in COMMANDS {
            let ran = notrace(dir.path(), &format!("{command} --help")).ended(0);
            let has = ran.out.contains("Example") && ran.out.contains("  notrace ");
            assert!(has || GROUPS.contains(&command), "{command}: {}", ran.out);
        }
    }

    #[test]
    fn of_run_says_how_the_request_travels() {
        let dir = tempfile::tempdir().unwrap();
        let ran = notrace(dir.path(), "run --help").ended(0);
        assert!(ran.out.contains("travel sealed to the task"), "{}", ran.out);
    }
}

mod wrong_usage {
    use super::*;

    #[test]
    fn has_exit_code_2_and_names_the_nearest_word() {
        let dir = tempfile::tempdir().unwrap();
        for (line, hint) in [
            ("", "Usage"),
            ("pus", "put"),
            ("pool creat x", "create"),
            ("serve --dirr x", "--dir"),
            ("put photos", "POOL/KEY"),
            ("put photos/x", "<FILE|-"),
            ("put Photos/x -", "POOL/KEY"),
            ("put photos/../x -", "without empty"),
            ("put photos/x - --if-version 42", "as in 1:42"),
            ("put photos/x - --if-version 1:2 --if-absent", "cannot be used with"),
            ("get photos/x --at yesterday", "RFC 3339"),
            ("pool create photos", "--retain"),
            ("pool create photos --retain 30", "as in 30d"),
            ("pool create photos --retain 30d --durability durable", "all_durable"),
            ("run sha256:12", "64 hexadecimal digits"),
            ("run x --timeout soon", "--timeout"),
            ("task push x.wasm --if-version 1:2", "--name"),
        ] {
            let ran = notrace(dir.path(), line).ended(2);
            assert!(ran.err.contains(hint), "{line}: {}", ran.err);
            assert!(ran.out.is_empty(), "{line}: {}", ran.out);
        }
    }
}

mod without_credentials {
    use super::*;

    #[test]
    fn a_command_says_what_to_set() {
        let dir = tempfile::tempdir().unwrap();
        let ran = notrace(dir.path(), "pool list").ended(2);
        assert!(ran.err.starts_with("error[credentials_missing]: "), "{}", ran.err);
        assert!(ran.err.contains("  help: Set NOTRACE_CONFIG"), "{}", ran.err);
        let ran = notrace_with(dir.path(), "pool list", "gone/client.toml").ended(2);
        assert!(ran.err.contains("gone/client.toml is not there"), "{}", ran.err);
    }

    #[test]
    fn that_are_damaged_are_not_repeated() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("c.toml"), "token = \"nt_secret\"\n").unwrap();
        let ran = notrace_with(dir.path(), "pool list", "c.toml").ended(2);
        assert!(ran.err.starts_with("error[credentials_malformed]: c.toml: "), "{}", ran.err);
        assert!(!ran.err.contains("secret"), "{}", ran.err);
    }

    #[test]
    fn the_refusal_can_be_read_by_a_program() {
        let dir = tempfile::tempdir().unwrap();
        let ran = notrace(dir.path(), "pool list --json").ended(2);
        let problem: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
        assert_eq!(problem["type"], "urn:notrace:error:credentials_missing");
    }
}

mod a_node_that_is_not_there {
    use super::*;

    #[test]
    fn is_unavailable_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = closed.local_addr().unwrap();
        drop(closed);
        let authority = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).unwrap();
        let text = format!(
            "url = \"https://{address}\"\nca_pem = '''{}'''\ntoken = \"t\"\n\
             certificate_pem = \"\"\nkey_pem = \"\"\nledger_vkey = \"\"\nledger_origin = \"\"\n",
            authority.cert.pem()
        );
        std::fs::write(dir.path().join("c.toml"), text).unwrap();
        let ran = notrace_with(dir.path(), "status", "c.toml").ended(7);
        let expected = format!("error[unreachable]: nobody answers at https://{address}\n");
        assert!(ran.err.starts_with(&expected), "{}", ran.err);
        assert!(ran.err.contains("notrace serve"), "{}", ran.err);
    }
}

mod explain {
    use super::*;

    #[test]
    fn says_what_a_code_means_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let ran = notrace(dir.path(), "explain version_mismatch").ended(0);
        let lines: Vec<&str> = ran.out.lines().collect();
        assert_eq!(lines[0], "version_mismatch (HTTP 412, exit code 5)");
        assert_eq!(lines.len(), 3);
        let ran = notrace(dir.path(), "explain certificate_changed").ended(0);
        assert!(ran.out.starts_with("certificate_changed (exit code 6)\n"), "{}", ran.out);
    }

    #[test]
    fn lists_every_code_and_knows_a_neighbour() {
        let dir = tempfile::tempdir().unwrap();
        let ran = notrace(dir.path(), "explain --json").ended(0);
        let all: Vec<serde_json::Value> = serde_json::from_str(&ran.out).unwrap();
        assert!(all.len() > 50, "{}", all.len());
        let ran = notrace(dir.path(), "explain task_traped").ended(3);
        assert!(ran.err.contains("notrace explain task_trapped"), "{}", ran.err);
    }
}

mod completions {
    use super::*;

    #[test]
    fn are_a_script_for_each_shell() {
        let dir = tempfile::tempdir().unwrap();
        for shell in ["bash", "zsh", "fish"] {
            let ran = notrace(dir.path(), &format!("completions {shell}")).ended(0);
            assert!(ran.out.contains("if-absent"), "{shell}");
        }
    }
}

mod a_new_task {
    use super::*;

    #[test]
    fn is_written_once_and_never_over_something() {
        let dir = tempfile::tempdir().unwrap();
        for lang in ["c", "rust", "wat"] {
            let name = format!("shout-{lang}");
            let ran = notrace(dir.path(), &format!("task new {name} --lang {lang}")).ended(0);
            assert!(ran.out.contains(&format!("notrace task push {name}/{name}.wa")));
            for entry in std::fs::read_dir(dir.path().join(&name)).unwrap() {
                let path = entry.unwrap().path();
                assert!(!path.to_string_lossy().contains("NAME"), "{}", path.display());
                if path.is_file() {
                    let text = std::fs::read_to_string(&path).unwrap();
                    assert!(!text.contains("NAME:"), "{}", path.display());
                }
            }
            let ran = notrace(dir.path(), &format!("task new {name} --lang {lang}")).ended(5);
            assert!(ran.err.starts_with("error[file_exists]: "), "{}", ran.err);
        }
    }
}

mod a_receipt {
    use super::*;

    const VKEY: &str = "log.example+7d1c2f7e+AfZfgMcJUxHHFB6AdqFDDAjPEPl7GtwxT0fD4F3u5vlJ";

    #[test]
    fn that_is_none_is_not_trusted_and_one_that_is_missing_is_not_found() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("r.proof"), b"c2sp.org/tlog-proof@v1\n").unwrap();
        let ran = notrace(dir.path(), &format!("audit verify gone.proof --vkey {VKEY}")).ended(3);
        assert!(ran.err.starts_with("error[file_unreadable]: gone.proof"), "{}", ran.err);
        let ran = notrace(dir.path(), "audit verify r.proof --vkey nonsense").ended(2);
        assert!(ran.err.starts_with("error[credentials_malformed]: "), "{}", ran.err);
    }
}
