//! Every frame that passes in this network namespace.
//!
//! The program has a namespace of its own, so what is captured is the node, its clients, and nobody
//! else.

use core::num::NonZeroU32;
use core::time::Duration;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, ensure};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketType, recv, socket};

use crate::find::{Find, Finds, Place};
use crate::search::Search;

/// Every protocol, in the order of bytes that the network has. Source: packet(7).
const ALL_PROTOCOLS: u32 = 0x0003_u16.to_be() as u32;
const FRAME_BYTES_MAX: usize = 128 << 10;
/// How much is kept between two searches.
const KEPT_BYTES_MAX: usize = 512 << 20;
const RECEIVE_BUFFER_BYTES: usize = 64 << 20;
const LOOK_UP: Duration = Duration::from_millis(20);

/// A capture that goes on until it is dropped.
pub struct Capture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    frames: Mutex<Vec<Vec<u8>>>,
    overflowed: AtomicBool,
    ends: AtomicBool,
}

impl Capture {
    /// Begins to capture.
    ///
    /// # Errors  This user may not.
    pub fn begin() -> Result<Self> {
        let protocol = NonZeroU32::new(ALL_PROTOCOLS).map(Protocol::from_raw);
        let socket = socket(AddressFamily::PACKET, SocketType::RAW, protocol)
            .context("opening a socket that sees every frame")?;
        // A burst must wait in the kernel, not be dropped.
        set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER_BYTES)
            .context("asking for room for frames")?;
        set_socket_timeout(&socket, Timeout::Recv, Some(LOOK_UP)).context("bounding a wait")?;
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = std::thread::spawn(move || theirs.collect(&socket));
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Searches what passed since the last time, and lets go of it; with how many frames it was.
    ///
    /// # Errors  More passed than is kept, so that a search would prove nothing.
    pub fn search(&self, search: &Search) -> Result<(Vec<Find>, usize)> {
        ensure!(!self.shared.overflowed.load(Ordering::SeqCst), "the capture overflowed");
        let frames = std::mem::take(&mut *self.shared.frames());
        let mut finds = Finds::new(search, Place::Wire);
        frames.iter().for_each(|frame| finds.look(frame, "a frame"));
        Ok((finds.all, frames.len()))
    }
}

impl Shared {
    fn frames(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collect(&self, socket: &OwnedFd) {
        let (mut room, mut kept) = (vec![0; FRAME_BYTES_MAX], 0);
        while !self.ends.load(Ordering::SeqCst) {
            match recv(socket, &mut *room, RecvFlags::empty()) {
                Ok((length, _)) => {
                    let mut frames = self.frames();
                    kept = if frames.is_empty() { length } else { kept + length };
                    if kept > KEPT_BYTES_MAX {
                        self.overflowed.store(true, Ordering::SeqCst);
                        return;
                    }
                    frames.push(room.get(..length).unwrap_or_default().to_vec());
                }
                Err(Errno::AGAIN | Errno::INTR | Errno::NETDOWN) => {}
                Err(_) => {
                    self.overflowed.store(true, Ordering::SeqCst);
                    return;
                }
            }
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
