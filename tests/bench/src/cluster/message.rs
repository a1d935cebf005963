//! The few messages of etcd that a load needs, written and read by hand.
//!
//! Source: protobuf's wire format; etcd 3.4, `etcdserver/etcdserverpb/rpc.proto` and
//! `mvcc/mvccpb/kv.proto`. Instead of a compiler for protobuf: five messages of two fields each.

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;

/// A message in the making, behind the five bytes that gRPC puts before each.
pub(crate) struct Message(Vec<u8>);

impl Message {
    fn new() -> Self {
        Self(vec![0; 5])
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A field of bytes, text or a message.
    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// The message with its length before it, as gRPC sends it.
    fn framed(mut self) -> Bytes {
        let length = (self.0.len() - 5) as u32;
        for (to, from) in self.0.iter_mut().skip(1).zip(length.to_be_bytes()) {
            *to = from;
        }
        self.0.into()
    }
}

/// `PutRequest`.
pub(crate) fn put(key: &[u8], value: &[u8]) -> Bytes {
    Message::new().bytes(1, key).bytes(2, value).framed()
}

/// `RangeRequest` of one key; linearizable, since `serializable` is not set.
pub(crate) fn get(key: &[u8]) -> Bytes {
    Message::new().bytes(1, key).framed()
}

/// `WatchRequest` that asks for a watch on one key.
pub(crate) fn watch(key: &[u8]) -> Bytes {
    let mut create = Message(Vec::new());
    create = create.bytes(1, key);
    Message::new().bytes(1, &create.0).framed()
}

/// The revision in a `PutResponse`.
pub(crate) fn revision_of_put(message: &[u8]) -> Result<u64> {
    let header = bytes(message, 1)?.context("an answer without a header")?;
    number(header, 3)?.context("a header without a revision")
}

/// The value in a `RangeResponse`, or none if there is no such key.
pub(crate) fn value_of_get(message: &[u8]) -> Result<Option<&[u8]>> {
    match bytes(message, 2)? {
        None => Ok(None),
        // An empty value is not written at all.
        Some(pair) => Ok(Some(bytes(pair, 5)?.unwrap_or_default())),
    }
}

/// The revisions of the keys changed in a `WatchResponse`; none in the one that says it began.
pub(crate) fn revisions_of_watch(message: &[u8]) -> Result<Vec<u64>> {
    if number(message, 4)? == Some(1) {
        bail!("the watch was cancelled");
    }
    let mut found = Vec::new();
    each(message, |field, value| {
        if let (11, Value::Bytes(event)) = (field, value) {
            let pair = bytes(event, 2)?.context("an event without a pair")?;
            found.push(number(pair, 3)?.context("a pair without a revision")?);
        }
        Ok(())
    })?;
    Ok(found)
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn number(message: &[u8], wanted: u64) -> Result<Option<u64>> {
    let mut found = None;
    each(message, |field, value| {
        if let (true, Value::Number(value)) = (field == wanted, value) {
            found = Some(value);
        }
        Ok(())
    })?;
    Ok(found)
}

fn bytes(message: &[u8], wanted: u64) -> Result<Option<&[u8]>> {
    let mut found = None;
    each(message, |field, value| {
        if let (true, Value::Bytes(value)) = (field == wanted, value) {
            found = Some(value);
        }
        Ok(())
    })?;
    Ok(found)
}

fn each<'a>(mut rest: &'a [u8], mut take: impl FnMut(u64, Value<'a>) -> Result<()>) -> Result<()> {
    while !rest.is_empty() {
        let tag = take_varint(&mut rest)?;
        let value = match tag & 7 {
            0 => Value::Number(take_varint(&mut rest)?),
            1 => Value::Bytes(take_bytes(&mut rest, 8)?),
            2 => {
                let length = take_varint(&mut rest)?;
                Value::Bytes(take_bytes(&mut rest, length)?)
            }
            5 => Value::Bytes(take_bytes(&mut rest, 4)?),
            _ => bail!("a message with an unknown kind of field"),
        };
        take(tag >> 3, value)?;
    }
    Ok(())
}

fn take_varint(rest: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().context("a message that ends too early")?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    bail!("a number that is too long")
}

fn take_bytes<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8]> {
    let split = rest.split_at_checked(usize::try_from(length)?);
    let (taken, after) = split.context("a message that ends too early")?;
    *rest = after;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_is_two_fields_behind_its_length() {
        assert_eq!(put(b"k", b"vw")[..], *b"\0\0\0\0\x07\x0a\x01k\x12\x02vw");
    }

    #[test]
    fn a_long_value_has_a_length_of_two_bytes() {
        let sent = put(b"k", &[7; 300]);
        assert_eq!(sent[5..11], *b"\x0a\x01k\x12\xac\x02");
        assert_eq!(sent[1..5], 306_u32.to_be_bytes());
    }

    #[test]
    fn a_watch_is_a_request_within_a_request() {
        assert_eq!(watch(b"k")[5..], *b"\x0a\x03\x0a\x01k");
    }

    #[test]
    fn answers_are_read_whatever_else_they_hold() {
        // header { cluster_id: 1, revision: 300, raft_term: 2 }
        let header = b"\x0a\x07\x08\x01\x18\xac\x02\x20\x02";
        assert_eq!(revision_of_put(header).unwrap(), 300);
        // kvs { key: "k", mod_revision: 5, value: "vw" }, count: 1
        let pair = b"\x0a\x01k\x18\x05\x2a\x02vw";
        let answer = [&header[..], b"\x12\x09", pair, b"\x20\x01"].concat();
        assert_eq!(value_of_get(&answer).unwrap(), Some(&b"vw"[..]));
        assert_eq!(value_of_get(header).unwrap(), None);
        let events = [&header[..], b"\x5a\x0d\x08\x00\x12\x09", pair].concat();
        assert_eq!(revisions_of_watch(&events).unwrap(), [5]);
    }

    #[test]
    fn a_cut_off_answer_is_an_error() {
        assert!(revision_of_put(b"\x0a\x07\x08\x01").is_err());
        assert!(revision_of_put(b"").is_err());
        assert!(value_of_get(b"\x12\x80").is_err());
    }
}
