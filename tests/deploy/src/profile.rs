//! The rule of system calls a container of ours runs under, as the runtimes read it.

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::files;

/// Where it is, from the repository's root.
pub const FILE: &str = "deploy/container/seccomp.json";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Profile {
    default_action: String,
    architectures: Vec<String>,
    syscalls: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Rule {
    names: Vec<String>,
    action: String,
    errno_ret: i32,
}

/// The names of the calls that are refused; all others are allowed.
///
/// # Errors  The file is not a list of refusals, or its names are not sorted and once each.
pub fn refused() -> Result<Vec<String>> {
    parse(&files::read(FILE)?)
}

fn parse(text: &str) -> Result<Vec<String>> {
    let Profile { default_action, architectures, syscalls } = serde_json::from_str(text)?;
    ensure!(default_action == "SCMP_ACT_ALLOW", "what is not named is allowed");
    ensure!(architectures == ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"], "two architectures");
    let mut refused = Vec::new();
    for rule in syscalls {
        ensure!(rule.action == "SCMP_ACT_ERRNO" && rule.errno_ret == 1, "refused with EPERM");
        refused.extend(rule.names);
    }
    ensure!(refused.is_sorted_by(|one, next| one < next), "names are sorted, each once");
    Ok(refused)
}

#[cfg(test)]
mod a_profile {
    use super::*;

    #[test]
    fn refuses_what_reaches_beyond_a_container() {
        let refused = refused().unwrap();
        for name in ["bpf", "init_module", "io_uring_setup", "kexec_load", "ptrace", "setns"] {
            assert!(refused.iter().any(|it| it == name), "{name}");
        }
    }

    #[test]
    fn that_names_a_call_twice_is_refused() {
        let text = files::read(FILE).unwrap();
        assert!(parse(&text.replace("\"acct\",", "\"acct\", \"acct\",")).is_err());
        assert!(parse(&text.replace("\"SCMP_ACT_ERRNO\"", "\"SCMP_ACT_LOG\"")).is_err());
    }
}
