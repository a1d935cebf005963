//! The command line that others can read: empty, wherever it is.
//!
//! Whoever may list processes may read `/proc/PID/cmdline`, which is memory of the process itself:
//! what is written there shows outside of all namespaces, without a system call.

use rustix::io::Errno;

use crate::process::check;

/// Source: `struct prctl_mm_map` in the kernel's `include/uapi/linux/prctl.h`.
#[repr(C)]
struct Map {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    auxv: *const u64,
    auxv_bytes: u32,
    exe_descriptor: u32,
}

/// Says that command line and environment are empty. Forks inherit it. Needs no privilege, but
/// `/proc`, because all the rest of what the kernel notes of this memory must be said again.
pub(crate) fn bare() -> Result<(), Errno> {
    let stat = std::fs::read_to_string("/proc/self/stat").map_err(|_| Errno::NOSYS)?;
    let (_, after) = stat.rsplit_once(')').ok_or(Errno::NOSYS)?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    // Source: proc_pid_stat(5) numbers from 1; the two before the parenthesis are cut off.
    let field = |number: usize| {
        let field = fields.get(number - 3).and_then(|field| field.parse::<u64>().ok());
        field.filter(|address| *address != 0).ok_or(Errno::NOSYS)
    };
    // SAFETY: asks where the heap ends; moves nothing.
    let brk = check(unsafe { libc::syscall(libc::SYS_brk, 0) })?.cast_unsigned();
    let (arg_start, env_start) = (field(48)?, field(50)?);
    let map = Map {
        start_code: field(26)?,
        end_code: field(27)?,
        start_data: field(45)?,
        end_data: field(46)?,
        start_brk: field(47)?,
        brk,
        start_stack: field(28)?,
        arg_start,
        arg_end: arg_start,
        env_start,
        env_end: env_start,
        auxv: core::ptr::null(),
        auxv_bytes: 0,
        exe_descriptor: u32::MAX,
    };
    let (option, bytes) = (libc::PR_SET_MM_MAP, size_of::<Map>());
    // SAFETY: `map` is initialised, as long as is said, and outlives the call. The kernel notes the
    // numbers; of those that this process relies on, none differs from what was noted.
    check(unsafe { libc::prctl(libc::PR_SET_MM, option, &raw const map, bytes, 0) }).map(|_| ())
}
