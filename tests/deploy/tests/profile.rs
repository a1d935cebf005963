//! A node under the rule of system calls that its container has: nothing it needs is missing.
//!
//! A filter of system calls holds for a thread and for what it starts, so a thread of the test
//! takes it and starts the node, as a runtime would. Where the test is root, the node is not.
#![expect(clippy::unwrap_used, reason = "what a sample lacks fails its test")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;

use notrace_tests_deploy::profile;
use notrace_tests_rig::node::binary;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

/// The image's user.
const USER: u32 = 65532;
/// What the profiles that come with the usual runtimes refuse a container without capabilities,
/// of what a jail is made with.
const USUALLY_REFUSED: [&str; 5] = ["mount", "pivot_root", "setns", "umount2", "unshare"];
/// What a host's rule about mounts refuses, whatever the profile allows.
const MOUNTS: [&str; 3] = ["mount", "pivot_root", "umount2"];

macro_rules! numbers {
    ($($name:ident)*) => {
        &[$((stringify!($name), libc::$name)),*]
    };
}

/// The numbers of the calls that profiles name, on any architecture.
const NUMBERS: &[(&str, i64)] = numbers! {
    SYS_acct SYS_add_key SYS_adjtimex SYS_bpf SYS_clock_adjtime SYS_clock_settime SYS_delete_module
    SYS_fanotify_init SYS_finit_module SYS_fsconfig SYS_fsmount SYS_fsopen SYS_fspick
    SYS_init_module SYS_io_uring_enter SYS_io_uring_register SYS_io_uring_setup SYS_kcmp
    SYS_kexec_file_load SYS_kexec_load SYS_keyctl SYS_lookup_dcookie SYS_mbind SYS_migrate_pages
    SYS_mount SYS_mount_setattr SYS_move_mount SYS_move_pages SYS_name_to_handle_at SYS_nfsservctl
    SYS_open_by_handle_at SYS_open_tree SYS_perf_event_open SYS_pivot_root SYS_process_madvise
    SYS_process_vm_readv SYS_process_vm_writev SYS_ptrace SYS_quotactl SYS_quotactl_fd SYS_reboot
    SYS_request_key SYS_set_mempolicy SYS_setdomainname SYS_sethostname SYS_setns SYS_settimeofday
    SYS_swapoff SYS_swapon SYS_syslog SYS_umount2 SYS_unshare SYS_userfaultfd SYS_vhangup
};

/// Those that only older architectures have.
#[cfg(target_arch = "x86_64")]
const OLD: &[(&str, i64)] = numbers! { SYS_ioperm SYS_iopl SYS_sysfs SYS_uselib SYS_ustat };
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[(&str, i64)] = &[];
/// What this architecture may not have.
const MAY_BE_MISSING: [&str; 5] = ["ioperm", "iopl", "sysfs", "uselib", "ustat"];

fn number(name: &str) -> Option<i64> {
    let known = NUMBERS.iter().chain(OLD);
    known.copied().find(|(it, _)| it.strip_prefix("SYS_") == Some(name)).map(|(_, number)| number)
}

fn filter(refused: &[&str]) -> BpfProgram {
    let rules: BTreeMap<_, _> =
        refused.iter().filter_map(|name| Some((number(name)?, Vec::new()))).collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH).unwrap();
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).unwrap();
    filter.try_into().unwrap()
}

fn greeting(refused: Option<&[&str]>, strict: &[&str]) -> Option<String> {
    start(refused, strict).ok()
}

/// The lines with which a node greets that is started where these calls are refused, or what it
/// says when it does not start.
fn start(refused: Option<&[&str]>, strict: &[&str]) -> Result<String, String> {
    let filter = refused.map(filter);
    let strict: Vec<String> = strict.iter().map(|&it| it.to_owned()).collect();
    let node = thread::spawn(move || {
        let folder = tempfile::tempdir().unwrap();
        // The program may lie where another user does not get to.
        let (built, program) = (binary().unwrap(), folder.path().join("notrace"));
        fs::hard_link(&built, &program).or_else(|_| fs::copy(&built, &program).map(drop)).unwrap();
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--dir"]).arg(folder.path().join("node"));
        command.args(strict).stdout(Stdio::piped()).stderr(Stdio::piped()).env_clear();
        if fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0) {
            chown(folder.path(), Some(USER), Some(USER)).unwrap();
            command.uid(USER).gid(USER);
        }
        if let Some(filter) = filter {
            apply_filter(&filter).unwrap();
        }
        let mut node = command.spawn().unwrap();
        let mut out = node.stdout.take().unwrap();
        let mut greeting = String::new();
        let mut piece = [0; 4096];
        // What it says about its fences is in the same write as where it listens.
        while !greeting.contains("mitigations on") {
            let read = out.read(&mut piece).unwrap();
            if read == 0 {
                let mut said = String::new();
                node.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                assert!(!node.wait().unwrap().success());
                return Err(said);
            }
            greeting.push_str(&String::from_utf8_lossy(piece.get(..read).unwrap()));
        }
        node.kill().unwrap();
        node.wait().unwrap();
        Ok(greeting)
    });
    node.join().unwrap()
}

/// The fences that a greeting says are missing.
fn missing(greeting: &str) -> Vec<String> {
    let line = greeting.split_once("missing here: ").map(|(_, rest)| rest);
    let list = line.and_then(|rest| rest.split(';').next()).unwrap_or_default();
    list.split(", ").filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

#[test]
fn every_call_that_is_named_there_is() {
    for name in profile::refused().unwrap() {
        let there = number(&name).is_some();
        assert!(there || MAY_BE_MISSING.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn our_profile_takes_no_fence_away() {
    let refused = profile::refused().unwrap();
    let refused: Vec<&str> = refused.iter().map(String::as_str).collect();
    let (under, without) = (greeting(Some(&refused), &[]), greeting(None, &[]));
    assert_eq!(missing(&under.unwrap()), missing(&without.unwrap()));
}

#[test]
fn where_mounts_are_refused_the_node_says_that_its_workers_see_the_image() {
    let missing = missing(&greeting(Some(&MOUNTS), &[]).unwrap());
    assert!(missing.iter().any(|fence| fence == "empty_root"), "{missing:?}");
}

#[test]
fn under_the_usual_profiles_the_node_says_which_walls_its_workers_lack() {
    let missing = missing(&greeting(Some(&USUALLY_REFUSED), &[]).unwrap());
    for fence in ["mount_namespace", "net_namespace", "empty_root"] {
        assert!(missing.iter().any(|it| it == fence), "{fence}: {missing:?}");
    }
    // The walls that need no namespace stand.
    for fence in ["seccomp", "no_capabilities", "no_new_privileges"] {
        assert!(!missing.iter().any(|it| it == fence), "{fence}: {missing:?}");
    }
}

#[test]
fn a_strict_node_does_not_start_under_the_usual_profiles_and_says_why() {
    for refused in [&USUALLY_REFUSED[..], &MOUNTS] {
        let said = start(Some(refused), &["--strict"]).unwrap_err();
        assert!(said.contains("error[fences_missing]") && said.contains("empty_root"), "{said}");
        assert!(said.contains("seccomp"), "what to do in a container: {said}");
    }
}
