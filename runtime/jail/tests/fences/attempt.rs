//! The things that fences stop.

use std::fs::File;
use std::io::{Error, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::net::SocketAddr;
use std::os::unix::process::CommandExt;

use libc::c_long;
use notrace_runtime_jail::process::exit_now;
use notrace_runtime_jail::weakened::raw;
use notrace_runtime_jail::{Fence, Plan, Worker};

use crate::place::Place;

/// The host does not have what the attempt is about.
pub(crate) const NOT_HERE: i32 = 99;
/// The attempt succeeded.
pub(crate) const DONE: i32 = 100;
/// Exit statuses from here on are the error number of an attempt that was refused.
pub(crate) const REFUSED: i32 = 110;

const PAGE_BYTES: usize = 4096;

/// Tries one thing, and ends with what became of it.
pub(crate) fn attempt(
    what: &str,
    plan: Plan,
    place: &Place,
    worker: Option<&Worker>,
    neighbour: Option<&OwnedFd>,
) -> ! {
    let result = match what {
        "write_left_open" => {
            call(libc::SYS_write, [place.left_open as usize, c"x".as_ptr() as usize, 1, 0])
        }
        // Only who has a right on the whole host may take precedence over others.
        "be_preferred" => call(libc::SYS_setpriority, [0, 0, -5_isize as usize, 0]),
        "open" => File::open("/etc/passwd").map(drop),
        "open_vsock" => call(libc::SYS_socket, [libc::AF_VSOCK as usize, 1, 0, 0]),
        "connect" => std::net::TcpStream::connect(("127.0.0.1", place.port)).map(drop),
        "connect_abstract" => connect_abstract(place),
        "signal_outside" => call(libc::SYS_kill, [place.pid as usize, 0, 0, 0]),
        "find_shared_memory" => call(libc::SYS_shmget, [place.shared_key as usize, 0, 0, 0]),
        "tell_host" => {
            let name = rustix::system::uname();
            told(name.nodename().to_bytes() == place.host.as_bytes())
        }
        "signal_neighbour" => {
            let neighbour = neighbour.map_or(-1, AsRawFd::as_raw_fd);
            call(libc::SYS_pidfd_send_signal, [neighbour as usize, 0, 0, 0])
        }
        "read_neighbour" => read_neighbour(neighbour),
        "become_root_by_program" => {
            Err(std::process::Command::new(place.folder.join("program")).arg("whoami").exec())
        }
        "fork" => call(libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0, 0]),
        "fill_file" => File::create(place.folder.join("file")).and_then(|mut f| f.write_all(b"x")),
        "open_queue" => open_queue(),
        "leave_core" => {
            let limit = rustix::process::getrlimit(rustix::process::Resource::Core);
            told(limit.maximum != Some(0))
        }
        "be_swapped" => be_swapped(),
        "show_arguments" => match std::fs::read("/proc/self/cmdline") {
            Ok(line) if line.is_empty() => Err(Error::from_raw_os_error(libc::ENOENT)),
            other => other.map(drop),
        },
        "bypass_stores" => speculate(0),
        "guess_branches" => speculate(1),
        "keep_cache" => speculate(2),
        "share_core" => share_core(),
        "change_root" => call(libc::SYS_chroot, [c"/".as_ptr() as usize, 0, 0, 0]),
        "change_code" => change_code(worker),
        "make_code" => make_code(worker),
        "read_secret" => read_secret(plan.keeps(Fence::SecretMemory)),
        _ => Err(Error::from_raw_os_error(libc::ENOSYS)),
    };
    exit_now(match result {
        Ok(()) => DONE,
        Err(error) => REFUSED + error.raw_os_error().unwrap_or(0),
    })
}

fn call(number: c_long, [a, b, c, d]: [usize; 4]) -> Result<(), Error> {
    raw::call(number, [a, b, c, d, 0, 0]).map(drop).map_err(Error::from)
}

fn told(it_did: bool) -> Result<(), Error> {
    if it_did { Ok(()) } else { Err(Error::from_raw_os_error(libc::EPERM)) }
}

fn connect_abstract(place: &Place) -> Result<(), Error> {
    let name = &place.abstract_name;
    let address = SocketAddr::from_abstract_name(name)?;
    std::os::unix::net::UnixStream::connect_addr(&address).map(drop)
}

/// Its number is in what the kernel says of the descriptor, where the root is the host's.
fn read_neighbour(neighbour: Option<&OwnedFd>) -> Result<(), Error> {
    let neighbour = neighbour.map_or(-1, AsRawFd::as_raw_fd);
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{neighbour}"))?;
    let number = text.lines().find_map(|line| line.strip_prefix("Pid:"));
    let number = number.and_then(|number| number.trim().parse::<usize>().ok()).unwrap_or(0);
    let (mut here, there) = ([0u8; 8], PLANTED.as_ptr());
    let local = [here.as_mut_ptr() as usize, here.len()];
    let remote = [there as usize, here.len()];
    let (local, remote) = (local.as_ptr() as usize, remote.as_ptr() as usize);
    raw::call(libc::SYS_process_vm_readv, [number, local, 1, remote, 1, 0])?;
    told(&here == PLANTED)
}

/// Lies at the same address in the neighbour, which is a fork of the same process.
static PLANTED: &[u8; 8] = b"planted!";

fn open_queue() -> Result<(), Error> {
    let name = c"notrace-fences".as_ptr() as usize;
    let flags = (libc::O_CREAT | libc::O_RDWR) as usize;
    let opened = call(libc::SYS_mq_open, [name, flags, 0o600, 0]);
    let _ = call(libc::SYS_mq_unlink, [name, 0, 0, 0]);
    opened
}

/// Succeeds if the processor goes on as it pleases.
fn speculate(which: usize) -> Result<(), Error> {
    let state = raw::call(libc::SYS_prctl, [52, which, 0, 0, 0, 0])?;
    let controllable = state & 1 != 0;
    if !controllable {
        exit_now(NOT_HERE);
    }
    let wanted = if which == 2 { 1 << 1 } else { 1 << 3 };
    told(state & wanted == 0)
}

/// Succeeds if the process has no mark of its own, so that anybody may be beside it.
fn share_core() -> Result<(), Error> {
    let mut mark = 0u64;
    let place = core::ptr::from_mut(&mut mark).expose_provenance();
    match raw::call(libc::SYS_prctl, [62, 0, 0, 0, place, 0]) {
        Ok(_) => told(mark == 0),
        Err(_) => exit_now(NOT_HERE),
    }
}

/// Succeeds if nothing of this process is locked into memory.
fn be_swapped() -> Result<(), Error> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock);
    if limit.maximum.is_some() && !rustix::process::geteuid().is_root() {
        exit_now(NOT_HERE);
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    told(locked.is_none_or(|locked| locked.trim() == "0 kB"))
}

fn page() -> Result<usize, Error> {
    let access = (libc::PROT_READ | libc::PROT_WRITE) as usize;
    let kind = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;
    let nowhere = usize::MAX;
    Ok(raw::call(libc::SYS_mmap, [0, PAGE_BYTES, access, kind, nowhere, 0])?)
}

fn freeze(worker: Option<&Worker>, at: usize) -> Result<(), Error> {
    let start = core::ptr::without_provenance::<u8>(at);
    let code = start..start.wrapping_add(PAGE_BYTES);
    Ok(worker.map_or(Ok(()), |worker| worker.freeze_code(code))?)
}

fn change_code(worker: Option<&Worker>) -> Result<(), Error> {
    let at = page()?;
    freeze(worker, at)?;
    call(libc::SYS_mprotect, [at, PAGE_BYTES, libc::PROT_NONE as usize, 0])
}

fn make_code(worker: Option<&Worker>) -> Result<(), Error> {
    freeze(worker, page()?)?;
    let access = (libc::PROT_READ | libc::PROT_EXEC) as usize;
    call(libc::SYS_mprotect, [page()?, PAGE_BYTES, access, 0])
}

/// Through `/proc`, as root does.
fn read_secret(secret: bool) -> Result<(), Error> {
    let kept = notrace_runtime_jail::secret::SecretBytes::new(PAGE_BYTES)?;
    if secret && !kept.is_secret_memory() {
        exit_now(NOT_HERE);
    }
    let at = if secret { kept.reveal(|bytes| bytes.as_ptr() as usize) } else { page()? };
    File::open("/proc/self/mem")?.read_exact_at(&mut [0; 8], at as u64)
}
