//! The receipt of one run: what ran, under which promise, and what was done to leave nothing.
//!
//! Its bytes are canonical: every receipt has one encoding, and the decoder accepts nothing else.
//! What enters the public log is the digest of these bytes behind a random salt ([`entry`]), so
//! that nobody can tell from the log what ran, and no guess can be confirmed; who holds the proof
//! file holds the salt and can.

use crate::cohosting::{Apart, Cohosting};
use crate::digest::{Digest, Domain};
use crate::encode::{Reader, Writer};
use crate::release::{Failures, Release, Sizes, Times};
use crate::words::words;

/// The version that [`Receipt::encode`] writes.
pub const RECEIPT_VERSION: u8 = 2;

/// What blinds a leaf. Random, used for one receipt, known to the node and the receipt's holder.
pub type Salt = [u8; 32];

words! {
    /// One thing that was done so that nothing is left, or that keeps copies from being made.
    ScrubFact;
    /// What is known to have been done. A fact that is not known to hold is not in the set.
    Scrub;
    /// The worker process was waited for: the kernel reported its end.
    WorkerReaped = "worker-reaped",
    /// The worker had served nobody before.
    SingleUse = "single-use",
    /// The address space is gone, with every page the task wrote.
    AddressSpaceDestroyed = "address-space-destroyed",
    /// The keys of the run were wiped in every process that had them.
    KeysWiped = "keys-wiped",
    /// The keys were kept in pages that the kernel itself does not map.
    SecretMemory = "secret-memory",
    /// The kernel zeroes pages when they are freed.
    KernelZeroOnFree = "kernel-zero-on-free",
    /// No process of the run could have left a core dump.
    NoCoreDumps = "no-core-dumps",
    /// The host had no swap.
    NoSwap = "no-swap",
}

impl Scrub {
    /// Without these, a worker was not destroyed and scrubbed, and no receipt is true.
    pub const REQUIRED: Self = Self::of(&[
        ScrubFact::WorkerReaped,
        ScrubFact::SingleUse,
        ScrubFact::AddressSpaceDestroyed,
        ScrubFact::KeysWiped,
    ]);
}

/// How the scrub was checked afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ScrubCheck {
    /// It was not: the facts are the node's word.
    None,
}

/// What stands behind the node's key. Never claimed upward.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TrustLevel {
    /// A key in software.
    Software,
    /// A TPM 2.0 quote.
    Tpm,
    /// A report of a confidential virtual machine.
    Hardware,
    /// Reports of two independent vendors.
    TwoVendors,
}

/// Who could read the request on its way to the worker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Passage {
    /// The node's edge saw the bytes in passing: plain HTTPS.
    Plain,
    /// Only the worker could open it.
    Sealed,
}

/// How the run ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ended {
    /// With an answer.
    Answered,
    /// The task itself reported a failure.
    Failed,
    /// The task did what WebAssembly forbids.
    Trapped,
    /// Out of fuel.
    FuelExhausted,
    /// Out of time.
    TimeExhausted,
    /// Out of memory.
    MemoryExhausted,
    /// The answer was too long.
    OutputExhausted,
    /// The worker was killed from outside, or broke a rule of its jail.
    Killed,
    /// Only who asked was told, under the seal.
    Withheld,
}

/// Binds the receipt to one request without telling anything of it: a digest under 32 random bytes
/// that the client drew. Who does not know the nonce can neither open nor guess it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Commitment(pub [u8; 32]);

impl Commitment {
    /// Commits to `request`, which may be empty: then the receipt is bound to the nonce alone.
    pub fn to(nonce: &[u8; 32], request: &[u8]) -> Self {
        Self(*Digest::of_parts(Domain::Request, &[nonce, request]).as_bytes())
    }

    /// Whether this is what [`Commitment::to`] makes of them.
    pub fn opens_to(&self, nonce: &[u8; 32], request: &[u8]) -> bool {
        *self == Self::to(nonce, request)
    }
}

/// When a run began and ended, to the minute: enough to place it in a promise's validity and too
/// coarse to match against a traffic capture.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Span {
    began: u32,
    ended: u32,
}

impl Span {
    /// From Unix times in seconds. A clock that was set back in between makes an empty span.
    pub fn between(began_unix_s: u64, ended_unix_s: u64) -> Self {
        let minute = |seconds: u64| u32::try_from(seconds / 60).unwrap_or(u32::MAX);
        let began = minute(began_unix_s);
        Self { began, ended: minute(ended_unix_s).max(began) }
    }

    /// The minute it began in, counted from 1970.
    pub fn began_minute(&self) -> u32 {
        self.began
    }

    /// The minute it ended in, counted from 1970; never before the one it began in.
    pub fn ended_minute(&self) -> u32 {
        self.ended
    }
}

/// What a node states about one run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The module that ran.
    pub task: Digest,
    /// The promise it ran under.
    pub promise: Digest,
    /// The rules that allowed it.
    pub rules: Digest,
    /// The node's configuration.
    pub config: Digest,
    /// The node's keys and evidence.
    pub node: Digest,
    /// What stands behind the node's key.
    pub trust: TrustLevel,
    /// The worker's number. Each start of a worker takes the next: a gap is a missing receipt.
    pub slot: u64,
    /// Who could read the request in passing.
    pub passage: Passage,
    /// The version of the store that the run read, in its 64-bit form.
    pub cut: u64,
    /// The version that its writes became; none if it wrote nothing.
    pub commit: Option<u64>,
    /// How it ended.
    pub ended: Ended,
    /// Binds the receipt to the request.
    pub request: Commitment,
    /// What was done to leave nothing.
    pub scrub: Scrub,
    /// How that was checked.
    pub check: ScrubCheck,
    /// When it ran.
    pub span: Span,
    /// What of it showed outside. Of a plain run the sizes and failures did.
    pub release: Release,
    /// Who could be beside it.
    pub cohosting: Cohosting,
    /// What kept it apart from those.
    pub apart: Apart,
}

/// Why bytes are not a receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAReceipt {
    /// They end early, go on too long, or spell a value in another way than we do.
    #[error("these bytes are not a receipt")]
    Form,
    /// They are a receipt of a version that this program does not know.
    #[error("the receipt is of a later version; use a newer program to read it")]
    Version,
}

macro_rules! coded {
    ($($type:ident { $($name:ident = $code:literal,)+ })+) => {$(
        impl $type {
            /// The value as one byte.
            pub const fn code(self) -> u8 {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// The value of a byte, if there is one.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)+
                    _ => None,
                }
            }
        }
    )+};
}

coded! {
    ScrubCheck { None = 0, }
    TrustLevel { Software = 0, Tpm = 1, Hardware = 2, TwoVendors = 3, }
    Passage { Plain = 0, Sealed = 1, }
    Ended {
        Answered = 0,
        Failed = 1,
        Trapped = 2,
        FuelExhausted = 3,
        TimeExhausted = 4,
        MemoryExhausted = 5,
        OutputExhausted = 6,
        Killed = 7,
        Withheld = 8,
    }
}

impl Receipt {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::default()
            .u8(RECEIPT_VERSION)
            .bytes(self.task.as_bytes())
            .bytes(self.promise.as_bytes())
            .bytes(self.rules.as_bytes())
            .bytes(self.config.as_bytes())
            .bytes(self.node.as_bytes())
            .u8(self.trust.code())
            .u64(self.slot)
            .u8(self.passage.code())
            .u64(self.cut);
        let writer = match self.commit {
            None => writer.u8(0),
            Some(version) => writer.u8(1).u64(version),
        };
        writer
            .u8(self.ended.code())
            .bytes(&self.request.0)
            .u16(self.scrub.bits())
            .u8(self.check.code())
            .u32(self.span.began)
            .u32(self.span.ended)
            .u8(self.release.sizes.code())
            .u8(self.release.times.code())
            .u8(self.release.failures.code())
            .u8(self.cohosting.code())
            .u16(self.apart.bits())
            .done()
    }

    /// The receipt that these bytes are, all of them.
    /// # Errors  [`NotAReceipt`]
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAReceipt> {
        let mut reader = Reader::new(bytes);
        match reader.u8() {
            Some(RECEIPT_VERSION) => {}
            Some(later) if later > RECEIPT_VERSION => return Err(NotAReceipt::Version),
            _ => return Err(NotAReceipt::Form),
        }
        let receipt = Self::decode_fields(&mut reader).ok_or(NotAReceipt::Form)?;
        reader.is_empty().then_some(receipt).ok_or(NotAReceipt::Form)
    }

    fn decode_fields(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            task: Digest::from_bytes(reader.array()?),
            promise: Digest::from_bytes(reader.array()?),
            rules: Digest::from_bytes(reader.array()?),
            config: Digest::from_bytes(reader.array()?),
            node: Digest::from_bytes(reader.array()?),
            trust: TrustLevel::from_code(reader.u8()?)?,
            slot: reader.u64()?,
            passage: Passage::from_code(reader.u8()?)?,
            cut: reader.u64()?,
            commit: match reader.u8()? {
                0 => None,
                1 => Some(reader.u64()?),
                _ => return None,
            },
            ended: Ended::from_code(reader.u8()?)?,
            request: Commitment(reader.array()?),
            scrub: Scrub::from_bits(reader.u16()?)?,
            check: ScrubCheck::from_code(reader.u8()?)?,
            span: {
                let (began, ended) = (reader.u32()?, reader.u32()?);
                (began <= ended).then_some(Span { began, ended })?
            },
            release: Release {
                sizes: Sizes::from_code(reader.u8()?)?,
                times: Times::from_code(reader.u8()?)?,
                failures: Failures::from_code(reader.u8()?)?,
            },
            cohosting: Cohosting::from_code(reader.u8()?)?,
            apart: Apart::from_bits(reader.u16()?)?,
        })
    }
}

/// What enters the log for a receipt with these canonical bytes: 32 bytes that say nothing.
pub fn entry(salt: &Salt, receipt: &[u8]) -> [u8; 32] {
    *Digest::of_parts(Domain::Receipt, &[salt, receipt]).as_bytes()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cohosting::ApartFact;
    use proptest::prelude::*;

    pub(crate) fn sample(seed: u8) -> Receipt {
        Receipt {
            task: Digest::of(Domain::Module, &[seed]),
            promise: Digest::of(Domain::Promise, b"p"),
            rules: Digest::of(Domain::Rules, b"r"),
            config: Digest::of(Domain::Config, b"c"),
            node: Digest::of(Domain::Node, b"n"),
            trust: TrustLevel::Software,
            slot: u64::from(seed),
            passage: Passage::Plain,
            cut: 1 << 32 | 42,
            commit: Some(1 << 32 | 43).filter(|_| seed.is_multiple_of(2)),
            ended: Ended::Answered,
            request: Commitment::to(&[seed; 32], b"question"),
            scrub: Scrub::REQUIRED.with(ScrubFact::NoCoreDumps),
            check: ScrubCheck::None,
            span: Span::between(1_795_305_600, 1_795_305_661),
            release: Release { sizes: Sizes::Powers, ..Release::OPEN },
            cohosting: Cohosting::TenantExclusiveCore,
            apart: Apart::of(&[ApartFact::CoreAlone]),
        }
    }

    mod a_receipt {
        use super::*;

        #[test]
        fn comes_back_from_its_bytes() {
            for seed in 0..9 {
                let mut receipt = sample(seed);
                receipt.ended = Ended::from_code(seed).unwrap();
                receipt.trust = TrustLevel::from_code(seed % 4).unwrap();
                assert_eq!(Receipt::decode(&receipt.encode()), Ok(receipt));
            }
        }

        #[test]
        fn has_the_bytes_it_had_when_the_format_was_fixed() {
            let bytes = sample(2).encode();
            assert_eq!(bytes.len(), 238);
            assert_eq!(
                Digest::of(Domain::Module, &bytes).to_string(),
                "sha256:0dd24bd378fbf6aeb0e182535285f41054ab36b41717ab1839db89b4bd90eec8"
            );
        }

        #[test]
        fn of_a_later_version_is_not_guessed_at() {
            let mut bytes = sample(0).encode();
            bytes[0] = 3;
            assert_eq!(Receipt::decode(&bytes), Err(NotAReceipt::Version));
            bytes[0] = 0;
            assert_eq!(Receipt::decode(&bytes), Err(NotAReceipt::Form));
        }

        #[test]
        fn ends_where_it_ends() {
            for seed in [0, 1] {
                let bytes = sample(seed).encode();
                for length in 0..bytes.len() {
                    assert_eq!(Receipt::decode(&bytes[..length]), Err(NotAReceipt::Form));
                }
                let longer = [bytes.as_slice(), &[0]].concat();
                assert_eq!(Receipt::decode(&longer), Err(NotAReceipt::Form));
            }
        }

        #[test]
        fn cannot_end_before_it_began() {
            let mut bytes = sample(0).encode();
            let last = bytes.len() - 7;
            bytes[last] = bytes[last].wrapping_sub(200);
            assert_eq!(Receipt::decode(&bytes), Err(NotAReceipt::Form));
            assert_eq!(Span::between(600, 0).ended_minute(), 10);
        }

        #[test]
        fn is_blinded_by_its_salt() {
            let bytes = sample(0).encode();
            assert_ne!(entry(&[1; 32], &bytes), entry(&[2; 32], &bytes));
        }
    }

    #[test]
    fn a_commitment_opens_to_its_request_only() {
        let commitment = Commitment::to(&[7; 32], b"heart rate 61");
        assert!(commitment.opens_to(&[7; 32], b"heart rate 61"));
        assert!(!commitment.opens_to(&[7; 32], b"heart rate 62"));
        assert!(!commitment.opens_to(&[8; 32], b"heart rate 61"));
    }

    #[test]
    fn a_set_of_facts_covers_what_is_in_it() {
        let more = Scrub::REQUIRED.with(ScrubFact::NoSwap);
        assert!(more.covers(Scrub::REQUIRED) && !Scrub::REQUIRED.covers(more));
        assert_eq!(
            Scrub::of(&[ScrubFact::NoSwap, ScrubFact::SingleUse]).to_string(),
            "single-use no-swap"
        );
        assert_eq!(Scrub::from_bits(1 << 15), None);
    }

    proptest! {
        #[test]
        fn bytes_that_decode_are_the_ones_that_encode(
            seed in any::<u8>(),
            place in 0usize..247,
            byte in any::<u8>(),
        ) {
            let mut bytes = sample(seed).encode();
            if let Some(changed) = bytes.get_mut(place) {
                *changed = byte;
            }
            if let Ok(receipt) = Receipt::decode(&bytes) {
                prop_assert_eq!(receipt.encode(), bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(receipt) = Receipt::decode(&bytes) {
                prop_assert_eq!(receipt.encode(), bytes);
            }
        }
    }
}
