//! What the kernel and the processor give, as their own files tell it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{Mitigation, MitigationState};
use MitigationState::{Off, On, Unknown};

/// The longest file of the kernel's that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Where the kernel's files are: below `/`, or below a folder of a test's.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    root: PathBuf,
}

/// A mitigation of the host and how its state is found.
struct Known {
    name: &'static str,
    required: bool,
    find: fn(&Host) -> MitigationState,
    meaning: &'static str,
    remedy: &'static str,
}

/// What is looked for, the most important first.
const KNOWN: [Known; 17] = [
    Known {
        name: "kernel_zero_on_free",
        required: false,
        find: |host| host.boot_argument("init_on_free", &["1", "on"]),
        meaning: "The kernel zeroes memory when it is freed, so that a dead worker's pages hold \
                  nothing.",
        remedy: "Boot with `init_on_free=1`.",
    },
    Known {
        name: "swap_off",
        required: true,
        find: |host| host.tells("/proc/swaps", |table| table.lines().count() <= 1),
        meaning: "No page of a worker can reach a disk.",
        remedy: "Run `swapoff -a` and remove swap from /etc/fstab.",
    },
    Known {
        name: "compressed_swap_off",
        required: false,
        find: |host| host.lacks_or("/sys/module/zswap/parameters/enabled", |on| on == "N"),
        meaning: "No page of a worker is kept in a compressed copy.",
        remedy: "Boot with `zswap.enabled=0`.",
    },
    Known {
        name: "hibernation_off",
        required: false,
        find: |host| host.lacks_or("/sys/power/state", |states| !states.contains("disk")),
        meaning: "The memory of all processes is never written to a disk as a whole.",
        remedy: "Boot with `nohibernate`.",
    },
    Known {
        name: "crash_kernel_off",
        required: false,
        find: |host| host.lacks_or("/sys/kernel/kexec_crash_loaded", |loaded| loaded == "0"),
        meaning: "After a crash no second kernel saves the memory of the first.",
        remedy: "Remove `crashkernel=` from the boot arguments, and kdump.",
    },
    Known {
        name: "core_pattern_plain",
        required: false,
        find: |host| host.tells("/proc/sys/kernel/core_pattern", |it| !it.starts_with('|')),
        meaning: "No program is started with the memory of a process that crashed.",
        remedy: "Set `kernel.core_pattern=core` with sysctl.",
    },
    Known {
        name: "memory_dedup_off",
        required: false,
        find: |host| host.lacks_or("/sys/kernel/mm/ksm/run", |run| run == "0"),
        meaning: "Equal pages of different processes are not merged, so that no timing tells what \
                  another holds.",
        remedy: "Write 0 to /sys/kernel/mm/ksm/run.",
    },
    Known {
        name: "ptrace_restricted",
        required: false,
        find: |host| host.at_least("/proc/sys/kernel/yama/ptrace_scope", 1),
        meaning: "Processes of the same user cannot read each other's memory.",
        remedy: "Set `kernel.yama.ptrace_scope=2` with sysctl, on a kernel with Yama.",
    },
    Known {
        name: "lockdown",
        required: false,
        find: |host| {
            let locked = |it: &str| it.contains("[integrity]") || it.contains("[confidentiality]");
            host.tells("/sys/kernel/security/lockdown", locked)
        },
        meaning: "Not even root reads or changes the kernel's memory.",
        remedy: "Boot with `lockdown=confidentiality`, on a kernel that has it.",
    },
    Known {
        name: "kexec_off",
        required: false,
        find: |host| host.lacks_or("/proc/sys/kernel/kexec_load_disabled", |off| off == "1"),
        meaning: "No other kernel can take over memory as this one leaves it.",
        remedy: "Set `kernel.kexec_load_disabled=1` with sysctl.",
    },
    Known {
        name: "bpf_restricted",
        required: false,
        find: |host| {
            let path = "/proc/sys/kernel/unprivileged_bpf_disabled";
            host.lacks_or(path, |value| value != "0")
        },
        meaning: "Only root can load programs into the kernel that watch others.",
        remedy: "Set `kernel.unprivileged_bpf_disabled=2` with sysctl.",
    },
    Known {
        name: "perf_restricted",
        required: false,
        find: |host| host.at_least("/proc/sys/kernel/perf_event_paranoid", 2),
        meaning: "Only root can count or sample what other processes do.",
        remedy: "Set `kernel.perf_event_paranoid=3` with sysctl.",
    },
    Known {
        name: "kernel_addresses_hidden",
        required: false,
        find: |host| host.at_least("/proc/sys/kernel/kptr_restrict", 1),
        meaning: "The kernel's files do not tell where its memory is.",
        remedy: "Set `kernel.kptr_restrict=2` with sysctl.",
    },
    Known {
        name: "address_space_random",
        required: false,
        find: |host| host.at_least("/proc/sys/kernel/randomize_va_space", 2),
        meaning: "Nobody knows beforehand where a process keeps what.",
        remedy: "Set `kernel.randomize_va_space=2` with sysctl.",
    },
    Known {
        name: "processor_flaws_mitigated",
        required: false,
        find: Host::flaws,
        meaning: "The kernel works around every flaw of the processor that it knows.",
        remedy: "See which files below /sys/devices/system/cpu/vulnerabilities begin with \
                 Vulnerable; update microcode and kernel, and boot without `mitigations=off`.",
    },
    Known {
        name: "smt_off",
        required: false,
        find: |host| host.tells("/sys/devices/system/cpu/smt/active", |active| active == "0"),
        meaning: "No other program shares a core's caches with a worker at the same instant.",
        remedy: "Boot with `nosmt`.",
    },
    Known {
        name: "kernel_buffers_apart",
        required: false,
        find: |host| host.boot_argument("slab_nomerge", &[""]),
        meaning: "The kernel keeps buffers of different kinds apart, so that a stale pointer of \
                  one finds none of another.",
        remedy: "Boot with `slab_nomerge`.",
    },
];

impl Host {
    /// The one that this process runs on.
    pub(crate) fn here() -> Self {
        Self { root: PathBuf::from("/") }
    }

    /// Everything that is known to look for, with its state.
    pub(super) fn survey(&self) -> impl Iterator<Item = Mitigation> + '_ {
        KNOWN.iter().map(|known| {
            let Known { name, required, meaning, remedy, .. } = *known;
            Mitigation { name, state: (known.find)(self), required, meaning, remedy }
        })
    }

    /// Whether the kernel was started with this argument, the last one of its name, and one of
    /// these values. A kernel that has it built in does not say so.
    fn boot_argument(&self, name: &str, values: &[&str]) -> MitigationState {
        let Some(arguments) = self.read("/proc/cmdline") else { return Unknown };
        let last = arguments.split_whitespace().rev().find_map(|argument| {
            let (key, value) = argument.split_once('=').unwrap_or((argument, ""));
            (key == name).then_some(value)
        });
        of(last.is_some_and(|value| values.contains(&value)))
    }

    /// Whether what the file says is good; unknown where there is none.
    fn tells(&self, path: &str, good: impl FnOnce(&str) -> bool) -> MitigationState {
        self.read(path).map_or(Unknown, |text| of(good(&text)))
    }

    /// The same for what a kernel can be built without: where there is no file, there is nothing
    /// to be turned off.
    fn lacks_or(&self, path: &str, good: impl FnOnce(&str) -> bool) -> MitigationState {
        match self.below(path).try_exists() {
            Ok(true) => self.tells(path, good),
            Ok(false) => On,
            Err(_) => Unknown,
        }
    }

    fn at_least(&self, path: &str, least: u32) -> MitigationState {
        self.tells(path, |value| value.parse().is_ok_and(|value: u32| value >= least))
    }

    fn flaws(&self) -> MitigationState {
        let folder = "/sys/devices/system/cpu/vulnerabilities";
        let Ok(files) = fs::read_dir(self.below(folder)) else { return Unknown };
        let mut names = files.flatten().filter_map(|file| file.file_name().into_string().ok());
        let flaw = |name: String| self.read(&format!("{folder}/{name}"));
        of(!names.any(|name| flaw(name).is_none_or(|state| state.starts_with("Vulnerable"))))
    }

    fn below(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A kernel's own small file, trimmed.
    fn read(&self, path: &str) -> Option<String> {
        let mut text = String::new();
        let file = fs::File::open::<&Path>(&self.below(path)).ok()?;
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
        Some(text.trim().to_owned())
    }
}

const fn of(holds: bool) -> MitigationState {
    if holds { On } else { Off }
}

#[cfg(test)]
pub(super) mod fake {
    use super::*;

    /// A host of which these files are all that it tells.
    pub(in crate::posture) fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let folder = tempfile::tempdir().unwrap();
        let host = Host { root: folder.path().to_owned() };
        for (path, text) in files {
            let path = host.below(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        (folder, host)
    }

    pub(in crate::posture) fn state(host: &Host, name: &str) -> MitigationState {
        host.survey().find(|mitigation| mitigation.name == name).unwrap().state
    }
}

#[cfg(test)]
mod a_mitigation {
    use super::fake::{host, state};
    use super::*;

    #[test]
    fn of_a_boot_argument_is_what_the_last_one_says() {
        for (arguments, told) in [
            ("quiet init_on_free=1\n", On),
            ("init_on_free=on", On),
            ("init_on_free=1 init_on_free=0", Off),
            ("no_init_on_free=1", Off),
            ("", Off),
        ] {
            let (_folder, host) = host(&[("/proc/cmdline", arguments)]);
            assert_eq!(state(&host, "kernel_zero_on_free"), told, "{arguments}");
        }
    }

    #[test]
    fn that_a_host_does_not_tell_of_is_unknown() {
        let (_folder, host) = host(&[]);
        for name in ["kernel_zero_on_free", "swap_off", "smt_off", "processor_flaws_mitigated"] {
            assert_eq!(state(&host, name), Unknown, "{name}");
        }
    }

    #[test]
    fn against_what_a_kernel_does_not_have_holds() {
        let (_folder, host) = host(&[]);
        for name in ["compressed_swap_off", "hibernation_off", "memory_dedup_off", "kexec_off"] {
            assert_eq!(state(&host, name), On, "{name}");
        }
    }

    #[test]
    fn is_off_where_a_file_says_so() {
        let flaw = "/sys/devices/system/cpu/vulnerabilities/retbleed";
        let (_folder, host) = host(&[
            ("/proc/swaps", "Filename Type Size Used Priority\n/swap file 1 0 -2\n"),
            ("/sys/module/zswap/parameters/enabled", "Y\n"),
            ("/sys/power/state", "freeze mem disk\n"),
            ("/sys/kernel/kexec_crash_loaded", "1\n"),
            ("/proc/sys/kernel/core_pattern", "|/usr/lib/systemd/systemd-coredump %P\n"),
            ("/sys/kernel/mm/ksm/run", "1\n"),
            ("/proc/sys/kernel/yama/ptrace_scope", "0\n"),
            ("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n"),
            ("/proc/sys/kernel/kexec_load_disabled", "0\n"),
            ("/proc/sys/kernel/unprivileged_bpf_disabled", "0\n"),
            ("/proc/sys/kernel/perf_event_paranoid", "-1\n"),
            ("/proc/sys/kernel/kptr_restrict", "0\n"),
            ("/proc/sys/kernel/randomize_va_space", "1\n"),
            (flaw, "Vulnerable: no microcode\n"),
            ("/sys/devices/system/cpu/smt/active", "1\n"),
            ("/proc/cmdline", "quiet\n"),
        ]);
        for mitigation in host.survey() {
            assert_eq!(mitigation.state, Off, "{}", mitigation.name);
        }
        fs::write(host.below(flaw), "Mitigation: IBRS\n").unwrap();
        assert_eq!(state(&host, "processor_flaws_mitigated"), On);
    }

    #[test]
    fn has_a_name_of_its_own_and_sentences() {
        let mut names: Vec<_> = KNOWN.iter().map(|known| known.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KNOWN.len());
        for Known { name, meaning, remedy, .. } in KNOWN {
            assert!(meaning.ends_with('.') && remedy.ends_with('.'), "{name}");
        }
    }
}
