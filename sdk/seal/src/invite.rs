//! One-time tokens with which a node joins a group: who knows the token proves it without sending
//! it, for one connection alone.
//!
//! A token gives two keys. With the first the one who joins signs; the group keeps what verifies
//! that, from which no proof can be made, so that whoever reads the group's disks cannot join. With
//! the second the group proves in turn that it was told of the token, so that the one who joins
//! knows by whom it was let in; the group keeps it wrapped.
//!
//! Both proofs cover the certificate that the member's end of the connection shows, so somebody in
//! between, who must show another one, can do nothing with either.
//!
//! Source: channel binding by the server's certificate, `tls-server-end-point` of RFC 5929 §4;
//! Ed25519 (RFC 8032).

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use notrace_policy_promise::private::Private;
use ring::{digest, hmac};

/// What a token proves itself with. Whoever has it can join, so it is as secret as the token.
pub struct InviteKey(SigningKey);

/// What a group proves with that it was told of the token. Nobody can join with it.
pub struct WelcomeKey(Private<[u8; 32]>);

/// How long a token is.
pub const TOKEN_BYTES: usize = 32;

/// How long the name of an invitation is.
pub const INVITE_ID_BYTES: usize = 8;

/// How long a proof of a token is.
pub const INVITE_PROOF_BYTES: usize = 64;

impl InviteKey {
    /// The key of this token.
    #[must_use]
    pub fn of(token: &[u8; TOKEN_BYTES]) -> Self {
        Self(SigningKey::from_bytes(&tagged(token, &[b"notrace invite v2"])))
    }

    /// What verifies the proofs of this token, and tells nothing of it.
    #[must_use]
    pub fn verifier(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The name of the invitation, which tells nothing of the token.
    #[must_use]
    pub fn id(&self) -> [u8; INVITE_ID_BYTES] {
        let said = said(b"notrace invite id v2", &[&self.verifier()]);
        let digest = digest::digest(&digest::SHA256, &said);
        digest.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// What proves the token over a connection whose member shows this certificate.
    #[must_use]
    pub fn ask(
        &self,
        certificate_sha256: &[u8; 32],
        nonce: &[u8; 32],
        wish: &[u8],
    ) -> [u8; INVITE_PROOF_BYTES] {
        self.0.sign(&asked(certificate_sha256, nonce, wish)).to_bytes()
    }
}

/// Whether a proof was made by whoever knows the token that belongs to this verifier.
#[must_use]
pub fn is_asked(
    verifier: &[u8; 32],
    (certificate_sha256, nonce, wish): (&[u8; 32], &[u8; 32], &[u8]),
    proof: &[u8; INVITE_PROOF_BYTES],
) -> bool {
    let said = asked(certificate_sha256, nonce, wish);
    let proof = Signature::from_bytes(proof);
    VerifyingKey::from_bytes(verifier).is_ok_and(|key| key.verify_strict(&said, &proof).is_ok())
}

impl WelcomeKey {
    /// The key of this token.
    #[must_use]
    pub fn of(token: &[u8; TOKEN_BYTES]) -> Self {
        Self(Private::new(tagged(token, &[b"notrace welcome v2"])))
    }

    /// The key of these bytes, as [`WelcomeKey::reveal`] shows them.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Private::new(bytes))
    }

    /// Shows the bytes of the key.
    pub fn reveal<R>(&self, look: impl FnOnce(&[u8; 32]) -> R) -> R {
        self.0.reveal(look)
    }

    /// What proves that whoever answers was told of the token, and means this answer.
    #[must_use]
    pub fn answer(
        &self,
        certificate_sha256: &[u8; 32],
        nonce: &[u8; 32],
        answer: &[u8],
    ) -> [u8; 32] {
        let parts = [&b"notrace answer v2"[..], certificate_sha256, nonce, answer];
        self.0.reveal(|key| tagged(key, &parts))
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

fn asked(certificate_sha256: &[u8; 32], nonce: &[u8; 32], wish: &[u8]) -> Vec<u8> {
    said(b"notrace join v2", &[certificate_sha256, nonce, wish])
}

/// Parts, each with its length, so that no two lists of them are the same bytes.
fn said(what: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let parts = core::iter::once(what).chain(parts.iter().copied());
    parts.flat_map(|part| [&(part.len() as u64).to_be_bytes()[..], part].concat()).collect()
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
        fn good(
            key: &InviteKey,
            certificate: u8,
            nonce: u8,
            wish: &[u8],
            proof: &[u8; INVITE_PROOF_BYTES],
        ) -> bool {
            is_asked(&key.verifier(), (&[certificate; 32], &[nonce; 32], wish), proof)
        }
        assert!(good(&key, 3, 4, b"wish", &proof));
        assert!(!good(&other, 3, 4, b"wish", &proof));
        assert!(!good(&key, 5, 4, b"wish", &proof));
        assert!(!good(&key, 3, 5, b"wish", &proof));
        assert!(!good(&key, 3, 4, b"other", &proof));
        for at in 0..INVITE_PROOF_BYTES {
            let mut broken = proof;
            broken[at] ^= 1;
            assert!(!good(&key, 3, 4, b"wish", &broken));
        }
        assert_ne!(key.id(), other.id());
    }

    #[test]
    fn of_the_group_is_for_one_token_and_one_answer() {
        let (key, other) = (WelcomeKey::of(&[1; 32]), WelcomeKey::of(&[2; 32]));
        let proof = key.answer(&[3; 32], &[4; 32], b"answer");
        let kept = WelcomeKey::from_bytes(key.reveal(|bytes| *bytes));
        assert!(same_proof(&proof, &kept.answer(&[3; 32], &[4; 32], b"answer")));
        for another in [
            other.answer(&[3; 32], &[4; 32], b"answer"),
            key.answer(&[5; 32], &[4; 32], b"answer"),
            key.answer(&[3; 32], &[5; 32], b"answer"),
            key.answer(&[3; 32], &[4; 32], b"other"),
        ] {
            assert!(!same_proof(&proof, &another));
        }
        assert!(!same_proof(&proof, &proof[1..]));
    }

    /// What a group keeps of a token is on its disks.
    #[test]
    fn cannot_be_made_from_what_the_group_keeps() {
        let token = [1; 32];
        let (key, welcome) = (InviteKey::of(&token), WelcomeKey::of(&token));
        let proof = key.ask(&[3; 32], &[4; 32], b"wish");
        let kept = [key.verifier(), welcome.reveal(|bytes| *bytes)];
        for bytes in kept {
            for made in [InviteKey::of(&bytes), InviteKey(SigningKey::from_bytes(&bytes))] {
                assert_ne!(made.verifier(), key.verifier());
                assert_ne!(made.ask(&[3; 32], &[4; 32], b"wish"), proof);
            }
        }
    }
}
