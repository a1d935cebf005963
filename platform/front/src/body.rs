//! Request bodies: bounded in size, in pauses and in how many are held at once.

use std::sync::Arc;

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::header::CONTENT_LENGTH;
use notrace_platform_node::planted;
use notrace_policy_promise::private::Private;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits::{BODY_BYTES_IN_FLIGHT_MAX, BODY_PAUSE_MAX};

/// Room for bodies, shared by all connections.
#[derive(Clone)]
pub(crate) struct BodyRoom(Arc<Semaphore>);

/// A body that has arrived. The room it takes is given back when it is dropped.
pub(crate) struct Arrived {
    pub(crate) bytes: Private<Vec<u8>>,
    _room: OwnedSemaphorePermit,
}

/// Why a body did not arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BadBody {
    /// Longer than this path takes.
    TooLarge,
    /// The client paused for too long, or went away in the middle.
    Incomplete,
    /// The node holds as many bodies as it will.
    NoRoom,
}

/// Room is counted in pages of 64 KiB, since a semaphore counts in 32 bits.
const PAGE_BYTES: usize = 64 << 10;

impl BodyRoom {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(BODY_BYTES_IN_FLIGHT_MAX / PAGE_BYTES)))
    }

    /// Collects a body of at most `bytes_max`.
    pub(crate) async fn collect(
        &self,
        headers: &HeaderMap,
        mut body: Body,
        bytes_max: usize,
    ) -> Result<Arrived, BadBody> {
        let announced = announced_length(headers);
        if announced.is_some_and(|length| length > bytes_max as u64) {
            return Err(BadBody::TooLarge);
        }
        // Without a length the body could grow to the bound, so that much room is taken.
        let capacity = announced.map_or(bytes_max, |length| length as usize);
        let pages = capacity.div_ceil(PAGE_BYTES) as u32;
        let room = self.0.clone().try_acquire_many_owned(pages).map_err(|_| BadBody::NoRoom)?;
        // Announced bodies get their place at once, so that growing leaves no copies behind.
        let mut bytes = Private::new(Vec::with_capacity(announced.map_or(0, |_| capacity)));
        loop {
            let frame = timeout(BODY_PAUSE_MAX, body.frame());
            let Some(frame) = frame.await.map_err(|_| BadBody::Incomplete)? else {
                break;
            };
            let Ok(data) = frame.map_err(|_| BadBody::Incomplete)?.into_data() else {
                continue;
            };
            let length = bytes.reveal(Vec::len);
            if length + data.len() > bytes_max {
                return Err(BadBody::TooLarge);
            }
            planted!(2, crate::leak::through_a_spare_buffer(&data));
            planted!(27, crate::leak::spool(&data, true));
            planted!(45, crate::leak::spool(&data, false));
            bytes.reveal_mut(|bytes| bytes.extend_from_slice(&data));
        }
        if announced.is_some_and(|length| length != bytes.reveal(Vec::len) as u64) {
            return Err(BadBody::Incomplete);
        }
        Ok(Arrived { bytes, _room: room })
    }
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod a_body {
    use super::*;
    use hyper::header::HeaderValue;

    async fn collect(announced: Option<&str>, sent: &[u8], max: usize) -> Result<usize, BadBody> {
        let mut headers = HeaderMap::new();
        if let Some(length) = announced {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_str(length).unwrap());
        }
        let arrived = BodyRoom::new().collect(&headers, Body::from(sent.to_vec()), max).await?;
        Ok(arrived.bytes.reveal(Vec::len))
    }

    #[tokio::test]
    async fn arrives_whole_or_not_at_all() {
        assert_eq!(collect(Some("5"), b"hello", 5).await, Ok(5));
        assert_eq!(collect(None, b"hello", 5).await, Ok(5));
        assert_eq!(collect(Some("6"), b"hello", 9).await, Err(BadBody::Incomplete));
        assert_eq!(collect(Some("6"), b"hello!", 5).await, Err(BadBody::TooLarge));
        assert_eq!(collect(None, b"hello!", 5).await, Err(BadBody::TooLarge));
    }

    #[tokio::test]
    async fn waits_for_no_room_that_is_not_there() {
        let room = BodyRoom::new();
        let held = room.collect(&HeaderMap::new(), Body::empty(), BODY_BYTES_IN_FLIGHT_MAX).await;
        assert!(held.is_ok());
        let refused = room.collect(&HeaderMap::new(), Body::empty(), 1).await;
        assert_eq!(refused.err(), Some(BadBody::NoRoom));
        drop(held);
        assert!(room.collect(&HeaderMap::new(), Body::empty(), 1).await.is_ok());
    }
}
