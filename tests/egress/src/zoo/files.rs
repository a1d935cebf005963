//! Through the file system.

use std::fs;
use std::io::{Error, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::{AT_HERE, Arrives, Done, Technique, at, bytes, did, way, zero_ended};
use crate::outside::Numbers;

pub(super) const ALL: &[Technique] = &[
    way("file, written", Arrives, write),
    way("file, appended to", Arrives, append),
    way("name of a new folder", Arrives, folder),
    way("name of a renamed file", Arrives, rename),
    way("name of a hard link", Arrives, hard_link),
    way("target of a symbolic link", Arrives, link),
    way("name of a new pipe", Arrives, make_fifo),
    way("extended attribute", Arrives, attribute),
    way("time of a file", Done, time),
    way("time of a file, touched", Done, touch),
    way("mode of a file", Done, mode),
    way("length of a file", Done, length),
    way("lock on a file", Done, lock),
    way("named pipe", Arrives, fifo),
    way("file read by others in /proc/self", Done, proc_self),
    way("page of a file, drawn into the cache", Done, draw),
    way("kernel log", Done, kernel_log),
    way("setting of the kernel", Done, setting),
    way("pseudo terminal", Done, terminal),
    way("watch on a file", Done, watch),
    way("mount that others see", Done, mount),
];

fn write(to: Numbers, token: &str) -> Result<(), Error> {
    fs::write(to.folder().join("new"), token)
}

fn append(to: Numbers, token: &str) -> Result<(), Error> {
    let file = fs::OpenOptions::new().append(true).open(to.folder().join("file"));
    file.and_then(|mut file| file.write_all(token.as_bytes()))
}

fn folder(to: Numbers, token: &str) -> Result<(), Error> {
    fs::create_dir(to.folder().join(token))
}

fn rename(to: Numbers, token: &str) -> Result<(), Error> {
    fs::File::create(to.folder().join("old"))?;
    fs::rename(to.folder().join("old"), to.folder().join(token))
}

fn hard_link(to: Numbers, token: &str) -> Result<(), Error> {
    fs::hard_link(to.folder().join("file"), to.folder().join(token))
}

fn link(to: Numbers, token: &str) -> Result<(), Error> {
    symlink(token, to.folder().join("link"))
}

fn make_fifo(to: Numbers, token: &str) -> Result<(), Error> {
    let path = zero_ended(to.folder().join(token));
    did(libc::SYS_mknodat, &[AT_HERE, bytes(&path), (libc::S_IFIFO | 0o600) as usize, 0])
}

fn attribute(to: Numbers, token: &str) -> Result<(), Error> {
    let path = to.folder().join("file");
    let flags = rustix::fs::XattrFlags::empty();
    Ok(rustix::fs::setxattr(path, "user.egress", token.as_bytes(), flags)?)
}

fn time(to: Numbers, _: &str) -> Result<(), Error> {
    let path = zero_ended(to.folder().join("file"));
    let times = [1_700_000_000_u64, 7, 1_700_000_000, 7];
    did(libc::SYS_utimensat, &[AT_HERE, bytes(&path), at(&times), 0])
}

/// For which it is enough that the file may be written to.
fn touch(to: Numbers, _: &str) -> Result<(), Error> {
    let path = zero_ended(to.folder().join("file"));
    did(libc::SYS_utimensat, &[AT_HERE, bytes(&path), 0, 0])
}

fn mode(to: Numbers, _: &str) -> Result<(), Error> {
    fs::set_permissions(to.folder().join("file"), fs::Permissions::from_mode(0o666))
}

fn length(to: Numbers, _: &str) -> Result<(), Error> {
    let path = zero_ended(to.folder().join("file"));
    did(libc::SYS_truncate, &[bytes(&path), 7])
}

fn lock(to: Numbers, _: &str) -> Result<(), Error> {
    let file = fs::File::open(to.folder().join("file"))?;
    file.lock()
}

fn fifo(to: Numbers, token: &str) -> Result<(), Error> {
    let file = fs::OpenOptions::new().write(true).open(to.folder().join("fifo"));
    file.and_then(|mut file| file.write_all(token.as_bytes()))
}

fn proc_self(_: Numbers, _: &str) -> Result<(), Error> {
    fs::write("/proc/self/oom_score_adj", "500")
}

/// Another process finds out by asking which pages of the file are in memory.
fn draw(_: Numbers, _: &str) -> Result<(), Error> {
    fs::File::open("/etc/passwd").and_then(|mut file| file.read_exact(&mut [0]))
}

fn kernel_log(_: Numbers, token: &str) -> Result<(), Error> {
    fs::OpenOptions::new().write(true).open("/dev/kmsg")?.write_all(token.as_bytes())
}

/// Writes what is there already.
fn setting(_: Numbers, _: &str) -> Result<(), Error> {
    let path = "/proc/sys/kernel/panic";
    let value = fs::read(path)?;
    fs::write(path, value)
}

fn terminal(_: Numbers, _: &str) -> Result<(), Error> {
    fs::OpenOptions::new().read(true).write(true).open("/dev/ptmx").map(drop)
}

fn watch(to: Numbers, _: &str) -> Result<(), Error> {
    let watcher = super::call(libc::SYS_inotify_init1, &[0])?;
    let path = zero_ended(to.folder().join("file"));
    did(libc::SYS_inotify_add_watch, &[watcher, bytes(&path), libc::IN_ALL_EVENTS as usize])
}

fn mount(to: Numbers, _: &str) -> Result<(), Error> {
    let place = zero_ended(to.folder());
    let kind = zero_ended("tmpfs");
    did(libc::SYS_mount, &[bytes(&kind), bytes(&place), bytes(&kind), 0, 0])?;
    did(libc::SYS_umount2, &[bytes(&place), 0])
}
