//! Somebody between client and node, who sees ciphertext and writes down what passes and when.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// Which way something passes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

struct Piece {
    way: Way,
    at: Instant,
    bytes: Vec<u8>,
}

/// One connection, recorded.
pub struct Wire {
    /// Where the client is to connect.
    pub authority: String,
    pieces: Arc<Mutex<Vec<Piece>>>,
}

/// What passed since a certain moment.
pub struct Passed {
    /// The lengths of the TLS records from the client, in order.
    pub sent: Vec<usize>,
    /// Those from the node.
    pub received: Vec<usize>,
    /// From the last byte of the client's to the first of the node's.
    pub answered_after: Duration,
}

impl Wire {
    /// Stands between the next client that connects and the node at `authority`.
    ///
    /// # Errors  There is no port.
    pub async fn to(authority: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let own = listener.local_addr()?.to_string();
        let pieces: Arc<Mutex<Vec<Piece>>> = Arc::default();
        let (recorded, authority) = (pieces.clone(), authority.to_owned());
        tokio::spawn(async move {
            let Ok((client, _)) = listener.accept().await else { return };
            let Ok(node) = TcpStream::connect(authority).await else { return };
            let (_, _) = (client.set_nodelay(true), node.set_nodelay(true));
            let ((from_client, to_client), (from_node, to_node)) =
                (client.into_split(), node.into_split());
            tokio::join!(
                pass(Way::Up, from_client, to_node, &recorded),
                pass(Way::Down, from_node, to_client, &recorded),
            );
        });
        Ok(Self { authority: own, pieces })
    }

    /// How much has passed so far. To be asked while nothing is on its way.
    pub fn mark(&self) -> usize {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What passed since.
    ///
    /// # Errors  Nothing did, or it was no TLS.
    pub fn since(&self, mark: usize) -> Result<Passed> {
        let pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let pieces = pieces.get(mark..).unwrap_or_default();
        let of = |way| pieces.iter().filter(move |piece| piece.way == way);
        let first = of(Way::Down).next().context("the node did not answer")?;
        let mut before = of(Way::Up).rev().filter(|piece| piece.at <= first.at);
        let last = before.next().context("the client asked nothing")?;
        let records = |way| {
            let bytes: Vec<u8> = of(way).flat_map(|piece| piece.bytes.clone()).collect();
            records(&bytes).context("what passed is not TLS")
        };
        Ok(Passed {
            sent: records(Way::Up)?,
            received: records(Way::Down)?,
            answered_after: first.at - last.at,
        })
    }
}

async fn pass(
    way: Way,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    recorded: &Mutex<Vec<Piece>>,
) {
    let mut room = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut room).await {
        let bytes = room.get(..length).unwrap_or_default();
        let piece = Piece { way, at: Instant::now(), bytes: bytes.to_vec() };
        recorded.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// The lengths of TLS records. Source: RFC 8446, section 5.1.
fn records(mut bytes: &[u8]) -> Option<Vec<usize>> {
    let mut lengths = Vec::new();
    while let [_kind, 3, _, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        bytes = rest.get(length..)?;
        lengths.push(length);
    }
    bytes.is_empty().then_some(lengths)
}

#[cfg(test)]
mod records_of_tls {
    use super::*;

    #[test]
    fn are_counted_and_measured() {
        let two = [&[23, 3, 3, 0, 2, 9, 9][..], &[23, 3, 3, 1, 0], &[7; 256]].concat();
        assert_eq!(records(&two), Some(vec![2, 256]));
        assert_eq!(records(&two[..9]), None);
        assert_eq!(records(b"HTTP/1.1 200 OK"), None);
    }
}
