//! What holds on this host: every fence of the workers and every mitigation of the kernel that we
//! know to look for, with how to turn it on.

mod words;

use std::fs;
use std::io::Read as _;

use notrace_runtime_worker::{Fence, State};

use words::words;

/// One mitigation and its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mitigation {
    /// Its stable name.
    pub name: &'static str,
    /// Whether it holds.
    pub state: MitigationState,
    /// Whether a strict node refuses to serve without it.
    pub required: bool,
    /// What it is good for.
    pub meaning: &'static str,
    /// How to turn it on.
    pub remedy: &'static str,
}

/// Whether a mitigation holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MitigationState {
    /// It does.
    On,
    /// It does not.
    Off,
    /// The host does not say; counted as off.
    Unknown,
}

impl Mitigation {
    /// Whether it surely holds.
    pub fn is_on(&self) -> bool {
        self.state == MitigationState::On
    }
}

/// Everything there is to know, fences first.
pub(crate) fn survey(fences: &[(Fence, State)]) -> Vec<Mitigation> {
    let fences = fences.iter().map(|(fence, state)| {
        let words::Words { name, required, meaning, remedy, .. } = *words(*fence);
        let state = if *state == State::On { MitigationState::On } else { MitigationState::Off };
        Mitigation { name, state, required, meaning, remedy }
    });
    fences.chain(host()).collect()
}

/// Whether no process of a run could have left a core dump, for receipts.
pub(crate) fn no_core_dumps(posture: &[Mitigation]) -> bool {
    ["no_core_dump", "not_dumpable"]
        .iter()
        .all(|name| posture.iter().any(|mitigation| mitigation.name == *name && mitigation.is_on()))
}

/// Whether freed memory is zeroed by the kernel, for receipts.
pub(crate) fn kernel_zeroes_freed_memory() -> bool {
    zero_on_free() == MitigationState::On
}

/// Whether nothing can be swapped out, for receipts.
pub(crate) fn swap_is_off() -> bool {
    swap() == MitigationState::On
}

fn host() -> [Mitigation; 6] {
    [
        Mitigation {
            name: "kernel_zero_on_free",
            state: zero_on_free(),
            required: false,
            meaning: "The kernel zeroes memory when it is freed, so that a dead worker's pages \
                      hold nothing.",
            remedy: "Boot with `init_on_free=1`.",
        },
        Mitigation {
            name: "swap_off",
            state: swap(),
            required: true,
            meaning: "No page of a worker can reach a disk.",
            remedy: "Run `swapoff -a` and remove swap from /etc/fstab.",
        },
        Mitigation {
            name: "core_pattern_plain",
            state: core_pattern(),
            required: false,
            meaning: "No program is started with the memory of a process that crashed.",
            remedy: "Set `kernel.core_pattern=core` with sysctl.",
        },
        Mitigation {
            name: "memory_dedup_off",
            state: equals("/sys/kernel/mm/ksm/run", "0"),
            required: false,
            meaning: "Equal pages of different processes are not merged, so that no timing tells \
                      what another holds.",
            remedy: "Write 0 to /sys/kernel/mm/ksm/run.",
        },
        Mitigation {
            name: "ptrace_restricted",
            state: at_least("/proc/sys/kernel/yama/ptrace_scope", 1),
            required: false,
            meaning: "Processes of the same user cannot read each other's memory.",
            remedy: "Set `kernel.yama.ptrace_scope=2` with sysctl, on a kernel with Yama.",
        },
        Mitigation {
            name: "smt_off",
            state: smt(),
            required: false,
            meaning: "No other program shares a core's caches with a worker at the same instant.",
            remedy: "Boot with `nosmt`.",
        },
    ]
}

fn zero_on_free() -> MitigationState {
    let Some(arguments) = read("/proc/cmdline") else { return MitigationState::Unknown };
    let set = arguments.split_whitespace().rev().find_map(|argument| {
        argument.strip_prefix("init_on_free=").map(|value| value == "1" || value == "on")
    });
    match set {
        Some(true) => MitigationState::On,
        Some(false) => MitigationState::Off,
        // A kernel may have it built in; then it is on without an argument, but does not say so.
        None => MitigationState::Off,
    }
}

fn swap() -> MitigationState {
    match read("/proc/swaps") {
        Some(table) if table.lines().count() <= 1 => MitigationState::On,
        Some(_) => MitigationState::Off,
        None => MitigationState::Unknown,
    }
}

fn core_pattern() -> MitigationState {
    match read("/proc/sys/kernel/core_pattern") {
        Some(pattern) if pattern.starts_with('|') => MitigationState::Off,
        Some(_) => MitigationState::On,
        None => MitigationState::Unknown,
    }
}

fn smt() -> MitigationState {
    match read("/sys/devices/system/cpu/smt/active").as_deref() {
        Some("0") => MitigationState::On,
        Some(_) => MitigationState::Off,
        None => MitigationState::Unknown,
    }
}

fn equals(path: &str, wanted: &str) -> MitigationState {
    match read(path) {
        Some(value) if value == wanted => MitigationState::On,
        Some(_) => MitigationState::Off,
        None => MitigationState::Unknown,
    }
}

fn at_least(path: &str, least: u32) -> MitigationState {
    match read(path).map(|value| value.parse::<u32>()) {
        Some(Ok(value)) if value >= least => MitigationState::On,
        Some(_) => MitigationState::Off,
        None => MitigationState::Unknown,
    }
}

/// A kernel's own small file, trimmed.
fn read(path: &str) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(64 << 10).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned())
}
