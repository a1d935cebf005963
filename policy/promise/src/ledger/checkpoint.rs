//! The head of a log: its origin, its size and its root, under the log's signature.
//!
//! Source: C2SP `tlog-checkpoint`.

use crate::limits::LEDGER_LEAVES_MAX;
use crate::note::{self, NotSigned, NoteSigner, VerifierKey};

use super::Hash;

/// What a log says of itself at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

/// A checkpoint with its signatures, after they were checked.
#[derive(Clone, PartialEq, Debug)]
pub struct SignedCheckpoint {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// How many of the trusted keys signed it.
    pub signatures: u32,
}

/// Why a text is not a checkpoint to be believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadCheckpoint {
    /// Signed, but not in the form of a checkpoint.
    #[error("the signed text is not a checkpoint")]
    Form,
    /// Not signed by a trusted key.
    #[error(transparent)]
    NotSigned(NotSigned),
}

impl Checkpoint {
    /// The text that is signed. It has no extension lines: monitors could not audit them.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// The checkpoint that `text` is. Extension lines are refused: this program writes none, so a
    /// log that shows some is not one whose heads it understands.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).ok()?;
        let origin = parsed.origin().to_owned();
        let found = Self { origin, size: parsed.size(), root: *parsed.hash() };
        (found.text() == text && found.size <= LEDGER_LEAVES_MAX).then_some(found)
    }

    /// The checkpoint as a signed note.
    /// # Errors  [`BadCheckpoint::Form`] if the origin cannot stand in one.
    pub fn sign(&self, signer: &NoteSigner) -> Result<String, BadCheckpoint> {
        let text = self.text();
        if Self::parse(&text).is_none() {
            return Err(BadCheckpoint::Form);
        }
        signer.sign(&text).map_err(BadCheckpoint::NotSigned)
    }
}

impl SignedCheckpoint {
    /// Opens a signed checkpoint if at least one of `keys` signed it.
    /// # Errors  [`BadCheckpoint`]
    pub fn open(note: &str, keys: &[VerifierKey]) -> Result<Self, BadCheckpoint> {
        let opened = note::open(note, keys).map_err(BadCheckpoint::NotSigned)?;
        let checkpoint = Checkpoint::parse(&opened.text).ok_or(BadCheckpoint::Form)?;
        Ok(Self { checkpoint, signatures: opened.signatures })
    }
}

#[cfg(test)]
mod a_checkpoint {
    use super::*;

    fn head() -> Checkpoint {
        Checkpoint { origin: "log.example".to_owned(), size: 18, root: Hash([7; 32]) }
    }

    #[test]
    fn is_three_lines() {
        let text = head().text();
        assert_eq!(text, "log.example\n18\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n");
        assert_eq!(Checkpoint::parse(&text), Some(head()));
        for (good, bad) in [
            ("18", "018"),
            ("18", "+18"),
            ("18", "281474976710657"),
            ("log.example\n", "\n"),
            ("Bwc=\n", "Bwc="),
            ("Bwc=\n", "Bwd=\n"),
            ("Bwc=\n", "Bwc=\nextension\n"),
            ("18\n", "18\r\n"),
        ] {
            assert_eq!(Checkpoint::parse(&text.replace(good, bad)), None, "{bad:?}");
        }
    }

    #[test]
    fn opens_under_the_log_key_only() {
        let signer = NoteSigner::new("log.example", &[1; 32]).unwrap();
        let other = NoteSigner::new("log.example", &[2; 32]).unwrap();
        let note = head().sign(&signer).unwrap();
        let opened = SignedCheckpoint::open(&note, &[signer.public().clone()]).unwrap();
        assert_eq!(opened, SignedCheckpoint { checkpoint: head(), signatures: 1 });
        let refused = SignedCheckpoint::open(&note, &[other.public().clone()]);
        assert_eq!(refused, Err(BadCheckpoint::NotSigned(NotSigned::Unknown)));
    }

    #[test]
    fn is_not_any_text_that_the_key_signed() {
        let signer = NoteSigner::new("log.example", &[1; 32]).unwrap();
        let note = signer.sign("notrace/promise@v1\n").unwrap();
        let refused = SignedCheckpoint::open(&note, &[signer.public().clone()]);
        assert_eq!(refused, Err(BadCheckpoint::Form));
        let odd = Checkpoint { origin: "a\nb".to_owned(), ..head() };
        assert_eq!(odd.sign(&signer), Err(BadCheckpoint::Form));
    }
}
