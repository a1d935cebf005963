//! Through the kernel itself.

use std::io::Error;

use super::{Arrives, Done, Technique, at, bytes, call, did, way, zero_ended};
use crate::outside::Numbers;

pub(super) const ALL: &[Technique] = &[
    way("program or map in the kernel", Done, kernel_map),
    way("counters of the processor", Done, counters),
    way("faults handled by another process", Done, fault_handler),
    way("name of the host's domain", Arrives, domain),
    way("namespaces of one's own, then the host's port", Arrives, own_namespaces),
    way("new root, and out of it", Arrives, new_root),
    way("device of the processor's ports", Done, ports),
    way("clock of the host, set", Done, set_clock),
    way("watch on the whole file system", Done, watch_all),
    way("queue of asynchronous input and output", Arrives, asynchronous),
];

fn kernel_map(_: Numbers, _: &str) -> Result<(), Error> {
    // BPF_MAP_CREATE: an array of one value.
    let array = [2_u32, 4, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    did(libc::SYS_bpf, &[0, at(&array), 64])
}

fn counters(_: Numbers, _: &str) -> Result<(), Error> {
    // Software, the processor's clock, of all processes on the first processor.
    let mut event = [0_u64; 16];
    let [kind, ..] = &mut event;
    *kind = 1 | 128 << 32;
    did(libc::SYS_perf_event_open, &[at(&event), usize::MAX, 0, usize::MAX, 0])
}

/// Of faults in the kernel too, for which it takes a right on the host.
fn fault_handler(_: Numbers, _: &str) -> Result<(), Error> {
    did(libc::SYS_userfaultfd, &[0])
}

fn domain(_: Numbers, token: &str) -> Result<(), Error> {
    did(libc::SYS_setdomainname, &[bytes(token.as_bytes()), token.len()])
}

fn own_namespaces(to: Numbers, token: &str) -> Result<(), Error> {
    did(libc::SYS_unshare, &[(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) as usize])?;
    let stream = std::net::TcpStream::connect(("127.0.0.1", to.port));
    std::io::Write::write_all(&mut stream?, token.as_bytes())
}

fn new_root(to: Numbers, token: &str) -> Result<(), Error> {
    let folder = zero_ended(to.folder());
    did(libc::SYS_chroot, &[bytes(&folder)])?;
    let up = format!("../../../../tmp/notrace-egress-{}/new", to.pid);
    std::fs::write(up, token).or_else(|_| std::fs::write("/new", token))
}

fn ports(_: Numbers, _: &str) -> Result<(), Error> {
    did(libc::SYS_ioperm, &[0x80, 1, 1])
}

/// Sets how long a tick is to what it is.
fn set_clock(_: Numbers, _: &str) -> Result<(), Error> {
    const TICK: u32 = 0x4000;
    // Source: adjtimex(2): `modes` comes first, in a structure of 208 bytes.
    let mut clock = [0_u64; 26];
    let at_clock = clock.as_mut_ptr() as usize;
    call(libc::SYS_adjtimex, &[at_clock])?;
    let [modes, ..] = &mut clock;
    *modes = u64::from(TICK);
    did(libc::SYS_adjtimex, &[at_clock])
}

fn watch_all(_: Numbers, _: &str) -> Result<(), Error> {
    did(libc::SYS_fanotify_init, &[0, 0])
}

/// Source: io_submit(2).
fn asynchronous(to: Numbers, token: &str) -> Result<(), Error> {
    let mut context = 0_usize;
    did(libc::SYS_io_setup, &[1, core::ptr::from_mut(&mut context) as usize])?;
    let file = super::descriptor_to_write(to)?;
    const PWRITE: u64 = 1;
    let request =
        [0, 0, PWRITE | (file as u64) << 32, bytes(token.as_bytes()) as u64, token.len() as u64];
    let request = [request.as_slice(), &[0, 0, 0]].concat();
    let list = [request.as_ptr() as usize];
    call(libc::SYS_io_submit, &[context, 1, at(&list)])?;
    let mut events = [0_u64; 4];
    did(libc::SYS_io_getevents, &[context, 1, 1, events.as_mut_ptr() as usize, 0])
}
