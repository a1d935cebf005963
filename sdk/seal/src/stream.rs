//! A message in chunks, of which none can be altered, left out, repeated, moved or cut off.
//!
//! All chunks but the last are full. Each has its number and whether it is the last in its nonce,
//! so a chunk opens in its own place only, and a message that was cut after a whole chunk has no
//! last one. A key seals one message, so nonces that count never repeat under it.
//!
//! Source: the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, "Online
//! Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance" (CRYPTO 2015), section 7.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroize;

use crate::error::SealError;
use crate::limits::CHUNK_BYTES;

const TAG_BYTES: usize = 16;
const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;

/// How long the sealed form of a message of this length is.
pub(crate) const fn stream_bytes(message_bytes: usize) -> usize {
    let chunks = message_bytes.div_ceil(CHUNK_BYTES);
    message_bytes + TAG_BYTES * if chunks == 0 { 1 } else { chunks }
}

/// Seals `message`, given in parts, behind what `sealed` holds already. It must have room: growing
/// would leave plaintext behind.
pub(crate) fn seal(
    key: &[u8; 32],
    ad: &[u8; 32],
    message: &[&[u8]],
    sealed: &mut Vec<u8>,
) -> Result<(), SealError> {
    let cipher = cipher(key)?;
    let mut left: usize = message.iter().map(|part| part.len()).sum();
    let mut parts = message.iter().copied();
    let mut part: &[u8] = &[];
    for index in 0u32.. {
        let start = sealed.len();
        let end = start + left.min(CHUNK_BYTES);
        while sealed.len() < end {
            let taken = part.len().min(end - sealed.len());
            let (now, later) = part.split_at(taken);
            sealed.extend_from_slice(now);
            part = if later.is_empty() { parts.next().unwrap_or_default() } else { later };
        }
        left -= end - start;
        let chunk = sealed.get_mut(start..).unwrap_or_default();
        let tag = cipher.seal_in_place_separate_tag(nonce(index, left == 0), Aad::from(ad), chunk);
        sealed.extend_from_slice(tag.map_err(|_| SealError::TooLarge)?.as_ref());
        if left == 0 {
            return Ok(());
        }
    }
    Err(SealError::TooLarge)
}

/// Opens what [`seal`] made, into the same allocation.
/// # Errors  [`SealError::NotAuthentic`]; nothing of the message is returned.
pub(crate) fn open(
    key: &[u8; 32],
    ad: &[u8; 32],
    mut sealed: Vec<u8>,
) -> Result<Vec<u8>, SealError> {
    let opened = open_chunks(&cipher(key)?, ad, &mut sealed);
    let length = opened.as_ref().map_or(0, |length| *length);
    // Behind the message there still are copies of what was moved to the front.
    if let Some(rest) = sealed.get_mut(length..) {
        rest.zeroize();
    }
    sealed.truncate(length);
    opened.map(|_| sealed)
}

fn open_chunks(cipher: &LessSafeKey, ad: &[u8; 32], sealed: &mut [u8]) -> Result<usize, SealError> {
    let (mut from, mut to) = (0, 0);
    for index in 0u32.. {
        let rest = sealed.len() - from;
        let last = rest <= SEALED_CHUNK_BYTES;
        let end = from + rest.min(SEALED_CHUNK_BYTES);
        let chunk = sealed.get_mut(from..end).unwrap_or_default();
        let opened = cipher.open_in_place(nonce(index, last), Aad::from(ad), chunk);
        let length = opened.map_err(|_| SealError::NotAuthentic)?.len();
        // An empty chunk behind full ones would be a second form of the same message.
        if last && length == 0 && index > 0 {
            return Err(SealError::NotAuthentic);
        }
        sealed.copy_within(from..from + length, to);
        (from, to) = (end, to + length);
        if last {
            return Ok(to);
        }
    }
    Err(SealError::TooLarge)
}

fn nonce(index: u32, last: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    let number = index.to_be_bytes();
    let tail = number.iter().copied().chain([u8::from(last)]);
    nonce.iter_mut().skip(NONCE_LEN - 5).zip(tail).for_each(|(place, byte)| *place = byte);
    Nonce::assume_unique_for_key(nonce)
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, SealError> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| SealError::Key)?;
    Ok(LessSafeKey::new(key))
}

#[cfg(test)]
mod a_stream {
    use super::*;

    const KEY: [u8; 32] = [1; 32];
    const AD: [u8; 32] = [2; 32];

    fn sealed(message: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        seal(&KEY, &AD, &[message], &mut sealed).unwrap();
        assert_eq!(sealed.len(), stream_bytes(message.len()));
        sealed
    }

    fn message(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn of_any_length_opens_to_what_was_sealed() {
        for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let message = message(length);
            assert_eq!(open(&KEY, &AD, sealed(&message)).as_ref(), Ok(&message), "{length}");
        }
    }

    #[test]
    fn in_parts_is_the_same_as_in_one() {
        let message = message(2 * CHUNK_BYTES + 5);
        for cut in [0, 1, CHUNK_BYTES, CHUNK_BYTES + 7, message.len()] {
            let (first, second) = message.split_at(cut);
            let mut parts = Vec::new();
            seal(&KEY, &AD, &[first, &[], second], &mut parts).unwrap();
            assert_eq!(parts, sealed(&message), "{cut}");
        }
    }

    #[test]
    fn that_was_cut_anywhere_does_not_open() {
        let whole = sealed(&message(2 * CHUNK_BYTES + 5));
        for length in [
            0,
            15,
            16,
            SEALED_CHUNK_BYTES - 1,
            SEALED_CHUNK_BYTES,
            2 * SEALED_CHUNK_BYTES,
            whole.len() - 1,
        ] {
            let cut = whole[..length].to_vec();
            assert_eq!(open(&KEY, &AD, cut), Err(SealError::NotAuthentic), "{length}");
        }
        let longer = [whole, vec![0]].concat();
        assert_eq!(open(&KEY, &AD, longer), Err(SealError::NotAuthentic));
    }

    #[test]
    fn whose_chunks_changed_places_does_not_open() {
        let whole = sealed(&message(3 * CHUNK_BYTES));
        let chunks: Vec<&[u8]> = whole.chunks(SEALED_CHUNK_BYTES).collect();
        for order in [&[1, 0, 2][..], &[0, 2, 1], &[0, 0, 1, 2], &[0, 2], &[1, 2], &[2]] {
            let moved: Vec<u8> = order.iter().flat_map(|at| chunks[*at]).copied().collect();
            assert_eq!(open(&KEY, &AD, moved), Err(SealError::NotAuthentic), "{order:?}");
        }
    }

    #[test]
    fn of_another_key_or_purpose_or_altered_anywhere_does_not_open() {
        let whole = sealed(b"hello");
        assert_eq!(open(&[3; 32], &AD, whole.clone()), Err(SealError::NotAuthentic));
        assert_eq!(open(&KEY, &[3; 32], whole.clone()), Err(SealError::NotAuthentic));
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 0x80;
            assert_eq!(open(&KEY, &AD, altered), Err(SealError::NotAuthentic), "{at}");
        }
    }

    #[test]
    fn has_no_second_form_with_an_empty_end() {
        let key = cipher(&KEY).unwrap();
        let mut two = message(CHUNK_BYTES);
        let tag = key.seal_in_place_separate_tag(nonce(0, false), Aad::from(AD), &mut two).unwrap();
        two.extend_from_slice(tag.as_ref());
        let tag = key.seal_in_place_separate_tag(nonce(1, true), Aad::from(AD), &mut []).unwrap();
        two.extend_from_slice(tag.as_ref());
        assert_eq!(open(&KEY, &AD, two), Err(SealError::NotAuthentic));
    }
}
