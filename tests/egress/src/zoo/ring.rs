//! Over a ring (`io_uring`), which does by itself what other processes need calls for.

use std::io::Error;

use notrace_runtime_worker::weakened::raw;

use super::{AT_HERE, Arrives, Done, Technique, bytes, call, did, way, zero_ended};
use crate::outside::Numbers;

pub(super) const ALL: &[Technique] = &[
    way("ring: file opened and written", Arrives, file),
    way("ring: connection", Arrives, connection),
    way("ring: message to another ring", Done, message),
];

/// Source: io_uring(7), and the kernel's `include/uapi/linux/io_uring.h`.
struct Ring {
    descriptor: usize,
    queue: usize,
    entries: usize,
    offsets: [u32; 30],
}

const CONNECT: u8 = 16;
const OPEN: u8 = 18;
const WRITE: u8 = 23;
const SEND: u8 = 26;
const SOCKET: u8 = 45;

impl Ring {
    fn new() -> Result<Self, Error> {
        let mut offsets = [0_u32; 30];
        let descriptor = call(libc::SYS_io_uring_setup, &[4, offsets.as_mut_ptr() as usize])?;
        let map = |bytes: usize, offset: usize| {
            let access = (libc::PROT_READ | libc::PROT_WRITE) as usize;
            call(libc::SYS_mmap, &[0, bytes, access, libc::MAP_SHARED as usize, descriptor, offset])
        };
        // One mapping holds both queues on every kernel that is still kept up.
        Ok(Self { descriptor, queue: map(4096, 0)?, entries: map(4096, 0x1000_0000)?, offsets })
    }

    fn word(&self, offset: u32) -> u32 {
        let mut word = [0; 4];
        raw::peek(self.queue + offset as usize, &mut word);
        u32::from_le_bytes(word)
    }

    fn set(&self, offset: u32, word: u32) {
        raw::poke(self.queue + offset as usize, &word.to_le_bytes());
    }

    /// Does one thing, and tells its result.
    fn submit(&self, entry: [u64; 8]) -> Result<usize, Error> {
        // The offsets of tail and array, and of the other queue's head and entries.
        let [_, tail, _, _, _, _, array] = *self.offsets.get(10..17).unwrap_or_default() else {
            return Err(Error::from_raw_os_error(libc::EINVAL));
        };
        let [head, _, _, _, _, results] = *self.offsets.get(20..26).unwrap_or_default() else {
            return Err(Error::from_raw_os_error(libc::EINVAL));
        };
        let bytes: Vec<u8> = entry.iter().flat_map(|word| word.to_le_bytes()).collect();
        raw::poke(self.entries, &bytes);
        let now = self.word(tail);
        self.set(array + 4 * (now & 3), 0);
        self.set(tail, now.wrapping_add(1));
        const AND_WAIT: usize = 1;
        call(libc::SYS_io_uring_enter, &[self.descriptor, 1, 1, AND_WAIT, 0, 0])?;
        let done = self.word(head);
        let result = self.word(results + 16 * (done & 7) + 8).cast_signed();
        self.set(head, done.wrapping_add(1));
        usize::try_from(result).map_err(|_| Error::from_raw_os_error(-result))
    }
}

fn entry(operation: u8, descriptor: usize, offset: u64, address: usize, length: usize) -> [u64; 8] {
    let first = u64::from(operation) | (descriptor as u64 & 0xFFFF_FFFF) << 32;
    [first, offset, address as u64, length as u64, 0, 0, 0, 0]
}

fn file(to: Numbers, token: &str) -> Result<(), Error> {
    let ring = Ring::new()?;
    let path = zero_ended(to.folder().join("file"));
    let mut open = entry(OPEN, AT_HERE, 0, bytes(&path), 0);
    let [_, _, _, length_and_flags, ..] = &mut open;
    *length_and_flags = (libc::O_WRONLY as u64) << 32;
    let file = ring.submit(open)?;
    ring.submit(entry(WRITE, file, 0, bytes(token.as_bytes()), token.len())).map(drop)
}

fn connection(to: Numbers, token: &str) -> Result<(), Error> {
    let ring = Ring::new()?;
    let (stream, any) = (libc::SOCK_STREAM as u64, 0);
    let socket = ring.submit(entry(SOCKET, libc::AF_INET as usize, stream, 0, any))?;
    let [high, low] = to.port.to_be_bytes();
    let address = [2, 0, high, low, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    ring.submit(entry(CONNECT, socket, address.len() as u64, bytes(&address), 0))?;
    ring.submit(entry(SEND, socket, 0, bytes(token.as_bytes()), token.len())).map(drop)
}

/// The ring is there; another process that has its descriptor could be told things over it.
fn message(to: Numbers, _: &str) -> Result<(), Error> {
    let ring = Ring::new()?;
    did(libc::SYS_fcntl, &[ring.descriptor, libc::F_GETFD as usize])?;
    super::processes::sees(to)
}
