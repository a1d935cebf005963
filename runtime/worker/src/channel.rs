//! Messages with descriptors, over sockets that keep messages whole.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

use crate::limits::{MESSAGE_BYTES_MAX, MESSAGE_DESCRIPTORS_MAX};
use notrace_runtime_jail::Fences;

/// From the template to the supervisor.
#[derive(Serialize, Deserialize)]
pub(crate) enum FromTemplate {
    /// The first process of the namespace exists. With its process descriptor.
    Init,
    /// The template exists. With its process descriptor.
    Template,
    /// The template is jailed and takes orders.
    Ready {
        fences: Fences,
    },
    /// A worker was forked for the slot. With its process descriptor.
    Forked {
        slot: u32,
    },
    NotForked {
        slot: u32,
    },
}

/// From the supervisor to the template: fork a worker for this slot. With the worker's end of its
/// doorbell, its secret page, and its exchange file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) slot: u32,
    pub(crate) processor_seconds: u64,
}

/// From the supervisor to one worker, once: there is a job. With the code's file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Doorbell {
    pub(crate) request_bytes: u32,
    pub(crate) code_bytes: u64,
}

/// Why nothing was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotReceived {
    /// The other end is closed.
    Closed,
    /// Nothing is there yet.
    NotYet,
    /// What came is no message of this kind, or was cut off.
    Garbled,
    Failed,
}

/// Two ends of a channel. Neither survives `exec` unless passed on.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// Sends one message; never waits, never signals.
pub(crate) fn send(
    socket: impl AsFd,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> Result<(), Errno> {
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    let bytes = postcard::to_slice(message, &mut buffer).map_err(|_| Errno::MSGSIZE)?;
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::MSGSIZE);
    }
    let flags = flags | SendFlags::NOSIGNAL;
    sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags).map(|_| ())
}

/// Receives one message and its descriptors.
pub(crate) fn receive<M: for<'a> Deserialize<'a>>(
    socket: impl AsFd,
    flags: RecvFlags,
) -> Result<(M, Vec<OwnedFd>), NotReceived> {
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let got = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(&mut buffer)], &mut ancillary, flags) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Err(NotReceived::NotYet),
            Err(Errno::CONNRESET) => return Err(NotReceived::Closed),
            Err(_) => return Err(NotReceived::Failed),
            Ok(got) => break got,
        }
    };
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    if got.bytes == 0 {
        return Err(NotReceived::Closed);
    }
    if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(NotReceived::Garbled);
    }
    let bytes = buffer.get(..got.bytes).ok_or(NotReceived::Garbled)?;
    let (message, rest) = postcard::take_from_bytes(bytes).map_err(|_| NotReceived::Garbled)?;
    if rest.is_empty() { Ok((message, descriptors)) } else { Err(NotReceived::Garbled) }
}

/// The only descriptors of a message that must have exactly this many.
pub(crate) fn exactly<const N: usize>(
    descriptors: Vec<OwnedFd>,
) -> Result<[OwnedFd; N], NotReceived> {
    descriptors.try_into().map_err(|_| NotReceived::Garbled)
}

#[cfg(test)]
mod a_channel {
    use super::*;
    use rustix::pipe::pipe;

    #[test]
    fn carries_messages_with_descriptors() {
        let (ours, theirs) = pair().unwrap();
        let (reader, writer) = pipe().unwrap();
        let order = Order { slot: 7, processor_seconds: 3 };
        send(&ours, &order, &[writer.as_fd()], SendFlags::empty()).unwrap();
        let (order, fds) = receive::<Order>(&theirs, RecvFlags::empty()).unwrap();
        assert_eq!((order.slot, order.processor_seconds), (7, 3));
        let [copy] = exactly(fds).unwrap();
        rustix::io::write(&copy, b"x").unwrap();
        let mut byte = [0];
        assert_eq!(rustix::io::read(&reader, &mut byte), Ok(1));
    }

    #[test]
    fn refuses_garbage_and_tells_its_end() {
        let (ours, theirs) = pair().unwrap();
        let nothing = receive::<Order>(&theirs, RecvFlags::DONTWAIT).err();
        assert_eq!(nothing, Some(NotReceived::NotYet));
        for garbage in [&[0xFF; 40][..], &[0; 2 * MESSAGE_BYTES_MAX][..], &[1, 2, 3][..]] {
            rustix::io::write(&ours, garbage).unwrap();
            let got = receive::<Order>(&theirs, RecvFlags::empty()).err();
            assert_eq!(got, Some(NotReceived::Garbled));
        }
        drop(ours);
        let end = receive::<Order>(&theirs, RecvFlags::empty()).err();
        assert_eq!(end, Some(NotReceived::Closed));
    }
}
