//! Bounds of the HTTP edge.

use std::time::Duration;

/// How many connections are open at once. Later ones wait in the listener's backlog.
pub(crate) const CONNECTIONS_MAX: usize = 1024;
/// How long a TLS handshake may take.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How long a request's head may take to arrive.
pub(crate) const HEAD_MAX: Duration = Duration::from_secs(15);
/// How long a connection may be open without a request.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(60);
/// How long nothing is accepted after an accept that failed.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a body may pause between two pieces.
pub(crate) const BODY_PAUSE_MAX: Duration = Duration::from_secs(30);
/// The largest JSON body of a request.
pub(crate) const JSON_BYTES_MAX: usize = 1 << 20;
/// The largest body of a transaction: its values are base64 within JSON.
pub(crate) const TRANSACT_BYTES_MAX: usize = 96 << 20;
/// The longest query string.
pub(crate) const QUERY_BYTES_MAX: usize = 4096;
/// The size hyper may buffer of one HTTP/1 connection.
pub(crate) const HTTP1_BUFFER_BYTES_MAX: usize = 64 << 10;
/// How many HTTP/2 streams one connection may have open.
pub(crate) const HTTP2_STREAMS_MAX: u32 = 128;
/// Bytes of request bodies held at once, over all connections.
pub(crate) const BODY_BYTES_IN_FLIGHT_MAX: usize = 512 << 20;
/// How much of a body that is refused is read and dropped, so that its sender reads the refusal.
pub(crate) const DISCARD_BYTES_MAX: usize = 256 << 20;
/// How many other nodes a client's credentials name.
pub(crate) const MEMBERS_MAX: usize = 64;
/// How often a node looks after its certificate and its owner's credentials.
pub(crate) const UPKEEP_EVERY: Duration = Duration::from_secs(60);
/// How long what is under way may take to end once the node drains.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(10);
/// How many who come while it drains are answered at once.
pub(crate) const TURNED_AWAY_MAX: usize = 64;
/// How long each of them may take.
pub(crate) const TURN_AWAY_MAX: Duration = Duration::from_secs(2);
/// How long a request for a receipt waits for its epoch.
pub(crate) const RECEIPT_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often a silent watch sends a comment, so that a dead peer is noticed.
pub(crate) const WATCH_HEARTBEAT: Duration = Duration::from_secs(15);
/// How many watches may be open at once.
pub(crate) const WATCHES_MAX: usize = 256;
/// How long a request waits until the node is as far as its client has seen others.
pub(crate) const VIEW_WAIT: Duration = Duration::from_secs(5);
/// How long a request waits for a node that has only just started.
pub(crate) const READY_WAIT: Duration = Duration::from_secs(1);
/// How long an invitation that could not be registered now waits until it is tried again.
pub(crate) const INVITE_AGAIN: Duration = Duration::from_millis(200);
