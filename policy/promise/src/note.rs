//! Signed notes: text under Ed25519 signatures, in the form that all transparency logs share.
//!
//! Source: C2SP `signed-note`. Parsing and the list of signature lines are `signed_note`'s; the
//! keys are our own, because a promise must bind its signer: signatures are checked strictly, so
//! that no key exists whose owner could later say that a signature of theirs fits any text.

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use signed_note::{Note, NoteError, VerifierList};

use crate::encode::{from_base64, to_base64};
use crate::limits::{KEY_NAME_BYTES_MAX, NOTE_BYTES_MAX};

const ED25519: u8 = 1;

/// A public key that may sign notes, with the name it signs under. Prints and parses as a `vkey`:
/// `NAME+KEYID+BASE64`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifierKey {
    name: Box<str>,
    id: u32,
    key: VerifyingKey,
}

/// A secret key that signs notes. The key is wiped when dropped.
pub struct NoteSigner {
    public: VerifierKey,
    key: SigningKey,
}

/// A note whose signatures are good.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The signed text, ending in a newline.
    pub text: String,
    /// How many of the given keys signed it; at least one.
    pub signatures: u32,
}

/// Why a text is not a key's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAKey {
    /// Not `NAME+KEYID+BASE64`.
    #[error("a log's key is NAME+KEYID+BASE64, as its operator publishes it")]
    Form,
    /// A name that no note could carry.
    #[error("a key's name is 1 to {KEY_NAME_BYTES_MAX} bytes without spaces, controls and `+`")]
    Name,
    /// The id belongs to another key or name.
    #[error("the key's id does not fit its name and key; copy it again")]
    Id,
    /// Another algorithm, no point on the curve, or a point whose signatures fit any text.
    #[error("only Ed25519 keys of full order are trusted")]
    Algorithm,
}

/// Why a note is not to be believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotSigned {
    /// Not a signed note.
    #[error("this is not a signed note")]
    Form,
    /// None of the given keys signed it.
    #[error("no trusted key signed it")]
    Unknown,
    /// A signature under a given key's name does not fit the text.
    #[error("a trusted key's signature does not fit the text")]
    Forged,
}

impl VerifierKey {
    fn new(name: &str, key: VerifyingKey) -> Result<Self, NotAKey> {
        let printable = !name.chars().any(char::is_control);
        if !signed_note::is_key_name_valid(name) || !printable || name.len() > KEY_NAME_BYTES_MAX {
            return Err(NotAKey::Name);
        }
        if key.is_weak() {
            return Err(NotAKey::Algorithm);
        }
        let id = signed_note::key_id(name, &typed(&key));
        Ok(Self { name: name.into(), id, key })
    }

    /// The name it signs under. A log's name is its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The 32 bytes of the public key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }
}

fn typed(key: &VerifyingKey) -> [u8; 33] {
    let mut bytes = [ED25519; 33];
    for (place, &byte) in bytes.iter_mut().skip(1).zip(key.as_bytes()) {
        *place = byte;
    }
    bytes
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, self.id, to_base64(&typed(&self.key)))
    }
}

impl FromStr for VerifierKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NotAKey::Form);
        };
        let key = from_base64(key).ok_or(NotAKey::Form)?;
        let Some((&ED25519, key)) = key.split_first() else {
            return Err(NotAKey::Algorithm);
        };
        let key: &[u8; 32] = key.try_into().map_err(|_| NotAKey::Form)?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| NotAKey::Algorithm)?;
        let known = Self::new(name, key)?;
        // Compared as text, so that the id has one spelling.
        (known.to_string() == text).then_some(known).ok_or(NotAKey::Id)
    }
}

impl signed_note::Verifier for VerifierKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(text, &signature).is_ok())
    }
}

impl NoteSigner {
    /// The key that `seed` makes, signing as `name`.
    /// # Errors  [`NotAKey::Name`]
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, NotAKey> {
        let key = SigningKey::from_bytes(seed);
        let public = VerifierKey::new(name, key.verifying_key())?;
        Ok(Self { public, key })
    }

    /// The public half.
    pub fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// `text` as a signed note.
    /// # Errors  [`NotSigned::Form`] if no note can carry the text: it must end in a newline and
    /// hold no other control characters.
    pub fn sign(&self, text: &str) -> Result<String, NotSigned> {
        let mut note = Note::new(text.as_bytes(), &[]).map_err(|_| NotSigned::Form)?;
        note.add_sigs(&[self]).map_err(|_| NotSigned::Form)?;
        String::from_utf8(note.to_bytes()).map_err(|_| NotSigned::Form)
    }
}

impl signed_note::Signer for NoteSigner {
    fn name(&self) -> &str {
        &self.public.name
    }

    fn key_id(&self) -> u32 {
        self.public.id
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        use ed25519_dalek::Signer as _;
        Ok(self.key.try_sign(text)?.to_vec())
    }
}

/// Opens a note if at least one of `keys` signed it. Lines of other keys are skipped, as the
/// format wants; a bad signature under a known key's name and id refuses the whole note.
/// # Errors  [`NotSigned`]
pub fn open(note: &str, keys: &[VerifierKey]) -> Result<Opened, NotSigned> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(NotSigned::Form);
    }
    let note = Note::from_bytes(note.as_bytes()).map_err(|_| NotSigned::Form)?;
    let mut known: Vec<Box<dyn signed_note::Verifier>> = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        let seen = keys.iter().take(place).any(|earlier| earlier == key);
        if !seen {
            known.push(Box::new(key.clone()));
        }
    }
    match note.verify(&VerifierList::new(known)) {
        Ok((good, _)) => {
            let text = String::from_utf8(note.text().to_vec()).map_err(|_| NotSigned::Form)?;
            Ok(Opened { text, signatures: good.len() as u32 })
        }
        Err(NoteError::InvalidSignature { .. }) => Err(NotSigned::Forged),
        Err(_) => Err(NotSigned::Unknown),
    }
}

#[cfg(test)]
mod a_note {
    use super::*;

    fn signer(name: &str, seed: u8) -> NoteSigner {
        NoteSigner::new(name, &[seed; 32]).unwrap()
    }

    #[test]
    fn opens_under_its_key_and_no_other() {
        let note = signer("log.example", 1).sign("word\n").unwrap();
        let key = signer("log.example", 1).public().clone();
        let opened = Opened { text: "word\n".to_owned(), signatures: 1 };
        assert_eq!(open(&note, &[key.clone(), key]), Ok(opened));
        for (name, seed) in [("log.example", 2), ("log.examples", 1)] {
            let other = signer(name, seed).public().clone();
            assert_eq!(open(&note, &[other]), Err(NotSigned::Unknown));
        }
        assert_eq!(open(&note, &[]), Err(NotSigned::Unknown));
    }

    #[test]
    fn of_the_specification_opens() {
        // Source: the worked example of the Go `note` package, which the specification grew from.
        let note = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n\n\
                    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSN\
                    XgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key: VerifierKey = key.parse().unwrap();
        assert_eq!(open(note, std::slice::from_ref(&key)).unwrap().signatures, 1);
        let changed = note.replace("answer", "Answer");
        assert_eq!(open(&changed, &[key]), Err(NotSigned::Forged));
    }

    #[test]
    fn key_prints_as_it_parses_and_has_one_spelling() {
        let key = signer("log.example/a", 7).public().clone();
        let text = key.to_string();
        assert_eq!(text.parse(), Ok(key));
        let id = text.split('+').nth(1).unwrap().to_owned();
        assert_eq!(text.replace(&id, "00000000").parse::<VerifierKey>(), Err(NotAKey::Id));
        assert_eq!(text.replace("/a+", "/b+").parse::<VerifierKey>(), Err(NotAKey::Id));
        for bad in ["", "a", "a+b", "a+b+", "a+b+AQ==", "+00000000+AQ=="] {
            assert!(bad.parse::<VerifierKey>().is_err(), "{bad:?}");
        }
        assert!(NoteSigner::new("two words", &[1; 32]).is_err());
    }

    #[test]
    fn key_of_small_order_is_refused() {
        // The neutral element: with it as key, one signature fits every text.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut bytes = vec![ED25519];
        bytes.extend(neutral);
        let id = signed_note::key_id("log", &bytes);
        let text = format!("log+{id:08x}+{}", to_base64(&bytes));
        assert_eq!(text.parse::<VerifierKey>(), Err(NotAKey::Algorithm));
    }
}
