//! What holds on this host: every fence of the workers and every mitigation of the kernel that we
//! know to look for, with how to turn it on.

use std::fs;
use std::io::Read as _;

use notrace_runtime_worker::{Fence, State};

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
        let Words { name, required, meaning, remedy } = words(*fence);
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

/// What there is to say of a fence.
struct Words {
    name: &'static str,
    required: bool,
    meaning: &'static str,
    remedy: &'static str,
}

const USERNS: &str = "Allow user namespaces: set `kernel.unprivileged_userns_clone=1` and \
                      `user.max_user_namespaces` above 0. In a container, allow `unshare`, \
                      `mount`, `umount2` and `pivot_root`, which the usual profiles refuse.";
const KERNEL: &str = "Run a kernel, and a container rule, that offers it.";

fn words(fence: Fence) -> Words {
    let (name, required, meaning, remedy) = match fence {
        Fence::ClosedDescriptors => {
            ("closed_descriptors", true, "Nothing that the node has open is open in it.", KERNEL)
        }
        Fence::UserNamespace => (
            "user_namespace",
            false,
            "A worker's user has no rights outside its namespace.",
            USERNS,
        ),
        Fence::MountNamespace => {
            ("mount_namespace", true, "The host's mounts do not exist for a worker.", USERNS)
        }
        Fence::NetNamespace => {
            ("net_namespace", true, "A worker has no network interface and no route.", USERNS)
        }
        Fence::PidNamespace => {
            ("pid_namespace", false, "The host's processes do not exist for a worker.", USERNS)
        }
        Fence::IpcNamespace => {
            ("ipc_namespace", false, "The host's queues and shared memory do not exist.", USERNS)
        }
        Fence::UtsNamespace => ("uts_namespace", false, "The host's name does not exist.", USERNS),
        Fence::EmptyRoot => {
            ("empty_root", true, "The file system is an empty, read-only directory.", USERNS)
        }
        Fence::UnprivilegedUser => {
            ("unprivileged_user", false, "A worker's user is nowhere root.", USERNS)
        }
        Fence::OwnUser => (
            "own_user",
            false,
            "No two workers are the same user, so none has a right on another.",
            "Start the node as root, which it gives up; it then has users to give away.",
        ),
        Fence::NoNewPrivileges => {
            ("no_new_privileges", true, "No program can add a right.", KERNEL)
        }
        Fence::ResourceLimits => {
            ("resource_limits", true, "Descriptors, files and processor time are bounded.", KERNEL)
        }
        Fence::NoCoreDump => ("no_core_dump", true, "A crash writes no memory to disk.", KERNEL),
        Fence::NotDumpable => {
            ("not_dumpable", true, "Nobody of the same user can read a worker's memory.", KERNEL)
        }
        Fence::BareArguments => (
            "bare_arguments",
            false,
            "A worker cannot show data as its command line, which any local user may read.",
            "Run a kernel with CONFIG_CHECKPOINT_RESTORE, and mount /proc.",
        ),
        Fence::StoreBypassOff => (
            "store_bypass_off",
            false,
            "The processor does not guess past unfinished stores while a worker runs.",
            "Boot with `spec_store_bypass_disable=prctl`, on a processor whose microcode has it.",
        ),
        Fence::IndirectBranchOff => (
            "indirect_branch_off",
            false,
            "What one process trains the processor to guess is not used for a worker's jumps.",
            "Boot with `spectre_v2_user=prctl`, on a processor whose microcode has it.",
        ),
        Fence::CacheFlush => (
            "cache_flush",
            false,
            "The first-level data cache is flushed when a worker leaves the processor.",
            "Boot with `l1d_flush=on`, on a processor whose microcode has it, without SMT.",
        ),
        Fence::Capabilities => ("no_capabilities", true, "All capability sets are empty.", KERNEL),
        Fence::Landlock { .. } => (
            "landlock",
            true,
            "No right on any file, port or foreign process, from a second mechanism.",
            "Run Linux 5.13 or later with Landlock among its security modules.",
        ),
        Fence::Seccomp => {
            ("seccomp", true, "Any system call that a run does not need ends the worker.", KERNEL)
        }
        Fence::NoDescriptors => (
            "no_descriptors",
            true,
            "From its job on, a worker has no file, socket or pipe, and can get none.",
            KERNEL,
        ),
        Fence::SealedCode => (
            "sealed_code",
            false,
            "Pages of code can neither be changed, moved nor unmapped.",
            "Run Linux 6.10 or later.",
        ),
        Fence::NoExecGain => {
            ("no_exec_gain", false, "Once the code is mapped, nothing more becomes code.", KERNEL)
        }
        Fence::SecretMemory => (
            "secret_memory",
            false,
            "Keys lie in pages that even the kernel does not map.",
            "Run a kernel with CONFIG_SECRETMEM, and on old ones boot with `secretmem.enable=1`.",
        ),
    };
    Words { name, required, meaning, remedy }
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
