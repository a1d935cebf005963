//! A message that is filled up with zeros, so that its length says which bucket it is in and no
//! more.
//!
//! The message stays where it is; zeros follow it, and at the very end stands what it is and how
//! long it was. A message has one form: zeros that are none do not open.

use notrace_policy_promise::receipt::Ended;
use notrace_policy_promise::release::Sizes;
use zeroize::Zeroize as _;

use crate::error::SealError;
use crate::limits::{CHUNK_BYTES, TRAILER_BYTES};

const ZEROS: &[u8] = &[0; CHUNK_BYTES];

/// So many zeros, in parts.
pub(crate) fn zeros<'a>(count: usize) -> impl Iterator<Item = &'a [u8]> {
    let whole = core::iter::repeat_n::<&[u8]>(ZEROS, count / CHUNK_BYTES);
    whole.chain(ZEROS.get(..count % CHUNK_BYTES))
}

/// How many zeros are behind a message of this length, and the trailer that follows them.
pub(crate) fn filled_up(
    bytes: usize,
    ended: Ended,
    sizes: Sizes,
) -> Result<(usize, [u8; TRAILER_BYTES]), SealError> {
    let whole = bytes + TRAILER_BYTES;
    let padded = sizes.bucket(whole).ok_or(SealError::TooLarge)?;
    let [a, b, c, d] = u32::try_from(bytes).map_err(|_| SealError::TooLarge)?.to_be_bytes();
    Ok((padded - whole, [ended.code(), a, b, c, d]))
}

/// Leaves the message alone in its buffer, and says what it is.
pub(crate) fn take_off(padded: &mut Vec<u8>) -> Option<Ended> {
    let (rest, trailer) = padded.split_last_chunk::<TRAILER_BYTES>()?;
    let [ended, length @ ..] = *trailer;
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    let ended = Ended::from_code(ended)?;
    if !is_zeros(rest.get(length..)?) {
        return None;
    }
    padded.get_mut(length..)?.zeroize();
    padded.truncate(length);
    Some(ended)
}

/// Whether there is nothing but zeros.
pub(crate) fn is_zeros(bytes: &[u8]) -> bool {
    bytes.chunks(CHUNK_BYTES).all(|chunk| ZEROS.get(..chunk.len()) == Some(chunk))
}

#[cfg(test)]
mod a_padded_message {
    use super::*;

    fn padded(message: &[u8], sizes: Sizes) -> Vec<u8> {
        let (count, trailer) = filled_up(message.len(), Ended::Answered, sizes).unwrap();
        let zeros: Vec<u8> = zeros(count).flatten().copied().collect();
        [message, &zeros, &trailer].concat()
    }

    #[test]
    fn comes_back_from_every_bucket() {
        for sizes in [Sizes::Exact, Sizes::Padme, Sizes::Powers, Sizes::Fixed64K] {
            for length in [0, 1, 4_091, 4_092, 65_000] {
                let message = vec![7; length];
                let mut padded = padded(&message, sizes);
                assert_eq!(Some(padded.len()), sizes.bucket(length + TRAILER_BYTES));
                assert_eq!(take_off(&mut padded), Some(Ended::Answered));
                assert_eq!(padded, message);
            }
        }
    }

    #[test]
    fn has_one_form() {
        let good = padded(b"answer", Sizes::Fixed4K);
        for at in 6..good.len() - TRAILER_BYTES {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(take_off(&mut bad), None, "{at}");
        }
        // A length that is too short leaves a part of the message where zeros should be.
        let mut bad = good.clone();
        *bad.last_mut().unwrap() = 5;
        assert_eq!(take_off(&mut bad), None);
        assert_eq!(take_off(&mut good[..4].to_vec()), None);
    }

    #[test]
    fn that_is_longer_than_its_size_is_not_made() {
        let most = Sizes::Fixed4K.room() - TRAILER_BYTES;
        assert!(filled_up(most, Ended::Answered, Sizes::Fixed4K).is_ok());
        assert!(filled_up(most + 1, Ended::Answered, Sizes::Fixed4K).is_err());
    }
}
