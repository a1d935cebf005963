//! Over descriptors that somebody forgot to close.

use std::io::Error;

use notrace_runtime_worker::weakened::raw;

use super::{Arrives, Technique, at, bytes, call, did, way};
use crate::outside::Numbers;

pub(super) const ALL: &[Technique] = &[
    way("write to a pipe left open", Arrives, write),
    way("gathered write to a pipe left open", Arrives, write_vector),
    way("splice from a pipe into one left open", Arrives, splice),
    way("pages given to a pipe left open", Arrives, give_pages),
    way("file sent into a socket left open", Arrives, send_file),
    way("message to a socket left open", Arrives, message),
    way("copy of a descriptor left open", Arrives, duplicate),
];

fn write(to: Numbers, token: &str) -> Result<(), Error> {
    did(libc::SYS_write, &[to.pipe as usize, bytes(token.as_bytes()), token.len()])
}

fn write_vector(to: Numbers, token: &str) -> Result<(), Error> {
    let vector = [bytes(token.as_bytes()), token.len()];
    did(libc::SYS_writev, &[to.pipe as usize, at(&vector), 1])
}

fn splice(to: Numbers, token: &str) -> Result<(), Error> {
    let mut ends = [0_i32; 2];
    did(libc::SYS_pipe2, &[ends.as_mut_ptr() as usize, 0])?;
    let [read, write] = ends;
    did(libc::SYS_write, &[write as usize, bytes(token.as_bytes()), token.len()])?;
    did(libc::SYS_splice, &[read as usize, 0, to.pipe as usize, 0, token.len(), 0])
}

/// The pages are shared: memory that is wiped when it is given back would be wiped there as well.
fn give_pages(to: Numbers, token: &str) -> Result<(), Error> {
    let access = (libc::PROT_READ | libc::PROT_WRITE) as usize;
    let kind = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;
    let page = call(libc::SYS_mmap, &[0, 4096, access, kind, usize::MAX, 0])?;
    raw::poke(page, token.as_bytes());
    let vector = [page, token.len()];
    did(libc::SYS_vmsplice, &[to.pipe as usize, at(&vector), 1, 0])
}

fn send_file(to: Numbers, token: &str) -> Result<(), Error> {
    let name = super::zero_ended("egress");
    let file = call(libc::SYS_memfd_create, &[bytes(&name), 0])?;
    did(libc::SYS_pwrite64, &[file, bytes(token.as_bytes()), token.len(), 0])?;
    did(libc::SYS_sendfile, &[to.socket as usize, file, 0, token.len()])
}

fn message(to: Numbers, token: &str) -> Result<(), Error> {
    let vector = [bytes(token.as_bytes()), token.len()];
    let header = [0, 0, at(&vector), 1, 0, 0, 0];
    did(libc::SYS_sendmsg, &[to.socket as usize, at(&header), 0])
}

fn duplicate(to: Numbers, token: &str) -> Result<(), Error> {
    let copy = call(libc::SYS_dup, &[to.pipe as usize])?;
    did(libc::SYS_write, &[copy, bytes(token.as_bytes()), token.len()])
}
