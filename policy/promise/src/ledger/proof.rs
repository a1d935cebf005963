//! The proof file: one entry's place in the log, and the head it is proved against.
//!
//! Source: C2SP `tlog-proof` v1.

use crate::encode::{from_base64, to_base64};
use crate::limits::{PROOF_BYTES_MAX, PROOF_EXTRA_BYTES_MAX, PROOF_HASHES_MAX};
use crate::receipt::Salt;

use super::Hash;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// A proof file's parts. Nothing in it is to be believed before it is verified.
#[derive(Clone, PartialEq, Debug)]
pub struct Proof {
    /// What the application adds. Ours is the salt and the receipt: see [`join_extra`].
    pub extra: Option<Vec<u8>>,
    /// The entry's index in the log.
    pub index: u64,
    /// The way from the entry to the root, lowest first.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, as the log published it.
    pub checkpoint: String,
}

/// Why a text is not a proof file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is not a proof file of the form {FIRST_LINE}")]
pub struct NotAProof;

impl Proof {
    /// The file's text.
    pub fn compose(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        if let Some(extra) = &self.extra {
            text.push_str("extra ");
            text.push_str(&to_base64(extra));
            text.push('\n');
        }
        text.push_str("index ");
        text.push_str(&self.index.to_string());
        text.push('\n');
        for hash in &self.hashes {
            text.push_str(&to_base64(&hash.0));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// The proof that `text` is. Accepts exactly what [`Proof::compose`] makes.
    /// # Errors  [`NotAProof`]
    pub fn parse(text: &str) -> Result<Self, NotAProof> {
        if text.len() > PROOF_BYTES_MAX {
            return Err(NotAProof);
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(NotAProof)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(NotAProof);
        }
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            None => None,
            Some(extra) => {
                lines.next();
                let bytes = from_base64(extra).ok_or(NotAProof)?;
                Some(bytes).filter(|bytes| bytes.len() <= PROOF_EXTRA_BYTES_MAX)
            }
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(|index| index.parse().ok()).ok_or(NotAProof)?;
        let hash = |line| {
            let bytes = from_base64(line).ok_or(NotAProof)?;
            bytes.try_into().map(Hash).map_err(|_| NotAProof)
        };
        let hashes: Vec<Hash> = lines.map(hash).collect::<Result<_, _>>()?;
        let proof = Self { extra, index, hashes, checkpoint: checkpoint.to_owned() };
        let bounded = proof.hashes.len() <= PROOF_HASHES_MAX;
        // Leading zeros and whatever else has two spellings end here.
        (bounded && proof.compose() == text).then_some(proof).ok_or(NotAProof)
    }
}

/// Our extra data: the salt, then the receipt's canonical bytes. The format does not authenticate
/// extra data; ours authenticates itself, because the log's entry is its digest.
pub fn join_extra(salt: &Salt, receipt: &[u8]) -> Vec<u8> {
    [salt.as_slice(), receipt].concat()
}

/// The salt and the receipt's bytes in extra data.
pub fn split_extra(extra: &[u8]) -> Option<(Salt, &[u8])> {
    let (salt, receipt) = extra.split_first_chunk()?;
    Some((*salt, receipt))
}

#[cfg(test)]
mod a_proof {
    use super::*;
    use proptest::prelude::*;

    fn proof() -> Proof {
        Proof {
            extra: Some(b"word".to_vec()),
            index: 10,
            hashes: vec![Hash([1; 32]), Hash([2; 32])],
            checkpoint: "log\n18\n\n— log AAAA\n".to_owned(),
        }
    }

    #[test]
    fn is_the_text_of_its_specification() {
        let text = proof().compose();
        assert_eq!(
            text,
            "c2sp.org/tlog-proof@v1\nextra d29yZA==\nindex 10\n\
             AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n\
             AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\n\n\
             log\n18\n\n— log AAAA\n"
        );
        assert_eq!(Proof::parse(&text), Ok(proof()));
        let bare = Proof { extra: None, hashes: Vec::new(), ..proof() };
        assert_eq!(Proof::parse(&bare.compose()), Ok(bare));
    }

    #[test]
    fn has_one_spelling() {
        let text = proof().compose();
        for (good, bad) in [
            ("@v1", "@v2"),
            ("extra d29yZA==", "extra d29yZA"),
            ("extra d29yZA==", "extra d29yZB=="),
            ("extra d29yZA==\n", "extra d29yZA==\nextra d29yZA==\n"),
            ("index 10", "index 010"),
            ("index 10", "index +10"),
            ("index 10", "index 18446744073709551616"),
            ("index 10\n", ""),
            ("AQE=\n", "AQE=\n\n"),
            ("AQE=\n", "AQEB\n"),
            ("AQE=\n", "AQE=\r\n"),
            ("\n\nlog", "\nlog"),
        ] {
            assert_ne!(Proof::parse(&text.replacen(good, bad, 1)), Ok(proof()), "{bad:?}");
        }
        let endless = Proof { hashes: vec![Hash([0; 32]); 64], ..proof() };
        assert_eq!(Proof::parse(&endless.compose()), Err(NotAProof));
        let large = Proof { extra: Some(vec![0; PROOF_EXTRA_BYTES_MAX + 1]), ..proof() };
        assert_eq!(Proof::parse(&large.compose()), Err(NotAProof));
    }

    #[test]
    fn of_another_implementation_is_understood() {
        // A sample written by another implementation, kept beside checkouts where there is one.
        let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/ledger");
        let Ok(text) = std::fs::read_to_string(format!("{shared}/oak-test.tlog-proof")) else {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "skipped: no sample from another implementation");
            return;
        };
        let proof = Proof::parse(&text).unwrap();
        assert_eq!((proof.index, proof.hashes.len(), &proof.extra), (3, 2, &None));
        assert_eq!(proof.compose(), text);
        let body = proof.checkpoint.split_once("\n\n").unwrap().0;
        let head = crate::ledger::checkpoint::Checkpoint::parse(&format!("{body}\n")).unwrap();
        assert_eq!((head.origin.as_str(), head.size), ("fake.log.origin/log", 4));
    }

    proptest! {
        #[test]
        fn of_anything_never_panics(
            head in "(c2sp.org/tlog-proof@v1\n)?(extra [A-Z]{0,8}\n)?(index [0-9]{0,3}\n)?",
            body in ".{0,40}\n{0,2}.{0,10}",
        ) {
            let text = head + &body;
            if let Ok(proof) = Proof::parse(&text) {
                prop_assert_eq!(proof.compose(), text);
            }
        }
    }
}
