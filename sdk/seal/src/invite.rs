//! One-time tokens with which a node joins a group: who knows the token proves it without sending
//! it, for one connection alone.
//!
//! The proof covers the certificate that the member's end of the connection shows, so somebody in
//! between, who must show another one, can do nothing with it. The member answers with a proof of
//! its own, so the one who joins knows that it was let in by somebody who knows the token.
//!
//! Source: channel binding by the server's certificate, `tls-server-end-point` of RFC 5929 §4.

use notrace_policy_promise::private::Private;
use ring::hmac;

/// The key that stands for a token. Whoever has it can join, so it is as secret as the token.
pub struct InviteKey(Private<[u8; 32]>);

/// How long a token is.
pub const TOKEN_BYTES: usize = 32;

/// How long the name of an invitation is.
pub const INVITE_ID_BYTES: usize = 8;

impl InviteKey {
    /// The key of this token.
    #[must_use]
    pub fn of(token: &[u8; TOKEN_BYTES]) -> Self {
        Self(Private::new(tagged(token, &[b"notrace invite v1"])))
    }

    /// The key of these bytes, as [`InviteKey::reveal`] shows them.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Private::new(bytes))
    }

    /// Shows the bytes of the key.
    pub fn reveal<R>(&self, look: impl FnOnce(&[u8; 32]) -> R) -> R {
        self.0.reveal(look)
    }

    /// The name of the invitation, which tells nothing of the token.
    #[must_use]
    pub fn id(&self) -> [u8; INVITE_ID_BYTES] {
        let mut id = [0; INVITE_ID_BYTES];
        let digest = self.tag(&[b"notrace invite id v1"]);
        id.iter_mut().zip(digest).for_each(|(place, byte)| *place = byte);
        id
    }

    /// What proves the token over a connection whose member shows this certificate.
    #[must_use]
    pub fn ask(&self, certificate_sha256: &[u8; 32], nonce: &[u8; 32], wish: &[u8]) -> [u8; 32] {
        self.tag(&[b"notrace join v1", certificate_sha256, nonce, wish])
    }

    /// What proves that whoever answers knows the token too, and means this answer.
    #[must_use]
    pub fn answer(
        &self,
        certificate_sha256: &[u8; 32],
        nonce: &[u8; 32],
        answer: &[u8],
    ) -> [u8; 32] {
        self.tag(&[b"notrace welcome v1", certificate_sha256, nonce, answer])
    }

    fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.0.reveal(|key| tagged(key, parts))
    }
}

/// Whether two proofs are the same, in a time that does not tell where they differ.
#[must_use]
pub fn same_proof(one: &[u8; 32], other: &[u8]) -> bool {
    // A tag under a key of no importance: comparing tags is what the library does in constant time.
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"compare");
    let tag = hmac::sign(&key, one);
    hmac::verify(&key, other, tag.as_ref()).is_ok()
}

fn tagged(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut tag = [0; 32];
    tag.copy_from_slice(context.sign().as_ref());
    tag
}

#[cfg(test)]
mod a_proof {
    use super::*;

    #[test]
    fn is_for_one_token_one_certificate_one_nonce_and_one_wish() {
        let (key, other) = (InviteKey::of(&[1; 32]), InviteKey::of(&[2; 32]));
        let proof = key.ask(&[3; 32], &[4; 32], b"wish");
        assert!(same_proof(&proof, &key.ask(&[3; 32], &[4; 32], b"wish")));
        for another in [
            other.ask(&[3; 32], &[4; 32], b"wish"),
            key.ask(&[5; 32], &[4; 32], b"wish"),
            key.ask(&[3; 32], &[5; 32], b"wish"),
            key.ask(&[3; 32], &[4; 32], b"other"),
            key.answer(&[3; 32], &[4; 32], b"wish"),
        ] {
            assert!(!same_proof(&proof, &another));
        }
        assert!(!same_proof(&proof, &proof[1..]));
        assert_ne!(key.id(), other.id());
    }
}
