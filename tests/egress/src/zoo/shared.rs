//! Through objects that processes share by name.

use std::io::Error;

use notrace_runtime_worker::weakened::raw;

use super::{Arrives, Done, Technique, at, bytes, call, did, way, zero_ended};
use crate::outside::{Numbers, OF_THE_USER};

pub(super) const ALL: &[Technique] = &[
    way("System V message queue", Arrives, message_queue),
    way("System V shared memory", Arrives, shared_memory),
    way("System V semaphore as a number", Arrives, semaphore),
    way("System V queue that waits to be found", Done, own_queue),
    way("POSIX message queue", Done, posix_queue),
    way("shared memory file in /dev/shm", Done, shared_file),
    way("keyring of the user", Arrives, keyring),
    way("anonymous file, seen in /proc", Done, anonymous_file),
];

fn message_queue(to: Numbers, token: &str) -> Result<(), Error> {
    let queue = call(libc::SYS_msgget, &[to.key(), 0])?;
    let mut message = 1_u64.to_le_bytes().to_vec();
    message.extend_from_slice(token.as_bytes());
    did(libc::SYS_msgsnd, &[queue, bytes(&message), token.len(), libc::IPC_NOWAIT as usize])
}

fn shared_memory(to: Numbers, token: &str) -> Result<(), Error> {
    let memory = call(libc::SYS_shmget, &[to.key(), 0, 0])?;
    let address = call(libc::SYS_shmat, &[memory, 0, 0])?;
    raw::poke(address, token.as_bytes());
    Ok(())
}

/// The value is the number of the attempt, from which the other side makes the token.
fn semaphore(to: Numbers, token: &str) -> Result<(), Error> {
    let semaphore = call(libc::SYS_semget, &[to.key(), 1, 0])?;
    let number = token.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0);
    did(libc::SYS_semctl, &[semaphore, 0, libc::SETVAL as usize, number])
}

fn own_queue(to: Numbers, _: &str) -> Result<(), Error> {
    let make = (libc::IPC_CREAT | 0o666) as usize;
    let queue = call(libc::SYS_msgget, &[to.key() + 1, make])?;
    let removed = did(libc::SYS_msgctl, &[queue, libc::IPC_RMID as usize, 0]);
    // Made where the outside is: its own objects are there as well.
    call(libc::SYS_msgget, &[to.key(), 0])?;
    removed
}

fn posix_queue(to: Numbers, token: &str) -> Result<(), Error> {
    let name = zero_ended(to.abstract_name(token));
    let flags = (libc::O_CREAT | libc::O_RDWR) as usize;
    let queue = call(libc::SYS_mq_open, &[bytes(&name), flags, 0o666, 0])?;
    let _ = call(libc::SYS_mq_unlink, &[bytes(&name)]);
    let sent = did(libc::SYS_mq_timedsend, &[queue, bytes(token.as_bytes()), token.len(), 0, 0]);
    call(libc::SYS_msgget, &[to.key(), 0])?;
    sent
}

fn shared_file(to: Numbers, token: &str) -> Result<(), Error> {
    let path = format!("/dev/shm/{}", to.abstract_name("file"));
    let written = std::fs::write(&path, token);
    let _ = std::fs::remove_file(&path);
    written
}

fn keyring(_: Numbers, token: &str) -> Result<(), Error> {
    let (kind, name) = (zero_ended("user"), zero_ended(token));
    let payload = token.as_bytes();
    did(
        libc::SYS_add_key,
        &[bytes(&kind), bytes(&name), bytes(payload), payload.len(), OF_THE_USER],
    )
}

fn anonymous_file(to: Numbers, token: &str) -> Result<(), Error> {
    let name = zero_ended(token);
    let file = call(libc::SYS_memfd_create, &[bytes(&name), 0])?;
    let _ = at(&file);
    super::processes::sees(to)
}
