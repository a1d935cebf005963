//! What the kernel tells of processes: the table that everybody may read, the registers of threads
//! that wait in a system call, and the rights others have on a process.
//!
//! Of a waiting thread the kernel shows the six registers that a call's arguments are in; the
//! others are seen by whoever may stop the thread, which `fences` is about.

use std::fs;

use crate::find::{Find, Finds, Is, Place};
use crate::places::memory::open_files;
use crate::search::Search;

/// What is told of a process and its threads to every user, and to its own.
const TOLD: [&str; 8] =
    ["cmdline", "comm", "environ", "maps", "status", "mountinfo", "cgroup", "wchan"];

/// Looks through what the kernel tells of a process.
pub fn table(search: &Search, id: u32, role: &str) -> Vec<Find> {
    let mut finds = Finds::new(search, Place::ProcessTable);
    for name in TOLD {
        let told = fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
        finds.look(&told, &format!("{role} {id}: {name}"));
    }
    for thread in threads(id) {
        let told = fs::read(format!("/proc/{id}/task/{thread}/comm")).unwrap_or_default();
        finds.look(&told, &format!("{role} {id}: thread {thread}"));
    }
    for (_, target) in open_files(id) {
        finds.look(target.as_bytes(), &format!("{role} {id}: an open file's name"));
    }
    finds.all
}

/// Looks through the registers of every thread that waits in a system call.
pub fn registers(search: &Search, id: u32, role: &str) -> Vec<Find> {
    let mut finds = Finds::new(search, Place::Registers);
    for thread in threads(id) {
        let call = fs::read_to_string(format!("/proc/{id}/task/{thread}/syscall"));
        let call = call.unwrap_or_default();
        let words = call.split_whitespace().filter_map(|word| word.strip_prefix("0x"));
        let words = words.filter_map(|word| u64::from_str_radix(word, 16).ok());
        let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        finds.look(&bytes, &format!("{role} {id}: thread {thread}"));
    }
    finds.all
}

/// What others could do to a process, or it could do, that would show what it holds.
pub fn fences(id: u32, role: &str) -> Vec<Find> {
    let mut finds = Vec::new();
    let mut say = |state| {
        finds.push(Find { place: Place::Fences, at: format!("{role} {id}"), is: Is::State(state) });
    };
    let read = |name: &str| fs::read_to_string(format!("/proc/{id}/{name}")).unwrap_or_default();
    let (limits, smaps) = (read("limits"), read("smaps"));
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    if core.is_some_and(|line| line.split_whitespace().nth(4) != Some("0")) {
        say("it may write a core file");
    }
    let merges = |line: &str| {
        line.strip_prefix("VmFlags:").is_some_and(|flags| flags.split(' ').any(|it| it == "mg"))
    };
    if smaps.lines().any(merges) || read("ksm_stat").contains("ksm_merge_any: yes") {
        say("its pages may be merged with those of others");
    }
    if open_files(id).iter().any(|(_, target)| target.contains("[io_uring]")) {
        say("it shares rings of buffers with the kernel");
    }
    if is_seen_by_its_user(id) {
        say("processes of the same user may read its memory");
    }
    finds
}

/// Whether a process can be dumped: its entries in the table then belong to its own user and not
/// to root. Of a process of root it is asked whether its entries are those of a dumpable process.
fn is_seen_by_its_user(id: u32) -> bool {
    // The kernel shows no `Dumpable` line; `coredump_filter` can be read of any process, but what
    // tells is who owns the entries: root whenever the process is not dumpable.
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let user = user.and_then(|line| line.split_whitespace().nth(1)?.parse::<u32>().ok());
    let about = fs::metadata(format!("/proc/{id}/mem"));
    match (user, about) {
        (Some(user), Ok(about)) if user != 0 => std::os::unix::fs::MetadataExt::uid(&about) == user,
        _ => false,
    }
}

pub(super) fn threads(id: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}
