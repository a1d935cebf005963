//! What a worker that has been taken over would try.

use std::io::Error;

use libc::{c_int, c_long};
use notrace_runtime_jail::{Worker, process::exit_now};

/// The attempt succeeded.
pub(crate) const DONE: i32 = 100;
/// Exit statuses from here on are the error number of an attempt that was refused.
pub(crate) const REFUSED: i32 = 110;

/// Tries one thing, and ends with what became of it.
pub(crate) fn attempt(what: &str, worker: Option<&Worker>) -> ! {
    let result = match what {
        "socket" => call(libc::SYS_socket, [2, 1, 0, 0, 0]),
        "socketpair" => call(libc::SYS_socketpair, [1, 1, 0, 0, 0]),
        "open" => open(),
        "execve" => call(libc::SYS_execve, [path(), 0, 0, 0, 0]),
        "fork" => call(libc::SYS_clone, [i64::from(libc::SIGCHLD), 0, 0, 0, 0]),
        "fork_sibling" => {
            let flags = libc::CLONE_PARENT | libc::CLONE_PIDFD | libc::SIGCHLD;
            call(libc::SYS_clone, [i64::from(flags), 0, 0, 0, 0])
        }
        "kill_init" => call(libc::SYS_kill, [1, 9, 0, 0, 0]),
        "kill_all" => call(libc::SYS_kill, [-1, 9, 0, 0, 0]),
        "ptrace" => call(libc::SYS_ptrace, [0, 0, 0, 0, 0]),
        "read_other" => call(libc::SYS_process_vm_readv, [1, 0, 0, 0, 0]),
        "memfd" => call(libc::SYS_memfd_create, [path(), 0, 0, 0, 0]),
        "io_uring" => call(libc::SYS_io_uring_setup, [1, 0, 0, 0, 0]),
        "bpf" => call(libc::SYS_bpf, [0, 0, 0, 0, 0]),
        "unshare" => call(libc::SYS_unshare, [i64::from(libc::CLONE_NEWUSER), 0, 0, 0, 0]),
        "mount" => {
            let (root, kind) = (c"/".as_ptr() as i64, c"tmpfs".as_ptr() as i64);
            call(libc::SYS_mount, [kind, root, kind, 0, 0])
        }
        "dumpable" => call(libc::SYS_prctl, [4, 1, 0, 0, 0]),
        "send" => call(libc::SYS_sendmsg, [1, 0, 0, 0, 0]),
        "receive" => call(libc::SYS_recvmsg, [0, 0, 0, 0, 0]),
        "write" => call(libc::SYS_write, [1, path(), 1, 0, 0]),
        "map_executable" => map(libc::PROT_READ | libc::PROT_EXEC).map(drop),
        "make_executable" => make_executable(),
        "make_executable_late" => {
            let frozen = worker.map_or(Ok(()), |worker| {
                // The code of this very program, which is sealed already and may be again.
                let code = (call as *const ()).cast::<u8>();
                worker.freeze_code(code..code.wrapping_add(1))
            });
            frozen.map_err(Error::from).and_then(|()| make_executable())
        }
        "panic" => panic!("not to be seen"),
        "abort" => std::process::abort(),
        "connect" => connect(),
        "list_root" => list_root(),
        "make_file" => std::fs::write("/tmp-file", "x"),
        "become_root" => call(libc::SYS_setuid, [0, 0, 0, 0, 0]),
        "signal_outside" => call(libc::SYS_kill, [i64::from(parent()), 0, 0, 0, 0]),
        _ => Err(Error::from_raw_os_error(libc::ENOSYS)),
    };
    exit_now(match result {
        Ok(()) => DONE,
        Err(error) => REFUSED + error.raw_os_error().unwrap_or(0),
    })
}

fn path() -> i64 {
    c"/etc/passwd".as_ptr() as i64
}

fn parent() -> c_int {
    // SAFETY: takes nothing.
    unsafe { libc::getppid() }
}

fn call(number: c_long, with: [i64; 5]) -> Result<(), Error> {
    let [a, b, c, d, e] = with;
    // SAFETY: every pointer among the arguments is null or a literal string; a call that goes
    // through ends this process at worst.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    if result >= 0 { Ok(()) } else { Err(Error::last_os_error()) }
}

fn open() -> Result<(), Error> {
    call(libc::SYS_openat, [i64::from(libc::AT_FDCWD), path(), 0, 0, 0])
}

fn map(protection: c_int) -> Result<*mut libc::c_void, Error> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping at an address of the kernel's choice.
    let at = unsafe { libc::mmap(core::ptr::null_mut(), 4096, protection, flags, -1, 0) };
    if at == libc::MAP_FAILED { Err(Error::last_os_error()) } else { Ok(at) }
}

fn make_executable() -> Result<(), Error> {
    let at = map(libc::PROT_READ | libc::PROT_WRITE)?;
    call(libc::SYS_mprotect, [at as i64, 4096, i64::from(libc::PROT_READ | libc::PROT_EXEC), 0, 0])
}

/// A connection to a port where the test does listen.
fn connect() -> Result<(), Error> {
    std::net::TcpStream::connect(("127.0.0.1", crate::LISTENING_PORT)).map(drop)
}

/// Succeeds if there is anything in the root.
fn list_root() -> Result<(), Error> {
    match std::fs::read_dir("/")?.next() {
        Some(_) => Ok(()),
        None => Err(Error::from_raw_os_error(libc::ENOENT)),
    }
}
