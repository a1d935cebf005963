//! What there is to say of each fence of the jail.

use core::mem::discriminant;

use notrace_runtime_worker::Fence;

/// What there is to say of a fence.
pub(super) struct Words {
    fence: Fence,
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) meaning: &'static str,
    pub(super) remedy: &'static str,
}

const USERNS: &str = "Allow user namespaces: set `kernel.unprivileged_userns_clone=1` and \
                      `user.max_user_namespaces` above 0. In a container, allow `unshare`, \
                      `mount`, `umount2` and `pivot_root`, which the usual profiles refuse.";
const KERNEL: &str = "Run a kernel, and a container rule, that offers it.";

const REQUIRED: bool = true;
const WISHED: bool = false;

/// In the order in which they are put up.
const WORDS: [Words; Fence::ALL.len()] = [
    of(
        Fence::ClosedDescriptors,
        "closed_descriptors",
        REQUIRED,
        "Nothing that the node has open is open in it.",
        KERNEL,
    ),
    of(
        Fence::UserNamespace,
        "user_namespace",
        WISHED,
        "A worker's user has no rights outside its namespace.",
        USERNS,
    ),
    of(
        Fence::MountNamespace,
        "mount_namespace",
        REQUIRED,
        "The host's mounts do not exist for a worker.",
        USERNS,
    ),
    of(
        Fence::NetNamespace,
        "net_namespace",
        REQUIRED,
        "A worker has no network interface and no route.",
        USERNS,
    ),
    of(
        Fence::PidNamespace,
        "pid_namespace",
        WISHED,
        "The host's processes do not exist for a worker.",
        USERNS,
    ),
    of(
        Fence::IpcNamespace,
        "ipc_namespace",
        WISHED,
        "The host's queues and shared memory do not exist.",
        USERNS,
    ),
    of(Fence::UtsNamespace, "uts_namespace", WISHED, "The host's name does not exist.", USERNS),
    of(
        Fence::EmptyRoot,
        "empty_root",
        REQUIRED,
        "The file system is an empty, read-only directory.",
        USERNS,
    ),
    of(
        Fence::UnprivilegedUser,
        "unprivileged_user",
        WISHED,
        "A worker's user is nowhere root.",
        USERNS,
    ),
    of(
        Fence::OwnUser,
        "own_user",
        WISHED,
        "No two workers are the same user, so none has a right on another.",
        "Start the node as root: only root has other users to give to its workers.",
    ),
    of(
        Fence::NoNewPrivileges,
        "no_new_privileges",
        REQUIRED,
        "No program can add a right.",
        KERNEL,
    ),
    of(
        Fence::ResourceLimits,
        "resource_limits",
        REQUIRED,
        "Descriptors, files and processor time are bounded.",
        KERNEL,
    ),
    of(Fence::NoCoreDump, "no_core_dump", REQUIRED, "A crash writes no memory to disk.", KERNEL),
    of(
        Fence::NotDumpable,
        "not_dumpable",
        REQUIRED,
        "Nobody of the same user can read a worker's memory.",
        KERNEL,
    ),
    of(
        Fence::LockedMemory,
        "locked_memory",
        WISHED,
        "Nothing of a worker can be swapped: there is no swap, or its memory is locked.",
        "Turn swap off (`swapoff -a`), or start the node as root.",
    ),
    of(
        Fence::BareArguments,
        "bare_arguments",
        WISHED,
        "A worker cannot show data as its command line, which any local user may read.",
        "Run a kernel with CONFIG_CHECKPOINT_RESTORE, and mount /proc.",
    ),
    of(
        Fence::StoreBypassOff,
        "store_bypass_off",
        WISHED,
        "The processor does not guess past unfinished stores while a worker runs.",
        "Boot with `spec_store_bypass_disable=prctl`, on a processor whose microcode has it.",
    ),
    of(
        Fence::IndirectBranchOff,
        "indirect_branch_off",
        WISHED,
        "What one process trains the processor to guess is not used for a worker's jumps.",
        "Boot with `spectre_v2_user=prctl`, on a processor whose microcode has it.",
    ),
    of(
        Fence::CacheFlush,
        "cache_flush",
        WISHED,
        "The first-level data cache is flushed when a worker leaves the processor.",
        "Boot with `l1d_flush=on`, on a processor whose microcode has it, without SMT.",
    ),
    of(
        Fence::CoreScheduled,
        "core_scheduling",
        WISHED,
        "Where cores have several hardware threads, nobody else's is on a worker's core.",
        "Run a kernel with CONFIG_SCHED_CORE; with `nosmt` it is not needed.",
    ),
    of(Fence::Capabilities, "no_capabilities", REQUIRED, "All capability sets are empty.", KERNEL),
    of(
        Fence::Landlock { abi: 0 },
        "landlock",
        REQUIRED,
        "No right on any file, port or foreign process, from a second mechanism.",
        "Run Linux 5.13 or later with Landlock among its security modules.",
    ),
    of(
        Fence::Seccomp,
        "seccomp",
        REQUIRED,
        "Any system call that a run does not need ends the worker.",
        KERNEL,
    ),
    of(
        Fence::NoDescriptors,
        "no_descriptors",
        REQUIRED,
        "From its job on, a worker has no file, socket or pipe, and can get none.",
        KERNEL,
    ),
    of(
        Fence::SealedCode,
        "sealed_code",
        WISHED,
        "Pages of code can neither be changed, moved nor unmapped.",
        "Run Linux 6.10 or later.",
    ),
    of(
        Fence::NoExecGain,
        "no_exec_gain",
        WISHED,
        "Once the code is mapped, nothing more becomes code.",
        KERNEL,
    ),
    of(
        Fence::SecretMemory,
        "secret_memory",
        WISHED,
        "Keys lie in pages that even the kernel does not map.",
        "Run a kernel with CONFIG_SECRETMEM, and on old ones boot with `secretmem.enable=1`.",
    ),
];

const fn of(
    fence: Fence,
    name: &'static str,
    required: bool,
    meaning: &'static str,
    remedy: &'static str,
) -> Words {
    Words { fence, name, required, meaning, remedy }
}

pub(super) fn words(fence: Fence) -> &'static Words {
    let found = WORDS.iter().find(|words| discriminant(&words.fence) == discriminant(&fence));
    found.unwrap_or_else(|| unreachable!("a fence of which there is nothing to say"))
}

#[cfg(test)]
mod every_fence {
    use super::*;

    #[test]
    fn has_words_of_its_own() {
        for fence in Fence::ALL {
            assert!(!words(fence).name.is_empty(), "{fence:?}");
        }
        let mut names: Vec<_> = WORDS.iter().map(|words| words.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Fence::ALL.len());
    }
}
